"""The residual of a reprojection: 0 for the pose that was seen, whatever its size, and right values where it isn't."""

import math

import pytest
import torch

from diffpose_core.uncertainty.residual import residual_m
from tests.uncertainty.test_indeterminate import people
from tests.uncertainty.test_reconcile import pose_at, random_view, view_of

ALL = torch.ones(1, 17, dtype=torch.bool)


def flat_view(place):
    """A view of exactly these places, (1, 17, 2), camera unknown."""
    view, _ = random_view(modes=1)
    return view_of(view.weights, place[:, :, None], view.stds_norm)


def least_squares_residual(detected, projected):
    """The same by a general solver: detected = a projected + b, in metres of the projected pose."""
    ones, zeros = torch.ones_like(projected[:, :1]), torch.zeros_like(projected[:, :1])
    left = torch.cat((torch.cat((projected[:, :1], ones, zeros), 1), torch.cat((projected[:, 1:], zeros, ones), 1)), 0)
    right = torch.cat((detected[:, 0], detected[:, 1]))[:, None]
    rest = right - left @ torch.linalg.lstsq(left, right).solution
    of = [(pose - pose.mean(0)).square().sum(-1).mean().sqrt() for pose in (projected, detected)]
    return (rest.square().sum() / len(detected)).sqrt() * of[0] / of[1]


def test_the_true_pose_has_no_residual_at_any_size_and_place():
    view, truth, _ = people(camera=True, distance=4.0)
    seen = torch.ones(truth.shape[:2], dtype=torch.bool)
    assert residual_m(view, truth, seen).max() < 1e-3
    _, place = random_view()
    pose, _ = pose_at(place)
    for size, shift in ((1.0, 0.0), (3.0, 0.7), (0.2, -2.0)):
        assert residual_m(flat_view(size * place + shift), pose, ALL) < 1e-6


def test_the_residual_is_that_of_a_general_least_squares_solver():
    generator = torch.Generator().manual_seed(3)
    _, place = random_view()
    pose, _ = pose_at(place)
    detected = place + 0.3 * torch.randn(1, 17, 2, generator=generator, dtype=torch.float64)
    found = residual_m(flat_view(detected), pose, ALL)
    assert math.isclose(found.item(), least_squares_residual(detected[0], pose[0, :, :2]).item(), rel_tol=1e-6)
    seen = ALL.clone()
    seen[0, [3, 8, 13]] = False
    moved = detected.clone()
    moved[0, [3, 8, 13]] = 50.0
    found = residual_m(flat_view(moved), pose, seen)
    kept = seen[0]
    wanted = least_squares_residual(detected[0, kept], pose[0, kept, :2])
    assert math.isclose(found.item(), wanted.item(), rel_tol=1e-6), "joints that nobody saw don't count"


@pytest.mark.parametrize("turn", [-1.0, 0.0])
def test_a_pose_with_nothing_in_common_has_the_residual_of_its_own_radius(turn):
    _, place = random_view()
    pose, _ = pose_at(place)
    # Turned by half a circle it would fit exactly at a scale of -1; turned by a quarter, at none.
    detected = -place if turn else torch.stack((-place[..., 1], place[..., 0]), -1)
    radius = (pose - pose.mean(1, keepdim=True)).square().sum(-1).mean().sqrt()
    assert math.isclose(residual_m(flat_view(detected), pose, ALL).item(), radius.item(), rel_tol=1e-6)


def test_a_frame_in_which_nothing_was_seen_has_no_residual():
    _, place = random_view()
    pose, _ = pose_at(place)
    assert residual_m(flat_view(place), pose, ~ALL) == 0
