"""Averaging with the mirrored clip: what a mirror shows, and that the answer no longer depends on the side."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from diffpose_core.config import UncertaintyConfig
from diffpose_core.evaluation.evaluate import EvaluationSettings, clip_poses
from diffpose_core.lifting.lift import lift
from diffpose_core.lifting.mirror import mirrored_clip, mirrored_pose, mirrored_settings
from diffpose_core.lifting.settings import LiftSettings
from diffpose_core.structures import Intrinsics

FRAMES = np.array([3, 20, 41])
SETTINGS = LiftSettings(
    steps=2, hypotheses=4, mixed_precision=False, rigid_bones=False, uncertainty=UncertaintyConfig(num_samples=200)
)


def close(a, b, tolerance=2e-3):
    return np.allclose(a, b, atol=tolerance)


def test_a_mirror_shows_the_pose_that_a_camera_would_see(walking_clip):
    """The mirrored truth, seen by the mirrored camera, lies where the mirrored clip says."""
    camera = Intrinsics(1000.0, 1000.0, 480.0, 300.0)
    exact = walking_clip.pose3d_cam
    place = exact + np.array([0.3, 0.1, 4.0])
    uv = place[..., :2] / place[..., 2:] * 1000.0 + np.array([480.0, 300.0])
    clip = replace(walking_clip, keypoints_px=uv, mixture=None, intrinsics=camera)
    mirrored = mirrored_clip(clip)
    seen = mirrored.pose3d_cam + np.array([-0.3, 0.1, 4.0])
    i = mirrored.intrinsics
    again = seen[..., :2] / seen[..., 2:] * 1000.0 + np.array([i.cx, i.cy])
    assert np.allclose(again, mirrored.keypoints_px, atol=1e-6)


def test_twice_in_a_mirror_is_the_clip_itself(walking_clip):
    again = mirrored_clip(mirrored_clip(walking_clip))
    assert np.allclose(again.keypoints_px, walking_clip.keypoints_px)
    for name in ("weights", "means_px", "variances_px2"):
        assert np.allclose(getattr(again.mixture, name), getattr(walking_clip.mixture, name))
    assert np.array_equal(again.confidence, walking_clip.confidence)
    assert np.array_equal(again.hidden, walking_clip.hidden) and np.allclose(again.pose3d_cam, walking_clip.pose3d_cam)
    pose = np.random.default_rng(0).normal(size=(2, 17, 3))
    assert np.array_equal(mirrored_pose(mirrored_pose(pose)), pose)
    assert not np.array_equal(mirrored_pose(pose), pose)


def test_the_direction_up_is_mirrored_and_the_body_stays():
    settings = replace(SETTINGS, up=(0.2, -1.0, 0.1), body=np.arange(1.0, 10.0))
    found = mirrored_settings(settings)
    assert np.allclose(found.up_cam, settings.up_cam * [-1, 1, 1]) and found.body == settings.body
    assert mirrored_settings(replace(SETTINGS, up=None, body=None)).up is None


def test_a_mirrored_clip_gives_the_mirrored_answer(walking_clip, tiny_models):
    asked = replace(SETTINGS, mirror=True, up=None, body=None)
    plain = lift(walking_clip, tiny_models, replace(asked, mirror=False), frames=FRAMES)
    averaged = lift(walking_clip, tiny_models, asked, frames=FRAMES)
    other = lift(mirrored_clip(walking_clip), tiny_models, asked, frames=FRAMES)
    assert close(mirrored_pose(other.pose3d), averaged.pose3d) and close(
        mirrored_pose(other.baseline), averaged.baseline
    )
    assert not close(plain.pose3d, averaged.pose3d)
    assert close(averaged.hypotheses.mean(1), averaged.pose3d, 1e-5)
    assert close(averaged.joint_std, plain.joint_std, 1e-5)
    assert averaged.provenance["settings"]["mirror"] is True


@pytest.mark.parametrize("method", ["graformer", "diffpose", "diffpose_standard"])
def test_every_method_is_averaged_alike(method, walking_clip, tiny_models):
    settings = EvaluationSettings(steps=2, mirror=True)
    with torch.inference_mode():
        found = clip_poses(walking_clip, tiny_models, FRAMES, settings)[method]
        plain = clip_poses(walking_clip, tiny_models, FRAMES, replace(settings, mirror=False))[method]
        other = clip_poses(mirrored_clip(walking_clip), tiny_models, FRAMES, replace(settings, mirror=False))[method]
    assert close(found, 0.5 * (plain + mirrored_pose(other)), 1e-5) and not close(found, plain)
