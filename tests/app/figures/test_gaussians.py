"""Covariances, histograms and densities of clouds, against direct computations."""

from __future__ import annotations

import numpy as np

from app.figures import gaussians
from app.stage.payload import to_plot_axes


def test_covariances_in_plot_axes_are_those_of_the_turned_points():
    rng = np.random.default_rng(2)
    points = rng.normal(size=(4000, 3)) * np.array([0.1, 0.5, 0.02]) @ rng.normal(size=(3, 3))
    expected = np.cov(to_plot_axes(points).T, bias=True)[np.triu_indices(3)]
    np.testing.assert_allclose(gaussians.plot_covariances(np.cov(points.T, bias=True)), expected)


def test_joint_blocks_and_sample_covariances():
    root = 0.03 * np.random.default_rng(0).normal(size=(3, 51, 51))
    covariance = root @ np.swapaxes(root, -1, -2)
    blocks = gaussians.joint_covariances(covariance)
    assert blocks.shape == (3, 17, 3, 3)
    np.testing.assert_array_equal(blocks[1, 5], covariance[1, 15:18, 15:18])
    samples = np.random.default_rng(3).normal(size=(2, 50, 17, 3))
    np.testing.assert_allclose(
        gaussians.sample_covariances(samples)[1, 4], np.cov(samples[1, :, 4].T, bias=True), rtol=1e-10
    )


def test_histograms_are_densities():
    edges = np.linspace(-1, 1, 21)
    values = np.random.default_rng(4).uniform(-1, 1, (3, 500))
    density = gaussians.histograms(values, edges)
    np.testing.assert_allclose((density * 0.1).sum(-1), 1.0)
    assert np.abs(density - 0.5).max() < 0.4
