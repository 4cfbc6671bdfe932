"""Random generators that are decided by a tuple of numbers."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch


def seeded(device: torch.device | str, *numbers: int) -> torch.Generator:
    """A generator whose stream is decided by a tuple of numbers (seed, epoch, rank ...) and by nothing else."""
    return torch.Generator(device=device).manual_seed(_seed(numbers))


@lru_cache(maxsize=64)
def _seed(numbers: tuple[int, ...]) -> int:
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0]) & 0x7FFF_FFFF_FFFF_FFFF
