"""Numbers of clouds and Gaussians: covariances in plot axes, histograms and densities."""

from __future__ import annotations

import numpy as np

from diffpose_core.skeleton import NUM_JOINTS

#: Camera frame (x right, y down, z forward) to plot axes (x, z, -y).
_TO_PLOT = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]])
_UPPER = np.triu_indices(3)


def plot_covariances(covariances_cam: np.ndarray) -> np.ndarray:
    """Covariances (..., 3, 3) of the camera frame in plot axes: (..., 6), xx, xy, xz, yy, yz, zz, square metres."""
    turned = _TO_PLOT @ covariances_cam @ _TO_PLOT.T
    return turned[..., _UPPER[0], _UPPER[1]]


def joint_covariances(covariances: np.ndarray) -> np.ndarray:
    """The joints' own 3 x 3 blocks of pose covariances: (..., 51, 51) -> (..., 17, 3, 3)."""
    blocks = covariances.reshape(*covariances.shape[:-2], NUM_JOINTS, 3, NUM_JOINTS, 3)
    return np.moveaxis(np.diagonal(blocks, axis1=-4, axis2=-2), -1, -3)


def sample_covariances(samples: np.ndarray) -> np.ndarray:
    """Covariance of every joint over samples, (..., N, 17, 3) -> (..., 17, 3, 3)."""
    centred = samples - samples.mean(-3, keepdims=True)
    return np.einsum("...nji,...njk->...jik", centred, centred) / samples.shape[-3]


def histograms(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Densities of values over their last axis, (..., N) -> (..., bins), per unit of the edges."""
    flat = values.reshape(-1, values.shape[-1])
    counts = np.stack([np.histogram(row, edges)[0] for row in flat])
    return (counts / (values.shape[-1] * np.diff(edges))).reshape(*values.shape[:-1], len(edges) - 1)


def normal_densities(at: np.ndarray, mean: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """Densities of one-dimensional Gaussians, (bins,) and (...) -> (..., bins)."""
    squared = np.square(at - mean[..., None]) / variance[..., None]
    return np.exp(-0.5 * squared) / np.sqrt(2 * np.pi * variance[..., None])
