"""Arithmetic in bfloat16: the hardware that has it, and layers that use it."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor, nn


@lru_cache(maxsize=1)
def has_amx() -> bool:
    """Tell whether torch runs on a processor with AMX, which multiplies bfloat16 in tiles."""
    return bool(torch.backends.cpu.get_cpu_capability() == "AVX512" and torch.cpu._is_amx_tile_supported())


def has_fast_bfloat16(accelerator: str = "cpu") -> bool:
    """Tell whether this machine multiplies faster in bfloat16 than in float32.

    That is a GPU that can, or a processor with instructions for it (AVX512-BF16, perhaps AMX too).

    Args:
        accelerator: "cpu" asks for the processor, anything else for a GPU where there is one.
    """
    if accelerator != "cpu" and torch.cuda.is_available():
        return torch.cuda.is_bf16_supported()
    return bool(torch.backends.cpu.get_cpu_capability() == "AVX512" and torch.cpu._is_avx512_bf16_supported())


class LayerNorm(nn.LayerNorm):
    """Layer norm that reads bfloat16 as it is, also under autocast on a CPU."""

    def forward(self, x: Tensor) -> Tensor:
        if x.dtype == self.weight.dtype or x.device.type != "cpu":
            return super().forward(x)
        # Autocast would copy x into float32 and the result back; the kernel computes in float32 anyway.
        with torch.autocast(x.device.type, enabled=False):
            return super().forward(x)


class PackedLinear:
    """Linear layer in bfloat16 for inference on a CPU, its weights packed once as oneDNN wants them.

    Bias, GELU or a sum are computed while the product is still in the processor's registers. torch's own compiler
    writes these operations and no public call reaches them, so `available` checks for them.

    Args:
        weight: (out, in).
        bias: (out,).
    """

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        self.bias = bias.detach().to(torch.bfloat16)
        self.weight = torch.ops.mkldnn._reorder_linear_weight(weight.detach().to(torch.bfloat16))
        # Looked up once: with few poses a look-up takes as long as the product.
        self._linear = torch.ops.mkldnn._linear_pointwise.default
        self._linear_add = torch.ops.mkldnn._linear_pointwise.binary

    @staticmethod
    @lru_cache(maxsize=1)
    def available() -> bool:
        """Tell whether this torch has the operations, with the right results."""
        try:
            layer = nn.Linear(32, 32)
            x = torch.ones(2, 32, dtype=torch.bfloat16)
            with torch.no_grad():
                packed, plain = PackedLinear(layer.weight, layer.bias), layer(x.float())
                pairs = (
                    (packed(x), plain),
                    (packed.without_bias(x), plain - layer.bias),
                    (packed.gelu(x), nn.functional.gelu(plain)),
                    (packed.add(x, x), 1 + plain),
                )
                return all(torch.allclose(found.float(), right, atol=0.1) for found, right in pairs)
        except (AttributeError, RuntimeError, TypeError):
            return False

    def __call__(self, x: Tensor) -> Tensor:
        """x weight^T + bias, (..., in) -> (..., out)."""
        found: Tensor = self._linear(x, self.weight, self.bias, "none", [], "none")
        return found

    def without_bias(self, x: Tensor) -> Tensor:
        """x weight^T, (..., in) -> (..., out)."""
        found: Tensor = self._linear(x, self.weight, None, "none", [], "none")
        return found

    def gelu(self, x: Tensor) -> Tensor:
        """GELU of the layer, (..., in) -> (..., out)."""
        found: Tensor = self._linear(x, self.weight, self.bias, "gelu", [], "none")
        return found

    def add(self, residual: Tensor, x: Tensor) -> Tensor:
        """residual + the layer of x: (..., out), (..., in) -> (..., out)."""
        found: Tensor = self._linear_add(x, residual, self.weight, self.bias, "add")
        return found
