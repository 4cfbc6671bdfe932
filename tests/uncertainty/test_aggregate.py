"""Hypotheses weighted by the picture: densities against scipy's, and the hypothesis that fits is what counts."""

from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal

from diffpose_core.camera import project
from diffpose_core.uncertainty.aggregate import (
    Way,
    best_hypothesis,
    best_joints,
    one_pose,
    reprojected,
    reprojection_error,
    reprojection_log_prob,
)
from diffpose_core.uncertainty.indeterminate import metric_scale
from diffpose_core.uncertainty.view import View, normalise_view

WAYS = get_args(Way)


def people(count=3, seed=0):
    """Flat people, (B, 17, 3) metres, and a view that sees each joint where it is or, with weight 0.4, elsewhere."""
    generator = torch.Generator().manual_seed(seed)
    pose = torch.randn(count, 17, 3, generator=generator, dtype=torch.float64) * torch.tensor([0.4, 0.4, 0.0])
    pose[:, 0] = 0.0
    first = pose[..., :2] / 0.4
    means = torch.stack((first, first + 2.0), dim=2)
    stds = torch.full_like(means, 0.05)
    weights = torch.tensor([0.6, 0.4], dtype=torch.float64).expand(count, 17, 2)
    unknown = torch.full((count,), float("nan"), dtype=torch.float64)
    turn, size = torch.eye(3, dtype=torch.float64).expand(count, 3, 3), torch.ones_like(unknown)
    return pose, View(weights, means, stds, first, unknown, size, turn)


def test_the_density_is_that_of_the_mixture_at_the_projected_place():
    pose, view = people()
    hypotheses = pose[:, None] + 0.05 * torch.randn(3, 4, 17, 3, generator=torch.Generator().manual_seed(1)).double()
    found = reprojection_log_prob(view, hypotheses)
    scale, distance = metric_scale(view, hypotheses.mean(1))
    for b, h, j in ((0, 0, 3), (2, 3, 16), (1, 2, 8)):
        x, y, z = hypotheses[b, h, j].tolist()
        metres = float(scale[b]) * (1.0 + z / float(distance[b]))
        density = sum(
            float(view.weights[b, j, k])
            * multivariate_normal(view.means_norm[b, j, k].numpy(), 0.05**2 * np.eye(2)).pdf([x / metres, y / metres])
            for k in range(2)
        )
        assert np.isclose(float(found[b, h, j]), np.log(density))


def test_the_hypothesis_that_fits_the_picture_is_the_answer():
    pose, view = people()
    away = pose.clone()
    away[:, 13, 0] += 0.3
    hypotheses = torch.stack((away, pose, away), dim=1)
    assert torch.allclose(one_pose("by pose", view, hypotheses), pose, atol=1e-3)
    assert (hypotheses.mean(1) - pose).norm(dim=-1)[:, 13].min() > 0.15


def test_by_joint_each_joint_comes_from_the_hypothesis_that_has_it_right():
    pose, view = people()
    wrist, foot = pose.clone(), pose.clone()
    wrist[:, 13, 0] += 0.3
    foot[:, 3, 1] -= 0.3
    hypotheses = torch.stack((wrist, foot), dim=1)
    assert torch.allclose(one_pose("by joint", view, hypotheses), pose, atol=1e-3)
    whole = one_pose("by pose", view, hypotheses)
    assert (whole - pose).norm(dim=-1).amax(-1).min() > 0.1, "no whole pose has both right"


def test_hypotheses_that_explain_the_picture_equally_well_count_the_same():
    pose, view = people(1)
    same = pose[:, None].expand(-1, 3, -1, -1)
    for way in WAYS:
        assert torch.allclose(one_pose(way, view, same), pose)


def test_the_best_hypothesis_is_that_of_the_lowest_mean_error_as_a_loop_finds_it():
    generator = torch.Generator().manual_seed(3)
    truth = torch.randn(20, 17, 3, generator=generator)
    hypotheses = truth[:, None] + 0.1 * torch.randn(20, 6, 17, 3, generator=generator)
    best = best_hypothesis(hypotheses, truth)
    for pose, exact, found in zip(hypotheses.numpy(), truth.numpy(), best.numpy(), strict=True):
        means = [sum(float(np.linalg.norm(h[j] - exact[j])) for j in range(17)) / 17 for h in pose]
        assert np.array_equal(found, pose[int(np.argmin(means))])


def test_one_bad_joint_does_not_make_a_hypothesis_the_worse_one():
    truth = torch.zeros(1, 17, 3)
    bad_wrist, all_off = truth.clone(), truth.clone()
    bad_wrist[:, 13, 0] = 0.5  # 29 mm on average
    all_off[..., 0] = 0.1
    for order in ((bad_wrist, all_off), (all_off, bad_wrist)):
        assert torch.equal(best_hypothesis(torch.stack(order, dim=1), truth), bad_wrist)


def test_the_best_joints_are_those_nearest_to_the_truth():
    generator = torch.Generator().manual_seed(4)
    truth = torch.randn(5, 17, 3, generator=generator)
    hypotheses = truth[:, None] + 0.1 * torch.randn(5, 6, 17, 3, generator=generator)
    best = best_joints(hypotheses, truth)
    for b in range(5):
        for j in range(17):
            off = [float((hypotheses[b, h, j] - truth[b, j]).norm()) for h in range(6)]
            assert torch.equal(best[b, j], hypotheses[b, int(np.argmin(off)), j])


def test_with_the_true_root_a_true_pose_reprojects_to_the_detected_joints():
    generator = torch.Generator().manual_seed(5)
    relative = 0.3 * torch.randn(4, 17, 3, generator=generator, dtype=torch.float64)
    relative[:, 0] = 0
    root = torch.tensor([0.5, -0.3, 4.0], dtype=torch.float64).expand(4, 3)
    intrinsics = torch.tensor([[1100.0, 1100.0, 500.0, 500.0]], dtype=torch.float64).expand(4, 4)
    means = project(relative + root[:, None], intrinsics)[:, :, None]
    one = torch.ones(4, 17, 1, dtype=torch.float64)
    view = normalise_view(one, means, torch.ones_like(means), intrinsics)
    root_view = view.to_view(root[:, None])[:, 0]
    truth, apart = view.to_view(relative), 1.1 * view.to_view(relative)
    error = reprojection_error(view, torch.stack((truth, apart), 1), root_view)
    assert error[:, 0].max() < 1e-9 and error[:, 1, 1:].min() > 1e-4
    # Without the root the size of the mean of the two is taken to be right.
    assert reprojection_error(view, torch.stack((truth, apart), 1))[:, 0, 1:].min() > 1e-4
    for way in ("nearest", "j-agg"):
        assert torch.allclose(one_pose(way, view, torch.stack((apart, truth), 1), root_view), truth)


def seen_at(offsets):
    """A flat pose, its view, and hypotheses that lie beside it by offsets (H, J) in normalised units."""
    pose, view = people(1)
    offsets = torch.as_tensor(offsets, dtype=torch.float64)
    scale, _ = metric_scale(view, pose)
    hypotheses = pose[:, None].repeat(1, len(offsets), 1, 1)
    hypotheses[..., 0] += scale * (offsets - offsets.mean(0))
    return view, hypotheses


def offsets(hypotheses=5, seed=6):
    """Offsets of every joint but the hip."""
    drawn = 0.05 * np.random.default_rng(seed).standard_normal((hypotheses, 17))
    drawn[:, 0] = 0
    return drawn - drawn.mean(0)


def test_choosing_by_reprojection_is_what_a_loop_finds():
    off = offsets()
    view, hypotheses = seen_at(off)
    found = reprojection_error(view, hypotheses)[0]
    assert np.allclose(found, np.abs(off), atol=1e-6)
    whole, single = (one_pose(way, view, hypotheses)[0] for way in ("nearest", "j-agg"))
    assert torch.equal(whole, hypotheses[0, int(np.abs(off).mean(1).argmin())])
    assert len(set(np.abs(off)[:, 1:].argmin(0))) > 1
    for j in range(17):
        assert torch.equal(single[j], hypotheses[0, int(np.abs(off)[:, j].argmin()), j])


def test_rpea_is_the_weighted_mean_of_the_three_nearest_of_every_joint():
    off = np.abs(offsets())
    view, hypotheses = seen_at(offsets())
    found = one_pose("rpea", view, hypotheses)[0].numpy()
    for j in range(1, 17):
        three = np.argsort(off[:, j])[:3]
        weight = np.exp(-off[three, j] / 0.02)
        expected = (weight[:, None] * hypotheses[0, three, j].numpy()).sum(0) / weight.sum()
        assert np.allclose(found[j], expected, atol=1e-6)
    two = hypotheses[:, :2]
    assert one_pose("rpea", view, two).isfinite().all(), "fewer than three hypotheses"


@pytest.mark.parametrize("way", WAYS)
def test_every_way_depends_on_the_hypotheses_and_not_on_their_order(way):
    view, hypotheses = seen_at(offsets())
    found = one_pose(way, view, hypotheses)
    assert torch.allclose(one_pose(way, view, hypotheses.flip(1)), found)
    assert hypotheses.amin(1)[..., 0].le(found[..., 0] + 1e-9).all()
    assert hypotheses.amax(1)[..., 0].ge(found[..., 0] - 1e-9).all()


def test_places_are_those_of_the_mean_scale():
    pose, view = people(2)
    hypotheses = torch.stack((0.9 * pose, 1.1 * pose), 1)
    scale, _ = metric_scale(view, pose)
    assert torch.allclose(reprojected(view, hypotheses)[:, 1], 1.1 * pose[..., :2] / scale[:, None, None])


def test_joints_at_the_camera_or_behind_it_keep_a_tenth_of_the_distance():
    pose, view = people(1)
    pose = pose.clone()
    pose[0, 13, 2], pose[0, 16, 2] = -4.8, -7.0
    scale, distance = metric_scale(view, pose)
    found = reprojected(view, pose[:, None])[0, 0]
    assert float(distance) == 5.0
    for joint in (13, 16):
        assert torch.allclose(found[joint], pose[0, joint, :2] / (scale[0] * 0.1))
    known = replace(view, plane_unit=torch.full((1,), 0.2, dtype=torch.float64))
    root = torch.tensor([[0.0, 0.0, 5.0]], dtype=torch.float64)
    found = reprojected(known, pose[:, None], root)[0, 0]
    assert torch.allclose(found[16], pose[0, 16, :2] / 0.1 / 0.2) and torch.allclose(
        found[13], pose[0, 13, :2] / 0.2 / 0.2
    )
