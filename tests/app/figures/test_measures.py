"""The numbers beside the pictures against independent references."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import linalg

from app.figures import measures
from diffpose_core.datasets.bodies import SEGMENTS, BodyRanges, draw_bodies
from diffpose_core.diffusion.forward import forward_chain
from diffpose_core.diffusion.schedule import make_schedule
from diffpose_core.io.clips import load_clip
from diffpose_core.models.layers import root_relative
from diffpose_core.skeleton import BONES
from diffpose_core.uncertainty.pose_gmm import PoseGMM, component_noise

ROOT = Path(__file__).resolve().parents[3]


def random_covariance(rng: np.random.Generator, size: int, std: float) -> np.ndarray:
    factor = rng.normal(0, std, (size, 2 * size))
    return factor @ factor.T / (2 * size)


def test_errors_spreads_and_bones() -> None:
    rng = np.random.default_rng(5)
    pose = rng.normal(0, 0.3, (17, 3))
    moved = pose + np.array([0.03, 0.04, 0.0])
    assert measures.error_mm(moved, pose) == pytest.approx(50.0)
    np.testing.assert_allclose(measures.joint_error_mm(moved, pose), 50.0)
    assert measures.spread_mm(np.stack([pose, pose])) == 0
    both = np.stack([pose, moved])
    np.testing.assert_allclose(measures.joint_spread_mm(both), 25.0)
    assert measures.spread_mm(both) == pytest.approx(25.0)
    bones = measures.reference_bones(pose[None])
    assert measures.bone_violation_percent(1.1 * pose, bones) == pytest.approx(10.0)


def test_a_bone_is_impossible_outside_the_range_of_the_training_bodies() -> None:
    pose = np.zeros((17, 3))
    pose[1:, 2] = np.arange(1, 17)  # far apart: every bone is metres long
    assert measures.impossible_bones_percent(pose[None]) == 100
    clip = load_clip(ROOT / "assets" / "clips" / "walk-from-the-side.npz")
    assert clip.pose3d_cam is not None
    assert measures.impossible_bones_percent(clip.pose3d_cam) == 0, "the bundled people are possible"
    bent = clip.pose3d_cam[:1].copy()
    bent[:, 16] = bent[:, 15]  # a forearm of no length
    assert measures.impossible_bones_percent(bent) == pytest.approx(100 / 16)


def test_bones_of_drawn_people_are_possible_and_others_are_not() -> None:
    low, high = measures.possible_bones_m().T
    people = draw_bodies(2000, BodyRanges(landmark_std=(0.0,) * 9), torch.Generator().manual_seed(7)).numpy()
    for bone, (_, child) in enumerate(BONES):
        kinds = [kind for _, end, kind in SEGMENTS if end == child and child not in (7, 8)]
        for kind in kinds:
            assert low[bone] * 0.97 <= people[:, kind].min() and people[:, kind].max() <= high[bone] * 1.03
    thigh = 1
    assert low[thigh] > 0.15 and high[thigh] < 0.62


def test_distance_between_gaussians_agrees_with_matrix_square_roots() -> None:
    rng = np.random.default_rng(1)
    mean, other = rng.normal(0, 0.2, (2, 51))
    covariance, to = random_covariance(rng, 51, 0.1), random_covariance(rng, 51, 0.2)
    root = linalg.sqrtm(to)
    shared = np.real(linalg.sqrtm(root @ covariance @ root))
    squared = ((mean - other) ** 2).sum() + np.trace(covariance + to - 2 * shared)
    found = measures.gaussian_distance_mm(mean, covariance, other, to)
    assert found == pytest.approx(1000 * (squared / 17) ** 0.5, rel=1e-6)
    stacked = measures.gaussian_distance_mm(np.stack([other, mean]), np.stack([to, covariance]), other, to)
    np.testing.assert_allclose(stacked, [0.0, found], atol=1e-3)


def test_distance_of_moved_gaussians_is_how_far_they_moved() -> None:
    covariance = random_covariance(np.random.default_rng(2), 51, 0.1)
    step = np.tile([0.03, 0.0, 0.04], 17)
    assert measures.gaussian_distance_mm(step, covariance, np.zeros(51), covariance) == pytest.approx(50.0)


def test_forward_moments_are_those_of_the_forward_process() -> None:
    rng = np.random.default_rng(3)
    generator = torch.Generator().manual_seed(3)
    gmm = PoseGMM(
        torch.tensor([0.25, 0.75]).double(),
        torch.from_numpy(rng.normal(0, 0.3, (2, 51))),
        torch.from_numpy(np.stack([random_covariance(rng, 51, 0.1), random_covariance(rng, 51, 0.2)])),
    )
    h_0 = rng.normal(0, 0.3, (17, 3))
    schedule = make_schedule("converging")
    count = 20000
    components = gmm.draw_components(count, generator)
    noise = component_noise(gmm, components, generator)
    mean = gmm.mean_of(components).unflatten(-1, (17, 3))
    chain = root_relative(forward_chain(torch.from_numpy(h_0).expand(count, 17, 3), schedule, noise, mean))
    means, covariances = measures.forward_moments(h_0, gmm, schedule.alphas_cumprod)
    for k in (0, 20, 50):
        flat = chain[k].reshape(count, 51).numpy()
        np.testing.assert_allclose(means[k], flat.mean(0), atol=0.015)
        np.testing.assert_allclose(covariances[k], np.cov(flat.T), atol=0.012)
    np.testing.assert_allclose(means[0], (h_0 - h_0[:1]).reshape(-1), atol=1e-12)


def test_a_cloud_that_has_become_the_mixture_is_at_distance_zero() -> None:
    rng = np.random.default_rng(4)
    gmm = PoseGMM(
        torch.ones(2).double() / 2,
        torch.from_numpy(rng.normal(0, 0.1, (2, 51))),
        torch.from_numpy(np.stack([random_covariance(rng, 51, 0.1)] * 2)),
    )
    moments = measures.forward_moments(rng.normal(0, 0.3, (17, 3)), gmm, np.array([1.0, 0.5, 0.0]))
    distance = measures.gaussian_distance_mm(*moments, *measures.mixture_moments(gmm))
    assert distance[0] > distance[1] > distance[2]
    assert distance[2] == pytest.approx(0.0, abs=0.01)


def test_a_joint_has_settled_when_it_stays() -> None:
    way = np.zeros((1, 4, 17))
    way[0, :, 1] = [90, 10, 40, 0]  # comes near, leaves again
    way[0, :, 2] = [90, 80, 20, 0]
    assert measures.settled_at(way, 30.0)[0, :3].tolist() == [0, 3, 2]
    samples = np.zeros((1, 3, 2, 17, 3))
    samples[0, 0, :, 5, 0] = [0.03, -0.04]
    found = measures.way_left_mm(samples)
    assert found[0, 0, 5] == pytest.approx(1000 * ((0.03**2 + 0.04**2) / 2) ** 0.5)
    assert found.sum() == found[0, 0, 5]


def test_extremes_keep_their_distance_and_are_above_zero() -> None:
    values = np.array([5.0, 9.0, 8.0, -1.0, 7.0, 6.5, 0.0])
    assert measures.extremes(values, 3, 2) == [1, 4]
    assert measures.extremes(values, 3, 1) == [1, 2, 4]
    assert measures.extremes(-np.ones(4), 3, 1) == []
