"""Made upright people: their lengths, their angles, and what the camera sees of them."""

import math

import numpy as np
import pytest

from diffpose_core.datasets.level_people import (
    COUNT,
    DISTANCE_M,
    FOCAL_PX,
    LevelPerson,
    coco_joints_world,
    level_clip,
    level_rotation,
    people,
)


def length(joints, a, b):
    return np.linalg.norm(joints[:, a] - joints[:, b], axis=-1)


@pytest.mark.parametrize("person", [LevelPerson(), *people()])
def test_lengths_are_the_persons_in_every_frame_and_the_trunk_is_vertical(person):
    joints = coco_joints_world(person)
    for a, b, expected in (
        (5, 6, 2 * person.half_shoulders_m), (11, 12, 2 * person.half_hips_m), (11, 13, person.thigh_m),
        (14, 16, person.shin_m), (6, 8, person.upper_arm_m), (7, 9, person.forearm_m),
    ):  # fmt: skip
        assert np.allclose(length(joints, a, b), expected)
    trunk = joints[:, [5, 6]].mean(1) - joints[:, [11, 12]].mean(1)
    assert np.allclose(trunk, [0, 0, person.trunk_m])
    assert np.allclose(joints[:, [11, 12]].mean(1), 0)


def test_the_default_person_stands_still_with_arms_hanging_straight_and_the_others_move_gently():
    still = coco_joints_world(LevelPerson())
    assert np.allclose(still, still[:1])
    assert np.allclose(still[0, 9], [0.17, 0, 0.48 - 0.29 - 0.25]) and np.allclose(still[0, 15], [0.10, 0, -0.85])
    for person in people():
        steps = np.linalg.norm(np.diff(coco_joints_world(person), axis=0), axis=-1)
        assert 0.005 < steps.max() < 0.06 and np.allclose(steps[:, [5, 6, 11, 12]], 0)


def test_arms_are_held_out_by_the_given_angle():
    joints = coco_joints_world(LevelPerson(arms_out_deg=30), 1)[0]
    for side, shoulder, wrist in ((1, 5, 9), (-1, 6, 10)):
        arm = joints[wrist] - joints[shoulder]
        assert np.isclose(math.degrees(math.atan2(side * arm[0], -arm[2])), 30) and np.isclose(arm[1], 0)


def test_projected_lengths_are_those_of_a_pinhole_camera():
    seen = level_clip(LevelPerson(), frames=2).keypoints_px[0]
    pixels_a_metre = FOCAL_PX / DISTANCE_M
    assert np.allclose(seen[0], [500, 500], atol=1e-3), "the hips' middle"
    assert np.allclose(seen[11] - seen[14], [0.34 * pixels_a_metre, 0], atol=1e-3)
    assert np.allclose(seen[4] - seen[1], [0.20 * pixels_a_metre, 0], atol=1e-3)
    assert np.allclose(seen[8] - seen[0], [0, -0.48 * pixels_a_metre], atol=1e-3)
    assert np.allclose(seen[6] - seen[4], [0, 0.85 * pixels_a_metre], atol=1e-3)


@pytest.mark.parametrize("elevation", [-5.0, 0.0, 25.0])
def test_a_camera_above_sees_the_trunk_fall_away_from_it_by_its_elevation(elevation):
    clip = level_clip(LevelPerson(elevation_deg=elevation), frames=1)
    trunk = clip.pose3d_cam[0, 8] - clip.pose3d_cam[0, 0]
    assert np.isclose(math.degrees(math.atan2(-trunk[2], -trunk[1])), elevation, atol=1e-4)
    turn = level_rotation(elevation)
    assert np.allclose(turn @ turn.T, np.eye(3)) and np.isclose(np.linalg.det(turn), 1)
    camera_world = -DISTANCE_M * turn[2]
    assert np.isclose(math.degrees(math.asin(camera_world[2] / DISTANCE_M)), elevation)


def test_a_turned_person_keeps_lengths_and_the_left_side_is_the_images_right():
    clip = level_clip(LevelPerson(turn_deg=30), known_camera=True, frames=1)
    across = clip.pose3d_cam[0, 11] - clip.pose3d_cam[0, 14]
    assert np.isclose(np.linalg.norm(across), 0.34, atol=1e-6)
    assert np.isclose(across[0], 0.34 * math.cos(math.radians(30)), atol=1e-6)
    assert clip.intrinsics.fx == FOCAL_PX and level_clip(LevelPerson(), frames=1).intrinsics is None


def test_ten_people_cover_the_widths_and_the_elevations_and_a_seed_says_which():
    made = people()
    assert len(made) == COUNT == 10 and made == people(0) != people(1)
    assert np.allclose(sorted(2 * p.half_shoulders_m for p in made), np.linspace(0.26, 0.42, 10))
    assert np.allclose(sorted(p.elevation_deg for p in made), np.linspace(-5, 25, 10))
    assert abs(np.corrcoef([p.half_shoulders_m for p in made], [p.elevation_deg for p in made])[0, 1]) < 0.6
