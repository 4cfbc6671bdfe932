"""Views do not depend on where in the image a person is, or how large."""

import math

import pytest
import torch

from diffpose_core.camera import project, rotation_to_axis
from diffpose_core.uncertainty.mixtures import MEAN_STD
from diffpose_core.uncertainty.view import WIDEST_STD, normalise_view


def mixtures(batch=3, modes=3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    weights = torch.rand(batch, 17, modes, generator=generator, dtype=torch.float64)
    weights = weights / weights.sum(-1, keepdim=True)
    means = 500 + 120 * torch.randn(batch, 17, modes, 2, generator=generator, dtype=torch.float64)
    variances = 5 + 40 * torch.rand(means.shape, generator=generator, dtype=torch.float64)
    return weights, means, variances


FIELDS = ("pose_norm", "means_norm", "stds_norm", "joint_std_norm")


def assert_same_view(a, b, **tolerance):
    for name in FIELDS:
        assert torch.allclose(getattr(a, name), getattr(b, name), **tolerance), name


def test_without_a_camera_place_and_size_in_the_image_do_not_show():
    weights, means, variances = mixtures()
    view = normalise_view(weights, means, variances, None)
    moved = normalise_view(weights, 2 * means + torch.tensor([200.0, -35.0]), 4 * variances, None)
    assert_same_view(view, moved, atol=1e-9)
    assert bool(view.plane_unit.isnan().all())
    assert torch.equal(view.rotation, torch.eye(3, dtype=torch.float64).expand(3, 3, 3))


def main_std(view):
    best = view.weights.argmax(-1)[..., None, None].expand(-1, -1, 1, 2)
    return view.stds_norm.gather(2, best)[:, :, 0].mean(-1)


def test_how_wide_heatmaps_are_on_the_whole_does_not_show_and_how_they_differ_does():
    weights, means, variances = mixtures()
    view = normalise_view(weights, means, variances, None)
    level, wider = view.levelled(), normalise_view(weights, means, 3.0 * variances, None).levelled()
    assert_same_view(level, wider, atol=1e-9)
    assert torch.allclose(main_std(level).log().mean(1).exp(), torch.full((3,), MEAN_STD, dtype=torch.float64))
    ratio = level.stds_norm / view.stds_norm
    assert torch.allclose(ratio, ratio[:, :1, :1, :1].expand_as(ratio)), "one factor for all of a pose"
    assert torch.equal(level.pose_norm, view.pose_norm) and torch.equal(level.weights, view.weights)


def test_joints_of_which_nothing_is_known_do_not_make_the_others_sure():
    weights, means, variances = mixtures(batch=2, modes=1)
    size = normalise_view(weights, means, variances, None).size
    variances = (0.05 * size)[:, None, None, None].square().expand_as(variances).clone()
    variances[1, [4, 5, 6]] = 4.0 * size[1] ** 2
    level = normalise_view(weights, means, variances, None).levelled()
    known, lost = main_std(level)[:, :4], main_std(level)[1, 4:7]
    assert bool((known[1] > 0.7 * known[0]).all())
    assert torch.equal(lost, torch.full_like(lost, WIDEST_STD))


def test_the_hip_is_the_origin_and_the_size_is_one():
    view = normalise_view(*mixtures(), None)
    assert bool((view.pose_norm[:, 0] == 0).all())
    spread = (view.pose_norm - view.pose_norm.mean(1, keepdim=True)).square().sum(-1).mean(1).sqrt()
    assert torch.allclose(spread, torch.ones_like(spread))


def test_the_detected_pose_is_the_heaviest_mode():
    weights, means, variances = mixtures(batch=1)
    view = normalise_view(weights, means, variances, None)
    for joint in range(17):
        best = int(weights[0, joint].argmax())
        assert torch.equal(view.pose_norm[0, joint], view.means_norm[0, joint, best])


def scene(batch=4, seed=1):
    """A person 5 m away, each joint one mode at its exact place."""
    generator = torch.Generator().manual_seed(seed)
    joints = 0.4 * torch.randn(batch, 17, 3, generator=generator, dtype=torch.float64)
    joints = joints - joints[:, :1] + torch.tensor([0.3, -0.2, 5.0])
    intrinsics = torch.tensor([[1100.0, 1150.0, 480.0, 510.0]], dtype=torch.float64).expand(batch, 4)
    return joints, intrinsics


def one_mode(joints, intrinsics):
    means = project(joints, intrinsics)[:, :, None]
    return torch.ones(means.shape[:-1], dtype=means.dtype), means, torch.full_like(means, 16.0)


def turn(yaw, pitch):
    cy, sy, cp, sp = math.cos(yaw), math.sin(yaw), math.cos(pitch), math.sin(pitch)
    about_y = torch.tensor([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]], dtype=torch.float64)
    about_x = torch.tensor([[1, 0, 0], [0, cp, -sp], [0, sp, cp]], dtype=torch.float64)
    return about_x @ about_y


@pytest.mark.parametrize(("yaw", "pitch"), [(0.25, 0.0), (0.0, -0.2), (-0.2, 0.15)])
def test_with_a_camera_turning_it_about_its_centre_does_not_show(yaw, pitch):
    joints, intrinsics = scene()
    view = normalise_view(*one_mode(joints, intrinsics), intrinsics)
    turned_joints = joints @ turn(yaw, pitch).T
    turned = normalise_view(*one_mode(turned_joints, intrinsics), intrinsics)
    # In the view frame the hip is on the optical axis both times; what is left of a turn of the camera is a roll.
    a, b = view.pose_norm, turned.pose_norm
    angle = torch.atan2((a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]).sum(-1), (a * b).sum((-1, -2)))
    c, s = angle.cos(), angle.sin()
    roll = torch.stack((torch.stack((c, -s), -1), torch.stack((s, c), -1)), -2)
    assert torch.allclose(torch.einsum("bij,bnj->bni", roll, a), b, atol=1e-9)
    assert torch.allclose(view.plane_unit, turned.plane_unit, atol=1e-12)
    # The smallest turn onto the axis leaves hardly any of it.
    assert angle.abs().max() < 0.05


def test_a_person_on_the_axis_and_the_same_turned_off_it_by_the_smallest_turn_look_exactly_alike():
    joints, intrinsics = scene()
    joints = joints - joints[:, :1] + torch.tensor([0.0, 0.0, 5.0])
    centred = normalise_view(*one_mode(joints, intrinsics), intrinsics)
    ray = torch.tensor([[0.2, -0.15, 1.0]], dtype=torch.float64)
    off_axis = joints @ rotation_to_axis(ray)[0]
    moved = normalise_view(*one_mode(off_axis, intrinsics), intrinsics)
    assert torch.allclose(centred.pose_norm, moved.pose_norm, atol=1e-9)
    assert torch.allclose(centred.plane_unit, moved.plane_unit, atol=1e-12)
    # ... and the poses of the two view frames are the same pose.
    relative, relative_off = joints - joints[:, :1], off_axis - off_axis[:, :1]
    assert torch.allclose(centred.to_view(relative), moved.to_view(relative_off), atol=1e-12)


def test_with_a_camera_zoom_does_not_show():
    joints, intrinsics = scene()
    zoomed = intrinsics * torch.tensor([1.5, 1.5, 1.0, 1.0])
    weights, means, variances = one_mode(joints, intrinsics)
    view = normalise_view(weights, means, variances, intrinsics)
    larger = normalise_view(weights, project(joints, zoomed)[:, :, None], variances * 1.5**2, zoomed)
    assert_same_view(view, larger, atol=1e-9)


def test_a_unit_on_the_plane_is_metres_at_one_metre():
    joints, intrinsics = scene()
    view = normalise_view(*one_mode(joints, intrinsics), intrinsics)
    turned = torch.einsum("bij,bnj->bni", view.rotation, joints)
    assert torch.allclose(turned[:, 0, :2], torch.zeros(4, 2, dtype=torch.float64), atol=1e-9)
    on_plane = turned[..., :2] / turned[..., 2:]
    assert torch.allclose(view.pose_norm * view.plane_unit[:, None, None], on_plane, atol=1e-9)


def test_to_cam_undoes_to_view_whatever_the_axes_between():
    joints, intrinsics = scene()
    view = normalise_view(*one_mode(joints, intrinsics), intrinsics)
    for shape in ((4, 17, 3), (4, 6, 17, 3), (4, 2, 5, 17, 3)):
        pose = torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        assert torch.allclose(view.to_cam(view.to_view(pose)), pose, atol=1e-12)


def test_joint_spread_counts_modes_that_are_apart():
    weights = torch.full((1, 17, 2), 0.5, dtype=torch.float64)
    means = torch.zeros(1, 17, 2, 2, dtype=torch.float64)
    means[0, :, :, 0] = torch.linspace(0, 160, 17, dtype=torch.float64)[:, None]
    means[0, 3, 1, 0] += 40
    view = normalise_view(weights, means, torch.ones_like(means), None)
    unit = 1 / float(view.stds_norm[0, 0, 0, 0])
    assert math.isclose(view.joint_std_norm[0, 0], 1 / unit, rel_tol=1e-9)
    # Half and half, 40 px apart along u: variance 1 + 20^2 along u and 1 along v.
    assert math.isclose(view.joint_std_norm[0, 3] * unit, math.sqrt((401 + 1) / 2), rel_tol=1e-9)


def test_indexing_and_length():
    view = normalise_view(*mixtures(5), None)
    assert len(view) == 5
    part = view[torch.tensor([3, 1])]
    assert torch.equal(part.means_norm, view.means_norm[[3, 1]]) and len(view[1:4]) == 3


def test_a_pose_of_no_size_gives_finite_numbers():
    weights, means, variances = mixtures(1)
    view = normalise_view(weights, torch.full_like(means, 250.0), variances, None)
    assert bool(view.pose_norm.isfinite().all()) and bool(view.stds_norm.isfinite().all())


def test_heatmap_features_are_weight_place_and_spread_of_the_heaviest_modes_first():
    weights = torch.tensor([0.2, 0.7, 0.1]).expand(1, 17, 3).clone()
    means = torch.arange(17 * 6, dtype=torch.float32).reshape(1, 17, 3, 2) + 300
    variances = torch.tensor([4.0, 9.0, 16.0])[None, None, :, None].expand(1, 17, 3, 2)
    view = normalise_view(weights, means, variances, None)
    found = view.heatmap_features().unflatten(-1, (3, 4))
    for place, mode in enumerate((1, 0, 2)):
        assert torch.allclose(found[..., place, 0], view.weights[..., mode])
        assert torch.allclose(found[..., place, 1:3], view.means_norm[..., mode, :])
        assert torch.allclose(found[..., place, 3], view.stds_norm[..., mode, 0])


def test_heatmap_features_of_few_or_unused_modes_are_filled_with_zeros():
    means = torch.randn(1, 17, 1, 2, generator=torch.Generator().manual_seed(0)) * 50 + 300
    one = normalise_view(torch.ones(1, 17, 1), means, torch.full_like(means, 9.0), None)
    unused = torch.tensor([1.0, 0.0]).expand(1, 17, 2).clone()
    two = normalise_view(unused, means.expand(1, 17, 2, 2), torch.full((1, 17, 2, 2), 9.0), None)
    assert torch.equal(one.heatmap_features(), two.heatmap_features())
    assert bool((one.heatmap_features()[..., 4:] == 0).all())
