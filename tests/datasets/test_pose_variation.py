"""Poses that were not recorded: lengths stay, only what is said changes, and by as much."""

import math

import numpy as np
import pytest
import torch

from diffpose_core.datasets.pose_variation import (
    LIMBS,
    PoseRanges,
    axis_rotation,
    exchange_limbs,
    set_plumb,
    shake_limbs,
    tilt_bodies,
    trunk_axes,
    vary_poses,
)
from diffpose_core.datasets.procedural import procedural_motion
from diffpose_core.skeleton import BONES


def generator(seed):
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def poses():
    """(60, 1, 17, 3): single frames of several motions."""
    motion = np.concatenate([procedural_motion(action, 1, 3.0)[::9] for action in ("walk", "kick", "bow", "wave")])
    return torch.from_numpy(motion).float()[:, None]


def lengths(poses):
    return torch.stack([(poses[..., b, :] - poses[..., a, :]).norm(dim=-1) for a, b in BONES], dim=-1)


def test_rotations_are_those_of_scipy():
    from scipy.spatial.transform import Rotation

    axis = torch.nn.functional.normalize(torch.randn(5, 3, generator=generator(0)), dim=-1)
    angle = torch.tensor([0.0, 0.1, 1.0, 2.0, 3.1])
    expected = Rotation.from_rotvec((axis * angle[:, None]).numpy()).as_matrix()
    assert np.allclose(axis_rotation(axis, angle).numpy(), expected, atol=1e-6)


def test_trunk_axes_are_a_right_handed_frame(poses):
    axes = trunk_axes(poses)
    assert torch.allclose(axes.mT @ axes, torch.eye(3).expand_as(axes), atol=1e-5)
    assert torch.allclose(torch.linalg.det(axes), torch.ones(len(poses), 1), atol=1e-5)


def test_a_limb_that_is_exchanged_is_another_clips_seen_from_the_trunk(poses):
    exchanged = exchange_limbs(poses, 1.0, generator(1))
    assert torch.allclose(lengths(exchanged), lengths(poses), atol=1e-4)

    def thighs(of):
        local = trunk_axes(of).mT @ (of[:, :, 2] - of[:, :, 1])[..., None]
        return torch.nn.functional.normalize(local[:, 0, :, 0], dim=-1)

    distance = torch.cdist(thighs(exchanged), thighs(poses))
    assert distance.amin(1).max() < 1e-3
    assert (distance.argmin(1) != torch.arange(len(poses))).float().mean() > 0.8
    assert torch.allclose(exchange_limbs(poses, 0.0, generator(1)), poses, atol=1e-6)


def test_shaking_turns_segments_by_the_angles_that_are_said(poses):
    many = poses.repeat(30, 1, 1, 1)
    shaken = shake_limbs(many, 1.0, 8.0, generator(2))
    assert torch.allclose(lengths(shaken), lengths(many), atol=1e-4)
    angles = []
    for limb, _ in LIMBS:
        for parent, child in limb:
            before, after = (p[:, 0, child] - p[:, 0, parent] for p in (many, shaken))
            cosine = torch.nn.functional.cosine_similarity(before, after, dim=-1).clamp(-1, 1)
            angles.append(cosine.acos().rad2deg())
    # Two of the three axes turn a segment: root mean square 8 times the root of 2.
    assert torch.cat(angles).square().mean().sqrt() == pytest.approx(8.0 * math.sqrt(2), rel=0.06)
    trunk = [0, 1, 4, 7, 8, 9, 10, 11, 14]
    assert torch.equal(shaken[:, :, trunk], many[:, :, trunk])


def test_a_tilted_body_turns_as_a_whole_about_its_hip(poses):
    ranges = PoseRanges(lean_share=0.0, fall_share=1.0, fall_deg=(30.0, 30.0))
    tilted = tilt_bodies(poses, ranges, generator(3))
    assert torch.allclose(tilted[:, :, 0], poses[:, :, 0])
    assert torch.allclose(torch.cdist(tilted[:, 0], tilted[:, 0]), torch.cdist(poses[:, 0], poses[:, 0]), atol=1e-3)
    # A direction that is up turns by the whole angle.
    standing = torch.zeros(1, 1, 17, 3)
    standing[..., 8, 2] = 1.0
    assert tilt_bodies(standing, ranges, generator(4))[0, 0, 8, 2] == pytest.approx(
        math.cos(math.radians(30)), abs=1e-5
    )


def test_a_clip_is_varied_the_same_way_in_all_its_frames():
    still = torch.from_numpy(procedural_motion("walk", 1, 3.0)[:1]).float()
    clips = still[None].expand(20, 9, -1, -1)
    varied = vary_poses(clips, PoseRanges(shake_share=1.0, fall_share=0.5), generator(5))
    assert torch.allclose(varied, varied[:, :1].expand_as(varied), atol=1e-5)


def test_a_skeleton_set_upright_has_straighter_knees_and_no_back_lean():
    """A person as motion capture has it: knees 5 cm before the line from hip to ankle, shoulders 4 degrees behind."""
    pose = torch.zeros(17, 3)
    for hip, knee, ankle, x in ((1, 2, 3, 0.1), (4, 5, 6, -0.1)):
        pose[hip], pose[knee] = torch.tensor([x, 0.0, 0.0]), torch.tensor([x, 0.05, -0.42])
        pose[ankle] = torch.tensor([x, 0.0, -0.84])
    back = -0.5 * math.tan(math.radians(4.0))
    pose[7], pose[8] = torch.tensor([0.0, back / 2, 0.25]), torch.tensor([0.0, back, 0.5])
    pose[14], pose[11] = torch.tensor([0.17, back, 0.5]), torch.tensor([-0.17, back, 0.5])
    clips = pose.expand(4000, 1, -1, -1)
    ranges = PoseRanges(plumb_share=1.0, knee_m=0.05, trunk_deg=8.0)
    plumb = set_plumb(clips, ranges, generator(6))[:, 0]
    lean = torch.atan2(plumb[:, 8, 1], plumb[:, 8, 2]).rad2deg()
    assert lean.mean() == pytest.approx(0.0, abs=0.15)  # from 4 back to 4 forward
    assert lean.min() >= -4.01 and lean.max() <= 4.01
    assert plumb[:, 2, 1].mean() == pytest.approx(0.025, abs=1e-3) and plumb[:, 2, 1].min() >= -1e-6
    others = [0, 1, 3, 4, 6]
    assert torch.equal(plumb[:, others], clips[:, 0, others])
    assert torch.allclose(set_plumb(clips, PoseRanges(plumb_share=0.0), generator(6)), clips, atol=1e-6)
