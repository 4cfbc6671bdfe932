"""The direction up: given or estimated from a clip, and its effect on poses."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from diffpose_core.camera import look_at_camera
from diffpose_core.cli import main
from diffpose_core.config import UncertaintyConfig
from diffpose_core.datasets.detector import clip_from_motion
from diffpose_core.datasets.mocap17 import motion_set, save_mocap17
from diffpose_core.datasets.procedural import procedural_motion
from diffpose_core.evaluation.evaluate import EvaluationSettings, evaluate
from diffpose_core.lifting.encode import encode_clip
from diffpose_core.lifting.lift import lift
from diffpose_core.lifting.models import Models
from diffpose_core.lifting.settings import LiftSettings
from diffpose_core.lifting.tilt import estimate_tilt, up_of_tilt
from diffpose_core.structures import InvalidInput, PoseClip2D

FEW = UncertaintyConfig(num_samples=100)


def degrees_between(one: np.ndarray, other: np.ndarray) -> float:
    cosine = np.dot(one, other) / np.linalg.norm(one) / np.linalg.norm(other)
    return float(np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0))))


def true_up(motion: np.ndarray, position: np.ndarray) -> np.ndarray:
    camera = look_at_camera(position, motion[:, 0].mean(0))
    return camera.to_cam(np.array([0.0, 0.0, 1.0])) - camera.to_cam(np.zeros(3))


@pytest.fixture(scope="module")
def motion() -> np.ndarray:
    return procedural_motion("walk", 3, 2.5)[:70]


def test_up_of_a_tilted_camera(motion: np.ndarray) -> None:
    assert np.allclose(up_of_tilt(0.0), [0.0, -1.0, 0.0])
    for height in (0.2, 1.5, 4.0):
        position = np.array([4.0, 2.0, height])
        down = position - motion[:, 0].mean(0)
        tilt = float(np.degrees(np.arctan2(down[2], np.hypot(down[0], down[1]))))
        assert np.allclose(up_of_tilt(tilt), true_up(motion, position), atol=1e-5), height
    for tilt in (81.0, -90.0, float("nan")):
        with pytest.raises(InvalidInput, match="a camera's tilt must lie between -80 and 80 degrees, found"):
            up_of_tilt(tilt)


@pytest.mark.parametrize("height", [0.5, 1.5, 3.0])
def test_the_tilt_is_estimated_from_a_clip(motion: np.ndarray, shipped_models: Models, height: float) -> None:
    position = np.array([4.0, 2.0, height])
    camera = look_at_camera(position, motion[:, 0].mean(0))
    clip = clip_from_motion("walk", motion, camera, 30.0, 4)
    tilt = estimate_tilt(clip, shipped_models)
    assert tilt.up_cam.shape == (3,) and np.isclose(np.linalg.norm(tilt.up_cam), 1.0)
    # A motion that was made by rules, not captured.
    assert degrees_between(tilt.up_cam, true_up(motion, position)) < 10.0
    assert 0.005 < tilt.std < 0.3 and tilt.steady


def test_a_camera_that_moves_is_not_steady(motion: np.ndarray, shipped_models: Models) -> None:
    """The first half is seen from the floor, the second from above: no one direction is up."""
    halves = [
        clip_from_motion("walk", motion, look_at_camera(np.array(place), motion[:, 0].mean(0)), 30.0, 4)
        for place in ([3.0, 2.0, 0.1], [2.0, 1.5, 4.0])
    ]
    clip, above = halves
    points = np.concatenate((clip.keypoints_px[:35], above.keypoints_px[35:]))
    turned = replace(clip, keypoints_px=points, mixture=None)
    assert estimate_tilt(clip, shipped_models).steady
    assert not estimate_tilt(turned, shipped_models).steady
    result = lift(turned, shipped_models, LiftSettings(up="auto", uncertainty=FEW), frames=[0])
    assert result.provenance["settings"]["up"] is None
    few = estimate_tilt(clip.frames(slice(0, 4)), shipped_models)
    assert not few.steady, "four frames don't show whether a camera stands still"


def test_a_frame_is_what_it_is_whichever_others_are_asked_for(walking_clip: PoseClip2D, shipped_models: Models) -> None:
    settings = LiftSettings(rigid_bones=False, mixed_precision=False, uncertainty=FEW)
    tilt = estimate_tilt(walking_clip, shipped_models)
    whole = lift(walking_clip, shipped_models, replace(settings, up="estimate"))
    given = replace(settings, up=3.0 * tilt.up_cam, up_std=tilt.std)
    some = lift(walking_clip, shipped_models, given, frames=[40, 3])
    assert np.allclose(whole.pose3d[[40, 3]], some.pose3d, atol=1e-5)
    record = whole.provenance["settings"]
    assert np.allclose(record["up"], tilt.up_cam, atol=1e-5) and record["up_estimated"] is True
    assert some.provenance["settings"]["up_estimated"] is False
    plain = lift(walking_clip, shipped_models, replace(settings, up=None))
    assert plain.provenance["settings"]["up"] is None
    assert not np.allclose(plain.pose3d, whole.pose3d, atol=1e-4)


def test_by_default_the_tilt_of_a_camera_that_stands_still_is_used(
    walking_clip: PoseClip2D, shipped_models: Models
) -> None:
    found = lift(walking_clip, shipped_models, LiftSettings(uncertainty=FEW), frames=[3])
    assert found.provenance["settings"]["up_estimated"] is True


def test_a_given_direction_counts_more_the_surer_it_is(walking_clip: PoseClip2D, shipped_models: Models) -> None:
    def lean(std: float) -> float:
        settings = LiftSettings(uncertainty=FEW, up=up_of_tilt(25.0), up_std=std)
        trunk = encode_clip(walking_clip, shipped_models, [3], settings).baseline[0, 8]
        return float(np.degrees(np.arctan2(-trunk[2], -trunk[1])))

    unknown = encode_clip(walking_clip, shipped_models, [3], LiftSettings(uncertainty=FEW, up=None)).baseline[0, 8]
    start = float(np.degrees(np.arctan2(-unknown[2], -unknown[1])))
    assert abs(lean(0.01) - start) > abs(lean(0.2) - start)
    with pytest.raises(InvalidInput, match=r"up_std must lie between 0 and 1\.0 radians, found 2"):
        LiftSettings(up_std=2.0)


def test_everything_leans_with_the_camera(walking_clip: PoseClip2D, shipped_models: Models) -> None:
    """A camera that is said to look down more makes the person lean back: the baseline, H_K and the prediction."""
    leans = {}
    for tilt in (-5.0, 10.0, 25.0):
        ready = encode_clip(walking_clip, shipped_models, [3, 30], LiftSettings(uncertainty=FEW, up=up_of_tilt(tilt)))
        poses = {"baseline": ready.baseline, "H_K": ready.h_samples.mean(1)}
        poses["lift"] = lift(
            walking_clip, shipped_models, LiftSettings(up=up_of_tilt(tilt), uncertainty=FEW), frames=[3, 30]
        ).pose3d
        for name, pose in poses.items():
            trunk = pose[:, 8] - pose[:, 0]
            leans.setdefault(name, []).append(np.degrees(np.arctan2(-trunk[:, 2], -trunk[:, 1])).mean())
    for name, angles in leans.items():
        assert np.all(np.diff(angles) > 3.0), (name, angles)


def test_what_is_no_direction_is_refused(
    walking_clip: PoseClip2D, tiny_models: Models, tiny_video_models: Models, shipped_models: Models
) -> None:
    for up in ([0, 0, 0], [0, -1], [0, float("nan"), 1], "down"):
        with pytest.raises(InvalidInput, match="up must be"):
            lift(walking_clip, shipped_models, LiftSettings(up=up))  # type: ignore[arg-type]
    for models, words in ((tiny_models, "the weights of Graformer"), (tiny_video_models, "the weights of MixSTE")):
        assert (
            lift(walking_clip, models, LiftSettings(uncertainty=FEW), frames=[0]).provenance["settings"]["up"] is None
        )
        for up in ("estimate", up_of_tilt(0.0)):
            with pytest.raises(InvalidInput, match=f"{words} were trained without the camera's tilt"):
                lift(walking_clip, models, LiftSettings(up=up))


def test_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clip = str(Path(__file__).parents[2] / "assets" / "clips" / "wave.npz")
    words = ["lift", clip, "-o", str(tmp_path / "a.json"), "--quiet", "--steps", "1", "--hypotheses", "1"]
    assert main([*words, "--fixed-camera"]) == 0 and main([*words, "--camera-tilt", "5"]) == 0
    capsys.readouterr()
    assert main([*words, "--camera-tilt", "95"]) == 2
    assert "between -80 and 80 degrees, found 95" in capsys.readouterr().err
    assert main([*words, "--fixed-camera", "--setting", "video", "--overwrite"]) == 0
    with pytest.raises(SystemExit):
        main([*words, "--fixed-camera", "--camera-tilt", "5"])


def test_evaluation_tells_every_method(shipped_models: Models, tmp_path: Path) -> None:
    data = tmp_path / "motions.npz"
    save_mocap17(motion_set([procedural_motion("walk", 1, 2.0)], 30.0, name=["a"], action=["walk"]), data)
    models = replace(shipped_models, denoisers={"diffpose": shipped_models.denoisers["diffpose"]})
    plain, told = (
        evaluate(data, models, EvaluationSettings(stride=20, steps=1, hypotheses=1, tilt=tilt))
        for tilt in ("unknown", "estimated")
    )
    assert (plain["provenance"]["tilt"], told["provenance"]["tilt"]) == ("unknown", "estimated")
    body = evaluate(data, models, EvaluationSettings(stride=20, steps=1, hypotheses=1, body="given"))
    assert body["provenance"]["body"] == "given"
    for name in ("graformer", "graformer_reconciled", "diffpose"):
        errors = {report["methods"][name]["mpjpe_mm"] for report in (plain, told, body)}
        assert len(errors) == 3, name
