"""Hypotheses weighted by the picture: densities against scipy's, and the hypothesis that fits is what counts."""

import numpy as np
import torch
from scipy.stats import multivariate_normal

from diffpose_core.uncertainty.aggregate import best_hypothesis, reprojection_log_prob, weighted_by_reprojection
from diffpose_core.uncertainty.indeterminate import metric_scale
from diffpose_core.uncertainty.view import View


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
    assert torch.allclose(weighted_by_reprojection(view, hypotheses), pose, atol=1e-3)
    assert (hypotheses.mean(1) - pose).norm(dim=-1)[:, 13].min() > 0.15


def test_by_joint_each_joint_comes_from_the_hypothesis_that_has_it_right():
    pose, view = people()
    wrist, foot = pose.clone(), pose.clone()
    wrist[:, 13, 0] += 0.3
    foot[:, 3, 1] -= 0.3
    hypotheses = torch.stack((wrist, foot), dim=1)
    assert torch.allclose(weighted_by_reprojection(view, hypotheses, by_joint=True), pose, atol=1e-3)
    whole = weighted_by_reprojection(view, hypotheses)
    assert (whole - pose).norm(dim=-1).amax(-1).min() > 0.1, "no whole pose has both right"


def test_hypotheses_that_explain_the_picture_equally_well_count_the_same():
    pose, view = people(1)
    same = pose[:, None].expand(-1, 3, -1, -1)
    for by_joint in (False, True):
        assert torch.allclose(weighted_by_reprojection(view, same, by_joint), pose)


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
