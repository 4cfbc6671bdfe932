"""One alarm for every way in which a clip can be read wrongly: the lifted pose does not fit the 2D pose."""

from dataclasses import replace

import numpy as np
import pytest

from diffpose_core.io.clips import load_clip
from diffpose_core.lifting.lift import lift
from diffpose_core.lifting.plausibility import DOUBTFUL, reprojected, reprojection_residual, warnings_of
from diffpose_core.lifting.settings import LiftSettings
from tests.conftest import ROOT

CLIPS = sorted((ROOT / "assets" / "clips").glob("*.npz"))


def clip_of(path, change=lambda points, clip: points):
    """Twelve frames of a bundled clip, without heatmaps, changed."""
    clip = load_clip(path)
    clip = clip.frames(slice(0, len(clip), max(1, len(clip) // 12)))
    points = change(clip.keypoints_px, clip).astype(np.float32)
    return replace(clip, keypoints_px=points, mixture=None, pose3d_cam=None, hidden=None)


def lifted(clip, models):
    return lift(clip, models, LiftSettings(steps=5, hypotheses=3, seed=0))


def test_the_residual_of_a_pose_is_what_scale_and_shift_leave():
    rng = np.random.default_rng(0)
    pose = rng.normal(size=(3, 17, 3))
    points = 120 * pose[..., :2] + (400, 300)
    seen = np.ones((3, 17), bool)
    assert np.allclose(reprojection_residual(pose, points, seen), 0, atol=1e-9)
    away = points.copy()
    away[:, 5] += 500
    hidden = seen.copy()
    hidden[:, 5] = False
    assert (reprojection_residual(pose, away, seen) > 0.3).all()
    assert np.allclose(reprojection_residual(pose, away, hidden), 0, atol=1e-9)
    assert np.allclose(reprojected(pose, away, hidden), points), "the joint that nobody saw is placed by the others"
    assert np.isnan(reprojection_residual(pose, points, np.zeros((3, 17), bool))).all()
    # A pose that fits only when it is turned inside out does not fit.
    assert (reprojection_residual(pose, -points, seen) > 0.99).all()


@pytest.mark.parametrize("path", CLIPS, ids=lambda path: path.stem)
def test_good_clips_raise_no_alarm(path, shipped_models):
    assert lifted(clip_of(path), shipped_models).provenance["warnings"] == []


@pytest.mark.parametrize("path", CLIPS, ids=lambda path: path.stem)
def test_people_upside_down_and_scrambled_joints_raise_it(path, shipped_models):
    upside_down = clip_of(path, lambda points, clip: np.stack((points[..., 0], clip.height - points[..., 1]), axis=-1))
    said = warnings_of(lifted(upside_down, shipped_models), upside_down)
    assert "The shoulders are below the hips in most frames: is the picture upside down?" in said
    order = np.random.default_rng(0).permutation(17)
    scrambled = clip_of(path, lambda points, _: points[:, order])
    result = lifted(scrambled, shipped_models)
    residual = np.nanmedian(reprojection_residual(result.pose3d, scrambled.keypoints_px, ~scrambled.guessed))
    assert residual > DOUBTFUL
    assert "The 3D pose does not fit the 2D pose" in warnings_of(result, scrambled)[0]


def test_frames_of_somebody_else_raise_no_alarm(shipped_models):
    clip = clip_of(CLIPS[0])
    result = lifted(clip, shipped_models)
    other = np.arange(len(clip)) % 4 > 0
    pose = np.where(other[:, None, None], result.pose3d[:, ::-1], result.pose3d)
    assert warnings_of(replace(result, pose3d=pose), clip) != []
    assert warnings_of(replace(result, pose3d=pose, other_person=other), clip) == []
