"""Smoothing with one control."""

from dataclasses import replace

import numpy as np
import pytest

from diffpose_core.lifting.lift import lift
from diffpose_core.lifting.low_pass import low_passed
from diffpose_core.lifting.settings import LiftSettings
from diffpose_core.skeleton import bone_lengths
from diffpose_core.structures import InvalidInput
from tests.lifting.helpers import FEW


@pytest.fixture(scope="module")
def result(walking_clip, tiny_models):
    found = lift(walking_clip, tiny_models, LiftSettings(steps=1, hypotheses=2, uncertainty=FEW))
    return replace(found, root_cam=np.zeros((len(found), 3), np.float32))


def test_trembling_goes_and_slow_motion_stays_in_time(result):
    time = np.arange(len(result)) / result.fps
    slow, fast = np.sin(2 * np.pi * 0.8 * time), 0.2 * np.sin(2 * np.pi * 13 * time)
    path = np.stack([slow + fast, slow, fast], axis=-1).astype(np.float32)
    smooth = low_passed(replace(result, root_cam=path), 5.0).root_cam
    middle = slice(10, -10)
    assert np.abs(smooth[middle, 0] - slow[middle]).max() < 0.03 and np.abs(smooth[middle, 2]).max() < 0.01


def test_bones_keep_their_lengths_and_hypotheses_stay(result):
    smooth = low_passed(result, 4.0)
    assert np.allclose(bone_lengths(smooth.pose3d), bone_lengths(result.pose3d)[:1], atol=1e-4)
    steps = [np.square(np.diff(r.pose3d, n=2, axis=0)).sum() for r in (result, smooth)]
    assert steps[1] < 0.5 * steps[0]
    assert smooth.hypotheses is result.hypotheses and smooth.joint_std is result.joint_std
    assert smooth.provenance["smoothed_hz"] == 4.0 and smooth.pose3d.dtype == np.float32


def test_frames_of_somebody_else_stay_and_do_not_leak(result):
    path = np.linspace((0.0, 0.0, 4.0), (2.0, 0.1, 4.5), len(result)).astype(np.float32)
    other = np.isin(np.arange(len(result)), [20, 21, 22, 23, 40])
    seen = np.where(other[:, None], path + 5, path)
    smooth = low_passed(replace(result, root_cam=seen, other_person=other), 4.0)
    assert np.array_equal(smooth.root_cam[other], seen[other])
    assert np.abs(smooth.root_cam - path)[~other].max() < 1e-3, "an even way is no trembling"
    assert np.allclose(smooth.pose3d[other], result.pose3d[other], atol=1e-5)
    assert np.allclose(bone_lengths(smooth.pose3d), bone_lengths(result.pose3d)[:1], atol=1e-4)


@pytest.mark.parametrize("frames", [1, 2, 5])
def test_short_clips_are_smoothed_too(result, frames):
    cut = {name: getattr(result, name)[:frames] for name in ("pose3d", "baseline", "root_cam", "other_person")}
    smooth = low_passed(replace(result, **cut), 2.0)
    assert smooth.pose3d.shape == (frames, 17, 3) and np.isfinite(smooth.pose3d).all()


def test_a_cut_off_above_the_frame_rate_changes_nothing(result):
    assert low_passed(result, 20.0).pose3d is result.pose3d


@pytest.mark.parametrize("cutoff", [0.0, -6.0, 31.0, float("nan")])
def test_a_cut_off_out_of_range_is_refused(result, cutoff):
    with pytest.raises(InvalidInput, match=r"between 0.5 and 30 Hz, found"):
        low_passed(result, cutoff)
