"""Scores of hypotheses as a distribution: proper ones, which reward neither width nor narrowness, and the parts of
their spread.

A best of N rewards hypotheses that lie far apart. A proper score is lowest in expectation for draws from the truth's
own distribution (Gneiting and Raftery, "Strictly proper scoring rules, prediction, and estimation", 2007).
"""

from __future__ import annotations

import numpy as np

from diffpose_core.evaluation.metrics import best_rotation
from diffpose_core.structures import InvalidInput

#: Levels of the central intervals that `expected_calibration_error` looks at.
LEVELS = np.arange(0.1, 0.95, 0.1)


def _checked(hypotheses: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    h, t = np.asarray(hypotheses, dtype=np.float64), np.asarray(truth, dtype=np.float64)
    if h.ndim != 4 or h.shape[1] < 2 or h[:, 0].shape != t.shape or t.shape[-1] != 3:
        raise InvalidInput(
            "expected hypotheses (F, N, J, 3) with N of at least 2 and a truth (F, J, 3), "
            f"found {h.shape} and {t.shape}"
        )
    return h, t


def energy_score(hypotheses: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Energy score of whole poses, (F,) metres: mean distance from the truth less half of the mean mutual distance.

    A distance of two poses is the root mean square of the joints' distances. For a single pose it would be its error.

    Args:
        hypotheses: (F, N, J, 3) metres.
        truth: (F, J, 3) metres.

    Raises:
        InvalidInput: wrong shapes, or fewer than two hypotheses.

    Source: Gneiting and Raftery (2007), section 4.2; mutual distances over different hypotheses only.
    """
    h, t = _checked(hypotheses, truth)
    away = np.sqrt(np.square(h - t[:, None]).sum(-1).mean(-1)).mean(1)
    return np.asarray(away - 0.5 * _mutual(np.sqrt(np.square(h[:, :, None] - h[:, None]).sum(-1).mean(-1))))


def crps(hypotheses: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Continuous ranked probability score of every joint, the mean of its three coordinates, (F, J) metres.

    Args:
        hypotheses: (F, N, J, 3) metres.
        truth: (F, J, 3) metres.

    Raises:
        InvalidInput: wrong shapes, or fewer than two hypotheses.

    Source: Gneiting and Raftery (2007), section 4.2, in the form that is unbiased for few draws.
    """
    h, t = _checked(hypotheses, truth)
    away = np.abs(h - t[:, None]).mean(1)
    mutual = _mutual(np.abs(h[:, :, None] - h[:, None]))
    return np.asarray((away - 0.5 * mutual).mean(-1))


def _mutual(distances: np.ndarray) -> np.ndarray:
    """Mean over pairs of different hypotheses, (F, N, N, ...) -> (F, ...)."""
    count = distances.shape[1]
    return np.asarray(distances.sum((1, 2)) / (count * (count - 1)))


def within(place: np.ndarray) -> np.ndarray:
    """Whether truths lie in the central intervals of `LEVELS`, (..., 9).

    Args:
        place: any shape, the place of the truth in its predicted distribution, from 0 to 1
            (`expected_error.place_in_student`).
    """
    return np.asarray(np.abs(np.asarray(place) - 0.5)[..., None] <= LEVELS / 2)


def expected_calibration_error(shares: np.ndarray) -> np.ndarray:
    """Mean difference between the levels of central intervals and the shares of truths within them.

    Args:
        shares: (..., 9), means of `within`.

    Returns:
        (...,), from 0 (calibrated) to 0.5.

    Source: Kuleshov et al., "Accurate uncertainties for deep learning using calibrated regression" (2018), over central
    intervals of levels 0.1 to 0.9.
    """
    return np.asarray(np.abs(shares - LEVELS).mean(-1))


def rigid_share(hypotheses: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The hypotheses' squared spread, split into one rigid rotation of each and the rest.

    Every hypothesis is turned about the hip onto the mean pose by the best rotation. What that takes away is the
    rotation's part.

    Args:
        hypotheses: (F, N, J, 3) metres, root-relative.

    Returns:
        Mean squared distance of joints from the mean pose, and what is left of it after the turns; (F,) square metres.

    Source: Kabsch (1976), about the hip.
    """
    h = np.asarray(hypotheses, dtype=np.float64)
    mean = h.mean(1, keepdims=True)
    aligned = h @ best_rotation(h, mean)[0]
    whole, rest = (np.square(poses - mean).sum(-1).mean((1, 2)) for poses in (h, aligned))
    return whole, rest
