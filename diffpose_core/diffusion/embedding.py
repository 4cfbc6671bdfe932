"""The diffusion step embedding f_D^k (supplement, section 2)."""

from __future__ import annotations

import torch
from torch import Tensor

from diffpose_core.structures import InvalidInput


def step_embedding(
    k: int | Tensor, dim: int = 256, dtype: torch.dtype = torch.float32, base: float = 10000.0
) -> Tensor:
    """Interleaved sine and cosine of the step number: [2j] = sin(k / 10000^(2j/dim)), [2j+1] = cos of the same.

    Args:
        k: step number, an int or a tensor (...,) of any number type.
        dim: even width of the embedding.
        dtype: of the result.
        base: in place of 10000, for numbers of a smaller range.

    Returns:
        (..., dim) on k's device; every joint of a pose shares it, so it has no J axis.

    Raises:
        InvalidInput: dim is odd or below 2.

    Source: supplement, section 2 (f_D^k).
    """
    if dim < 2 or dim % 2:
        raise InvalidInput(f"the embedding's width must be even and at least 2, found {dim}")
    steps = torch.as_tensor(k)
    # float64 inside: the result is then right to the last bit of float32 for any k.
    steps = steps.to(torch.float64)
    exponents = torch.arange(0, dim, 2, dtype=torch.float64, device=steps.device) / dim
    angles = steps[..., None] / torch.pow(base, exponents)
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(-2).to(dtype)
