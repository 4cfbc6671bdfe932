"""The networks' view of a clip's frames."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from diffpose_core.models.windows import VIDEO_FPS
from diffpose_core.structures import InvalidInput, PoseClip2D
from diffpose_core.uncertainty.mixtures import clip_mixture
from diffpose_core.uncertainty.view import View, normalise_view


def clip_view(clip: PoseClip2D, frames: np.ndarray, levelled: bool = True) -> View:
    """What the networks see of a clip's frames. levelled: with spreads brought to one level (`View.levelled`)."""
    mixture = clip_mixture(clip, frames)
    intrinsics = None
    if clip.intrinsics is not None:
        i = clip.intrinsics
        intrinsics = torch.tensor([[i.fx, i.fy, i.cx, i.cy]], dtype=torch.float64).expand(len(frames), -1)
    arrays = (mixture.weights, mixture.means_px, mixture.variances_px2)
    # In double precision, so that where in the image the person is does not show in the last digits either.
    weights, means, variances = (torch.from_numpy(np.ascontiguousarray(a, dtype=np.float64)) for a in arrays)
    view = normalise_view(weights, means, variances, intrinsics).float()
    return view.levelled() if levelled else view


def frame_numbers(clip: PoseClip2D, frames: Sequence[int] | np.ndarray | None) -> np.ndarray:
    numbers = np.arange(len(clip)) if frames is None else np.atleast_1d(np.asarray(frames))
    if numbers.size and (numbers.ndim != 1 or numbers.dtype.kind not in "iu"):
        raise InvalidInput(f"frames must be whole numbers in one row, found {numbers.dtype} {numbers.shape}")
    if numbers.size == 0 or numbers.min() < 0 or numbers.max() >= len(clip):
        raise InvalidInput(f"frames must be numbers from 0 to {len(clip) - 1}, found {numbers.tolist()[:5]}")
    return numbers


def window_step(clip: PoseClip2D) -> int:
    """Every how many of the clip's frames the windows of a video are read."""
    return max(1, round(clip.fps / VIDEO_FPS))
