"""Random numbers that are the same for every frame, drawn once."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import torch
from torch import Tensor


def drawn_once(draw: Callable[..., tuple[Tensor, ...]], generator: torch.Generator, *how: object) -> tuple[Tensor, ...]:
    """`draw(generator, *how)`, kept for generators in the same state.

    The generator is left as the draw would leave it. All frames of a clip share their random numbers: drawing them anew
    for every frame would take an eighth of its fit's time.

    Args:
        draw: called with the generator and `how`.
        generator: on the CPU; draws of other generators are not kept.
        how: further arguments, hashable.

    Returns:
        Random numbers, which must not be written to.
    """
    if generator.device.type != "cpu":
        return draw(generator, *how)
    drawn, after = _kept(generator.get_state().numpy().tobytes(), draw, how)
    generator.set_state(after)
    return drawn


@lru_cache(maxsize=4)
@torch.inference_mode(False)  # the cached tensors serve training too
def _kept(
    state: bytes, draw: Callable[..., tuple[Tensor, ...]], how: tuple[object, ...]
) -> tuple[tuple[Tensor, ...], Tensor]:
    generator = torch.Generator()
    generator.set_state(torch.frombuffer(bytearray(state), dtype=torch.uint8))
    return draw(generator, *how), generator.get_state()
