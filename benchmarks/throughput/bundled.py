"""The clips that are measured."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from diffpose_core.structures import PoseClip2D

ROOT = Path(__file__).resolve().parents[2]
CLIPS = ROOT / "assets" / "clips"
CLIP = CLIPS / "walk-from-the-side.npz"
#: The paper's setting.
STEPS, HYPOTHESES = 5, 5


def looped(clip: PoseClip2D, frames: int) -> PoseClip2D:
    """The clip's frames over and over."""
    order = np.arange(frames) % len(clip)
    return replace(clip.frames(order), provenance={})
