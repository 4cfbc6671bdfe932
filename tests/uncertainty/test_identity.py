"""Frames that show somebody else: found by how the pose jumps, and never in real motion."""

from dataclasses import replace

import numpy as np
import pytest

from diffpose_core.camera import evaluation_cameras
from diffpose_core.datasets.procedural import procedural_motion
from diffpose_core.uncertainty import identity
from diffpose_core.uncertainty.identity import bridged, identities, own_frames, passers_by, people_of

FPS = 30.0


def track(action="walk", seconds=4.0, fps=FPS):
    """(F, 17, 2) pixels of a motion before a benchmark camera, and confidences of 1."""
    motion = procedural_motion(action, 3, seconds, fps)
    camera = evaluation_cameras(motion[:, 0])[1]
    points = camera.project(camera.to_cam(motion))
    return points, np.ones(points.shape[:2])


def beside(points, metres_px=150.0):
    """Somebody else: the first pose, a step to the right."""
    return points[:1] + np.array([metres_px, 10.0])


@pytest.mark.parametrize("action", ["walk", "run", "wave", "jump", "kick", "sit-stand", "turn"])
def test_one_person_is_one_person(action):
    points, sure = track(action)
    assert not identities(points, sure, FPS).any()


def test_frames_of_somebody_else_are_told_apart_and_the_person_is_known_again():
    points, sure = track()
    other = np.zeros(len(points), dtype=bool)
    other[[20, 21, 22, 23, 24, 40, 60, 61]] = True
    points[other] = beside(points)
    found = identities(points, sure, FPS)
    assert (found[~other] == 0).all()
    assert (found[other] != 0).all()


@pytest.mark.parametrize("gap", [1, 5])
def test_somebody_else_is_told_apart_after_frames_without_anybody(gap):
    points, sure = track("wave")
    other = np.isin(np.arange(len(points)), range(40, 46))
    points[other] = beside(points[30:31], 300.0)
    sure[40 - gap : 40] = sure[46 : 46 + gap] = 0.0
    found = identities(points, sure, FPS)
    assert np.flatnonzero(passers_by(found)).tolist() == list(range(40, 46 + gap)), "till the person is seen again"
    rows = sure.any(1)
    assert np.array_equal(identities(points[rows], sure[rows], FPS, np.flatnonzero(rows)), found[rows])


@pytest.mark.parametrize("action", ["walk", "run", "jump", "turn"])
def test_a_person_who_is_not_seen_for_a_moment_is_the_same(action):
    points, sure = track(action)
    for begin, gap in ((10, 1), (30, 4), (60, 12)):
        sure[begin : begin + gap] = 0.0
    assert not identities(points, sure, FPS).any()


def test_after_a_cut_everybody_is_somebody_new():
    points, sure = track()
    points[50:] = points[50:] + np.array([300.0, 0.0])
    found = identities(points, sure, FPS)
    assert (found[:50] == 0).all()
    assert (found[50:] == 1).all()


def test_somebody_who_is_faster_than_any_limit_stays_one_person():
    points, sure = track("walk", 2.0)
    moved = points + np.arange(len(points))[:, None, None] * np.array([120.0, 0.0])
    assert not identities(moved, sure, FPS).any()


def test_a_few_joints_that_jump_are_no_other_person():
    points, sure = track()
    points[30:35, [13, 16, 3, 6]] += 200.0
    assert not identities(points, sure, FPS).any()


def test_joints_that_are_not_seen_are_not_read():
    points, sure = track()
    points[30:35, :8], sure[30:35, :8] = 9e6, 0.0
    assert not identities(points, sure, FPS).any()
    sure[50] = 0.0
    assert not identities(points, sure, FPS).any(), "a frame without a joint goes on with the person"


def test_units_do_not_matter_and_short_clips_are_one_person():
    points, sure = track()
    points[20:26] = beside(points)
    found = identities(points, sure, FPS)
    assert np.array_equal(identities(points / 1000.0, sure, FPS), found)
    assert identities(points[19:21], sure[19:21], FPS).tolist() == [0, 0]


def test_passers_by_are_seen_between_frames_of_the_person_who_is_seen_most():
    people = np.array([0] * 10 + [1] * 3 + [0] * 5 + [1] * 2 + [0] * 4 + [2] * 6)
    assert np.flatnonzero(passers_by(people)).tolist() == [10, 11, 12, 18, 19]
    assert not passers_by(np.array([0] * 5 + [1] * 9)).any(), "a cut: the camera may be another one"


def test_frames_that_count_are_the_persons_or_all_where_nobody_is_left():
    other = np.array([False, True, True, False])
    assert own_frames(other).tolist() == [True, False, False, True]
    assert own_frames(np.ones(3, bool)).all() and own_frames(np.zeros(3, bool)).all()


def test_a_line_bridges_frames_that_are_not_kept():
    kept = np.array([False, True, False, False, True, False])
    values = np.array([9.0, 1.0, 9.0, 9.0, 4.0, 9.0], np.float32)
    both = np.stack((values, -values), axis=1)[:, None]
    found = bridged(both, kept)
    assert found.shape == (6, 1, 2) and found.dtype == np.float32
    assert found[:, 0, 0].tolist() == [1, 1, 2, 3, 4, 4] and np.array_equal(found[..., 1], -found[..., 0])
    assert bridged(values, np.ones(6, bool)) is values


def test_the_people_of_a_clip_are_found_once_and_forgotten_with_it(walking_clip):
    first = people_of(walking_clip)
    assert people_of(walking_clip) is first and not first.any()
    points, sure = walking_clip.keypoints_px.copy(), walking_clip.confidence
    points[20:26] = beside(points)
    other = replace(walking_clip, keypoints_px=points)
    assert np.array_equal(people_of(other), identities(points, sure, walking_clip.fps)) and people_of(other).any()
    held = len(identity._known)
    del other, points
    assert len(identity._known) == held - 1
