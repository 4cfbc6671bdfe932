"""Report on a calibration: how far hypotheses and expected errors can be trusted on other motions.

Errors are those of single frames, before bones are given constant lengths, in the view frame (z along the line of
sight).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from diffpose_core.evaluation.bootstrap import interval, resampled_means
from diffpose_core.evaluation.calibrate import Predictions
from diffpose_core.skeleton import JOINT_NAMES, NUM_JOINTS
from diffpose_core.uncertainty.expected_error import LEVELS, Calibration, place_in_student, spread

#: Central probabilities of the reliability curve.
NOMINAL = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
_AXES = ("across", "down", "depth")
_PIT_BINS = 20
_DECILES = 10
#: A standard deviation below this is rounding noise: such values correlate with nothing.
_CONSTANT_M = 1e-6


class _OverClips:
    """Means over views with intervals over clips."""

    def __init__(self, clip: np.ndarray) -> None:
        self.numbers, self.row = np.unique(clip, return_inverse=True)

    def means(self, values: np.ndarray, mask: np.ndarray | None = None) -> np.ndarray:
        """Means over views and joints, (1 + R, ...), see `resampled_means`.

        Args:
            values: (N, ..., J).
            mask: (N, J) bool, the joints that count; all by default.
        """
        counted = np.ones((len(values), values.shape[-1]), dtype=bool) if mask is None else mask
        lead = (slice(None), *(None,) * (values.ndim - 2))
        total = np.zeros((len(self.numbers), *values.shape[1:-1]))
        count = np.zeros(len(self.numbers))
        np.add.at(total, self.row, np.where(counted[lead], values, 0.0).sum(-1))
        np.add.at(count, self.row, counted.sum(-1))
        return resampled_means(total, count.reshape(-1, *(1,) * (values.ndim - 2)))


def energy_score(hypotheses: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Energy score of each joint, (N, J) metres; lower is better.

    It is the mean distance of the hypotheses from the truth less half their mean distance from each other.

    Source: Gneiting and Raftery (2007), Eq. 22, its unbiased form.
    """
    count = hypotheses.shape[1]
    to_truth = np.linalg.norm(hypotheses - truth[:, None], axis=-1).mean(1)
    apart = np.zeros_like(to_truth)
    for shift in range(1, count):
        apart += np.linalg.norm(hypotheses - np.roll(hypotheses, shift, axis=1), axis=-1).mean(1)
    return to_truth - 0.5 * apart / (count - 1)


def _reliability(hypotheses: np.ndarray, truth: np.ndarray, over: _OverClips) -> dict[str, Any]:
    """Coverage of the truth by the hypotheses' own distribution, its sharpness, and its energy score."""
    place = place_in_student(hypotheses, truth)[:, 1:]
    # A central interval of probability p reaches p / 2 to both sides of the median.
    inside = 2.0 * np.abs(place - 0.5) <= np.array(NOMINAL)[:, None, None, None]
    by_axis = inside.mean((1, 2))
    pooled = over.means(inside.mean(-1).swapaxes(0, 1))
    ranks = (hypotheses[:, :, 1:] < truth[:, None, 1:]).sum(1)
    score = over.means(energy_score(hypotheses, truth)[:, 1:])
    return {
        "coverage": pooled[0].tolist(),
        "interval": interval(pooled).T.tolist(),
        "by_axis": {name: by_axis[:, axis].tolist() for axis, name in enumerate(_AXES)},
        "by_joint": dict(zip(JOINT_NAMES[1:], inside.mean((1, 3)).T.tolist(), strict=True)),
        "pit": (np.histogram(place, _PIT_BINS, (0.0, 1.0))[0] / place.size).tolist(),
        "ranks": (np.bincount(ranks.ravel(), minlength=hypotheses.shape[1] + 1) / ranks.size).tolist(),
        "spread_mm": float(1000 * np.sqrt(np.square(spread(hypotheses)[:, 1:]).mean())),
        "energy_score_mm": {"mean": float(1000 * score[0]), "interval": (1000 * interval(score)).tolist()},
    }


def _expected(expected: np.ndarray, predictions: Predictions, over: _OverClips) -> dict[str, Any]:
    """Expected beside observed errors: means, correlations, deciles, and how often the regions hold the truth."""
    predicted, observed, hidden = expected[:, 1:], predictions.error()[:, 1:], predictions.hidden[:, 1:]

    def means(mask: np.ndarray | None = None) -> dict[str, Any]:
        both = 1000 * over.means(np.stack((predicted, observed), axis=1), mask)
        return {
            "expected_mm": float(both[0, 0]),
            "observed_mm": float(both[0, 1]),
            "interval": interval(both[:, 1]).tolist(),
        }

    def correlation(a: np.ndarray, b: np.ndarray) -> float | None:
        return float(np.corrcoef(a, b)[0, 1]) if min(a.std(), b.std()) > _CONSTANT_M else None

    edges = np.quantile(predicted, np.linspace(0, 1, _DECILES + 1)[1:-1])
    tenth = np.searchsorted(edges, predicted)
    within = [correlation(predicted[:, j], observed[:, j]) for j in range(NUM_JOINTS - 1)]
    known = [value for value in within if value is not None]
    return {
        **means(),
        "hidden": means(hidden),
        "visible": means(~hidden),
        "by_joint": {
            name: {
                "expected_mm": float(1000 * predicted[:, j].mean()),
                "observed_mm": float(1000 * observed[:, j].mean()),
                "correlation": within[j],
            }
            for j, name in enumerate(JOINT_NAMES[1:])
        },
        "correlation": {
            "all": correlation(predicted.ravel(), observed.ravel()),
            "within_a_joint": float(np.mean(known)) if known else None,
            "of_poses": correlation(predicted.mean(1), observed.mean(1)),
        },
        "deciles": [means(tenth == number) for number in range(_DECILES)],
    }


def _regions(
    calibration: Calibration, expected: np.ndarray, predictions: Predictions, over: _OverClips
) -> dict[str, Any]:
    """Coverage of the truth by the calibrated regions, and their size."""
    observed, hidden = predictions.error()[:, 1:], predictions.hidden[:, 1:]
    radius = np.stack([calibration.region(expected, level)[:, 1:] for level in LEVELS], axis=1)
    inside = observed[:, None] <= radius
    found = over.means(inside)
    return {
        "levels": list(LEVELS),
        "coverage": found[0].tolist(),
        "interval": interval(found).T.tolist(),
        "hidden": over.means(inside, hidden)[0].tolist(),
        "visible": over.means(inside, ~hidden)[0].tolist(),
        "by_joint": dict(zip(JOINT_NAMES[1:], inside.mean(0).T.tolist(), strict=True)),
        "radius_mm": (1000 * radius.mean((0, 2))).tolist(),
    }


def report(calibration: Calibration, predictions: Predictions) -> dict[str, Any]:
    """Reliability of hypotheses and expected errors on views that the calibration was not fitted to.

    Args:
        calibration: the calibration to check.
        predictions: views and hypotheses of another motion file.

    Returns:
        {"reliability": {"before", "after": {...}}, "expected_error", "regions", "same_for_every_frame", "views",
        "clips"}. "reliability" has the shares of truths inside central intervals of probability `NOMINAL` of each
        joint's and axis' distribution, of the hypotheses as drawn and as widened. "same_for_every_frame" has the
        correlations of an expected error that knows only the joint. Lengths are in mm; 95 % intervals are of a
        bootstrap over clips. The hip counts nowhere.
    """
    over = _OverClips(predictions.clip)
    expected = calibration.expected_error(predictions.known(calibration.usual_view))
    mean_error = predictions.error().mean(0, keepdims=True)
    constant = _expected(np.repeat(mean_error, len(predictions), axis=0), predictions, over)
    return {
        "nominal": list(NOMINAL),
        "reliability": {
            "before": _reliability(predictions.hypotheses, predictions.truth, over),
            "after": _reliability(calibration.widened(predictions.hypotheses, expected), predictions.truth, over),
        },
        "expected_error": _expected(expected, predictions, over),
        "same_for_every_frame": constant["correlation"],
        "regions": _regions(calibration, expected, predictions, over),
        "views": len(predictions),
        "clips": len(over.numbers),
    }
