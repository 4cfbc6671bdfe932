"""Products of float32 matrices on a CPU by oneDNN, where that is much faster than torch's own.

torch's own are MKL's, which uses AVX-512 on Intel's processors only: on others that have it oneDNN is twice as fast.
The operations are those that torch's own compiler writes; no public call reaches them. Only `linear_with_gradient` has
a gradient.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from time import perf_counter
from typing import Any

import torch
from torch import Tensor

#: By how much oneDNN must be faster to be taken: most processors are far from it, the others far above.
_MUCH_FASTER = 1.3


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None, then: str = "none") -> Tensor:
    """x weight^T + bias, without gradient.

    Args:
        x: (..., in).
        weight: (out, in).
        bias: (out,).
        then: "gelu" for the GELU of the result.
    """
    found: Tensor = torch.ops.mkldnn._linear_pointwise.default(x, weight, bias, then, [], "none")
    return found


def linear_add(summand: Tensor, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """summand + x weight^T + bias, summed inside the product: summand (..., out), x (..., in). Without gradient."""
    found: Tensor = torch.ops.mkldnn._linear_pointwise.binary(x, summand, weight, bias, "add")
    return found


class _WithGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        return linear(x, weight, bias)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        (grad,), (for_x, for_weight, for_bias) = grads, ctx.needs_input_grad
        rows = grad.flatten(0, -2)
        return (
            linear(grad, weight.mT) if for_x else None,
            # oneDNN would copy both to multiply along their rows.
            rows.mT @ x.flatten(0, -2) if for_weight else None,
            rows.sum(0) if for_bias else None,
        )


def linear_with_gradient(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """x weight^T + bias with gradients of first order: x (..., in), weight (out, in), bias (out,)."""
    found: Tensor = _WithGradient.apply(x, weight, bias)
    return found


def preferred_for(x: Tensor) -> bool:
    """Tell whether products of x with float32 matrices should be oneDNN's."""
    plain = x.dtype == torch.float32 and x.device.type == "cpu" and not torch.is_autocast_enabled("cpu")
    return plain and is_faster()


@lru_cache(maxsize=1)
def is_faster() -> bool:
    """Tell whether oneDNN is there and much faster, on a product as large as an encoder's. Measured once, in 8 ms."""
    x, weight = (torch.linspace(-1.0, 1.0, rows * 128).view(rows, 128) for rows in (544, 384))

    def seconds(multiply: Callable[[Tensor, Tensor], Tensor]) -> float:
        begin = perf_counter()
        multiply(x, weight)
        return perf_counter() - begin

    with torch.inference_mode():
        try:
            if not torch.allclose(linear(x, weight), torch.nn.functional.linear(x, weight), atol=1e-3):
                return False
        except (AttributeError, RuntimeError, TypeError):
            return False
        taken = [(seconds(linear), seconds(torch.nn.functional.linear)) for _ in range(6)]
    ours, torchs = (min(column) for column in zip(*taken, strict=True))
    return torchs > _MUCH_FASTER * ours
