"""Expected errors, regions and widened hypotheses on errors whose law is known."""

import numpy as np
import pytest

from diffpose_core.structures import InvalidInput
from diffpose_core.uncertainty.expected_error import (
    FEATURES,
    LEVELS,
    Calibration,
    fit_expected_error,
    fit_limits,
    fit_radii,
    fit_spread_factor,
    known_of,
    place_in_student,
    spread,
)


def calibration(**changes):
    fields = {
        "coefficients": np.full((17, 10), 0.1),
        "usual_view": np.zeros((17, 3)),
        "spread_factor": np.ones(17),
        "radii": np.tile([0.9, 1.4, 2.0], (17, 1)),
        "limits": np.array([0.1, 0.2]),
        **changes,
    }
    return Calibration("diffpose", "a" * 64, "b" * 64, provenance={}, **fields)


def gaussian_errors(count, seed=0, hypotheses=20, too_narrow=4.0):
    """Truths around 0 with a known standard deviation a view, and hypotheses that are too narrow by a factor."""
    generator = np.random.default_rng(seed)
    std = generator.uniform(0.01, 0.05, (count, 17))
    truth = std[..., None] * generator.standard_normal((count, 17, 3))
    drawn = std[:, None, :, None] / too_narrow * generator.standard_normal((count, hypotheses, 17, 3))
    return drawn, truth, std


def test_the_spread_does_not_depend_on_how_many_hypotheses_there_are():
    generator = np.random.default_rng(0)
    few, many = (spread(0.02 * generator.standard_normal((4000, count, 17, 3))) for count in (3, 30))
    for found in (few, many):
        assert np.isclose(np.sqrt(np.square(found).mean()), 0.02 * np.sqrt(3), rtol=0.01)
    with pytest.raises(InvalidInput, match="at least two hypotheses, found 1"):
        spread(np.zeros((4, 1, 17, 3)))


def test_what_is_known_of_a_joint():
    generator = np.random.default_rng(1)
    hypotheses, encoder = generator.normal(0, 0.3, (2, 6, 17, 3)), generator.normal(0, 0.3, (2, 17, 3))
    mixture, usual = generator.uniform(0, 0.1, (2, 17)), generator.normal(0, 0.3, (17, 3))
    limited = np.array([[0.01, 0.02], [0.03, 0.04]])
    found = dict(zip(FEATURES, known_of(hypotheses, encoder, mixture, usual, limited)[1, 5], strict=True))
    answer = hypotheses[1].mean(0)
    correction = np.linalg.norm(answer - encoder[1], axis=-1)
    assert np.isclose(found["spread"], np.sqrt(np.square(hypotheses[1, :, 5] - answer[5]).sum() / 5))
    assert np.isclose(found["mixture"], mixture[1, 5]) and np.isclose(found["hip_mixture"], mixture[1, 0])
    assert np.isclose(found["correction"], correction[5])
    assert np.isclose(found["pose_correction"], correction[1:].mean())
    assert np.isclose(found["reach"], np.linalg.norm(answer[5] - usual[5]))
    assert found["residual"] == 0.03 and found["proportion"] == 0.04


def test_the_fit_finds_the_law_that_errors_follow():
    generator = np.random.default_rng(2)
    known = generator.uniform(0, 0.1, (20_000, 17, len(FEATURES)))
    true = np.array([0.8, 0.3, 0.0, 0.0, 0.0, 0.0, 0.2, 0.0, 0.4])
    mean = known @ true + 0.01
    error = mean * generator.gamma(4.0, 0.25, mean.shape)
    found = fit_expected_error(known, error, np.ones(len(known)))
    assert np.abs(found[1:] - [*true, 0.01]).max() < 0.05
    assert (found >= 0).all() and not found[0].any()


def test_a_joint_that_errs_less_the_less_sure_it_is_gets_no_negative_factor():
    generator = np.random.default_rng(3)
    known = generator.uniform(0, 0.1, (5000, 17, len(FEATURES)))
    found = fit_expected_error(known, 0.1 - 0.5 * known[..., 0], np.ones(len(known)))
    assert (found >= 0).all() and found[1:, 0].max() < 1e-9


def test_more_doubt_never_means_less_expected_error():
    made = calibration(coefficients=np.random.default_rng(4).uniform(0, 1, (17, 10)))
    known = np.random.default_rng(5).uniform(0, 0.1, (6, 17, len(FEATURES)))
    for feature in range(len(FEATURES)):
        more = known.copy()
        more[..., feature] += 0.3
        assert (made.expected_error(more) >= made.expected_error(known)).all()


def test_regions_hold_the_truth_as_often_as_they_say_on_new_data():
    generator = np.random.default_rng(6)
    expected = generator.uniform(0.01, 0.05, (8000, 17))
    error = expected * generator.gamma(2.0, 0.5, expected.shape)
    made = calibration(radii=fit_radii(expected[:4000], error[:4000], np.ones(4000)))
    for level in LEVELS:
        inside = error[4000:] <= made.region(expected[4000:], level)
        assert abs(inside[:, 1:].mean() - level) < 0.01
    with pytest.raises(InvalidInput, match=r"one of 0\.5, 0\.8, 0\.95, found 0\.9"):
        made.region(expected, 0.9)


def test_widened_hypotheses_cover_the_truth_where_narrow_ones_do_not():
    drawn, truth, std = gaussian_errors(4000)
    expected = std * np.sqrt(8 / np.pi)  # mean length of a 3D Gaussian
    once = calibration().widened(drawn, expected)
    made = calibration(spread_factor=fit_spread_factor(once, truth, np.ones(len(truth))))
    assert np.allclose(made.spread_factor[1:], np.sqrt(3 * np.pi / 8), rtol=0.05)
    new, new_truth, new_std = gaussian_errors(4000, seed=1)
    wide = made.widened(new, new_std * np.sqrt(8 / np.pi))
    assert np.allclose(wide.mean(1), new.mean(1)), "the answer stays"
    for level in (0.5, 0.8, 0.95):
        covered = [(2 * np.abs(place_in_student(h, new_truth)[:, 1:] - 0.5) <= level).mean() for h in (new, wide)]
        assert covered[0] < level - 0.2 and abs(covered[1] - level) < 0.02


def test_draws_of_the_right_width_are_said_to_be_right():
    drawn, truth, _ = gaussian_errors(4000, hypotheses=5, too_narrow=1.0)
    place = place_in_student(drawn, truth)[:, 1:].ravel()
    assert np.abs(np.histogram(place, 10, (0, 1))[0] / place.size - 0.1).max() < 0.005
    assert np.allclose(fit_spread_factor(drawn, truth, np.ones(len(truth)))[1:], 1.0, atol=0.03)


def test_a_weight_of_two_counts_as_a_frame_that_is_there_twice():
    generator = np.random.default_rng(7)
    known = generator.uniform(0, 0.1, (300, 17, len(FEATURES)))
    error = known.mean(-1) * generator.gamma(4.0, 0.25, known.shape[:2])
    drawn, truth, _ = gaussian_errors(300)
    weight = np.where(np.arange(300) < 100, 2.0, 1.0)
    twice = np.concatenate((np.arange(300), np.arange(100)))

    def fitted(rows, weights):
        return (
            fit_expected_error(known[rows], error[rows], weights),
            fit_spread_factor(drawn[rows], truth[rows], weights),
            fit_limits(known[rows, 0, :2], weights),
        )

    once, repeated = fitted(slice(None), weight), fitted(twice, np.ones(400))
    for a, b in zip(once, repeated, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_limits_are_above_all_but_one_in_two_hundred_with_a_margin():
    limited = np.stack((np.arange(1.0, 1001.0), np.arange(0.001, 1.0005, 0.001)), axis=-1)
    limits = fit_limits(np.random.default_rng(8).permutation(limited), np.ones(1000))
    np.testing.assert_allclose(limits, [1.25 * 995, 1.25 * 0.995])


def test_a_frame_beyond_either_limit_is_unlike_the_data():
    limited = np.array([[0.1, 0.2], [0.11, 0.0], [0.0, 0.21], [0.0, 0.0]])
    assert calibration().unlike(limited).tolist() == [False, True, True, False]


def test_hypotheses_that_are_all_the_same_stay_so():
    same = np.ones((3, 4, 17, 3))
    assert np.array_equal(calibration().widened(same, np.full((3, 17), 0.05)), same)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"coefficients": np.zeros((17, 7))}, r"coefficients must be finite and \(17, 10\), found \(17, 7\)"),
        ({"limits": np.array([0.1, -0.2])}, "limits must not be negative, found -0.2"),
        ({"radii": np.full((17, 3), np.nan)}, "radii must be finite"),
        ({"spread_factor": np.full(17, -1.0)}, "spread_factor must not be negative, found -1.0"),
    ],
)
def test_numbers_that_can_not_be(changes, message):
    with pytest.raises(InvalidInput, match=message):
        calibration(**changes)
