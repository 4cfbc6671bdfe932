"""Guessed joints: near where they belong, and never surer than they may be."""

import numpy as np
import pytest

from benchmarks.pose_files import walking
from diffpose_core.lifting.encode import encode_clip
from diffpose_core.structures import InvalidInput, PoseClip2D
from diffpose_core.uncertainty.gaps import FORGET_SECONDS, fill_gaps
from diffpose_core.uncertainty.mixtures import LOST_STD, mixture_from_confidence, person_size_px

WRIST = 13


def hidden(frames, joints, total=60, confidence=0.9):
    poses = walking(total, 8.0)
    sure = np.full(poses.shape[:2], confidence)
    sure[np.ix_(np.atleast_1d(frames), np.atleast_1d(joints))] = 0
    return poses, sure


def relative_stds(mixture, points):
    return np.sqrt(mixture.variances_px2[:, :, 0, 0]) / person_size_px(points)[:, None]


def test_what_was_seen_stays_as_it_is():
    poses, sure = hidden(range(20, 30), WRIST)
    points, mixture = fill_gaps(poses, sure, 30.0)
    seen = sure > 0
    expected = mixture_from_confidence(points, sure)
    assert np.allclose(points[seen], poses[seen])
    assert np.allclose(mixture.variances_px2[seen], expected.variances_px2[seen])


def test_a_guess_is_the_wider_the_further_the_nearest_frame_is():
    poses, sure = hidden(range(20, 41), WRIST)
    points, mixture = fill_gaps(poses, sure, 30.0)
    std = relative_stds(mixture, points)[:, WRIST]
    assert np.all(np.diff(std[19:31]) > 0) and np.all(np.diff(std[30:42]) < 0), "widest in the middle"
    assert std[20] > std[19] and std[30] > 2.5 * std[19]
    # 11 frames at 30 a second, and the spread of the frames around it.
    growth = LOST_STD * (1 - np.exp(-11 / 30 / FORGET_SECONDS))
    assert np.isclose(std[30], np.hypot(std[19], growth), rtol=1e-3)


def test_twice_the_frame_rate_is_half_the_time():
    poses, sure = hidden(range(20, 41), WRIST)
    points, slow = fill_gaps(poses, sure, 30.0)
    _, fast = fill_gaps(poses, sure, 60.0)
    gap = sure[:, WRIST] == 0
    assert (relative_stds(fast, points)[gap, WRIST] < relative_stds(slow, points)[gap, WRIST]).all()


def test_a_guess_moves_along_with_the_person():
    poses, sure = hidden(range(40, 60), WRIST)
    points, _ = fill_gaps(poses, sure, 30.0)
    # To the end the person walks 160 px on; a wrist that stayed behind would be that far off.
    assert np.abs(points[40:, WRIST] - poses[40:, WRIST]).max() < 60
    assert points[59, WRIST, 0] > points[40, WRIST, 0] + 100


def test_a_whole_person_missing_is_bridged_and_wide():
    poses, sure = hidden(range(20, 30), range(17))
    points, mixture = fill_gaps(poses, sure, 30.0)
    assert np.abs(points - poses).max() < 40
    assert (relative_stds(mixture, points)[24] > 2 * relative_stds(mixture, points)[19]).all()


def test_a_joint_that_is_never_seen_is_as_wide_as_can_be_and_on_the_body():
    poses, sure = hidden(range(60), [10, WRIST])
    points, mixture = fill_gaps(poses, sure, 30.0)
    assert np.allclose(relative_stds(mixture, points)[:, [10, WRIST]], LOST_STD, rtol=1e-3)
    size = person_size_px(poses)
    assert (np.linalg.norm(points[:, 10] - poses[:, 10], axis=-1) < 0.5 * size).all(), "the head is up"
    assert (np.linalg.norm(points[:, WRIST] - poses[:, WRIST], axis=-1) < size).all()


def test_gaps_at_both_ends_and_a_single_seen_frame():
    poses, sure = hidden([*range(30), *range(31, 60)], range(17))
    points, mixture = fill_gaps(poses, sure, 30.0)
    assert np.allclose(points, poses[30], atol=1e-3)
    std = relative_stds(mixture, points)[:, 0]
    assert np.all(np.diff(std[:31]) < 0) and std.max() <= LOST_STD * 1.001


def test_one_joint_of_one_frame_is_enough_and_none_is_not():
    poses, sure = hidden(range(60), range(17))
    sure[5, 8] = 1.0
    points, mixture = fill_gaps(poses, sure, 30.0)
    assert np.isfinite(points).all() and (mixture.variances_px2 > 0).all()
    with pytest.raises(InvalidInput, match="every joint of every frame is missing"):
        fill_gaps(poses, np.zeros_like(sure), 30.0)


def test_where_the_person_is_does_not_matter():
    poses, sure = hidden(range(20, 40), [3, 6, WRIST])
    points, mixture = fill_gaps(poses, sure, 30.0)
    moved, grown = fill_gaps(2 * poses + 300, sure, 30.0)
    assert np.allclose(moved, 2 * points + 300, atol=1e-2)
    assert np.allclose(grown.variances_px2, 4 * mixture.variances_px2, rtol=1e-3)


def test_the_doubt_arrives_in_the_cloud_of_poses(tiny_models):
    poses, sure = hidden(range(20, 40), WRIST)
    points, mixture = fill_gaps(poses, sure, 30.0)
    clip = PoseClip2D("gap", points, sure, 1000, 1000, 30.0, mixture=mixture)
    assert clip.guessed.sum() == 20 and clip.guessed[30, WRIST]
    spread = encode_clip(clip, tiny_models, [10, 30]).h_samples.std(1)
    assert (spread[1, WRIST, :2] > 2 * spread[0, WRIST, :2]).all(), "x and y of the guessed wrist"
