"""The posterior place of a joint, against numerical integration and in the cases that have an obvious answer."""

from pathlib import Path

import numpy as np
import pytest
import torch

from diffpose_core.config import GraformerConfig
from diffpose_core.evaluation.metrics import joint_errors, procrustes_align
from diffpose_core.io.clips import load_clip
from diffpose_core.lifting.view import clip_view
from diffpose_core.models.context import ContextEncoder
from diffpose_core.models.graformer import Graformer
from diffpose_core.uncertainty.reconcile import PRIOR_STD, centred_and_scaled, metres_per_unit, reconcile
from diffpose_core.uncertainty.view import View
from tests.uncertainty.test_indeterminate import depth_residual, people

CLIPS = sorted((Path(__file__).resolve().parents[2] / "assets" / "clips").glob("*.npz"))


def view_of(weights, means, stds):
    """A view whose mixtures are the given ones, (1, 17, K) and (1, 17, K, 2), with a pose of the heaviest modes."""
    best = weights.argmax(-1)[..., None, None].expand(-1, -1, 1, 2)
    unknown, size = torch.tensor([float("nan")]), torch.ones(1, dtype=means.dtype)
    return View(weights, means, stds, means.gather(2, best)[:, :, 0], unknown, size, torch.eye(3)[None])


def random_view(modes=3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    weights = torch.rand(1, 17, modes, generator=generator, dtype=torch.float64) + 0.05
    means = torch.randn(1, 17, modes, 2, generator=generator, dtype=torch.float64)
    stds = (0.05 + 0.4 * torch.rand(1, 17, modes, 1, generator=generator, dtype=torch.float64)).expand(-1, -1, -1, 2)
    place = torch.randn(1, 17, 2, generator=generator, dtype=torch.float64)
    place[:, 0] = 0.0
    return view_of(weights / weights.sum(-1, keepdim=True), means, stds), place


def pose_at(place):
    """A flat pose that reprojects to `place` where a unit is 0.5 m."""
    return torch.nn.functional.pad(0.5 * place, (0, 1)), torch.full((1, 17, 1), 0.5, dtype=place.dtype)


def test_the_place_is_the_mean_of_heatmap_times_prior():
    view, prior = random_view()
    pose, unit_m = pose_at(prior)
    axis = torch.linspace(-5, 5, 801, dtype=torch.float64)
    grid = torch.stack(torch.meshgrid(axis, axis, indexing="xy"), -1)
    expected = []
    for joint in range(17):
        heat = sum(
            w * torch.exp(-0.5 * ((grid - m) / s).square().sum(-1)) / s[0] ** 2
            for w, m, s in zip(view.weights[0, joint], view.means_norm[0, joint], view.stds_norm[0, joint], strict=True)
        )
        density = heat * torch.exp(-0.5 * ((grid - prior[0, joint]) / 0.3).square().sum(-1))
        expected.append((density[..., None] * grid).sum((0, 1)) / density.sum())
    expected = torch.stack(expected)[None]
    torch.testing.assert_close(reconcile(view, pose, unit_m, prior_std=0.3), expected, rtol=0, atol=1e-4)


def test_sure_joints_stay_and_unknown_joints_go_where_the_body_says():
    view, prior = random_view(modes=1)
    pose, unit_m = pose_at(prior)
    stds = torch.full_like(view.stds_norm, 1e-4)
    stds[:, 13] = 1e4
    place = view.means_norm[:, :, 0].clone()
    place[:, 13] = prior[:, 13]
    found = reconcile(view_of(view.weights, view.means_norm, stds), pose, unit_m)
    torch.testing.assert_close(found, place, rtol=0, atol=1e-4)


def test_a_lighter_mode_wins_if_the_heavier_one_is_far_from_the_body():
    _, prior = random_view(modes=2)
    pose, unit_m = pose_at(prior)
    means = prior[:, :, None].expand(-1, -1, 2, -1).clone()
    means[:, 16, 0] += 8 * PRIOR_STD
    weights = torch.tensor([0.7, 0.3], dtype=torch.float64).expand(1, 17, 2)
    found = reconcile(view_of(weights, means, torch.full_like(means, 0.02)), pose, unit_m)
    torch.testing.assert_close(found, prior, rtol=0, atol=1e-3)


def test_a_mode_of_no_weight_changes_nothing():
    view, prior = random_view(modes=1)
    pose, unit_m = pose_at(prior)
    weights = torch.cat((view.weights, torch.zeros_like(view.weights)), -1)
    means = torch.cat((view.means_norm, view.means_norm + 3.0), 2)
    more = view_of(weights, means, view.stds_norm.expand(-1, -1, 2, -1))
    assert torch.equal(reconcile(more, pose, unit_m), reconcile(view, pose, unit_m))


def test_a_pose_alone_is_brought_to_its_own_size():
    _, place = random_view(seed=3)
    found = centred_and_scaled(4.0 * place + 7.0)
    torch.testing.assert_close(found[:, 0], torch.zeros(1, 2, dtype=torch.float64))
    size = (found - found.mean(1, keepdim=True)).square().sum(-1).mean().sqrt()
    torch.testing.assert_close(size, torch.ones_like(size))
    torch.testing.assert_close(found, centred_and_scaled(place))


def test_the_frames_of_a_window_keep_their_proportions():
    places = torch.cat([random_view(seed=seed)[1] for seed in range(6)])
    # The same poses in units that change from frame to frame: what was seen is the product.
    size = torch.linspace(0.5, 2.0, 6, dtype=torch.float64)
    found = centred_and_scaled(places / size[:, None, None], size, window=3)
    for window in (slice(0, 3), slice(3, 6)):
        ratio = found[window, 1:] / (places - places[:, :1])[window, 1:]
        torch.testing.assert_close(ratio, ratio.mean().expand_as(ratio))
    # Neither the image's size nor where a window stands in it matters.
    torch.testing.assert_close(found, centred_and_scaled(places / size[:, None, None], 9.0 * size, window=3))


@pytest.mark.parametrize("camera", [True, False])
def test_a_unit_in_metres_brings_a_pose_to_its_place_in_the_image(camera):
    view, truth, _ = people(camera=camera, distance=4.0 if camera else 4000.0)
    unit_m = metres_per_unit(view, truth)
    if camera:
        torch.testing.assert_close(truth[..., :2] / unit_m, view.pose_norm, rtol=0, atol=1e-6)
    else:  # A camera that is not known is taken to be 5 m away: near the truth, and the truth for flat poses.
        assert (truth[..., :2] / unit_m - view.pose_norm).abs().mean() < 0.15


def test_with_certain_heatmaps_the_encoder_sees_what_was_detected():
    torch.manual_seed(0)
    network = Graformer(GraformerConfig(channels=16, num_blocks=1, num_heads=2)).eval()
    encoder = ContextEncoder(network, depth_residual())
    view, _, _ = people(std_px=1e-3)
    view = View(*(getattr(view, name).float() for name in View.__dataclass_fields__))
    detected = encoder.encode(view)
    reconciled = encoder.encode_reconciled(view, detected)
    torch.testing.assert_close(reconciled.pose_view, detected.pose_view, rtol=0, atol=1e-4)
    torch.testing.assert_close(reconciled.features, detected.features, rtol=0, atol=1e-3)


def test_hidden_joints_come_nearer_to_where_they_are(shipped_models):
    """After alignment, on the mean of all bundled clips: one whole pose's turn can outweigh the heatmaps."""
    errors = []
    for path in CLIPS:
        clip = load_clip(path)
        view = clip_view(clip, np.arange(0, len(clip), 3))
        truth = view.to_view(torch.from_numpy(clip.pose3d_cam[::3].astype(np.float32))).numpy()
        hidden = clip.hidden[::3]
        detected = shipped_models.encoder.encode(view)
        reconciled = shipped_models.encoder.encode_reconciled(view, detected)
        aligned = [procrustes_align(context.pose_view.numpy(), truth) for context in (detected, reconciled)]
        errors.append([joint_errors(pose, truth)[hidden].mean() for pose in aligned])
    of_detected, of_reconciled = np.mean(errors, axis=0)
    assert of_reconciled < 0.99 * of_detected


def test_metres_of_a_unit_near_the_camera_never_fall_below_a_tenth():
    view, place = random_view()
    pose, _ = pose_at(place)
    pose[0, 13, 2], pose[0, 16, 2] = -4.8, -7.0  # the unknown camera is taken to be 5 m away
    found = metres_per_unit(view, pose)[0, :, 0]
    assert torch.allclose(found[[13, 16]] / found[0], torch.full((2,), 0.1, dtype=found.dtype))
    assert torch.allclose(found[1:13], found[:1].expand(12))
