"""Mixtures of heatmaps, on made ones whose modes are known."""

import numpy as np
import pytest

from diffpose_core.uncertainty.heatmaps import fit_heatmaps, with_landmarks

SIZE = 64


def made(modes, floor=0.0, size=SIZE):
    """A heatmap of modes (weight, x, y, variance of x, variance of y), with an even floor."""
    y, x = np.mgrid[:size, :size]
    heat = np.full((size, size), floor)
    for weight, mx, my, vx, vy in modes:
        heat += weight * np.exp(-0.5 * ((x - mx) ** 2 / vx + (y - my) ** 2 / vy)) / np.sqrt(vx * vy)
    return heat[None]


def test_one_mode_between_cells():
    weights, means, variances = fit_heatmaps(made([(1.0, 20.3, 41.7, 2.0, 5.0)]))
    assert weights.shape == (1, 3) and weights[0].tolist() == [1.0, 0.0, 0.0]
    assert np.allclose(means[0, 0], (20.3, 41.7), atol=0.02)
    assert np.allclose(variances[0, 0], (2.0, 5.0), rtol=0.03)
    assert np.allclose(means[0, 1:], means[0, 0]), "unused Gaussians lie on the first"


def test_two_and_three_modes_with_their_weights():
    truth = [(0.5, 12.0, 15.5, 2.0, 2.0), (0.35, 40.2, 20.0, 3.0, 1.5), (0.15, 30.0, 50.0, 2.0, 2.0)]
    for count in (2, 3):
        weights, means, variances = fit_heatmaps(made(truth[:count]))
        total = sum(mode[0] for mode in truth[:count])
        for number, (weight, x, y, vx, vy) in enumerate(truth[:count]):
            assert weights[0, number] == pytest.approx(weight / total, abs=0.02)
            assert np.allclose(means[0, number], (x, y), atol=0.1)
            assert np.allclose(variances[0, number], (vx, vy), rtol=0.1)
    assert (fit_heatmaps(made(truth[:2]))[0][0] > 0).sum() == 2


def test_an_even_floor_neither_widens_nor_moves_a_mode():
    weights, means, variances = fit_heatmaps(made([(1.0, 10.0, 50.0, 2.0, 2.0)], floor=2e-4))
    assert weights[0, 0] == 1.0
    assert np.allclose(means[0, 0], (10.0, 50.0), atol=0.05) and np.allclose(variances[0, 0], 2.0, rtol=0.1)


def test_modes_that_lie_on_each_other_are_one_with_their_moments():
    heat = made([(0.5, 30.0, 30.0, 2.0, 2.0), (0.5, 32.0, 30.0, 2.0, 2.0)])
    weights, means, variances = fit_heatmaps(heat)
    assert weights[0].tolist() == [1.0, 0.0, 0.0]
    assert np.allclose(means[0, 0], (31.0, 30.0), atol=0.05)
    assert np.allclose(variances[0, 0], (3.0, 2.0), rtol=0.05)


def test_a_faint_mode_is_left_out():
    weights, means, _ = fit_heatmaps(made([(0.93, 20.0, 20.0, 2.0, 2.0), (0.07, 50.0, 50.0, 2.0, 2.0)]))
    assert weights[0].tolist() == [1.0, 0.0, 0.0] and np.allclose(means[0, 0], 20.0, atol=0.1)


def test_an_empty_map_says_nothing():
    weights, means, variances = fit_heatmaps(np.zeros((1, 32, 64)))
    assert weights[0].tolist() == [1.0, 0.0, 0.0]
    assert np.isfinite(means).all() and variances[0, 0].min() > 50


def test_maps_do_not_depend_on_each_other_nor_on_their_scale():
    maps = np.concatenate([made([(1.0, 10.0, 9.0, 2.0, 2.0)]), made([(1.0, 50.0, 40.0, 4.0, 2.0)])])
    together, alone = fit_heatmaps(maps), fit_heatmaps(1e-3 * maps[1:])
    for both, one in zip(together, alone, strict=True):
        assert np.allclose(both[1], one[0], rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("seed", range(3))
def test_any_map_gives_a_mixture(seed):
    heat = np.random.default_rng(seed).random((4, 16, 16)) ** 8
    weights, means, variances = fit_heatmaps(heat)
    assert np.allclose(weights.sum(1), 1.0, atol=1e-5) and (np.diff(weights, axis=1) <= 0).all()
    assert (variances > 0).all() and (means >= 0).all() and (means <= 15).all()


def test_a_landmark_that_disagrees_is_a_mode_of_its_own():
    fitted = fit_heatmaps(made([(1.0, 20.0, 20.0, 2.0, 2.0)]))
    weights, means, variances = with_landmarks(fitted, np.array([[40.0, 20.0]]), np.array([1.5]), np.array([0.6]))
    assert np.allclose(weights[0], (0.6, 0.4, 0.0), atol=1e-6)
    assert np.allclose(means[0, :2], [(40.0, 20.0), (20.0, 20.0)], atol=0.05)
    assert np.allclose(variances[0, 0], 1.5**2)


def test_a_landmark_that_agrees_changes_nothing():
    fitted = fit_heatmaps(made([(1.0, 20.0, 20.0, 2.0, 2.0)]))
    same = with_landmarks(fitted, np.array([[22.0, 20.0]]), np.array([1.5]), np.array([0.6]))
    for before, after in zip(fitted, same, strict=True):
        assert np.allclose(before, after)


def test_a_landmark_takes_the_place_of_the_lightest_mode():
    fitted = fit_heatmaps(made([(0.5, 10.0, 10.0, 2.0, 2.0), (0.3, 30.0, 10.0, 2.0, 2.0), (0.2, 50.0, 10.0, 2.0, 2.0)]))
    weights, means, _ = with_landmarks(fitted, np.array([[30.0, 55.0]]), np.array([1.0]), np.array([0.2]))
    assert np.allclose(weights[0], (0.5, 0.3, 0.2), atol=0.02) and np.allclose(means[0, 2], (30.0, 55.0))
