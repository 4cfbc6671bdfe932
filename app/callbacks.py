"""What a person did is done whole: a callback of Streamlit's does not end halfway."""

from __future__ import annotations

from functools import wraps
from typing import Any

from streamlit.runtime.state.safe_session_state import SafeSessionState


def finish_callbacks() -> None:
    """Make Streamlit begin a run with all that the browser told of, and with callbacks that run to their end.

    Once the page is to be drawn anew, a run ends wherever it next uses session state: a callback at its beginning too,
    or the run before it has looked at what it was begun for. Who closed a dialog and clicked something else within
    milliseconds found it open again, and a file that came after it waited. What is to be drawn anew then is drawn after
    the callbacks.
    """
    if hasattr(SafeSessionState.on_script_will_rerun, "__wrapped__"):
        return
    begin = SafeSessionState.on_script_will_rerun

    @wraps(begin)
    def begin_whole(self: Any, *args: Any, **kwargs: Any) -> None:
        end_if_asked = self._yield_callback
        object.__setattr__(self, "_yield_callback", lambda: None)
        try:
            begin(self, *args, **kwargs)
        finally:
            object.__setattr__(self, "_yield_callback", end_if_asked)

    SafeSessionState.on_script_will_rerun = begin_whole  # type: ignore[method-assign]
