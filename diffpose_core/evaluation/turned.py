"""Regression poses turned by fixed angles: hypotheses that know nothing, as a yardstick for every best of N."""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

#: Angle between two neighbours, degrees. Fixed beforehand: nothing in it depends on a pose.
STEP_DEG = 5.0


def turned(poses_cam: np.ndarray, count: int) -> np.ndarray:
    """Every pose turned about the camera's x axis by angles that lie evenly around 0, `STEP_DEG` apart.

    Five are turned by -10, -5, 0, 5 and 10 degrees. The camera's tilt is what a picture tells least.

    Args:
        poses_cam: (F, J, 3) metres, root-relative, camera frame.
        count: N, of poses a frame.

    Returns:
        (F, N, J, 3) metres, root-relative, camera frame.
    """
    angles = STEP_DEG * (np.arange(count) - (count - 1) / 2)
    turns = Rotation.from_euler("x", angles[:, None], degrees=True).as_matrix()
    return np.einsum("nij,fkj->fnki", turns, poses_cam.astype(np.float64)).astype(poses_cam.dtype)
