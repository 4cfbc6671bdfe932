"""Intervals over clips, against means made by hand."""

import numpy as np

from diffpose_core.evaluation.bootstrap import interval, resampled_means


def test_the_first_row_is_the_mean_and_the_others_are_means_of_drawn_clips():
    generator = np.random.default_rng(0)
    total, count = generator.uniform(1, 5, (7, 2)), generator.integers(1, 9, (7, 1))
    found = resampled_means(total, count, resamples=50)
    assert found.shape == (51, 2)
    assert np.allclose(found[0], total.sum(0) / count.sum())
    drawn = np.random.default_rng(0).integers(7, size=(50, 7))
    for row, clips in zip(found[1:], drawn, strict=True):
        assert np.allclose(row, total[clips].sum(0) / count[clips].sum())


def test_nothing_counted_gives_nothing():
    assert not resampled_means(np.zeros((3, 2)), np.zeros((3, 2)), 5).any()


def test_the_interval_of_a_mean_is_as_wide_as_its_standard_error():
    values = np.random.default_rng(1).normal(10, 2, (400, 1))
    low, high = interval(resampled_means(values, np.ones((400, 1))))
    assert low[0] < values.mean() < high[0]
    assert np.isclose(high[0] - low[0], 2 * 1.96 * 2 / 20, rtol=0.15)
