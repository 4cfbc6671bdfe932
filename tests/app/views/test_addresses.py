"""Addresses that make no sense open the page as it is at first."""

from __future__ import annotations

import pytest

pytest.importorskip("streamlit")

from streamlit.testing.v1 import AppTest

from app.views import layout

NAMES = (
    "clip", "frame", "steps", "hypotheses", "eta", "seed", "setting", "trained_on", "schedule", "noise", "layout",
    "joint", "components", "draws", "lesson", "table", "metric", "report", "measured_schedule", "ablation", "card",
)  # fmt: skip


@pytest.mark.usefixtures("trained_weights")
@pytest.mark.parametrize("view, value", [("Forward", ""), ("Forward", "nonsense\x1b[31m"), ("Results", "")])
def test_parameters_without_sense_take_nothing_away(app: AppTest, view: str, value: str) -> None:
    for name in NAMES:
        app.query_params[name] = value
    app.query_params["view"] = view
    app.run()
    assert not app.exception and not app.error


def test_a_choice_that_an_address_takes_away_is_the_first_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layout.st, "segmented_control", lambda *_, **__: None)
    assert layout.choice("Schedule", ["supplement", "converging"], "schedule", "help") == "supplement"
