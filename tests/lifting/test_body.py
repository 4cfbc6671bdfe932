"""The person's proportions: given or estimated from a clip, and their effect on poses."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from diffpose_core.camera import look_at_camera
from diffpose_core.cli import main
from diffpose_core.config import UncertaintyConfig
from diffpose_core.datasets.bodies import BodyRanges, measure, with_measures
from diffpose_core.datasets.detector import clip_from_motion
from diffpose_core.datasets.joint_definitions import with_middle_joints
from diffpose_core.datasets.procedural import procedural_motion
from diffpose_core.evaluation.collect import body_for
from diffpose_core.evaluation.metrics import n_mpjpe
from diffpose_core.io.clips import save_clip
from diffpose_core.lifting.body import estimate_body
from diffpose_core.lifting.encode import decide_settings, encode_clip
from diffpose_core.lifting.lift import lift
from diffpose_core.lifting.models import Models
from diffpose_core.lifting.settings import LiftSettings
from diffpose_core.models.conditions import unusual_proportions
from diffpose_core.structures import InvalidInput, PoseClip2D

FEW = UncertaintyConfig(num_samples=100)
#: Statures of 1.7 m, as fractions of the usual lengths: a long trunk on short legs, and the other way round.
LONG_TRUNK = (1.0, 0.88, 0.88, 1.2, 1.1, 1.0, 1.0, 1.0, 1.0)
LONG_LEGS = (1.0, 1.1, 1.1, 0.85, 0.9, 1.0, 1.0, 1.0, 1.0)


def person(factors: tuple[float, ...]) -> PoseClip2D:
    """Somebody who walks and has lengths that differ from the usual by some factors."""
    motion = torch.from_numpy(procedural_motion("walk", 3, 2.5)[:70].astype(np.float32))
    lengths = 1.7 * torch.tensor(BodyRanges().fraction) * torch.tensor(factors)
    joints = with_measures(with_middle_joints(motion)[None], lengths[None])[0].numpy()
    return clip_from_motion("walk", joints, look_at_camera(np.array([4.0, 2.0, 1.2]), joints[:, 0].mean(0)), 30.0, 4)


def proportions(lengths: np.ndarray) -> np.ndarray:
    return unusual_proportions(torch.from_numpy(np.asarray(lengths, dtype=np.float32))[None])[0].numpy()


def test_proportions_are_estimated_from_a_clip(shipped_models: Models) -> None:
    """On average over the lengths the estimate is nearer to the person than the usual proportions are."""
    found = {}
    for name, factors in (("trunk", LONG_TRUNK), ("legs", LONG_LEGS)):
        clip = person(factors)
        assert clip.pose3d_cam is not None
        truth = proportions(measure(torch.from_numpy(clip.pose3d_cam)[None])[0].numpy())
        lengths = estimate_body(clip, shipped_models)
        assert lengths is not None and lengths.shape == (9,)
        found[name] = proportions(lengths)
        assert np.abs(found[name] - truth).mean() < 0.75 * np.abs(truth).mean(), name
    trunk = 3
    assert found["trunk"][trunk] > found["legs"][trunk] + 0.1


def test_a_person_who_is_known_is_lifted_better(shipped_models: Models) -> None:
    clip = person(LONG_TRUNK)
    assert clip.pose3d_cam is not None
    frames = np.arange(0, 70, 10)
    errors = {}
    for name in ("unknown", "given"):
        settings = LiftSettings(uncertainty=FEW, up=None, body=body_for(clip, name))
        pose = encode_clip(clip, shipped_models, frames, settings).baseline
        errors[name] = n_mpjpe(pose, clip.pose3d_cam[frames]).mean()
    assert errors["given"] < 0.97 * errors["unknown"]


def test_a_clip_of_a_few_frames_tells_nothing(walking_clip: PoseClip2D, shipped_models: Models) -> None:
    few = walking_clip.frames(slice(0, 7))
    assert estimate_body(few, shipped_models) is None
    decided = decide_settings(LiftSettings(), few, shipped_models)
    assert decided.body is None and decided.facts.body is None


def test_a_result_says_what_it_was_told(walking_clip: PoseClip2D, shipped_models: Models) -> None:
    settings = LiftSettings(rigid_bones=False, mixed_precision=False, uncertainty=FEW, up=None)
    whole = lift(walking_clip, shipped_models, settings)
    record = whole.provenance["settings"]
    assert record["body_estimated"] is True and len(record["body"]) == 9
    again = replace(settings, body=record["body"], body_std=record["body_std"])
    some = lift(walking_clip, shipped_models, again, frames=[40, 3])
    assert np.allclose(whole.pose3d[[40, 3]], some.pose3d, atol=1e-3)
    assert some.provenance["settings"]["body_estimated"] is False
    plain = lift(walking_clip, shipped_models, replace(settings, body=None), frames=[40, 3])
    assert plain.provenance["settings"]["body"] is None
    assert not np.allclose(plain.pose3d, some.pose3d, atol=1e-3)


def test_the_unit_of_given_lengths_does_not_matter(walking_clip: PoseClip2D, shipped_models: Models) -> None:
    metres = 1.7 * np.array(BodyRanges().fraction)
    poses = [
        encode_clip(walking_clip, shipped_models, [3], LiftSettings(uncertainty=FEW, up=None, body=lengths)).baseline
        for lengths in (metres, 1000 * metres)
    ]
    assert np.allclose(*poses, atol=1e-5)


@pytest.mark.parametrize("body", ["tall", [1.0] * 8, [1.0] * 8 + [0.0], [1.0] * 8 + [float("nan")]])
def test_lengths_that_no_body_has_are_refused(body: object) -> None:
    with pytest.raises(InvalidInput, match="body must be"):
        LiftSettings(body=body)  # type: ignore[arg-type]


def test_weights_that_know_no_body_are_refused_one(walking_clip: PoseClip2D, tiny_models: Models) -> None:
    with pytest.raises(InvalidInput, match="were trained without the body's proportions"):
        lift(walking_clip, tiny_models, LiftSettings(body="estimate"))
    assert decide_settings(LiftSettings(), walking_clip, tiny_models).body is None


def test_the_command_line_can_leave_the_body_out(tmp_path: Path, walking_clip: PoseClip2D) -> None:
    save_clip(walking_clip.frames(slice(0, 10)), tmp_path / "walk.npz")
    for words, known in (([], True), (["--unknown-body"], False)):
        out = tmp_path / f"{known}.json"
        assert main(["lift", str(tmp_path / "walk.npz"), "-o", str(out), "--quiet", *words]) == 0
        assert json.loads(out.read_text())["provenance"]["settings"]["body_estimated"] is known
