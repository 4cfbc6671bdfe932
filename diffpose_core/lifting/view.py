"""The networks' view of a clip's frames."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from diffpose_core.models.windows import VIDEO_FPS
from diffpose_core.structures import Intrinsics, InvalidInput, PoseClip2D, PoseMixture
from diffpose_core.uncertainty.mixtures import clip_mixture
from diffpose_core.uncertainty.view import View, normalise_view


def clip_view(clip: PoseClip2D, frames: np.ndarray) -> View:
    """View of frames of a clip, spreads at one level.

    Args:
        clip: with mixtures or confidences.
        frames: (F,) numbers of the frames.
    """
    return mixture_view(clip_mixture(clip, frames), clip.intrinsics).levelled()


def mixture_view(mixture: PoseMixture, intrinsics: Intrinsics | None) -> View:
    """View of 2D mixtures, as wide as they are.

    Args:
        mixture: of F frames, pixels.
        intrinsics: of the camera, where it is known.
    """
    camera = None
    if intrinsics is not None:
        i = intrinsics
        camera = torch.tensor([[i.fx, i.fy, i.cx, i.cy]], dtype=torch.float64).expand(len(mixture.weights), -1)
    arrays = (mixture.weights, mixture.means_px, mixture.variances_px2)
    # In double precision: the person's place in the image must not show in the last digits either.
    weights, means, variances = (torch.from_numpy(np.ascontiguousarray(a, dtype=np.float64)) for a in arrays)
    return normalise_view(weights, means, variances, camera).float()


def frame_numbers(clip: PoseClip2D, frames: Sequence[int] | np.ndarray | None) -> np.ndarray:
    """Checked numbers of frames, (F,), all frames by default.

    Raises:
        InvalidInput: they are no whole numbers in one row, or there is none, or one lies outside the clip.
    """
    numbers = np.arange(len(clip)) if frames is None else np.atleast_1d(np.asarray(frames))
    if numbers.size and (numbers.ndim != 1 or numbers.dtype.kind not in "iu"):
        raise InvalidInput(f"frames must be whole numbers in one row, found {numbers.dtype} {numbers.shape}")
    if numbers.size == 0 or numbers.min() < 0 or numbers.max() >= len(clip):
        raise InvalidInput(f"frames must be numbers from 0 to {len(clip) - 1}, found {numbers.tolist()[:5]}")
    return numbers


def window_step(clip: PoseClip2D) -> int:
    """Distance, in frames of the clip, between two neighbouring frames of a window of video."""
    return max(1, round(clip.fps / VIDEO_FPS))
