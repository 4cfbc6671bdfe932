"""Products with weights and with adjacencies, by whichever library is faster."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from diffpose_core import onednn
from diffpose_core.models.fast.bfloat16 import PackedLinear

#: From this many poses on, oneDNN's GELU and products in float32 are worth their set-up time.
_MANY_POSES = 16


class Linear(nn.Linear):
    """Linear layer whose products with gradients are oneDNN's where that is faster."""

    def forward(self, x: Tensor) -> Tensor:
        if torch.is_grad_enabled() and _use_onednn(x):
            return onednn.linear_with_gradient(x, self.weight, self.bias)
        return super().forward(x)


def linear_without_gradient(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """x weight^T + bias: x (B, ..., in), weight (out, in), bias (out,)."""
    return onednn.linear(x, weight, bias) if _use_onednn(x) else nn.functional.linear(x, weight, bias)


class InferenceLinear:
    """Linear layer without gradients, alone or together with the operation that follows it.

    It reads the weights that it was given, so it follows a network that trains on.

    Args:
        weight: (out, in).
        bias: (out,).
    """

    __slots__ = ("bias", "weight")

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        self.weight, self.bias = weight, bias

    def __call__(self, x: Tensor) -> Tensor:
        """x weight^T + bias, (B, ..., in) -> (B, ..., out)."""
        return linear_without_gradient(x, self.weight, self.bias)

    def gelu(self, x: Tensor) -> Tensor:
        """GELU of the layer, (B, ..., in) -> (B, ..., out)."""
        if _use_onednn(x):
            return onednn.linear(x, self.weight, self.bias, "gelu")
        hidden = nn.functional.linear(x, self.weight, self.bias)
        if len(x) < _MANY_POSES:
            # oneDNN takes over contiguous tensors, and its set-up alone is slower than torch's own GELU here.
            return nn.functional.gelu(hidden.mT).mT
        return nn.functional.gelu(hidden)

    def add(self, residual: Tensor, x: Tensor) -> Tensor:
        """residual + the layer of x: (B, ..., out), (B, ..., in) -> (B, ..., out)."""
        if _use_onednn(x):
            return onednn.linear_add(residual, x, self.weight, self.bias)
        summed = torch.addmm(residual.flatten(0, -2), x.flatten(0, -2), self.weight.mT)
        return summed.add_(self.bias).view(residual.shape)


def inference_linear(layer: nn.Linear, bfloat16: bool = False) -> InferenceLinear | PackedLinear:
    """The layer's form for inference: its own weights, or with `bfloat16` a copy of them in that type."""
    if not bfloat16:
        return InferenceLinear(layer.weight, layer.bias)
    if layer.weight.device.type == "cpu" and PackedLinear.available():
        return PackedLinear(layer.weight, layer.bias)
    return InferenceLinear(layer.weight.detach().to(torch.bfloat16), layer.bias.detach().to(torch.bfloat16))


def mix_joints(matrix: Tensor, x: Tensor) -> Tensor:
    """matrix x: (J, J) of any floating-point type and (B, J, C) -> (B, J, C)."""
    # matmul would copy x, joints last, wherever x has a gradient.
    return torch.bmm(matrix.to(x.dtype).expand(len(x), -1, -1), x)


def joint_mixer(matrix: Tensor) -> Callable[[Tensor], Tensor]:
    """`mix_joints` with one matrix, without gradients.

    On a CPU the product wants a copy of the matrix for every pose. The last copies are kept until another number of
    poses comes or the matrix changes.
    """
    kept = (-1, -1, matrix)

    def mix(x: Tensor) -> Tensor:
        nonlocal kept
        if x.device.type != "cpu":
            return mix_joints(matrix, x)
        # Read at once and replaced at once: threads may come with different numbers of poses.
        count, version, matrices = kept
        if (count, version) != (len(x), matrix._version):
            matrices = matrix.detach().expand(len(x), -1, -1).contiguous()
            kept = (len(x), matrix._version, matrices)
        return torch.bmm(matrices, x)

    return mix


def _use_onednn(x: Tensor) -> bool:
    return len(x) >= _MANY_POSES and onednn.preferred_for(x)
