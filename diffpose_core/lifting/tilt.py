"""The direction that is up in the camera's frame: given, or estimated from a clip."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch

from diffpose_core.lifting.models import UPRIGHT, Models
from diffpose_core.lifting.view import clip_view
from diffpose_core.models.upright import Upright
from diffpose_core.structures import InvalidInput, PoseClip2D

#: Which way is up: a direction in the camera's frame, or what the clip's frames together say of a camera that stands
#: still.
Up = Sequence[float] | np.ndarray | Literal["estimate"]
#: How many of a clip's frames, evenly spread, are asked which way is up.
_UP_FRAMES = 64


@torch.inference_mode()
def estimate_up(clip: PoseClip2D, models: Models) -> np.ndarray:
    """Which way is up by the poses of a clip whose camera stands still: (3,) of length 1 in the camera's frame.

    What each of up to 64 frames says of it by itself, averaged. It depends on the clip alone, not on the frames that
    are lifted. On clips of Mocap-17 it is wrong by about two degrees. Raises InvalidInput where there are no weights
    for it.
    """
    upright = upright_of(models)
    frames = np.unique(np.linspace(0, len(clip) - 1, min(len(clip), _UP_FRAMES)).round().astype(np.int64))
    view = clip_view(clip, frames).to(models.device)
    said = view.to_cam(upright.up(models.encoder.encode(view).pose_view)[:, None])[:, 0]
    mean: np.ndarray = said.mean(0).cpu().numpy()
    return mean / max(float(np.linalg.norm(mean)), 1e-9)


def upright_of(models: Models) -> Upright:
    if models.upright is None:
        raise InvalidInput(
            f"the weights of {models.encoder.title} can't make use of the camera's tilt: it takes those of single "
            f"frames, with {UPRIGHT}.safetensors beside them"
        )
    return models.upright


def resolve_up(clip: PoseClip2D, models: Models, up: Up | None) -> np.ndarray | None:
    """`up` of `encode_clip` as a unit vector, (3,) float32."""
    if up is None:
        return None
    if isinstance(up, str):
        if up != "estimate":
            raise InvalidInput(f"up must be a direction in the camera's frame or 'estimate', found {up!r}")
        return estimate_up(clip, models)
    direction = np.asarray(up, dtype=np.float64)
    length = float(np.linalg.norm(direction)) if direction.shape == (3,) else 0.0
    if not (np.isfinite(length) and length > 1e-9):
        raise InvalidInput(f"up must be three finite numbers, not all of them 0, found {np.asarray(up).tolist()}")
    upright_of(models)
    return (direction / length).astype(np.float32)


def up_of_tilt(tilt_deg: float) -> np.ndarray:
    """Which way is up for a camera that looks down by so many degrees and isn't rolled, (3,) in its frame.

    0 is level, negative looks up. Raises InvalidInput beyond 80 degrees.
    """
    if not abs(tilt_deg) <= 80.0:
        raise InvalidInput(f"a camera's tilt must lie between -80 and 80 degrees, found {tilt_deg:g}")
    tilt = math.radians(tilt_deg)
    return np.array([0.0, -math.cos(tilt), -math.sin(tilt)], dtype=np.float32)
