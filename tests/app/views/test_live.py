"""The view Live as Streamlit runs it: it asks before it downloads, and a recording takes the way of an upload."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

pytest.importorskip("streamlit")

from streamlit.testing.v1 import AppTest

from app.jobs.live import LiveSession
from app.session import AppSettings
from app.views import live
from app.widgets.uploads import Pending, Uploads
from tests.app.jobs.test_live import DETECTOR, jpeg, person

pytestmark = pytest.mark.usefixtures("trained_weights")


def test_without_weights_nothing_is_downloaded_before_a_click(
    app: AppTest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("ai_edge_litert", reason="needs what the extra `video` installs")
    monkeypatch.setenv("DIFFPOSE_BLAZEPOSE", str(tmp_path))
    app.session_state["view"] = "Live"
    app.run()
    assert not app.exception and not app.error
    assert "not on this machine yet" in app.info[0].value
    assert [button.label for button in app.button if button.key == "live_weights"] == ["Download the weights"]
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def state(monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    """The session's state that the view's callback works with."""
    state: dict[str, object] = {"uploads": Uploads()}
    monkeypatch.setattr(live, "st", SimpleNamespace(session_state=state))
    monkeypatch.setattr(live, "uploads", lambda: state["uploads"])
    return state


def test_a_recording_waits_to_be_confirmed_like_a_video(state: dict[str, object], walking_clip: object) -> None:
    camera = LiveSession(lambda: SimpleNamespace(detector=DETECTOR), "")  # type: ignore[arg-type, return-value]
    camera.begin()
    for number in range(20):
        camera.recording.add(number / 20, person(walking_clip, number), (640, 480), jpeg())
    state[live._CAMERA] = AppSettings(), camera
    live._keep()
    pending = state["uploads"].pending  # type: ignore[attr-defined]
    assert isinstance(pending, Pending) and pending.pictures is not None
    assert len(pending.poses.clips[0].tracks[0]) == 20 and pending.poses.name == "camera"
    assert state["view"] == "Overview"


def test_nothing_to_keep_is_said(state: dict[str, object]) -> None:
    live._keep()
    assert state["uploads"].refused is None  # type: ignore[attr-defined]
    state[live._CAMERA] = AppSettings(), LiveSession(lambda: None, "")  # type: ignore[arg-type, return-value]
    live._keep()
    assert "the camera was not on yet" in state["uploads"].refused  # type: ignore[attr-defined]
    assert "view" not in state
