"""The numbers beside the pictures: poses (..., 17, 3) in metres, camera frame, to millimetres or percent."""

from __future__ import annotations

from functools import cache

import numpy as np

from diffpose_core.datasets.bodies import possible_bones
from diffpose_core.skeleton import NUM_JOINTS, bone_lengths
from diffpose_core.uncertainty.pose_gmm import PoseGMM

#: A joint has settled when it stays this near to where it ends, millimetres: two per cent of a short person's height.
SETTLED_MM = 30.0


def error_mm(pose_cam: np.ndarray, truth_cam: np.ndarray) -> np.ndarray:
    """Mean distance of the joints to the exact ones (MPJPE of one pose), (..., 17, 3) -> (...), millimetres."""
    return joint_error_mm(pose_cam, truth_cam).mean(-1)


def joint_error_mm(pose_cam: np.ndarray, truth_cam: np.ndarray) -> np.ndarray:
    """Distance of every joint to the exact one, (..., 17, 3) -> (..., 17), millimetres."""
    return np.linalg.norm(pose_cam - truth_cam, axis=-1) * 1000.0


def joint_spread_mm(samples_cam: np.ndarray) -> np.ndarray:
    """Spread of each joint's samples: their root mean square distance from their mean.

    Args:
        samples_cam: (..., H, 17, 3), metres.

    Returns:
        (..., 17), millimetres.
    """
    centred = samples_cam - samples_cam.mean(-3, keepdims=True)
    # A sum over pairs of axes at once: many times faster here than squares that are added along a short axis.
    return np.sqrt(np.einsum("...hji,...hji->...j", centred, centred) / centred.shape[-3]) * 1000.0


def spread_mm(samples_cam: np.ndarray) -> np.ndarray:
    """Spread of samples: their distance from their mean, root mean square over samples and joints.

    Args:
        samples_cam: (..., H, 17, 3), metres.

    Returns:
        (...), millimetres.
    """
    return np.sqrt((joint_spread_mm(samples_cam) ** 2).mean(-1))


def reference_bones(poses_cam: np.ndarray) -> np.ndarray:
    """The person's own bone lengths: the median over frames, (F, 17, 3) -> (16,), metres."""
    return np.median(bone_lengths(poses_cam), axis=0)


@cache
def possible_bones_m() -> np.ndarray:
    """Shortest and longest that a bone of the people is whom the networks learnt from, (16, 2) metres."""
    return possible_bones()


def impossible_bones_percent(poses_cam: np.ndarray) -> np.ndarray:
    """Share of bones that are shorter or longer than any of the training bodies', (..., H, 17, 3) -> (...), percent."""
    lengths, (low, high) = bone_lengths(poses_cam), possible_bones_m().T
    outside = (lengths < low) | (lengths > high)
    return outside.mean((-2, -1)) * 100.0


def bone_violation_percent(poses_cam: np.ndarray, bones: np.ndarray) -> np.ndarray:
    """Mean relative error of a pose's bone lengths, (..., 17, 3) and (16,) -> (...), percent."""
    return (np.abs(bone_lengths(poses_cam) - bones) / np.maximum(bones, 1e-3)).mean(-1) * 100.0


#: Takes the hip's coordinates off those of every joint, (51, 51).
_TO_ROOT = np.eye(3 * NUM_JOINTS) - np.kron(np.eye(NUM_JOINTS)[:1].repeat(NUM_JOINTS, 0), np.eye(3))


def _laws(gmm: PoseGMM) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean (51,), covariance within the components and between their means (51, 51), hip at the origin, float64."""
    weights = gmm.weights.double().numpy()
    within = np.tensordot(weights, gmm.covariances.double().numpy(), 1)
    between = gmm.covariance.double().numpy() - within
    return _TO_ROOT @ gmm.mean.double().numpy(), _TO_ROOT @ within @ _TO_ROOT.T, _TO_ROOT @ between @ _TO_ROOT.T


def mixture_moments(gmm: PoseGMM) -> tuple[np.ndarray, np.ndarray]:
    """Mean (51,) and covariance (51, 51) of one mixture over poses with their hip at the origin, float64."""
    mean, within, between = _laws(gmm)
    return mean, within + between


def forward_moments(h_0: np.ndarray, gmm: PoseGMM, alphas: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Exact mean and covariance of the forward process's states h_k, hip at the origin.

    h_0: (17, 3) metres. gmm: one mixture in the frame of h_0; `standard_normal` for standard diffusion. alphas: (S,),
    alpha_k of the states. Given its component m, h_k is Gaussian (Eq. 1): mean mu_m + sqrt(alpha_k) (h_0 - mu_m),
    covariance (1 - alpha_k) Sigma_m; these are the moments over all components. Returns (S, 51) and (S, 51, 51).
    """
    mean, within, between = _laws(gmm)
    root, left = np.sqrt(alphas)[:, None], np.asarray(alphas)[:, None, None]
    means = root * (_TO_ROOT @ h_0.reshape(-1)) + (1.0 - root) * mean
    return means, (1.0 - left) * within + (1.0 - root[..., None]) ** 2 * between


def _square_root(matrix: np.ndarray) -> np.ndarray:
    """Symmetric square root of positive semi-definite matrices (..., D, D)."""
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * np.sqrt(np.maximum(values, 0.0))[..., None, :]) @ np.swapaxes(vectors, -1, -2)


def gaussian_distance_mm(
    mean: np.ndarray, covariance: np.ndarray, to_mean: np.ndarray, to_covariance: np.ndarray
) -> np.ndarray:
    """2-Wasserstein distance between Gaussians over poses: how far a joint would have to be moved, at best.

    mean (..., 51) and covariance (..., 51, 51), metres; to_mean (51,) and to_covariance (51, 51). The square is
    |m - n|^2 + tr(C + D - 2 (D^(1/2) C D^(1/2))^(1/2)); the mean over the 17 joints is taken before the root.
    Returns (...), millimetres. Between mixtures with these moments it is a lower bound.
    Source: Dowson and Landau, J. Multivariate Analysis 12, 1982; the bound: Gelbrich, Math. Nachr. 147, 1990.
    """
    root = _square_root(to_covariance)
    shared = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ covariance @ root), 0.0)).sum(-1)
    trace = np.trace(covariance, axis1=-2, axis2=-1) + np.trace(to_covariance) - 2.0 * shared
    squared = ((mean - to_mean) ** 2).sum(-1) + np.maximum(trace, 0.0)
    return np.sqrt(squared / NUM_JOINTS) * 1000.0


def way_left_mm(samples_cam: np.ndarray) -> np.ndarray:
    """Distance of each joint's samples from their places at the last step: root mean square over samples.

    Args:
        samples_cam: (F, S, H, 17, 3), metres; the last of S is the end.

    Returns:
        (F, S, 17), millimetres.
    """
    away = samples_cam - samples_cam[:, -1:]
    return np.sqrt((away**2).sum(-1).mean(-2)) * 1000.0


def settled_at(way_mm: np.ndarray, limit_mm: float = SETTLED_MM) -> np.ndarray:
    """The first state from which on a joint stays within a limit of its end, (F, S, 17) -> (F, 17), indices into S."""
    outside = way_mm > limit_mm
    states = way_mm.shape[1]
    last_outside = states - 1 - np.argmax(outside[:, ::-1], axis=1)
    return np.where(outside.any(1), last_outside + 1, 0)


def extremes(values: np.ndarray, count: int, apart: int) -> list[int]:
    """Indices of the largest values above 0, the largest first, none nearer than `apart` to one before it.

    values: (F,). Frames beside each other look the same: that is why picks keep their distance.
    """
    picked: list[int] = []
    for index in np.argsort(-values, kind="stable"):
        if values[index] <= 0 or len(picked) == count:
            break
        if all(abs(int(index) - other) >= apart for other in picked):
            picked.append(int(index))
    return picked
