"""Poses turned by fixed angles against the rotation written out."""

import numpy as np

from diffpose_core.evaluation.turned import turned
from diffpose_core.skeleton import bone_lengths


def test_five_poses_are_turned_by_five_degrees_each_about_the_cameras_x_axis():
    pose = np.random.default_rng(0).normal(0, 0.3, (3, 17, 3)).astype(np.float32)
    found = turned(pose, 5)
    assert found.shape == (3, 5, 17, 3) and found.dtype == np.float32
    for number, degrees in enumerate((-10, -5, 0, 5, 10)):
        c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
        y, z = c * pose[..., 1] - s * pose[..., 2], s * pose[..., 1] + c * pose[..., 2]
        assert np.allclose(found[:, number], np.stack((pose[..., 0], y, z), -1), atol=1e-6)
    assert np.allclose(bone_lengths(found), bone_lengths(pose)[:, None], atol=1e-6)


def test_one_pose_is_not_turned_and_two_lie_around_it():
    pose = np.random.default_rng(1).normal(0, 0.3, (2, 17, 3))
    assert np.allclose(turned(pose, 1)[:, 0], pose)
    two = turned(pose, 2)
    assert np.allclose(two.mean(1), pose * [1, np.cos(np.radians(2.5)), np.cos(np.radians(2.5))])
