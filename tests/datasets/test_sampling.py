"""Training views: bodies varied and mirrored as promised, and decided by the generator alone."""

import numpy as np
import pytest
import torch

from diffpose_core.datasets.mocap17 import motion_set
from diffpose_core.datasets.procedural import procedural_motion
from diffpose_core.datasets.sampling import PoseSampler, Variation, mirror_bodies
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
    return PoseSampler(motion_set(clips, 30.0), Variation())


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
    one = PoseSampler(motions)
    frames = torch.tensor([0, 7, 89])
    assert np.allclose(one.poses_world(frames).numpy(), motions.poses_world(frames.numpy()), atol=1e-6)


def test_motion_sets_are_drawn_by_their_shares():
    """Frames of each set are told by where their hips are: the second set is moved 100 m away."""
    near = motion_set([procedural_motion("walk", 1, 3.0)], 30.0)
    far = motion_set([procedural_motion("walk", 1, 2.0) + np.float32([100, 0, 0])], 30.0)
    sampler = PoseSampler([(near, 0.9), (far, 0.3)])
    frames = sampler._draw_frames(8000, seeded("cpu", 1))
    hips = sampler.poses_world(frames)[:, 0, 0]
    assert (hips > 50).float().mean() == pytest.approx(0.25, abs=0.02)
    assert len(frames.unique()) == near.num_frames + far.num_frames


def test_up_and_measures_come_with_every_view(sampler):
    batch = sampler.draw(300, seeded("cpu", 8))
    assert torch.allclose(batch.up.norm(dim=-1), torch.ones(300), atol=1e-5)
    # People mostly stand and cameras mostly look level: up is against the picture's y.
    assert batch.up[:, 1].mean() < -0.9
    trunk = batch.pose_view[:, 8].norm(dim=-1)
    assert torch.allclose(batch.measures[:, 3], trunk, atol=1e-4)


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
