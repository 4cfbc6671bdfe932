"""The context encoder's output for frames of a clip, with the facts that are known about the whole clip as input."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from diffpose_core.lifting.facts import ClipFacts
from diffpose_core.lifting.view import mixture_view, window_step
from diffpose_core.models.context import Context, ContextEncoder
from diffpose_core.models.windows import Windows, windows_by_person
from diffpose_core.structures import PoseClip2D, PoseMixture
from diffpose_core.uncertainty.identity import passers_by, people_of
from diffpose_core.uncertainty.mixtures import clip_mixture
from diffpose_core.uncertainty.view import View

#: Most frames of a clip that an estimate is averaged over, and fewest that tell anything.
MOST_FRAMES, FEWEST_FRAMES = 64, 8


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


def spread_frames(clip: PoseClip2D, most: int = MOST_FRAMES) -> np.ndarray:
    """Numbers of up to `most` frames that facts about a clip are estimated from.

    They are evenly spread, and leave out people who are seen only while the one who is seen most comes and goes.
    """
    frames = np.flatnonzero(~passers_by(people_of(clip)))
    return frames[np.unique(np.linspace(0, len(frames) - 1, min(len(frames), most)).round().astype(np.int64))]


@dataclass(frozen=True)
class FramesRead:
    """Frames that an encoder reads for some frames of a clip.

    Attributes:
        mixture, view: of the frames that are read, each once.
        rows: (F,) places of the wanted frames among them.
        windows: that hold the wanted frames, by place.
    """

    mixture: PoseMixture
    view: View
    rows: np.ndarray
    windows: Windows

    @property
    def wanted(self) -> View:
        """The view of the wanted frames."""
        return self.view[torch.from_numpy(self.rows)]

    def detected(self, encoder: ContextEncoder, facts: ClipFacts | None = None) -> Context:
        """The context of the wanted frames' detected 2D poses. facts: to tell the encoder; nothing by default."""
        return encoder.encode_detected(self.view, self.windows, (facts or ClipFacts()).told(self.view))


def read_frames(clip: PoseClip2D, encoder: ContextEncoder, numbers: np.ndarray) -> FramesRead:
    """Frames of a clip, (F,) their numbers, with those around them of the same person that the encoder reads too."""
    windows = windows_by_person(numbers, people_of(clip), encoder.receptive_field, window_step(clip))
    read, place = np.unique(windows.frames, return_inverse=True)
    mixture = clip_mixture(clip, read)
    view = mixture_view(mixture, clip.intrinsics).levelled().to(encoder.device)
    around = replace(windows, frames=place.reshape(windows.frames.shape))
    return FramesRead(mixture, view, np.searchsorted(read, numbers), around)


def encode_contexts(
    clip: PoseClip2D, encoder: ContextEncoder, numbers: np.ndarray, facts: ClipFacts | None = None
) -> FrameContexts:
    """Encode frames of a clip.

    Args:
        clip: in 2D.
        encoder: of single frames, or of windows of a video.
        numbers: (F,) numbers of the frames.
        facts: to tell the encoder; nothing by default.
    """
    frames = read_frames(clip, encoder, numbers)
    told = (facts or ClipFacts()).told(frames.view)
    rows = torch.from_numpy(frames.rows)
    picked = None if told is None else told[rows]
    mixture, view = frames.mixture.frames(frames.rows), frames.wanted
    if encoder.receptive_field == 1:
        context = encoder.encode(view, picked)
        return FrameContexts(mixture, view, context, encoder.encode_reconciled(view, context, picked), picked)
    context, reconciled = encoder.encode_frames(frames.view, frames.windows, told=told)
    return FrameContexts(mixture, view, context, reconciled, picked)
