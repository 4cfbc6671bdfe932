"""Conditions that training tells the networks of."""

from __future__ import annotations

import torch
from torch import Tensor

from diffpose_core.datasets.sampling import Batch
from diffpose_core.models.conditions import TOLD_CHANNELS, tell, tell_at_random


def tell_batch(batch: Batch, frames: int, generator: torch.Generator | None) -> Tensor:
    """Conditions of a batch of windows; all zeros where the data knows neither tilt nor body.

    Args:
        batch: of windows, one after another.
        frames: of a window, which share the told values.
        generator: draws the told values of each window and their errors; None tells everything exactly.

    Returns:
        (B, 14), see `models.conditions`.
    """
    if batch.up is None or batch.measures is None:
        return batch.pose_view.new_zeros(len(batch.view), TOLD_CHANNELS)
    if generator is None:
        return tell(batch.up, batch.measures)
    return tell_at_random(batch.up, batch.measures, frames, generator)
