"""Live lifting: each pose is that of `lift` on its picture alone; what is known of the clip comes from the past."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from diffpose_core.io.detectors.detector import Detector, Found
from diffpose_core.io.formats.layouts import LAYOUTS
from diffpose_core.io.video_file import opened, pictures
from diffpose_core.lifting import live as module
from diffpose_core.lifting.lift import lift
from diffpose_core.lifting.live import LiveLift
from diffpose_core.lifting.settings import LiftSettings
from diffpose_core.structures import InvalidInput, PoseClip2D
from tests.demo_video import demo_video, real_weights
from tests.lifting.helpers import FEW

LAYOUT = LAYOUTS["Human3.6M-17"]
SETTINGS = LiftSettings(steps=2, hypotheses=3, uncertainty=FEW, mixed_precision=False)
IMAGE = np.zeros((480, 640, 3), np.uint8)


class Seen:
    """A detector that has been told what is in each picture, frames of a clip; None: nobody."""

    def __init__(self, clip: PoseClip2D, frames: list[int | None]) -> None:
        self.clip, self.frames, self.restarts = clip, list(frames), 0

    @property
    def detector(self) -> Detector:
        return Detector("told", LAYOUT, self.detect, self.restart)

    def restart(self) -> None:
        self.restarts += 1

    def detect(self, image: np.ndarray) -> Found:
        frame = self.frames.pop(0)
        rows = slice(0, 0) if frame is None else slice(frame, frame + 1)
        mixture = self.clip.mixture.frames(rows)
        mixtures = np.concatenate((mixture.weights[..., None], mixture.means_px, mixture.variances_px2), -1)
        return Found(self.clip.keypoints_px[rows], np.full((len(mixtures), 17), 0.9), mixtures)


def alone(clip: PoseClip2D, frame: int) -> PoseClip2D:
    """A frame of a clip as a live picture shows it: nothing but the detector's mixtures."""
    one = clip.frames(slice(frame, frame + 1))
    return replace(
        one, keypoints_px=one.mixture.argmax_px, confidence=np.full((1, 17), 0.9, np.float32), width=640, height=480,
        pose3d_cam=None, intrinsics=None, hidden=None,
    )  # fmt: skip


def test_a_pose_is_that_of_its_picture_alone(walking_clip, tiny_models):
    live = LiveLift(tiny_models, Seen(walking_clip, [3, 9]).detector, SETTINGS)
    for frame in (3, 9):
        pose = live.step(IMAGE)
        expected = lift(alone(walking_clip, frame), tiny_models, replace(SETTINGS, up=None, body=None))
        np.testing.assert_allclose(pose.pose3d, expected.pose3d[0], atol=1e-5)
        np.testing.assert_allclose(pose.hypotheses, expected.hypotheses[0], atol=1e-5)
        assert pose.latency_s == pose.detect_s + pose.lift_s > 0


def test_tilt_and_body_come_from_the_pictures_so_far(walking_clip, shipped_models):
    frames = [*range(64), 64]
    live = LiveLift(
        shipped_models, Seen(walking_clip, frames).detector, LiftSettings(steps=1, hypotheses=2, uncertainty=FEW)
    )
    for _ in range(31):
        live.step(IMAGE)
    assert live.settings.body is None and live.settings.up is None
    for _ in range(33):
        live.step(IMAGE)
    assert live.settings.body is not None and len(live.settings.body) == 9
    pose = live.step(IMAGE)
    expected = lift(alone(walking_clip, 64), shipped_models, live.settings)
    np.testing.assert_allclose(pose.pose3d, expected.pose3d[0], atol=1e-4)
    live.forget()
    assert live.settings.body is None


def test_what_is_given_stays(walking_clip, shipped_models):
    asked = LiftSettings(steps=1, hypotheses=2, up=(0.0, -1.0, 0.0), body=None, uncertainty=FEW)
    live = LiveLift(shipped_models, Seen(walking_clip, list(range(40))).detector, asked)
    for _ in range(40):
        live.step(IMAGE)
    assert live.settings.up == (0.0, -1.0, 0.0) and live.settings.body is None


def test_nobody_is_no_pose_and_after_a_while_all_is_forgotten(walking_clip, tiny_models):
    seen = Seen(walking_clip, [0, *[None] * module._FORGET_AFTER, 1])
    live = LiveLift(tiny_models, seen.detector, SETTINGS)
    assert live.step(IMAGE) is not None
    begun = seen.restarts
    assert [live.step(IMAGE) for _ in range(module._FORGET_AFTER)] == [None] * module._FORGET_AFTER
    assert seen.restarts == begun + 1
    assert live.step(IMAGE) is not None


def test_after_a_pause_the_person_is_looked_for_again(walking_clip, tiny_models):
    seen = Seen(walking_clip, [0, 1, 2, 3])
    live = LiveLift(tiny_models, seen.detector, SETTINGS)
    begun = seen.restarts
    for time_s, restarts in ((0.0, 0), (0.1, 0), (0.9, 1), (1.0, 1)):
        live.step(IMAGE, time_s)
        assert seen.restarts == begun + restarts, time_s


def test_of_several_people_the_surest_is_lifted(walking_clip, tiny_models):
    two = Found(walking_clip.keypoints_px[[0, 40]], np.stack([np.full(17, 0.4), np.full(17, 0.8)]))
    live = LiveLift(tiny_models, Detector("two", LAYOUT, lambda image: two), SETTINGS)
    np.testing.assert_allclose(live.step(IMAGE).keypoints_px, walking_clip.keypoints_px[40], atol=1e-3)


def test_networks_of_video_are_refused(walking_clip, tiny_video_models):
    with pytest.raises(InvalidInput, match="single frames"):
        LiveLift(tiny_video_models, Seen(walking_clip, []).detector)


@pytest.mark.slow
def test_a_real_video_frame_by_frame(tmp_path_factory, monkeypatch, shipped_models):
    pytest.importorskip("av", reason="needs what the extra `video` installs")
    pytest.importorskip("ai_edge_litert", reason="needs what the extra `video` installs")
    monkeypatch.setenv("DIFFPOSE_BLAZEPOSE", str(tmp_path_factory.getbasetemp() / "blazepose"))
    real_weights()
    live, poses = LiveLift(shipped_models), []
    with opened(demo_video(), "walk.mp4") as container:
        for number, picture in enumerate(pictures(container, "walk.mp4")):
            poses.append(live.step(picture.image))
            if number == 11:
                break
    assert all(pose is not None for pose in poses)
    path = np.stack([pose.pose3d for pose in poses])
    assert np.abs(np.diff(path, axis=0)).max() < 0.35, "nobody jumps"
    assert 1.0 < (path[:, [3, 6], 1].mean(1) - path[:, 10, 1]).mean() < 2.0, "head to ankles, metres"
    assert all(0.01 < pose.expected_error.mean() < 0.3 for pose in poses)
