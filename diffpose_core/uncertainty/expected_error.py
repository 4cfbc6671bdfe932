"""The error to expect of each joint without knowing the truth, and hypotheses as wide as that error.

Hypotheses need not spread as far as they err: their spread shows which joints are unsure, not always by how much. The
expected error is a linear function of features that need no truth, fitted where the truth is known. No coefficient is
negative: more doubt never means less expected error, and far from the data the error grows in proportion. From it
follow balls that hold the truth with a given probability (split conformal regions: Lei et al., "Distribution-free
predictive inference for regression", 2018) and a factor that makes the hypotheses as wide as the errors.

A frame can be too unlike the motions of the fit for any of this: then the encoder's pose doesn't reproject to the
detected joints, or its bones have proportions that people don't have. Limits say from where on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from diffpose_core.skeleton import NUM_JOINTS
from diffpose_core.structures import InvalidInput

#: Features of a joint's expected error, all in metres: `known_of`.
FEATURES = (
    "spread", "mixture", "hip_mixture", "correction", "pose_spread", "pose_correction", "reach", "residual",
    "proportion",
)  # fmt: skip
#: The features that have limits, which a frame has one of each: `residual_m`, `proportion_m`.
LIMITED = ("residual", "proportion")
#: Probabilities with which regions hold the truth.
LEVELS = (0.5, 0.8, 0.95)
#: Hypotheses of less spread can't be scaled: they are one pose.
_LEAST_SPREAD_M = 1e-6
_LEAST_ERROR_M = 1e-4
_REWEIGHTINGS = 8
_BISECTIONS = 40
#: A limit is this quantile of the frames that the calibration was fitted to, times a margin.
_LIMIT_QUANTILE, _LIMIT_MARGIN = 0.995, 1.25


@dataclass(frozen=True)
class Calibration:
    """Errors of one network, measured on motions that it was not trained on.

    The hip, which is the origin, has 0 everywhere but in usual_view.

    Attributes:
        network: name of its preset.
        weights_sha256: fingerprint of the weights that this holds for.
        encoder_sha256: the same of the encoder.
        coefficients: (J, 10), of FEATURES (no unit) and a constant in metres, none negative.
        usual_view: (J, 3) metres, mean place of each joint, view frame.
        spread_factor: (J,), the spread that hypotheses should have over the expected error.
        radii: (J, 3), radius of the ball around the prediction that holds the truth with the probabilities LEVELS, over
            the expected error.
        limits: (2,) metres, largest values of LIMITED at which the expected error still means something.
        provenance: data, settings and the command that made it.

    Raises:
        InvalidInput: wrong shapes, or numbers that are not finite or negative.
    """

    network: str
    weights_sha256: str
    encoder_sha256: str
    coefficients: np.ndarray
    usual_view: np.ndarray
    spread_factor: np.ndarray
    radii: np.ndarray
    limits: np.ndarray
    provenance: Mapping[str, Any]

    def __post_init__(self) -> None:
        shapes = {
            "coefficients": (NUM_JOINTS, len(FEATURES) + 1),
            "usual_view": (NUM_JOINTS, 3),
            "spread_factor": (NUM_JOINTS,),
            "radii": (NUM_JOINTS, len(LEVELS)),
            "limits": (len(LIMITED),),
        }
        for name, shape in shapes.items():
            array = getattr(self, name)
            if array.shape != shape or not np.isfinite(array).all():
                raise InvalidInput(f"calibration: {name} must be finite and {shape}, found {array.shape}")
            if name != "usual_view" and (array < 0).any():
                raise InvalidInput(f"calibration: {name} must not be negative, found {array.min()}")

    def expected_error(self, known: np.ndarray) -> np.ndarray:
        """Expected distance of every joint from the truth.

        Args:
            known: (F, J, 9) features, see `known_of`.

        Returns:
            (F, J) metres.
        """
        return (known * self.coefficients[:, :-1]).sum(-1) + self.coefficients[:, -1]

    def unlike(self, limited: np.ndarray) -> np.ndarray:
        """Whether frames are so unlike the motions of the fit that their error can't be known.

        Args:
            limited: (F, 2) metres, features LIMITED.

        Returns:
            (F,) bool.
        """
        return np.asarray((limited > self.limits).any(-1))

    def region(self, expected: np.ndarray, level: float) -> np.ndarray:
        """Radius of the ball around the prediction that holds the truth with a given probability.

        Args:
            expected: (F, J) metres.
            level: probability, one of LEVELS.

        Returns:
            (F, J) metres.

        Raises:
            InvalidInput: the level is not one of LEVELS.
        """
        if level not in LEVELS:
            raise InvalidInput(f"a region's level must be one of {', '.join(map(str, LEVELS))}, found {level}")
        return expected * self.radii[:, LEVELS.index(level)]

    def widened(self, hypotheses: np.ndarray, expected: np.ndarray) -> np.ndarray:
        """Hypotheses moved away from their mean, joint by joint, until their spread is that of the errors.

        Bones of such a pose no longer keep their lengths.

        Args:
            hypotheses: (F, H, J, 3) metres.
            expected: (F, J) metres.

        Returns:
            (F, H, J, 3) metres.

        Raises:
            InvalidInput: there is a single hypothesis.
        """
        wanted = expected * self.spread_factor
        factor = wanted / np.maximum(spread(hypotheses), _LEAST_SPREAD_M)
        mean = hypotheses.mean(1, keepdims=True)
        return mean + factor[:, None, :, None] * (hypotheses - mean)


def spread(hypotheses: np.ndarray) -> np.ndarray:
    """Spread of hypotheses around their mean: the root of the unbiased variance in 3D, which doesn't depend on H.

    Args:
        hypotheses: (F, H, J, 3) metres.

    Returns:
        (F, J) metres.

    Raises:
        InvalidInput: there is a single hypothesis.
    """
    count = hypotheses.shape[1]
    if count < 2:
        raise InvalidInput(f"a spread needs at least two hypotheses, found {count}")
    apart = hypotheses - hypotheses.mean(1, keepdims=True)
    return np.sqrt(np.square(apart).sum((1, 3)) / (count - 1))


def known_of(
    hypotheses_view: np.ndarray,
    encoder_view: np.ndarray,
    mixture_std: np.ndarray,
    usual_view: np.ndarray,
    limited: np.ndarray,
) -> np.ndarray:
    """Features of every joint that need no truth, in the order of FEATURES.

    "spread" is that of the hypotheses. "mixture" and "hip_mixture" are spreads in the picture, of the joint and of the
    hip that it is relative to. "correction" is the distance of the hypotheses' mean from the encoder's pose. Then come
    the pose's means of spread and correction, and "reach", the distance of the prediction from the joint's usual place.
    "residual" and "proportion" measure the frame's distance from the training data.

    Args:
        hypotheses_view: (F, H, J, 3) metres, view frame.
        encoder_view: (F, J, 3) metres, the encoder's pose that the network started from, view frame.
        mixture_std: (F, J) metres, spread of the joints' 2D mixtures.
        usual_view: (J, 3) metres, see `Calibration`.
        limited: (F, 2) metres, features LIMITED.

    Returns:
        (F, J, 9) metres.
    """
    answer = hypotheses_view.mean(1)
    own_spread = spread(hypotheses_view)
    correction = np.linalg.norm(answer - encoder_view, axis=-1)
    reach = np.linalg.norm(answer - usual_view, axis=-1)

    def everywhere(values: np.ndarray) -> np.ndarray:
        return np.repeat(values[:, None], NUM_JOINTS, axis=1)

    return np.stack(
        (
            own_spread,
            mixture_std,
            everywhere(mixture_std[:, 0]),
            correction,
            # The hip is exact and would only thin the mean.
            everywhere(own_spread[:, 1:].mean(1)),
            everywhere(correction[:, 1:].mean(1)),
            reach,
            *map(everywhere, limited.T),
        ),
        axis=-1,
    )


def fit_expected_error(known: np.ndarray, error: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Coefficients of a `Calibration`.

    Least squares of relative errors, each joint by itself. Large errors vary more than small ones, so rows are weighted
    by one over their expected error, again and again (the mean of a gamma regression with identity link).

    Args:
        known: (N, J, 9) metres, features.
        error: (N, J) metres.
        weight: (N,), of each frame.

    Returns:
        (J, 10), none negative.
    """
    from scipy.optimize import nnls  # takes longer to load than the rest of this package

    found = np.zeros((NUM_JOINTS, len(FEATURES) + 1))
    for joint in range(1, NUM_JOINTS):
        rows = np.concatenate((known[:, joint], np.ones((len(known), 1))), axis=1).astype(np.float64)
        target = error[:, joint].astype(np.float64)
        expected = np.full(len(rows), max(float(np.average(target, weights=weight)), _LEAST_ERROR_M))
        for _ in range(_REWEIGHTINGS):
            counts = np.sqrt(weight) / expected
            found[joint], _ = nnls(rows * counts[:, None], target * counts)
            expected = np.maximum(rows @ found[joint], _LEAST_ERROR_M)
    return found


def fit_radii(expected: np.ndarray, error: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Radii of a `Calibration`: quantiles of observed over expected error.

    One row is added to the count, which makes split conformal regions hold at least their level on exchangeable data.

    Args:
        expected: (N, J) metres.
        error: (N, J) metres, observed.
        weight: (N,), of each frame.

    Returns:
        (J, 3).
    """
    radii = np.zeros((NUM_JOINTS, len(LEVELS)))
    ratio = error[:, 1:] / np.maximum(expected[:, 1:], _LEAST_ERROR_M)
    levels = np.minimum(np.array(LEVELS) * (1.0 + 1.0 / len(ratio)), 1.0)
    radii[1:] = np.quantile(ratio, levels, axis=0, weights=weight, method="inverted_cdf").T
    return radii


def fit_limits(limited: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Limits of a `Calibration`, (2,) metres.

    Args:
        limited: (N, 2) metres, features LIMITED.
        weight: (N,), of each frame.
    """
    edge = np.quantile(limited, _LIMIT_QUANTILE, axis=0, weights=weight, method="inverted_cdf")
    return np.asarray(_LIMIT_MARGIN * edge)


def place_in_student(hypotheses: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Place of the truth in each joint's and axis' Student distribution, from 0 to 1; 0.5 is the hypotheses' mean.

    It is the distribution of one draw more, given H Gaussian draws: normal with their mean and spread, wider for being
    known from H draws only.

    Args:
        hypotheses: (F, H, J, 3) metres.
        truth: (F, J, 3) metres.

    Returns:
        (F, J, 3).
    """
    from scipy.stats import t as student  # takes longer to load than the rest of this package

    return student.cdf(_distance_in_std(hypotheses, truth), hypotheses.shape[1] - 1)


def _distance_in_std(hypotheses: np.ndarray, truth: np.ndarray) -> np.ndarray:
    count = hypotheses.shape[1]
    std = np.maximum(hypotheses.std(1, ddof=1), _LEAST_SPREAD_M) * np.sqrt(1.0 + 1.0 / count)
    return (truth - hypotheses.mean(1)) / std


def fit_spread_factor(hypotheses: np.ndarray, truth: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Factor by which each joint's hypotheses have to be wider.

    It places the truth a quarter away from the middle of their distribution on average, as it is where they are right.
    Errors have heavier tails than a Gaussian: with equal variances the middle would be too wide.

    Args:
        hypotheses: (N, H, J, 3) metres.
        truth: (N, J, 3) metres.
        weight: (N,), of each frame.

    Returns:
        (J,).
    """
    from scipy.stats import t as student

    distance = np.abs(_distance_in_std(hypotheses, truth))
    factor = np.zeros(NUM_JOINTS)
    for joint in range(1, NUM_JOINTS):
        low, high = 1e-3, 1e3
        for _ in range(_BISECTIONS):
            middle = np.sqrt(low * high)
            place = student.cdf(distance[:, joint] / middle, hypotheses.shape[1] - 1).mean(-1)
            away = np.average(place, weights=weight) - 0.5
            low, high = (middle, high) if away > 0.25 else (low, middle)
        factor[joint] = np.sqrt(low * high)
    return factor
