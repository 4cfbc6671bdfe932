"""Mixtures of distributions along x and y whose modes are known."""

import numpy as np

from diffpose_core.io.detectors.simcc import simcc_mixtures


def bells(size, *modes):
    """Responses along an axis: (weight, mean, standard deviation) each."""
    bins = np.arange(size)
    return sum(weight * np.exp(-0.5 * ((bins - mean) / std) ** 2) / std for weight, mean, std in modes)


def test_modes_widths_and_weights_come_back():
    x = np.stack([bells(384, (1.0, 100.0, 6.0)), bells(384, (0.7, 100.0, 6.0), (0.3, 250.0, 9.0))])
    y = np.stack([bells(512, (1.0, 300.0, 8.0)), bells(512, (1.0, 300.0, 8.0))])
    weights, means, variances = simcc_mixtures(x, y)
    assert np.allclose(weights[0], [1, 0, 0]) and np.allclose(means[0, 0], [100, 300], atol=0.5)
    assert np.allclose(np.sqrt(variances[0, 0]), [6, 8], rtol=0.1)
    assert np.allclose(weights[1], [0.7, 0.3, 0.0], atol=0.03)
    assert np.allclose(means[1, :2], [[100, 300], [250, 300]], atol=1.0)
    assert np.allclose(np.sqrt(variances[1, :2, 0]), [6, 9], rtol=0.1)


def test_pairs_of_places_along_both_axes_are_modes():
    x, y = bells(384, (0.6, 100.0, 6.0), (0.4, 250.0, 6.0)), bells(512, (0.8, 80.0, 6.0), (0.2, 400.0, 6.0))
    weights, means, _ = simcc_mixtures(x[None], y[None])
    assert np.allclose(weights[0], np.array([0.48, 0.32, 0.12]) / 0.92, atol=0.03)
    assert np.allclose(means[0], [[100, 80], [250, 80], [100, 400]], atol=1.0)


def test_nothing_along_an_axis_is_as_wide_as_the_axis():
    weights, means, variances = simcc_mixtures(np.zeros((1, 384)), -np.ones((1, 512)))
    assert weights[0].tolist() == [1, 0, 0] and np.allclose(means[0, 0], [191.5, 255.5], atol=1.0)
    assert np.allclose(np.sqrt(variances[0, 0]), [384 / 12**0.5, 512 / 12**0.5], rtol=0.05)
