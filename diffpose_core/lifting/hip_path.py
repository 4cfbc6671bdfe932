"""Places the hip of a lifted clip in space."""

from __future__ import annotations

import numpy as np
import torch

from diffpose_core.camera import place_root
from diffpose_core.structures import Intrinsics
from diffpose_core.uncertainty.identity import bridged

#: Frames whose hips are placed at a time.
_ROOT_FRAMES = 2048


def hip_path(
    pose_cam: np.ndarray, points_px: np.ndarray, std_px: np.ndarray, camera: Intrinsics
) -> tuple[np.ndarray, np.ndarray] | None:
    """The hip's path through a clip, where the projected poses meet the detected ones best.

    A frame whose hip can't be placed gets a place between those of its neighbours.

    Args:
        pose_cam: (F, J, 3) metres, root-relative, camera frame.
        points_px: (F, J, 2), the detected joints.
        std_px: (F, J), their spreads.
        camera: intrinsics.

    Returns:
        Path (F, 3) in metres, camera frame, and distance (F,) of projected from detected joints in pixels, NaN where
        the hip can't be placed; None if it can be placed in no frame.
    """
    intrinsics = torch.tensor([camera.fx, camera.fy, camera.cx, camera.cy], dtype=torch.float64)
    root, error_px = np.empty((len(pose_cam), 3)), np.empty(len(pose_cam))
    for begin in range(0, len(pose_cam), _ROOT_FRAMES):
        rows = slice(begin, begin + _ROOT_FRAMES)
        pose, points, std = (torch.from_numpy(a[rows].astype(np.float64)) for a in (pose_cam, points_px, std_px))
        root[rows], error_px[rows] = (found.numpy() for found in place_root(pose, points, std, intrinsics))
    placed = np.isfinite(error_px)
    if not placed.any():
        return None
    return bridged(root, placed).astype(np.float32), error_px.astype(np.float32)
