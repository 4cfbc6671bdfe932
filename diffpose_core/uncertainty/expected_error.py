"""What error to expect of each joint, from what is known without the truth, and hypotheses as wide as that error.

A network that was trained on its own states draws its hypotheses together: their spread says which joints are unsure,
not by how much they err. So the expected error is a linear function of what is known, fitted where the truth is known.
No factor is negative: more doubt never means less expected error, and nothing runs away far from the data it was
fitted to but in proportion. From it follow balls that hold the truth as often as they say (split conformal regions:
Lei et al., "Distribution-free predictive inference for regression", 2018) and a factor that makes the hypotheses as
wide as the errors are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from diffpose_core.skeleton import NUM_JOINTS
from diffpose_core.structures import InvalidInput

#: What a joint's expected error is made of, all in metres: `known_of`.
FEATURES = ("spread", "mixture", "hip_mixture", "correction", "pose_spread", "pose_correction", "reach")
#: Shares of the truths that a region is to hold.
LEVELS = (0.5, 0.8, 0.95)
#: Hypotheses of less spread can't be scaled: they are one pose.
_LEAST_SPREAD_M = 1e-6
_LEAST_ERROR_M = 1e-4
_REWEIGHTINGS = 8
_BISECTIONS = 40


@dataclass(frozen=True)
class Calibration:
    """How one network errs, measured on motions that it was not trained on.

    network: its preset's name. weights_sha256, encoder_sha256: fingerprints of the weights that this holds for.
    coefficients: (J, 8), of FEATURES (no unit) and a constant in metres, none negative. usual_view: (J, 3) metres, the
    mean place of each joint, view frame. spread_factor: (J,), the spread that hypotheses should have over the expected
    error. radii: (J, 3), radius of the ball around the answer that holds the truth as often as LEVELS says, over the
    expected error. provenance: data, settings and the command that made it. The hip, which is the origin, has 0
    everywhere but in usual_view.
    Raises InvalidInput on wrong shapes and on numbers that are not finite or negative.
    """

    network: str
    weights_sha256: str
    encoder_sha256: str
    coefficients: np.ndarray
    usual_view: np.ndarray
    spread_factor: np.ndarray
    radii: np.ndarray
    provenance: Mapping[str, Any]

    def __post_init__(self) -> None:
        shapes = {
            "coefficients": (NUM_JOINTS, len(FEATURES) + 1),
            "usual_view": (NUM_JOINTS, 3),
            "spread_factor": (NUM_JOINTS,),
            "radii": (NUM_JOINTS, len(LEVELS)),
        }
        for name, shape in shapes.items():
            array = getattr(self, name)
            if array.shape != shape or not np.isfinite(array).all():
                raise InvalidInput(f"calibration: {name} must be finite and {shape}, found {array.shape}")
            if name != "usual_view" and (array < 0).any():
                raise InvalidInput(f"calibration: {name} must not be negative, found {array.min()}")

    def expected_error(self, known: np.ndarray) -> np.ndarray:
        """Expected distance of every joint from the truth, metres: (F, J, 7) of `known_of` -> (F, J)."""
        return (known * self.coefficients[:, :-1]).sum(-1) + self.coefficients[:, -1]

    def region(self, expected: np.ndarray, level: float) -> np.ndarray:
        """Radius of the ball around the answer that holds the truth with probability `level`, one of LEVELS: metres.

        expected: (F, J) metres. Returns (F, J).
        """
        if level not in LEVELS:
            raise InvalidInput(f"a region's level must be one of {', '.join(map(str, LEVELS))}, found {level}")
        return expected * self.radii[:, LEVELS.index(level)]

    def widened(self, hypotheses: np.ndarray, expected: np.ndarray) -> np.ndarray:
        """Hypotheses moved away from their mean, joint by joint, until they are spread as the errors are.

        hypotheses: (F, H, J, 3). expected: (F, J) metres. Returns (F, H, J, 3): each joint by itself says what to
        expect; bones of such a pose no longer keep their lengths. Raises InvalidInput on a single hypothesis.
        """
        wanted = expected * self.spread_factor
        factor = wanted / np.maximum(spread(hypotheses), _LEAST_SPREAD_M)
        mean = hypotheses.mean(1, keepdims=True)
        return mean + factor[:, None, :, None] * (hypotheses - mean)


def spread(hypotheses: np.ndarray) -> np.ndarray:
    """How far hypotheses lie from their mean, (F, H, J, 3) -> (F, J): the root of the unbiased variance in 3D, so that
    it doesn't depend on H. Raises InvalidInput on a single hypothesis.
    """
    count = hypotheses.shape[1]
    if count < 2:
        raise InvalidInput(f"a spread needs at least two hypotheses, found {count}")
    apart = hypotheses - hypotheses.mean(1, keepdims=True)
    return np.sqrt(np.square(apart).sum((1, 3)) / (count - 1))


def known_of(
    hypotheses_view: np.ndarray, encoder_view: np.ndarray, mixture_std: np.ndarray, usual_view: np.ndarray
) -> np.ndarray:
    """What is known of every joint without the truth, (F, J, 7) metres, in the order of FEATURES.

    hypotheses_view: (F, H, J, 3), what the network made. encoder_view: (F, J, 3), the encoder's pose that it started
    from. mixture_std: (F, J), spread of the joints' 2D mixtures, metres. usual_view: (J, 3), see `Calibration`. All in
    the view frame. "spread" of the hypotheses; "mixture" and "hip_mixture", spread in the picture of the joint and of
    the hip that it is relative to; "correction", distance of the hypotheses' mean from the encoder's pose; the pose's
    means of spread and correction; "reach", distance of the answer from the joint's usual place.
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
        ),
        axis=-1,
    )


def fit_expected_error(known: np.ndarray, error: np.ndarray) -> np.ndarray:
    """Coefficients of `Calibration`: known (N, J, 7) and error (N, J), metres -> (J, 8), none negative.

    Least squares of relative errors, each joint by itself: large errors vary more than small ones, so that rows are
    weighted by one over what is expected of them, over and over (the mean of a gamma regression with identity link).
    """
    from scipy.optimize import nnls  # takes longer to load than the rest of this package

    found = np.zeros((NUM_JOINTS, len(FEATURES) + 1))
    for joint in range(1, NUM_JOINTS):
        rows = np.concatenate((known[:, joint], np.ones((len(known), 1))), axis=1).astype(np.float64)
        target = error[:, joint].astype(np.float64)
        expected = np.full(len(rows), max(float(target.mean()), _LEAST_ERROR_M))
        for _ in range(_REWEIGHTINGS):
            found[joint], _ = nnls(rows / expected[:, None], target / expected)
            expected = np.maximum(rows @ found[joint], _LEAST_ERROR_M)
    return found


def fit_radii(expected: np.ndarray, error: np.ndarray) -> np.ndarray:
    """Radii (J, 3) of `Calibration`, from expected and observed errors (N, J), metres.

    The level's quantile of observed over expected error, with the one row more that makes split conformal regions hold
    at least what they say on exchangeable data.
    """
    radii = np.zeros((NUM_JOINTS, len(LEVELS)))
    ratio = error[:, 1:] / np.maximum(expected[:, 1:], _LEAST_ERROR_M)
    rank = np.minimum(np.ceil(np.array(LEVELS) * (len(ratio) + 1)).astype(int), len(ratio)) - 1
    radii[1:] = np.sort(ratio, axis=0)[rank].T
    return radii


def place_in_student(hypotheses: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Where the truth lies in each joint's and axis' Student distribution, (F, H, J, 3), (F, J, 3) -> (F, J, 3).

    From 0 to 1, 0.5 being the hypotheses' mean. That is what Gaussian draws say of one draw more: the normal
    distribution with their mean and spread, wider for being known from H draws only.
    """
    from scipy.stats import t as student  # takes longer to load than the rest of this package

    return student.cdf(_distance_in_std(hypotheses, truth), hypotheses.shape[1] - 1)


def _distance_in_std(hypotheses: np.ndarray, truth: np.ndarray) -> np.ndarray:
    count = hypotheses.shape[1]
    std = np.maximum(hypotheses.std(1, ddof=1), _LEAST_SPREAD_M) * np.sqrt(1.0 + 1.0 / count)
    return (truth - hypotheses.mean(1)) / std


def fit_spread_factor(hypotheses: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """How much wider each joint's hypotheses have to be, (N, H, J, 3), (N, J, 3) -> (J,).

    So wide that the truth lies a quarter away from the middle of their distribution on average, as it does where they
    are right: errors have heavier tails than a Gaussian, so that with equal variances the middle would be too wide.
    """
    from scipy.stats import t as student

    distance = np.abs(_distance_in_std(hypotheses, truth))
    factor = np.zeros(NUM_JOINTS)
    for joint in range(1, NUM_JOINTS):
        low, high = 1e-3, 1e3
        for _ in range(_BISECTIONS):
            middle = np.sqrt(low * high)
            away = student.cdf(distance[:, joint] / middle, hypotheses.shape[1] - 1).mean() - 0.5
            low, high = (middle, high) if away > 0.25 else (low, middle)
        factor[joint] = np.sqrt(low * high)
    return factor
