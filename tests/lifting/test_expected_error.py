"""The features that say how unlike the training data a frame is, and frames that are."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from diffpose_core.datasets.bodies import BodyRanges, draw_bodies, measure, with_measures
from diffpose_core.io.clips import load_clip
from diffpose_core.lifting.contexts import encode_contexts
from diffpose_core.lifting.encode import encode_clip
from diffpose_core.lifting.expected_error import limited_m, proportion_m
from diffpose_core.models.conditions import USUAL_PROPORTIONS
from diffpose_core.structures import PoseClip2D
from diffpose_core.uncertainty.residual import residual_m

CLIPS = sorted((Path(__file__).resolve().parents[2] / "assets" / "clips").glob("*.npz"))


@pytest.fixture(scope="module")
def poses() -> torch.Tensor:
    """A few frames of a real person, (4, 1, 17, 3) metres."""
    truth = load_clip(CLIPS[0]).pose3d_cam
    assert truth is not None
    return torch.from_numpy(truth[:40:10, None].astype(np.float32))


def test_a_person_of_usual_proportions_has_none(poses):
    usual = torch.tensor(USUAL_PROPORTIONS).expand(4, -1)
    for size in (0.6, 1.1):
        assert proportion_m(with_measures(poses, size * usual)[:, 0]).max() < 1e-3


def test_odd_bones_are_counted_by_their_ratio_to_usual_ones(poses):
    odd = torch.tensor(USUAL_PROPORTIONS)
    odd[4] *= 2.0  # half shoulders
    odd[6] /= 2.0  # forearm
    found = proportion_m(with_measures(poses, odd.expand(4, -1))[:, 0])
    np.testing.assert_allclose(found, 0.5 * np.log(2.0) * np.sqrt(2 / 9), rtol=0.01)


def test_people_are_nearer_to_usual_proportions_than_scrambled_joints(poses):
    joint_to_joint = BodyRanges(landmark_std=(0.0,) * 9)
    people = with_measures(
        poses[:1].expand(200, -1, -1, -1), draw_bodies(200, joint_to_joint, torch.Generator().manual_seed(0))
    )
    order = torch.randperm(17, generator=torch.Generator().manual_seed(1))
    assert measure(people).shape == (200, 9)
    assert proportion_m(people[:, 0]).quantile(0.99) < 0.2 < proportion_m(people[:, 0, order]).quantile(0.01)


def test_limited_features_are_those_of_the_encoders_pose_and_skip_guessed_joints(tiny_models, walking_clip):
    sure = walking_clip.confidence.copy()
    sure[:, 13] = 0.0
    clip = replace(walking_clip.frames(slice(4)), confidence=sure[:4])
    encoded = encode_clip(clip, tiny_models)
    pose = encoded.context.pose_view
    seen = torch.ones(4, 17, dtype=torch.bool)
    seen[:, 13] = False
    found = limited_m(encoded)
    torch.testing.assert_close(found[:, 0], residual_m(encoded.view, pose, seen))
    torch.testing.assert_close(found[:, 1], proportion_m(pose))


def unlike_share(clip: PoseClip2D, points: np.ndarray, models) -> float:
    """Share of a clip's frames that are unlike the data when their joints are at other places, (F, 17, 2) pixels."""
    moved = replace(clip, keypoints_px=points.astype(np.float32), mixture=None, pose3d_cam=None, hidden=None)
    with torch.inference_mode():
        found = encode_contexts(moved, models.encoder, np.arange(len(moved)))
    pose, seen = found.context.pose_view, torch.ones(len(moved), 17, dtype=torch.bool)
    limited = torch.stack((residual_m(found.view, pose, seen), proportion_m(pose)), -1)
    return float(models.calibrations["diffpose"].unlike(limited.numpy()).mean())


def test_bundled_clips_are_like_the_data_and_nonsense_is_not(shipped_models):
    scrambled = []
    order = np.random.default_rng(0).permutation(17)
    for path in CLIPS:
        clip = load_clip(path)
        clip = clip.frames(slice(0, len(clip), 12))
        points = clip.keypoints_px
        assert unlike_share(clip, points, shipped_models) < 0.05, path.stem
        scrambled.append(unlike_share(clip, points[:, order], shipped_models))
    # A frame alone does not always show it: a clip's alarm does (`lifting.plausibility`).
    assert np.mean(scrambled) > 0.25 and min(scrambled) > 0.05
