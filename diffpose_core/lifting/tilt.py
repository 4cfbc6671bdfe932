"""The direction that is up in the camera's frame, from the camera's tilt or from a whole clip."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch

from diffpose_core.lifting.contexts import FEWEST_FRAMES, read_frames, spread_frames
from diffpose_core.lifting.models import Models
from diffpose_core.lifting.settings import MAX_UP_STD
from diffpose_core.structures import InvalidInput, PoseClip2D

#: Frames of a camera that stands still lie apart by at most this many times the spread of their errors.
_STEADY_STDS = 1.5
_MOST_TILT_DEG = 80.0


@dataclass(frozen=True)
class Tilt:
    """An estimate of the direction that is up.

    Attributes:
        up_cam: (3,) of length 1, camera frame.
        std: spread of its error along an axis, radians.
        steady: whether the frames agree on it, as they do where the camera stands still.
    """

    up_cam: np.ndarray
    std: float
    steady: bool


@torch.inference_mode()
def estimate_tilt(clip: PoseClip2D, models: Models) -> Tilt:
    """Estimate the direction that is up for a camera that stands still, from up to 64 frames of its clip.

    The encoder finds it in every frame, with the spread of its error; surer frames count more. Frames of one clip err
    together, so their mean is hardly surer than one of them. The estimate depends on the clip alone, not on the frames
    that are lifted.

    Args:
        clip: from a camera that stands still.
        models: with an encoder that was trained with the camera's tilt.

    Raises:
        InvalidInput: the encoder was trained without it.
    """
    frames = read_frames(clip, models.encoder, spread_frames(clip))
    up_view, std = models.encoder.up(frames.detected(models.encoder))
    ups, stds = frames.wanted.to_cam(up_view[:, None])[:, 0].double().cpu(), std.double().cpu()
    weights = stds.pow(-2) / stds.pow(-2).sum()
    mean = (weights[:, None] * ups).sum(0)
    up_cam = (mean / mean.norm().clamp_min(1e-9)).numpy()
    spread = float((weights * stds.square()).sum().sqrt())
    apart = float((weights * (ups - mean).square().sum(-1) / 2).sum().sqrt())
    steady = len(ups) >= FEWEST_FRAMES and apart <= _STEADY_STDS * spread
    return Tilt(up_cam.astype(np.float32), min(spread, MAX_UP_STD), steady)


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
