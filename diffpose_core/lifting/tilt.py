"""The direction that is up in the camera's frame, from the camera's tilt or from a whole clip."""

from __future__ import annotations

import math

import numpy as np
import torch

from diffpose_core.lifting.models import Models
from diffpose_core.lifting.view import clip_view
from diffpose_core.structures import InvalidInput, PoseClip2D

#: Most frames of a clip that an estimate is averaged over; they are evenly spread.
_UP_FRAMES = 64
_MOST_TILT_DEG = 80.0


@torch.inference_mode()
def estimate_up(clip: PoseClip2D, models: Models) -> np.ndarray:
    """Direction that is up for a camera that stands still, averaged over estimates from up to 64 frames.

    It depends on the clip alone, not on the frames that are lifted. On clips of Mocap-17 it is wrong by about two
    degrees.

    Args:
        clip: from a camera that stands still.
        models: with the network that reads the camera's tilt.

    Returns:
        (3,) of length 1, camera frame.

    Raises:
        InvalidInput: the network that reads the camera's tilt was not loaded.
    """
    upright = models.require_upright()
    frames = np.unique(np.linspace(0, len(clip) - 1, min(len(clip), _UP_FRAMES)).round().astype(np.int64))
    view = clip_view(clip, frames).to(models.device)
    up_cam = view.to_cam(upright.up(models.encoder.encode(view).pose_view)[:, None])[:, 0]
    mean: np.ndarray = up_cam.mean(0).cpu().numpy()
    return mean / max(float(np.linalg.norm(mean)), 1e-9)


def up_of_tilt(tilt_deg: float) -> np.ndarray:
    """Direction that is up for a camera of a known tilt that isn't rolled.

    Args:
        tilt_deg: degrees by which it looks down; 0 is level, negative looks up.

    Returns:
        (3,) of length 1, camera frame.

    Raises:
        InvalidInput: the tilt is beyond 80 degrees.
    """
    if not abs(tilt_deg) <= _MOST_TILT_DEG:
        raise InvalidInput(f"a camera's tilt must lie between -80 and 80 degrees, found {tilt_deg:g}")
    tilt = math.radians(tilt_deg)
    return np.array([0.0, -math.cos(tilt), -math.sin(tilt)], dtype=np.float32)
