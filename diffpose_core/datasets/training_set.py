"""Data to train on: a motion file, or the views of a data set that brings its own cameras."""

from __future__ import annotations

from pathlib import Path

from diffpose_core.config import TrainingConfig
from diffpose_core.datasets.detector import TRAINING_DETECTOR
from diffpose_core.datasets.mocap17 import load_mocap17
from diffpose_core.datasets.sampling import PoseSampler
from diffpose_core.datasets.views import H36mViews, ViewSampler
from diffpose_core.models.windows import VIDEO_FPS
from diffpose_core.structures import InvalidInput

#: A motion file in Mocap-17 layout, or given views.
TrainingData = Path | H36mViews


def make_sampler(
    data: TrainingData, config: TrainingConfig, varied: bool = True, frames: int = 1
) -> PoseSampler | ViewSampler:
    """The sampler of views.

    Args:
        data: motions or views.
        config: the recipe that the bodies follow.
        varied: draw for training, with varied bodies; False for validation.
        frames: of a window.

    Raises:
        InvalidInput: windows are asked of motions at another frame rate than `VIDEO_FPS`.
    """
    if isinstance(data, H36mViews):
        return data.sampler(varied, frames)
    motions = load_mocap17(data)
    if frames > 1 and (motions.fps != VIDEO_FPS).any():
        found = sorted(set(motions.fps.tolist()))
        raise InvalidInput(f"windows are trained at {VIDEO_FPS:g} frames a second, found motions at {found}")
    if not varied:
        return PoseSampler(motions, 0.0, frames=frames)
    return PoseSampler(motions, config.bone_variation, detector=TRAINING_DETECTOR, frames=frames)
