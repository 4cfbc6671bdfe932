"""The context encoder's output for frames of a clip, with the known values of the camera as input."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from diffpose_core.lifting.view import mixture_view, window_step
from diffpose_core.models.conditions import tell
from diffpose_core.models.context import Context, ContextEncoder
from diffpose_core.models.windows import cut_windows
from diffpose_core.structures import PoseClip2D, PoseMixture
from diffpose_core.uncertainty.mixtures import clip_mixture
from diffpose_core.uncertainty.view import View


@dataclass(frozen=True)
class FrameContexts:
    """Frames of a clip as the encoder reads them.

    Attributes:
        mixture: their 2D mixtures, pixels.
        view: the networks' view of these.
        context: f_ST and pose of the detected 2D pose, view frame.
        reconciled: the same of the 2D pose that heatmaps and encoder agree on.
        told: (F, 14), the conditions given to the encoder (`models.conditions`), or None.
    """

    mixture: PoseMixture
    view: View
    context: Context
    reconciled: Context
    told: Tensor | None


def encode_contexts(
    clip: PoseClip2D,
    encoder: ContextEncoder,
    numbers: np.ndarray,
    up_cam: np.ndarray | None = None,
    up_std: float = 0.0,
) -> FrameContexts:
    """Encode frames of a clip.

    Args:
        clip: in 2D.
        encoder: of single frames, or of windows of a video.
        numbers: (F,) numbers of the frames.
        up_cam: (3,), unit vector that points up, camera frame, or None where it is unknown.
        up_std: spread of its error along an axis, radians.
    """
    windows = cut_windows(numbers, len(clip), encoder.receptive_field, window_step(clip))
    read, place = np.unique(windows.frames, return_inverse=True)
    mixture = clip_mixture(clip, read)
    view = mixture_view(mixture, clip.intrinsics).levelled().to(encoder.device)
    told = None if up_cam is None else tell(_in_view(view, up_cam), up_std=up_std)
    rows = np.searchsorted(read, numbers)
    if encoder.receptive_field == 1:
        picked = torch.from_numpy(rows)
        view, told = view[picked], None if told is None else told[picked]
        context = encoder.encode(view, told)
        reconciled = encoder.encode_reconciled(view, context, told)
        return FrameContexts(mixture.frames(rows), view, context, reconciled, told)
    around = replace(windows, frames=place.reshape(windows.frames.shape))
    context, reconciled = encoder.encode_frames(view, around, told=told)
    picked = torch.from_numpy(rows)
    return FrameContexts(
        mixture.frames(rows), view[picked], context, reconciled, None if told is None else told[picked]
    )


def _in_view(view: View, up_cam: np.ndarray) -> Tensor:
    """One direction, (3,) in the camera's frame, in the frame of every view, (B, 3)."""
    up = torch.from_numpy(up_cam).to(view.rotation).expand(len(view), 3)
    return view.to_view(up[:, None])[:, 0]
