"""One meaning for every joint where motion is loaded, and the points of other layouts in training views."""

import numpy as np
import pytest
import torch

from diffpose_core.datasets.joint_definitions import LandmarkRanges, place_landmarks, with_middle_joints
from diffpose_core.datasets.mocap17 import in_one_definition, load_mocap17, motion_set, save_mocap17
from diffpose_core.datasets.procedural import procedural_motion

ONLY = {
    "coco": LandmarkRanges(coco=1.0, ears=0.0, halpe=0.0),
    "ears": LandmarkRanges(coco=0.0, ears=1.0, halpe=0.0),
    "halpe": LandmarkRanges(coco=0.0, ears=0.0, halpe=1.0),
    "other": LandmarkRanges(coco=0.0, ears=0.0, halpe=0.0),
}


@pytest.fixture(scope="module")
def clips():
    """(200, 1, 17, 3): a person who stands and looks along +y, seen many times."""
    pose = torch.zeros(17, 3)
    pose[1], pose[4] = torch.tensor([0.1, 0.0, 0.0]), torch.tensor([-0.1, 0.0, 0.0])
    pose[14], pose[11] = torch.tensor([0.17, 0.0, 0.5]), torch.tensor([-0.17, 0.0, 0.5])
    pose[8], pose[7] = torch.tensor([0.0, 0.0, 0.5]), torch.tensor([0.0, 0.0, 0.25])
    pose[9], pose[10] = torch.tensor([0.0, 0.0, 0.62]), torch.tensor([0.0, 0.0, 0.75])
    return pose.expand(200, 1, -1, -1)


def test_middle_joints_are_in_the_middle():
    poses = torch.randn(4, 5, 17, 3, generator=torch.Generator().manual_seed(0))
    placed = with_middle_joints(poses)
    assert torch.allclose(placed[..., 0, :], (poses[..., 1, :] + poses[..., 4, :]) / 2)
    assert torch.allclose(placed[..., 8, :], (poses[..., 11, :] + poses[..., 14, :]) / 2)
    assert torch.allclose(placed[..., 7, :], (placed[..., 0, :] + placed[..., 8, :]) / 2)
    others = [j for j in range(17) if j not in (0, 7, 8)]
    assert torch.equal(placed[..., others, :], poses[..., others, :])


def test_motion_sets_are_brought_to_one_definition(tmp_path):
    motion = procedural_motion("walk", 1, 2.0)
    motion[:, 0, 2] += 0.1  # a hip as some files have it: 10 cm above the middle of the hips
    save_mocap17(motion_set([motion], 30.0), tmp_path / "m.npz")
    loaded = in_one_definition(load_mocap17(tmp_path / "m.npz")).clip_world(0)
    expected = with_middle_joints(torch.from_numpy(motion)).numpy()
    assert np.abs(loaded - expected).max() < 3e-4  # stored in tenths of a millimetre


@pytest.mark.parametrize("layout", ["coco", "halpe"])
def test_the_nose_is_before_the_face(clips, layout):
    placed = place_landmarks(clips, ONLY[layout], torch.Generator().manual_seed(1))
    nose = placed[:, 0, 9] - clips[:, 0, 9]
    assert nose[:, 1].mean() == pytest.approx(0.1, abs=0.02)
    assert nose[:, 0].mean().abs() < 0.02 and nose[:, 0].std() > 0.02  # heads turn to both sides
    assert torch.equal(placed[:, :, :8], clips[:, :, :8]) and torch.equal(placed[:, :, 11:], clips[:, :, 11:])


def test_heads_of_the_layouts(clips):
    heads = {
        name: place_landmarks(clips, ranges, torch.Generator().manual_seed(2))[:, 0, 10].mean(0)
        for name, ranges in ONLY.items()
    }
    assert heads["coco"][1] > 0.06 and heads["ears"][1] < 0.03
    assert heads["halpe"][2] > heads["coco"][2] > 0.65
    assert heads["halpe"][2] > heads["ears"][2]


def test_the_neck_of_ears_lies_halfway_to_them(clips):
    placed = place_landmarks(clips, ONLY["ears"], torch.Generator().manual_seed(3))[:, 0]
    assert torch.allclose(placed[:, 9], (placed[:, 8] + placed[:, 10]) / 2, atol=1e-6)


def test_other_views_move_trunk_joints_along_the_trunk_only(clips):
    placed = place_landmarks(clips, ONLY["other"], torch.Generator().manual_seed(4))[:, 0]
    moved = placed - clips[:, 0]
    assert moved[:, [0, 7, 8], :2].abs().max() < 1e-6
    assert moved[:, 8, 2].std() == pytest.approx(0.05 * 0.5, rel=0.2)
    assert moved[:, [1, 2, 3, 4, 5, 6, 11, 12, 13, 14, 15, 16]].abs().max() == 0.0


def test_points_keep_their_place_on_a_body_that_turns(clips):
    """Rotating a clip and placing landmarks commute."""
    angle = torch.tensor(0.7)
    turn = torch.tensor([[angle.cos(), -angle.sin(), 0.0], [angle.sin(), angle.cos(), 0.0], [0.0, 0.0, 1.0]])
    ranges = LandmarkRanges()
    turned_after = place_landmarks(clips, ranges, torch.Generator().manual_seed(5)) @ turn.T
    turned_before = place_landmarks(clips @ turn.T, ranges, torch.Generator().manual_seed(5))
    assert torch.allclose(turned_after, turned_before, atol=1e-5)
