"""Training views: bodies varied and mirrored as promised, and decided by the generator alone."""

import numpy as np
import pytest
import torch

from diffpose_core.datasets.mocap17 import motion_set
from diffpose_core.datasets.procedural import procedural_motion
from diffpose_core.datasets.sampling import PoseSampler, mirror_bodies, vary_bodies
from diffpose_core.rng import seeded
from diffpose_core.skeleton import BONES, LEFT_JOINTS, MIRROR, RIGHT_JOINTS, bone_lengths

PARENTS, CHILDREN = [p for p, _ in BONES], [c for _, c in BONES]


@pytest.fixture(scope="module")
def poses():
    motion = np.concatenate([procedural_motion(action, 1, 3.0) for action in ("walk", "kick", "bow")])
    return torch.from_numpy(motion)


@pytest.fixture(scope="module")
def sampler():
    clips = [procedural_motion(action, 1, 3.0) for action in ("walk", "kick", "bow")]
    return PoseSampler(motion_set(clips, 30.0), 0.5)


def bones(poses):
    return poses[:, CHILDREN] - poses[:, PARENTS]


def test_varied_bodies_keep_the_directions_of_their_bones(poses):
    varied = vary_bodies(poses, 1.0, seeded("cpu", 1))
    before, after = bones(poses), bones(varied)
    cosine = torch.nn.functional.cosine_similarity(before, after, dim=-1)
    assert cosine.min() > 1 - 1e-5
    ratio = after.norm(dim=-1) / before.norm(dim=-1)
    assert ratio.min() > 0.88 * 0.9 - 1e-3 and ratio.max() < 1.12 * 1.1 + 1e-3
    assert ratio.std(0).min() > 0.02


def test_varied_bodies_stay_symmetric(poses):
    varied = vary_bodies(poses, 1.0, seeded("cpu", 1))
    ratio = (bones(varied).norm(dim=-1) / bones(poses).norm(dim=-1)).numpy()
    by_child = dict(zip(CHILDREN, ratio.T, strict=True))
    for left in LEFT_JOINTS:
        assert np.allclose(by_child[left], by_child[MIRROR[left]], atol=1e-4)


def test_the_share_of_bodies_that_vary(poses):
    many = poses[:1].expand(2000, -1, -1)
    assert torch.allclose(vary_bodies(many, 0.0, seeded("cpu", 2)), many, atol=1e-6)
    changed = ((vary_bodies(many, 0.3, seeded("cpu", 2)) - many).abs() > 1e-4).any(-1).any(-1)
    assert 0.25 < changed.float().mean() < 0.35


def test_a_taller_body_has_its_hip_higher_by_the_same_factor(poses):
    varied = vary_bodies(poses, 1.0, seeded("cpu", 1))
    factor = varied[:, 0, 2] / poses[:, 0, 2]
    assert torch.equal(varied[:, 0, :2], poses[:, 0, :2])
    assert 0.88 <= factor.min() and factor.max() <= 1.12


def test_mirrored_bodies_keep_their_bones_and_swap_their_sides(poses):
    mirrored = mirror_bodies(poses, seeded("cpu", 3))
    flipped = (mirrored != poses).any(-1).any(-1)
    assert 0.35 < flipped.float().mean() < 0.65
    assert torch.equal(mirrored[~flipped], poses[~flipped])
    before, after = poses[flipped].numpy(), mirrored[flipped].numpy()
    lengths_before, lengths_after = bone_lengths(before), bone_lengths(after)
    for bone, (_, child) in enumerate(BONES):
        twin = CHILDREN.index(MIRROR[child])
        assert np.allclose(lengths_after[:, bone], lengths_before[:, twin], atol=1e-6)
    expected = before * [-1, 1, 1]
    for right, left in zip(RIGHT_JOINTS, LEFT_JOINTS, strict=True):
        assert np.allclose(after[:, left], expected[:, right])
        assert np.allclose(after[:, right], expected[:, left])


def test_a_mirrored_body_keeps_left_on_its_own_left():
    """Left and right of the body itself: where it faces, its left hip is still on its left."""
    pose = torch.zeros(64, 17, 3)
    pose[:, 4, 1], pose[:, 1, 1] = 0.1, -0.1
    pose[:, 8, 2] = 0.5
    pose[:, 9] = torch.tensor([0.1, 0.0, 0.6])
    mirrored = mirror_bodies(pose, seeded("cpu", 0))
    left = mirrored[:, 4] - mirrored[:, 1]
    up, face = mirrored[:, 8], mirrored[:, 9] - mirrored[:, 8]
    handedness = (torch.linalg.cross(up, face) * left).sum(-1)
    assert bool((handedness > 0).all())


def test_poses_of_the_sampler_are_those_of_the_set(sampler):
    motions = motion_set([procedural_motion("walk", 1, 3.0)], 30.0)
    one = PoseSampler(motions, 0.0)
    frames = torch.tensor([0, 7, 89])
    assert np.allclose(one.poses_world(frames).numpy(), motions.poses_world(frames.numpy()), atol=1e-6)


def test_batches_depend_on_the_generator_alone(sampler):
    torch.manual_seed(1)
    first = sampler.draw(20, seeded("cpu", 5))
    torch.manual_seed(2)
    again, other = sampler.draw(20, seeded("cpu", 5)), sampler.draw(20, seeded("cpu", 6))
    assert torch.equal(first.view.pose_norm, again.view.pose_norm)
    assert torch.equal(first.view.means_norm, again.view.means_norm)
    assert torch.equal(first.pose_view, again.pose_view)
    assert not torch.equal(first.view.pose_norm, other.view.pose_norm)


def test_the_truth_projects_near_the_detected_pose(sampler):
    """Both are told in the same frame: what is seen of the true pose is what was detected, give or take an error."""
    batch = sampler.draw(300, seeded("cpu", 8))
    assert bool((batch.pose_view[:, 0] == 0).all())
    seen = batch.pose_view[..., :2]
    cosine = torch.nn.functional.cosine_similarity(seen.flatten(1), batch.view.pose_norm.flatten(1), dim=-1)
    assert cosine.median() > 0.97


def test_streams_of_different_numbers_differ_and_of_the_same_agree():
    def first(*numbers):
        return float(torch.rand(1, generator=seeded("cpu", *numbers)))

    assert first(1, 2, 3) == first(1, 2, 3)
    assert len({first(1, 2, 3), first(1, 2, 4), first(1, 3, 2), first(1, 2), first(123)}) == 5
