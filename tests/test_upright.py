"""Which way is up: what a camera's tilt is taken from, what it does to poses, and how it is learnt."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from diffpose_core.camera import look_at_camera
from diffpose_core.cli import main
from diffpose_core.config import TrainingConfig, UncertaintyConfig, UprightConfig
from diffpose_core.datasets.detector import clip_from_motion
from diffpose_core.datasets.mocap17 import motion_set, save_mocap17
from diffpose_core.datasets.procedural import procedural_motion
from diffpose_core.datasets.sampling import PoseSampler
from diffpose_core.evaluation.evaluate import EvaluationSettings, evaluate
from diffpose_core.io.checkpoints import load_encoder, load_upright
from diffpose_core.lifting.encode import encode_clip
from diffpose_core.lifting.lift import lift
from diffpose_core.lifting.models import CHECKPOINTS, Models, load_models
from diffpose_core.lifting.settings import LiftSettings
from diffpose_core.lifting.tilt import estimate_up, up_of_tilt
from diffpose_core.models.upright import Upright
from diffpose_core.presets import PRESETS
from diffpose_core.rng import seeded
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


@pytest.mark.parametrize("height", [0.5, 1.5, 3.5])
def test_a_clip_says_which_way_is_up(motion: np.ndarray, shipped_models: Models, height: float) -> None:
    position = np.array([4.0, 2.0, height])
    camera = look_at_camera(position, motion[:, 0].mean(0))
    clip = clip_from_motion("walk", motion, camera, 30.0, 4)
    found = estimate_up(clip, shipped_models)
    assert found.shape == (3,) and np.isclose(np.linalg.norm(found), 1.0)
    # Of the tilts that cameras are trained with, 50 degrees of them; a motion that was made by rules, not captured.
    assert degrees_between(found, true_up(motion, position)) < 10.0


def test_a_frame_is_what_it_is_whichever_others_are_asked_for(walking_clip: PoseClip2D, shipped_models: Models) -> None:
    settings = LiftSettings(rigid_bones=False, mixed_precision=False, uncertainty=FEW)
    up = estimate_up(walking_clip, shipped_models)
    whole = lift(walking_clip, shipped_models, replace(settings, up="estimate"))
    some = lift(walking_clip, shipped_models, replace(settings, up=3.0 * up), frames=[40, 3])
    assert np.allclose(whole.pose3d[[40, 3]], some.pose3d, atol=1e-5)
    record = whole.provenance["settings"]
    assert np.allclose(record["up"], up, atol=1e-5) and record["up_estimated"] is True
    assert some.provenance["settings"]["up_estimated"] is False
    plain = lift(walking_clip, shipped_models, settings)
    assert plain.provenance["settings"]["up"] is None and plain.expected_error is not None
    assert whole.expected_error is None, "it was measured where nothing was known of the camera"


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
        for up in ("estimate", up_of_tilt(0.0)):
            with pytest.raises(InvalidInput, match=f"{words} can't make use of the camera's tilt"):
                lift(walking_clip, models, LiftSettings(up=up))


def test_training_views_say_which_way_is_up() -> None:
    motions = motion_set([procedural_motion("walk", 1, 2.0)], 30.0, name=["a"], action=["walk"])
    batch = PoseSampler(motions, 0.5).draw(400, seeded("cpu", 0))
    assert batch.up is not None and batch.up.shape == (400, 3)
    assert torch.allclose(batch.up.norm(dim=-1), torch.ones(400), atol=1e-4)
    trunk = torch.nn.functional.normalize(batch.pose_view[:, 8], dim=-1)
    lean = (trunk * batch.up).sum(-1).acos().rad2deg()
    assert lean.mean() < 12.0, "who walks is upright"
    # Cameras look down by up to 40 degrees, and up by 10.
    tilt = torch.atan2(-batch.up[:, 2], -batch.up[:, 1]).rad2deg()
    assert 35.0 < tilt.max() < 50.0 and -20.0 < tilt.min() < -5.0
    assert batch[torch.tensor([3])].up is not None


def test_it_is_learnt_and_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    motions = [procedural_motion(kind, seed, 2.0) for seed, kind in enumerate(("walk", "wave", "bow"))]
    data = tmp_path / "motions.npz"
    save_mocap17(motion_set(motions, 30.0, name=["a", "b", "c"], action=["walk"] * 3), data)
    brief = TrainingConfig(
        samples_per_epoch=2048, epochs=4, batch_size=128, learning_rate=3e-3, warmup_steps=5, ema_decay=0.9
    )
    monkeypatch.setitem(PRESETS, "upright", replace(PRESETS["upright"], network=UprightConfig(32), training=brief))
    out = tmp_path / "upright.safetensors"
    words = ["train", "upright", "--data", str(data), "--validation", str(data), "--runs", str(tmp_path)]
    words += [
        "--encoder",
        str(CHECKPOINTS / "graformer.safetensors"),
        "--accelerator",
        "cpu",
        "--quiet",
        "--out",
        str(out),
    ]
    assert main(words) == 0
    encoder, _ = load_encoder(CHECKPOINTS / "graformer.safetensors")
    network, record = load_upright(out, encoder)
    assert isinstance(network, Upright) and record.kind == "upright" and out.with_suffix(".md").is_file()
    assert record.metrics["val_mpjpe_m"] < 0.9 * record.metrics["val_encoder_mpjpe_m"]
    # Nobody who always says "level" does better than 15 degrees.
    assert record.metrics["val_up_deg"] < 12.0
    other, _ = load_encoder(CHECKPOINTS / "mixste.safetensors")
    with pytest.raises(InvalidInput, match="trained on another context encoder"):
        load_upright(out, other)
    assert main([*words, "--start-from", str(out)]) == 2
    assert "upright is trained from new weights in minutes, found --start-from" in capsys.readouterr().err
    words[words.index("--encoder") + 1] = str(CHECKPOINTS / "mixste.safetensors")
    assert main(words) == 2
    assert "an encoder of single frames is expected, found MixSTE" in capsys.readouterr().err


def test_a_folder_without_it_still_loads(
    tiny_weights: Path, shipped_models: Models, shipped_video_models: Models
) -> None:
    assert load_models(tiny_weights).upright is None and shipped_video_models.upright is None
    assert shipped_models.upright is not None and shipped_models.records["upright"].name == "upright"


def test_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clip = str(Path(__file__).parent.parent / "assets" / "clips" / "wave.npz")
    words = ["lift", clip, "-o", str(tmp_path / "a.json"), "--quiet", "--steps", "1", "--hypotheses", "1"]
    assert main([*words, "--fixed-camera"]) == 0 and main([*words, "--camera-tilt", "5"]) == 0
    capsys.readouterr()
    assert main([*words, "--camera-tilt", "95"]) == 2
    assert "between -80 and 80 degrees, found 95" in capsys.readouterr().err
    assert main([*words, "--fixed-camera", "--setting", "video"]) == 2
    assert "MixSTE can't make use of the camera's tilt" in capsys.readouterr().err
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
    assert (plain["provenance"]["fixed_camera"], told["provenance"]["fixed_camera"]) == (False, True)
    for name in ("graformer", "graformer_reconciled", "diffpose"):
        assert plain["methods"][name]["mpjpe_mm"] != told["methods"][name]["mpjpe_mm"]
