"""Driving the uploads without a browser: a file is sent, buttons are pressed, the dialog's words are read."""

from __future__ import annotations

from typing import Any

from streamlit.testing.v1 import AppTest

from app.widgets.uploads import OwnClip, Uploads
from benchmarks.pose_files import detected, videopose3d, walking
from diffpose_core.structures import PoseClip2D

COCO = detected(walking(8), "COCO-17")


def send(app: AppTest, *files: tuple[str, bytes]) -> None:
    app.file_uploader[-1].set_value([(name, content, "") for name, content in files]).run()
    assert not app.exception


def press(app: AppTest, label: str) -> None:
    next(button for button in app.button if button.label == label).click().run()
    assert not app.exception


def choice(app: AppTest, label: str) -> Any:
    """The choice among pictures of this name."""
    return next(found for found in app.segmented_control if found.label == label)


def pick(app: AppTest, label: str, option: str) -> None:
    choice(app, label).set_value(option).run()
    assert not app.exception


def labels(app: AppTest) -> list[str]:
    return [button.label for button in app.button]


def state(app: AppTest) -> Uploads:
    return app.session_state["uploads"]


def own(app: AppTest) -> dict[str, OwnClip]:
    return state(app).own


def newest(app: AppTest) -> PoseClip2D:
    return next(iter(own(app).values())).clip


def said(app: AppTest) -> str:
    return " ".join(e.value for kind in (app.markdown, app.caption, app.warning) for e in kind).replace("\\", "")


def ambiguous() -> bytes:
    return videopose3d({"S1": {"Walking": [COCO[..., :2]]}}, layout=None)
