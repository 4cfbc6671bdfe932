"""Errors of 3D poses, one number per pose (or per joint, or per clip); averaging is left to the caller.

Poses are (..., J, 3) arrays in metres, in practice root-relative and in the camera frame; results are metres too
(reports turn them into millimetres). Everything is computed in float64 and over any leading axes, each pose by
itself. Every joint that is given counts, the root as well, as is the custom on Human3.6M. Unless a function says more,
it raises InvalidInput where the shapes of the two poses differ or aren't (..., J, 3), or a number isn't finite.
"""

from __future__ import annotations

import numpy as np

from diffpose_core.skeleton import NUM_JOINTS, bone_lengths
from diffpose_core.structures import InvalidInput

#: Thresholds of the AUC: 0 to 150 mm in steps of 5 mm, in metres (Mehta et al., 3DV 2017).
AUC_THRESHOLDS = np.linspace(0.0, 0.15, 31)
#: A joint within this distance of its target is correct, metres.
PCK_THRESHOLD = 0.15
#: The 14 joints that MPI-INF-3DHP's own evaluation counts for PCK and AUC: not the root, the spine and the neck/nose.
PCK_JOINTS = (10, 8, 14, 15, 16, 11, 12, 13, 1, 2, 3, 4, 5, 6)


def _pose(pose: np.ndarray, name: str) -> np.ndarray:
    array = np.asarray(pose, dtype=np.float64)
    if array.ndim < 2 or array.shape[-1] != 3 or array.shape[-2] < 1:
        raise InvalidInput(f"the {name} pose must be (..., joints, 3), found {array.shape}")
    if not np.isfinite(array).all():
        raise InvalidInput(f"the {name} pose must hold finite numbers only")
    return array


def _pair(predicted: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    p, t = _pose(predicted, "predicted"), _pose(target, "target")
    if p.shape != t.shape:
        raise InvalidInput(f"both poses must have the same shape, found {p.shape} predicted and {t.shape} target")
    return p, t


def joint_errors(predicted: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Distance of every joint from its target: (..., J, 3) twice, metres -> (..., J), metres."""
    p, t = _pair(predicted, target)
    return np.linalg.norm(p - t, axis=-1)


def mpjpe(predicted: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Mean per-joint position error (Protocol 1): (..., J, 3) twice, metres -> (...,), metres."""
    return joint_errors(predicted, target).mean(-1)


def procrustes_align(predicted: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Every predicted pose moved, turned and scaled onto its target, least squares: (..., J, 3) -> (..., J, 3).

    The turn is a rotation, never a mirroring. A predicted pose whose joints all coincide has nothing to turn or scale:
    it ends at the target's centre. Source: Kabsch (1976), Umeyama (1991).
    """
    p, t = _pair(predicted, target)
    p_centre, t_centre = p.mean(-2, keepdims=True), t.mean(-2, keepdims=True)
    p, t = p - p_centre, t - t_centre
    rotation, singular = best_rotation(p, t)
    size = np.square(p).sum((-1, -2))
    scale = np.divide(singular.sum(-1), size, out=np.zeros_like(size), where=size > 1e-18)
    return scale[..., None, None] * (p @ rotation) + t_centre


def best_rotation(points: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The rotations about the origin that bring points nearest to their targets, least squares.

    Args:
        points: (..., J, 3).
        targets: (..., J, 3).

    Returns:
        Rotations (..., 3, 3), for points @ rotation, and the singular values of points' @ targets, the last of them
        negative where a mirror image would fit better: (..., 3).

    Source: Kabsch (1976).
    """
    u, singular, vt = np.linalg.svd(np.swapaxes(points, -1, -2) @ targets)
    # A mirror image would fit better where the product has determinant -1: the weakest axis then turns around.
    signs = np.ones_like(singular)
    signs[..., 2] = np.where(np.linalg.det(u @ vt) < 0, -1.0, 1.0)
    return (u * signs[..., None, :]) @ vt, singular * signs


def p_mpjpe(predicted: np.ndarray, target: np.ndarray) -> np.ndarray:
    """MPJPE after Procrustes alignment of every pose by itself (Protocol 2): (..., J, 3) twice -> (...,), metres."""
    return joint_errors(procrustes_align(predicted, target), target).mean(-1)


def scale_align(predicted: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Every predicted pose scaled by the single factor that fits its target best, root-relative: (..., J, 3) twice.

    A predicted pose of zeros stays as it is. Source: Rhodin et al. (CVPR 2018).
    """
    p, t = _pair(predicted, target)
    size = np.square(p).sum((-1, -2))
    scale = np.divide((p * t).sum((-1, -2)), size, out=np.zeros_like(size), where=size > 1e-18)
    return np.asarray(scale[..., None, None] * p)


def n_mpjpe(predicted: np.ndarray, target: np.ndarray) -> np.ndarray:
    """MPJPE after `scale_align`: (..., J, 3) twice, root-relative -> (...,), metres."""
    return joint_errors(scale_align(predicted, target), target).mean(-1)


def velocity_errors(predicted: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Errors of every joint's step to the next frame, (..., F - 1, J) metres.

    Args:
        predicted: (..., F, J, 3) metres.
        target: (..., F, J, 3) metres.

    Raises:
        InvalidInput: on fewer than two frames as well.
    """
    p, t = _pair(predicted, target)
    if p.ndim < 3 or p.shape[-3] < 2:
        raise InvalidInput(f"velocities need clips (..., frames, joints, 3) of at least two frames, found {p.shape}")
    return np.linalg.norm(np.diff(p - t, axis=-3), axis=-1)


def mpjve(predicted: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Mean per-joint velocity error of clips: (..., F, J, 3) twice, metres -> (...,), metres per frame.

    Velocity is the difference of consecutive frames. Raises InvalidInput on fewer than two frames as well.
    Source: Pavllo et al. (CVPR 2019).
    """
    return velocity_errors(predicted, target).mean((-1, -2))


def pck(predicted: np.ndarray, target: np.ndarray, threshold: float = PCK_THRESHOLD) -> np.ndarray:
    """Share of joints within `threshold` metres (150 mm) of their target: (..., J, 3) twice -> (...,) in [0, 1].

    Raises InvalidInput on a threshold below 0 as well. Source: Mehta et al. (3DV 2017).
    """
    if not threshold >= 0:
        raise InvalidInput(f"the threshold must not be below 0 m, found {threshold}")
    return (joint_errors(predicted, target) <= threshold).mean(-1)


def auc_shares(errors: np.ndarray) -> np.ndarray:
    """The share of the thresholds 0, 5, ..., 150 mm that an error stays within: any shape, metres -> in [0, 1]."""
    above = np.searchsorted(AUC_THRESHOLDS, errors, side="left")
    return 1.0 - above / len(AUC_THRESHOLDS)


def auc(predicted: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Mean PCK over the thresholds 0, 5, ..., 150 mm: (..., J, 3) twice, metres -> (...,) in [0, 1].

    Source: Mehta et al. (3DV 2017).
    """
    return auc_shares(joint_errors(predicted, target)).mean(-1)


def bone_length_spread(pose: np.ndarray) -> np.ndarray:
    """Variation of each bone's length over a clip, (..., E): standard deviation over mean.

    It is 0 for a rigid body; 0.05 is five percent. A bone of no length has spread 0.

    Args:
        pose: (..., F, 17, 3) metres, at least one frame.

    Raises:
        InvalidInput: on any other shape.
    """
    p = _pose(pose, "given")
    if p.ndim < 3 or p.shape[-3] < 1 or p.shape[-2] != NUM_JOINTS:
        raise InvalidInput(f"bone lengths over a clip need (..., frames, {NUM_JOINTS}, 3), found {p.shape}")
    lengths = bone_lengths(p)
    mean = lengths.mean(-2)
    return np.divide(lengths.std(-2), mean, out=np.zeros_like(mean), where=mean > 0)
