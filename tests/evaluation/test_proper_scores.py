"""Proper scores against sums written out, against scipy's law of the normal, and what makes them proper."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from scipy.stats import norm

from diffpose_core.evaluation.proper_scores import crps, energy_score, expected_calibration_error, rigid_share, within
from diffpose_core.structures import InvalidInput


def drawn(frames=3, count=5, seed=0, spread=0.05):
    random = np.random.default_rng(seed)
    truth = random.normal(0, 0.3, (frames, 17, 3))
    return truth[:, None] + random.normal(0, spread, (frames, count, 17, 3)), truth


def test_scores_are_those_of_loops():
    hypotheses, truth = drawn()
    energy, by_joint = energy_score(hypotheses, truth), crps(hypotheses, truth)
    distance = lambda a, b: np.sqrt(np.mean(np.sum((a - b) ** 2, -1)))  # noqa: E731
    for f in range(3):
        h, t = hypotheses[f], truth[f]
        pairs = [(a, b) for a in range(5) for b in range(5) if a != b]
        away = np.mean([distance(pose, t) for pose in h])
        assert np.isclose(energy[f], away - 0.5 * np.mean([distance(h[a], h[b]) for a, b in pairs]))
        for j in (0, 7, 16):
            axes = []
            for axis in range(3):
                x = h[:, j, axis]
                mutual = np.mean([abs(x[a] - x[b]) for a, b in pairs])
                axes.append(np.mean(abs(x - t[j, axis])) - 0.5 * mutual)
            assert np.isclose(by_joint[f, j], np.mean(axes))


def test_the_crps_of_many_draws_is_that_of_their_distribution():
    """Of N(0, s) the CRPS at 0 is s (sqrt 2 - 1) / sqrt pi."""
    x = norm(scale=0.1).ppf((np.arange(4000) + 0.5) / 4000)
    hypotheses = np.tile(x[None, ::10, None, None], (1, 1, 17, 3))
    assert np.allclose(crps(hypotheses, np.zeros((1, 17, 3))), 0.1 * (np.sqrt(2) - 1) / np.sqrt(np.pi), rtol=0.01)


@pytest.mark.parametrize("score", [energy_score, crps])
def test_draws_of_the_right_width_score_best(score):
    random = np.random.default_rng(1)
    truth = random.normal(0, 0.1, (4000, 17, 3))
    means = {spread: score(random.normal(0, spread, (4000, 5, 17, 3)), truth).mean() for spread in (0.05, 0.1, 0.2)}
    assert means[0.1] < min(means[0.05], means[0.2])


def test_a_calibrated_distribution_has_no_calibration_error_and_a_narrow_one_has():
    calibrated = within(np.random.default_rng(2).uniform(size=(1000, 200))).mean((0, 1))
    assert np.allclose(calibrated, np.arange(0.1, 0.95, 0.1), atol=0.005)
    assert expected_calibration_error(calibrated) < 0.005
    assert within(np.array([0.5, 0.7, 0.0])).sum(-1).tolist() == [9, 6, 0]
    both = expected_calibration_error(np.stack((np.zeros(9), np.ones(9))))
    assert np.allclose(both, 0.5)


def test_the_spread_of_turned_poses_is_one_rotation_and_nothing_else():
    pose = np.random.default_rng(3).normal(0, 0.3, (1, 17, 3))
    pose[:, 0] = 0
    turns = Rotation.from_euler("xyz", [[a, 2 * a, -a] for a in (-2, -0.5, 0.8, 1.7)], degrees=True).as_matrix()
    turned = np.einsum("nij,fkj->fnki", turns, pose)
    whole, rest = rigid_share(turned)
    expected = np.square(turned - turned.mean(1, keepdims=True)).sum(-1).mean((1, 2))
    assert np.allclose(whole, expected) and rest[0] < 0.01 * whole[0]


def test_the_spread_of_independent_joints_is_hardly_a_rotation():
    random = np.random.default_rng(4)
    pose = random.normal(0, 0.3, (2, 17, 3))
    hypotheses = pose[:, None] + random.normal(0, 0.02, (2, 40, 17, 3))
    whole, rest = rigid_share(hypotheses)
    # Of 51 coordinates a rotation takes three.
    assert np.allclose(rest / whole, 48 / 51, atol=0.03)
    mirrored = hypotheses * [1, 1, -1]
    assert np.allclose(rigid_share(mirrored), (whole, rest))


def test_a_single_hypothesis_is_refused():
    with pytest.raises(InvalidInput, match=r"N of at least 2 .*found \(2, 1, 17, 3\)"):
        energy_score(np.zeros((2, 1, 17, 3)), np.zeros((2, 17, 3)))
    with pytest.raises(InvalidInput, match="truth"):
        crps(np.zeros((2, 3, 17, 3)), np.zeros((3, 17, 3)))
