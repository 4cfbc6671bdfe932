"""H_K against what its parameters say it must be."""

import math

import pytest
import torch

from diffpose_core.camera import project
from diffpose_core.rng import seeded
from diffpose_core.structures import InvalidInput
from diffpose_core.uncertainty.indeterminate import (
    UNKNOWN_CAMERA_DISTANCE_M,
    DepthResidual,
    fit_depth_residual,
    metric_scale,
    sample_indeterminate,
)
from diffpose_core.uncertainty.view import View, normalise_view


def correlation(strength=0.5):
    """Joints whose depth errors are the more alike the nearer their numbers; the hip apart."""
    number = torch.arange(17.0)
    matrix = strength ** (number[:, None] - number).abs()
    matrix[0], matrix[:, 0] = 0.0, 0.0
    matrix[0, 0] = 1.0
    return matrix


def depth_residual(base=0.0004, gain=0.5):
    base_var, spread_gain = torch.full((17,), base), torch.full((17,), gain)
    base_var[0] = spread_gain[0] = 0.0
    return DepthResidual(correlation(), base_var, spread_gain)


def people(batch=3, distance=4.0, std_px=1e-3, seed=0, camera=True):
    """Poses in space, their view with one narrow mode a joint, and the truth in the view frame."""
    generator = torch.Generator().manual_seed(seed)
    relative = 0.35 * torch.randn(batch, 17, 3, generator=generator, dtype=torch.float64)
    relative[:, 0] = 0.0
    away = distance * (1 + 0.2 * torch.rand(batch, 1, generator=generator, dtype=torch.float64))
    root = torch.cat((0.1 * away, -0.15 * away, away), -1)
    joints_cam = relative + root[:, None]
    intrinsics = torch.tensor([[1145.0, 1145.0, 500.0, 500.0]], dtype=torch.float64).expand(batch, 4)
    means = project(joints_cam, intrinsics)[:, :, None]
    weights = torch.ones(batch, 17, 1, dtype=torch.float64)
    view = normalise_view(weights, means, torch.full_like(means, std_px**2), intrinsics if camera else None)
    return view, view.to_view(relative), root.norm(dim=-1)


def test_the_fit_finds_the_parameters_that_made_the_residuals():
    generator = torch.Generator().manual_seed(1)
    base = torch.linspace(0.001, 0.004, 17)
    gain = torch.linspace(0.3, 2.0, 17)
    spread = 0.01 + 0.1 * torch.rand(60_000, 17, generator=generator)
    factor = torch.linalg.cholesky(correlation(0.6))
    white = torch.randn(60_000, 17, generator=generator) @ factor.T
    residual = white * (base + gain * spread.square()).sqrt()
    residual[:, 0] = 0.0
    found = fit_depth_residual(residual, spread)
    assert torch.allclose(found.base_var[1:], base[1:], rtol=0.1)
    assert torch.allclose(found.spread_gain[1:], gain[1:], rtol=0.1)
    assert torch.allclose(found.correlation, correlation(0.6), atol=0.02)
    assert float(found.base_var[0]) == 0 and float(found.spread_gain[0]) == 0
    torch.linalg.cholesky(found.correlation)


def test_the_fit_never_makes_a_variance_negative():
    generator = torch.Generator().manual_seed(2)
    spread = 0.01 + 0.1 * torch.rand(5000, 17, generator=generator)
    # Errors that shrink with the spread: the nearest allowed answer is that it does not matter.
    residual = torch.randn(5000, 17, generator=generator) * 0.001 / spread
    found = fit_depth_residual(residual, spread)
    assert bool((found.spread_gain == 0).all()) and bool((found.base_var[1:] > 0).all())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (dict(correlation=torch.eye(16)), r"correlation must be finite and \(17, 17\), found \(16, 16\)"),
        (dict(base_var=torch.full((17,), math.nan)), "base_var must be finite"),
        (dict(spread_gain=torch.full((17,), -1.0)), "must not be negative"),
    ],
)
def test_bad_residuals_are_refused(changes, message):
    fields = dict(correlation=torch.eye(17), base_var=torch.ones(17), spread_gain=torch.ones(17))
    with pytest.raises(InvalidInput, match=message):
        DepthResidual(**{**fields, **changes})


def test_with_a_camera_the_true_pose_gives_the_true_distance():
    view, truth, distance = people()
    _, found = metric_scale(view, truth)
    assert torch.allclose(found, distance, atol=2e-3)


def test_with_a_camera_samples_of_a_sure_detection_lie_on_the_truth():
    view, truth, _ = people()
    sure = DepthResidual(torch.eye(17), torch.full((17,), 1e-10), torch.zeros(17))
    samples = sample_indeterminate(view, truth, sure, 50, torch.Generator().manual_seed(0))
    assert (samples - truth[:, None]).norm(dim=-1).max() < 2e-3


def test_perspective_holds_at_every_depth_that_is_drawn():
    """Whatever depth a sample takes, its joints stay on the detected rays."""
    view, truth, distance = people()
    deep = DepthResidual(torch.eye(17), torch.full((17,), 0.04), torch.zeros(17))
    samples = sample_indeterminate(view, truth, deep, 200, torch.Generator().manual_seed(0))
    assert samples[..., 5, 2].std() > 0.1
    absolute = samples.clone()
    absolute[..., 2] += distance[:, None, None]
    on_plane = absolute[..., :2] / absolute[..., 2:]
    # The rays of the true pose, so that neither scale nor distance is taken from what is tested.
    rays = truth[..., :2] / (truth[..., 2:] + distance[:, None, None])
    assert torch.allclose(on_plane, rays[:, None].expand_as(on_plane), atol=1e-4)


def test_without_a_camera_the_distance_is_the_assumed_one():
    view, truth, _ = people(camera=False)
    scale, distance = metric_scale(view, truth)
    assert bool((distance == UNKNOWN_CAMERA_DISTANCE_M).all())
    assert bool((scale > 0.05).all()) and bool((scale < 2.0).all())


def test_without_a_camera_the_scale_is_that_of_a_pose_seen_from_the_assumed_distance():
    _, truth, _ = people()
    metres = torch.tensor([0.2, 0.4, 0.9], dtype=torch.float64)
    place = truth[..., :2] / (metres[:, None, None] * (1 + truth[..., 2:] / 5.0))
    one = torch.ones(3, 17, 1, dtype=torch.float64)
    nothing, turn = torch.full((3,), math.nan, dtype=torch.float64), torch.eye(3, dtype=torch.float64).expand(3, 3, 3)
    view = View(one, place[:, :, None], 0.05 * one[..., None].expand(-1, -1, -1, 2), place, nothing, nothing, turn)
    scale, _ = metric_scale(view, truth)
    assert torch.allclose(scale, metres, rtol=1e-9)


def test_mean_and_variance_of_joints_with_one_mode():
    """x = place (scale + unit z) with place and z independent: their moments are known."""
    base, gain = 0.0004, 0.5
    view, truth, distance = people(batch=1, std_px=6.0)
    count = 40_000
    samples = sample_indeterminate(view, truth, depth_residual(base, gain), count, torch.Generator().manual_seed(3))[0]
    # 6 px of a focal length of 1145 px, at the person's distance; off the axis pixels cover a little less.
    metres = view.stds_norm[0, :, 0] * view.plane_unit[0] * distance[0]
    assert torch.allclose(metres, (6.0 / 1145.0 * distance[0]).expand_as(metres), rtol=0.1)
    scale = distance * view.plane_unit
    std_z = (base + gain * metres.square().mean(-1)).sqrt()
    place_mean = truth[0, :, :2] / (scale[0] * (1 + truth[0, :, 2:] / distance[0]))
    hip_var = view.stds_norm[0, 0, 0].square()
    for joint in (1, 4, 9, 16):
        mean_z, var_z = truth[0, joint, 2], std_z[joint] ** 2
        z = samples[:, joint, 2]
        assert math.isclose(z.mean(), mean_z, abs_tol=5 * math.sqrt(var_z / count))
        assert math.isclose(z.var(), var_z, rel_tol=0.05)
        # The hip moves too, and everything is told relative to it.
        var_place = view.stds_norm[0, joint, 0].square() + hip_var
        factor_mean = scale[0] * (1 + mean_z / distance[0])
        factor_var = (scale[0] / distance[0]) ** 2 * var_z
        var_xy = var_place * (factor_mean**2 + factor_var) + place_mean[joint].square() * factor_var
        xy = samples[:, joint, :2]
        assert torch.allclose(xy.var(0), var_xy, rtol=0.05)
        error = (xy.mean(0) - place_mean[joint] * factor_mean).abs()
        assert bool((error < 5 * (var_xy / count).sqrt()).all())


def test_depth_errors_are_correlated_as_measured():
    view, truth, _ = people(batch=1)
    samples = sample_indeterminate(view, truth, depth_residual(), 20_000, torch.Generator().manual_seed(4))[0]
    found = torch.corrcoef(samples[:, 1:, 2].T)
    assert torch.allclose(found.float(), correlation()[1:, 1:], atol=0.04)


def test_modes_are_drawn_by_weight_and_unused_ones_never():
    weights = torch.zeros(1, 17, 3, dtype=torch.float64)
    weights[..., 0], weights[..., 2] = 0.7, 0.3
    generator = torch.Generator().manual_seed(5)
    means = 500 + 100 * torch.randn(1, 17, 3, 2, generator=generator, dtype=torch.float64)
    means[:, :, 1] = 1e5
    means[:, 0] = means[:, 0, :1]
    view = normalise_view(weights, means, torch.full_like(means, 1e-8), None)
    flat = DepthResidual(torch.eye(17), torch.zeros(17), torch.zeros(17))
    pose = torch.cat((view.pose_norm * 0.4, torch.zeros(1, 17, 1, dtype=torch.float64)), -1)
    samples = sample_indeterminate(view, pose, flat, 5000, torch.Generator().manual_seed(6))[0]
    # A flat pose of 0.4 m a unit of the image.
    places = view.means_norm[0] * 0.4
    for joint in (3, 11):
        gaps = (samples[:, joint, None, :2] - places[joint]).norm(dim=-1)
        nearest = gaps.argmin(-1)
        assert gaps.min(-1).values.max() < 1e-4
        assert not bool((nearest == 1).any())
        assert math.isclose((nearest == 2).double().mean(), 0.3, abs_tol=0.03)


def test_the_hip_is_exactly_at_the_origin():
    view, truth, _ = people(std_px=8.0)
    samples = sample_indeterminate(view, truth, depth_residual(), 30, torch.Generator().manual_seed(0))
    assert bool((samples[:, :, 0] == 0).all())


def test_shared_noise_makes_a_frame_independent_of_the_others():
    view, truth, _ = people(batch=5, std_px=8.0)
    whole = sample_indeterminate(view, truth, depth_residual(), 40, seeded("cpu", 7), shared_noise=True)
    alone = sample_indeterminate(view[3:4], truth[3:4], depth_residual(), 40, seeded("cpu", 7), shared_noise=True)
    assert torch.allclose(whole[3:4], alone, atol=1e-9)
    same_frame = sample_indeterminate(
        view[torch.tensor([2, 2])], truth[[2, 2]], depth_residual(), 40, seeded("cpu", 7), shared_noise=True
    )
    assert torch.equal(same_frame[0], same_frame[1])
    apart = sample_indeterminate(view[torch.tensor([2, 2])], truth[[2, 2]], depth_residual(), 40, seeded("cpu", 7))
    assert not torch.allclose(apart[0], apart[1])


def test_shared_noise_is_the_generators_and_leaves_it_where_drawing_does():
    view, truth, _ = people(batch=1, std_px=8.0)
    for _ in range(2):  # the second time from what was kept
        kept, drawn = seeded("cpu", 8), seeded("cpu", 8)
        shared = sample_indeterminate(view, truth, depth_residual(), 40, kept, shared_noise=True)
        assert torch.equal(shared, sample_indeterminate(view, truth, depth_residual(), 40, drawn))
        assert torch.equal(torch.rand(3, generator=kept), torch.rand(3, generator=drawn))
    other = sample_indeterminate(view, truth, depth_residual(), 40, seeded("cpu", 9), shared_noise=True)
    assert not torch.allclose(shared, other)
