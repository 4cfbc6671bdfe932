"""The numbers beside the pictures: poses (..., 17, 3) in metres, camera frame, to millimetres or percent."""

from __future__ import annotations

import numpy as np

from diffpose_core.skeleton import bone_lengths

#: A bone counts as impossible when its length is off by more than this share of the person's own.
BONE_TOLERANCE = 0.2


def error_mm(pose_cam: np.ndarray, truth_cam: np.ndarray) -> np.ndarray:
    """Mean distance of the joints to the exact ones (MPJPE of one pose), (..., 17, 3) -> (...), millimetres."""
    return np.linalg.norm(pose_cam - truth_cam, axis=-1).mean(-1) * 1000.0


def joint_error_mm(pose_cam: np.ndarray, truth_cam: np.ndarray) -> np.ndarray:
    """Distance of every joint to the exact one, (..., 17, 3) -> (..., 17), millimetres."""
    return np.linalg.norm(pose_cam - truth_cam, axis=-1) * 1000.0


def spread_mm(samples_cam: np.ndarray) -> np.ndarray:
    """How far samples lie from their mean: root mean square over samples and joints, (..., H, 17, 3) -> (...), mm."""
    centred = samples_cam - samples_cam.mean(-3, keepdims=True)
    return np.sqrt((centred**2).sum(-1).mean((-2, -1))) * 1000.0


def reference_bones(poses_cam: np.ndarray) -> np.ndarray:
    """The person's own bone lengths: the median over frames, (F, 17, 3) -> (16,), metres."""
    return np.median(bone_lengths(poses_cam), axis=0)


def impossible_bones_percent(poses_cam: np.ndarray, bones: np.ndarray) -> np.ndarray:
    """Share of bones whose length is off by more than a fifth, (..., H, 17, 3) and (16,) -> (...), percent."""
    off = np.abs(bone_lengths(poses_cam) - bones) / np.maximum(bones, 1e-3)
    return (off > BONE_TOLERANCE).mean((-2, -1)) * 100.0


def bone_violation_percent(poses_cam: np.ndarray, bones: np.ndarray) -> np.ndarray:
    """Mean relative error of a pose's bone lengths, (..., 17, 3) and (16,) -> (...), percent."""
    return (np.abs(bone_lengths(poses_cam) - bones) / np.maximum(bones, 1e-3)).mean(-1) * 100.0


def distance_to_mixture_mm(samples_cam: np.ndarray, mean: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """How far a cloud is from H_K: the 2-Wasserstein distance of every coordinate, each seen as a Gaussian.

    samples_cam: (..., H, 17, 3) metres. mean (51,) and covariance (51, 51): of the whole pose mixture.
    Returns (...), the root mean square over joints, millimetres.
    """
    shape = (*samples_cam.shape[:-2], mean.shape[-1])
    flat = samples_cam.reshape(shape)
    wanted_std = np.sqrt(np.diagonal(covariance))
    squared = (flat.mean(-2) - mean) ** 2 + (flat.std(-2) - wanted_std) ** 2
    joints = squared.reshape(*squared.shape[:-1], -1, 3).sum(-1)
    return np.sqrt(joints.mean(-1)) * 1000.0
