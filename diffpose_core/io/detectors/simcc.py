"""Mixtures of joints from SimCC: one distribution along x and one along y for each joint.

Source: Li et al., SimCC, arXiv 2107.03332.
"""

from __future__ import annotations

import numpy as np

from diffpose_core.uncertainty.heatmaps import LEAST_WEIGHT, NUM_MODES, fit_heatmaps

#: Bins that are taken together: RTMPose's own targets spread over five of them.
_TOGETHER = 4


def simcc_mixtures(along_x: np.ndarray, along_y: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mixtures of up to three Gaussians for each joint.

    Each distribution gets Gaussians of its own. Which place along x belongs to which along y is not known: every pair
    is a mode, with the product of their weights, and the heaviest are kept.

    Args:
        along_x: (N, W), responses of N joints; what is below 0 counts as 0.
        along_y: (N, H), likewise.

    Returns:
        Weights (N, 3) that sum to 1, the heaviest first, means (N, 3, 2) as x, y in bins, with the middle of the first
        bin at 0, and variances (N, 3, 2) in square bins. An unused Gaussian has weight 0.
    """
    (x_weights, x_means, x_variances), (y_weights, y_means, y_variances) = map(_fitted, (along_x, along_y))
    pairs = (x_weights[:, :, None] * y_weights[:, None]).reshape(len(x_weights), -1)
    best = np.argsort(-pairs, axis=1, kind="stable")[:, :NUM_MODES]
    weights = np.take_along_axis(pairs, best, axis=1)
    weights = np.where(weights < LEAST_WEIGHT * weights.sum(1, keepdims=True), 0.0, weights)
    x, y = best // NUM_MODES, best % NUM_MODES

    def both(of_x: np.ndarray, of_y: np.ndarray) -> np.ndarray:
        return np.stack((np.take_along_axis(of_x, x, axis=1), np.take_along_axis(of_y, y, axis=1)), axis=-1)

    return weights / weights.sum(1, keepdims=True), both(x_means, y_means), both(x_variances, y_variances)


def _fitted(responses: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Weights, means and variances (N, 3) of Gaussians along one axis, in bins."""
    used = responses.shape[1] // _TOGETHER * _TOGETHER
    cells = np.maximum(responses[:, :used], 0.0).reshape(len(responses), 1, -1, _TOGETHER).mean(-1)
    weights, means, variances = fit_heatmaps(cells)
    return weights, means[..., 0] * _TOGETHER + (_TOGETHER - 1) / 2, variances[..., 0] * _TOGETHER**2
