"""Callbacks are done whole, whatever the browser asks for meanwhile."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("streamlit")

from streamlit.runtime.scriptrunner_utils.exceptions import RerunException
from streamlit.runtime.scriptrunner_utils.script_requests import RerunData
from streamlit.runtime.state.safe_session_state import SafeSessionState

from app.callbacks import finish_callbacks


class State(dict[str, Any]):
    """Session state with one callback, during which the page is asked to be drawn anew."""

    asked = False

    def on_script_will_rerun(self, *_: Any, **__: Any) -> None:
        self.asked = True
        safe = self["safe"]
        safe["dialog"] = "left"


def begun(asked_before: bool) -> State:
    finish_callbacks()
    finish_callbacks()  # every run of the script says so
    state = State()

    def end_if_asked() -> None:
        if state.asked:
            raise RerunException(RerunData())

    state["safe"] = SafeSessionState(state, end_if_asked)  # type: ignore[arg-type]
    state.asked = asked_before
    return state


@pytest.mark.parametrize("asked_before", [False, True])
def test_callbacks_are_done_although_the_page_is_to_be_drawn_anew(asked_before: bool) -> None:
    state = begun(asked_before)
    safe = state["safe"]
    safe.on_script_will_rerun(None)
    assert state["dialog"] == "left"
    with pytest.raises(RerunException):
        safe["dialog"]
