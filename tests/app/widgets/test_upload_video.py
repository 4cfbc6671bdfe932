"""Videos in the app: searched with a made-up detector, confirmed like a file, cancelled, refused."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest

pytest.importorskip("streamlit")

from PIL import Image
from streamlit.testing.v1 import AppTest

from app.widgets import find_people, other_ways, uploader
from diffpose_core.io.detectors import DetectorKind
from diffpose_core.io.detectors.detector import Detector, Found
from diffpose_core.io.formats.layouts import COCO17
from diffpose_core.structures import InvalidInput
from tests.app.widgets.uploading import COCO, labels, newest, own, press, said, send, state
from tests.io.test_video import made_video


class MadeUp:
    """A made-up detector in BlazePose's place; what was asked of it."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.network = True

    def people(self, image: np.ndarray) -> Found:
        self.asked.append("look")
        return Found(COCO[:1, :, :2] / 20, COCO[:1, :, 2])

    def load(self) -> Detector:
        self.asked.append("load")
        return Detector("MadeUp", COCO17, self.people)

    def download(self, progress: Any) -> None:
        if not self.network:
            raise InvalidInput("no network")
        self.asked.append("download")


@pytest.fixture
def detector(monkeypatch: pytest.MonkeyPatch) -> MadeUp:
    made = MadeUp()
    kind = DetectorKind(
        "MadeUp", "video", "17 joints", "3 bytes from nowhere",
        lambda: True, lambda: "download" in made.asked, made.download, made.load,
    )  # fmt: skip
    for module in (uploader, find_people):
        monkeypatch.setattr(module, "DETECTORS", {"madeup": kind})
    return made


def test_without_the_extra_the_way_to_get_it_is_named(app: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploader, "DETECTORS", {})
    send(app, ("walk.mp4", made_video()))
    assert 'pip install ".[video]"' in app.error[0].value.replace("\\", "")


def test_a_video_goes_through_a_detector_and_is_confirmed_like_a_file(app: AppTest, detector: MadeUp) -> None:
    send(app, ("walk.mp4", made_video()))
    assert "64 x 48 px, 6 frames, 25 frames a second" in said(app)
    assert "not on this machine yet" in app.info[0].value and "3 bytes from nowhere" in app.info[0].value
    assert not detector.asked, "nothing is downloaded before it is asked for"
    press(app, "Download and find the people")
    assert detector.asked == ["download", "load", *["look"] * 6]
    assert "MadeUp looked for people in walk.mp4" in said(app).replace("*", "")
    press(app, "Use this clip")
    assert len(newest(app)) == 6 and newest(app).fps == 25.0
    kept = next(iter(state(app).own.values()))
    assert b'"frames": [0, 1, 2, 3, 4, 5]' in kept.footage and kept.source.encode() in kept.footage


def test_the_demo_video_is_fetched_on_request_and_searched(
    app: AppTest, detector: MadeUp, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched: list[int] = []

    def demo(progress: Any) -> bytes:
        progress(10, 100)
        fetched.append(1)
        return made_video(6)

    monkeypatch.setattr(other_ways, "demo_video", demo)
    press(app, "No file at hand?")
    assert "BSD 3-Clause licence" in said(app) and "49 MiB" in said(app) and not fetched
    press(app, "Fetch the demo video")
    assert fetched and "balancing.mp4" in said(app)
    press(app, "Download and find the people")
    press(app, "Use this clip")
    assert len(newest(app)) == 6 and "No file at hand?" in labels(app)


def test_a_demo_video_that_can_t_be_had_is_told(app: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    def demo(progress: Any) -> bytes:
        raise InvalidInput("The demo videos can't be downloaded")

    monkeypatch.setattr(other_ways, "demo_video", demo)
    press(app, "No file at hand?")
    press(app, "Fetch the demo video")
    assert any("can't be downloaded" in error.value for error in app.error) and state(app).pending is None


def test_a_picture_is_a_clip_of_one_frame(app: AppTest, detector: MadeUp) -> None:
    file = io.BytesIO()
    Image.fromarray(np.full((300, 480, 3), 90, np.uint8)).save(file, "JPEG")
    state(app).brought = {"camera.jpg": file.getvalue()}
    app.run()
    assert "480 x 300 px, 1 frames" in said(app)
    press(app, "Download and find the people")
    press(app, "Use this clip")
    assert len(newest(app)) == 1 and (newest(app).width, newest(app).height) == (480, 300)


def test_pictures_of_a_video_are_not_kept_where_they_are_not_wanted(app: AppTest, detector: MadeUp) -> None:
    send(app, ("walk.mp4", made_video()))
    next(t for t in app.toggle if t.label.startswith("Show the video")).set_value(False)
    press(app, "Download and find the people")
    press(app, "Use this clip")
    assert next(iter(state(app).own.values())).footage == b""


def test_a_video_that_is_cancelled_leaves_everything_as_it_was(app: AppTest, detector: MadeUp) -> None:
    kept = {key: app.session_state[key] for key in ("clip", "frame", "seed", "view")}
    send(app, ("walk.mp4", made_video()))
    press(app, "Cancel")
    assert {key: app.session_state[key] for key in kept} == kept and not own(app) and not detector.asked
    assert state(app).pending is None and "Download and find the people" not in labels(app)


def test_weights_that_cannot_be_had_are_told_and_can_be_tried_again(app: AppTest, detector: MadeUp) -> None:
    detector.network = False
    send(app, ("walk.mp4", made_video()))
    press(app, "Download and find the people")
    assert any("no network" in error.value for error in app.error)
    detector.network = True
    press(app, "Try again")
    assert "Use this clip" in labels(app)


def test_a_part_of_a_video_and_one_that_holds_nothing(app: AppTest, detector: MadeUp) -> None:
    send(app, ("walk.mp4", made_video(12)))
    start, end, every = (n for n in app.number_input if n.label in ("From second", "To second", "Every nth frame"))
    start.set_value(0.3)
    end.set_value(0.1)
    press(app, "Download and find the people")
    assert any("a part ends after it begins" in error.value for error in app.error) and not detector.asked
    start, end, every = (n for n in app.number_input if n.label in ("From second", "To second", "Every nth frame"))
    end.set_value(None)
    start.set_value(0.0)
    every.set_value(3)
    press(app, "Try again")
    assert detector.asked.count("look") == 4
    press(app, "Use this clip")
    assert newest(app).fps == pytest.approx(25 / 3)
