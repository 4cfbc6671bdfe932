"""Confidence intervals by drawing clips with replacement: frames of a clip are too alike to count one by one.

Source: Efron, "Bootstrap methods: another look at the jackknife" (1979).
"""

from __future__ import annotations

import numpy as np

RESAMPLES = 2000
#: Percentiles of a 95 % interval.
_ENDS = (2.5, 97.5)


def resampled_means(total: np.ndarray, count: np.ndarray, resamples: int = RESAMPLES) -> np.ndarray:
    """Means over all clips and over resamples of them.

    Args:
        total: (C, ...), every clip's sum.
        count: (C, ...), the number of values in it; broadcasts with `total`.
        resamples: how many.

    Returns:
        (1 + resamples, ...): row 0 is the mean over the clips as they are, every other row that of C clips drawn with
        replacement, the same ones at every call with this many clips. Where nothing was counted the mean is 0.
    """
    clips = len(total)
    picks = np.random.default_rng(0).integers(clips, size=(resamples, clips))
    times = np.ones((1 + resamples, clips))
    times[1:] = [np.bincount(pick, minlength=clips) for pick in picks]
    sums, counts = (np.tensordot(times, np.asarray(a, dtype=np.float64), 1) for a in (total, count))
    return sums / np.maximum(counts, 1)


def interval(resampled: np.ndarray) -> np.ndarray:
    """The 95 % interval of resampled means, or of a function of them, (2, ...).

    Args:
        resampled: (1 + R, ...), see `resampled_means`.
    """
    return np.percentile(resampled[1:], _ENDS, axis=0)
