"""Random generators with seeds from several numbers."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch


def seeded(device: torch.device | str, *numbers: int) -> torch.Generator:
    """A generator whose stream depends on a tuple of numbers alone.

    Args:
        device: Device of the generator.
        numbers: Seed, epoch, rank and the like.
    """
    return torch.Generator(device=device).manual_seed(_seed(numbers))


@lru_cache(maxsize=64)
def _seed(numbers: tuple[int, ...]) -> int:
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0]) & 0x7FFF_FFFF_FFFF_FFFF
