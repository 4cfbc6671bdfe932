"""The networks' blocks for inference: their products fused, their weights and operations looked up once.

A block is a `FastAtInference`: it gives way to its fused form wherever no gradient is wanted. That is the only switch
between the plain layers and the quick ones.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor, nn

from diffpose_core.models.fast.attention import attend
from diffpose_core.models.fast.linear import inference_linear, joint_mixer
from diffpose_core.models.layers import GraphConv, SelfAttention

#: A module's quick form: called with the same inputs as the module.
Fused = TypeVar("Fused", bound=Callable[..., Tensor])


class FastAtInference(nn.Module, Generic[Fused]):
    """Module that gives way to `fused` in evaluation mode without gradients.

    `forward` stays the definition: it trains, and tests compare both. Hooks on the module do not see the fused form.
    """

    _fused: Fused | None = None

    def fuse(self) -> Fused:
        """The quick form of `forward`. It reads the module's own weights, so it follows their changes."""
        raise NotImplementedError

    @property
    def fused(self) -> Fused:
        """The quick form, made once."""
        if self._fused is None:
            self._fused = self.fuse()
        return self._fused

    def __call__(self, *inputs: Tensor) -> Tensor:
        if self.training or torch.is_grad_enabled():
            found: Tensor = super().__call__(*inputs)
            return found
        return (self._fused or self.fused)(*inputs)

    def __getstate__(self) -> dict[str, Any]:
        # A copy has weights of its own.
        return {**self.__dict__, "_fused": None}


class FusedGraphAttention:
    """GCN-attention block without gradients, (B, J, C) -> (B, J, C): see `GraphAttentionBlock`.

    Args:
        attention_norm: Norm in front of the attention.
        attention: Self-attention over the joints.
        graph_norm: Norm in front of the GCN layers.
        graph_in: First GCN layer.
        graph_out: Second GCN layer.
        bfloat16: Whether to compute in bfloat16, with copies of the weights. The norms keep theirs in float32.
    """

    def __init__(
        self,
        attention_norm: nn.LayerNorm,
        attention: SelfAttention,
        graph_norm: nn.LayerNorm,
        graph_in: GraphConv,
        graph_out: GraphConv,
        bfloat16: bool = False,
    ) -> None:
        self._attention_norm, self._graph_norm = fused_norm(attention_norm), fused_norm(graph_norm)
        self.num_heads = attention.num_heads
        self.project = inference_linear(attention.qkv, bfloat16)
        self._add_attended = inference_linear(attention.out, bfloat16).add
        self._gelu_linear = inference_linear(graph_in.linear, bfloat16).gelu
        self._add_mixed = inference_linear(graph_out.linear, bfloat16).add
        self._mix_in, self._mix_out = (
            joint_mixer(layer.adjacency.detach().bfloat16() if bfloat16 else layer.adjacency)
            for layer in (graph_in, graph_out)
        )

    def __call__(self, x: Tensor) -> Tensor:
        return self.finish(x, self.project(self._attention_norm(x)))

    def finish(self, x: Tensor, qkv: Tensor) -> Tensor:
        """The block's output, from its input (B, J, C) and that input's queries, keys and values (B, J, 3 C)."""
        x = self._add_attended(x, attend(qkv, self.num_heads))
        hidden = self._gelu_linear(self._mix_in(self._graph_norm(x)))
        return self._add_mixed(x, self._mix_out(hidden))


class FusedTemporal:
    """Temporal block without gradients, (B, T, C) -> (B, T, C): see `TemporalBlock`.

    Args:
        attention_norm: Norm in front of the attention.
        attention: Self-attention over the frames.
        mlp_norm: Norm in front of the perceptron.
        mlp_in: First layer of the perceptron.
        mlp_out: Second layer of the perceptron.
    """

    def __init__(
        self,
        attention_norm: nn.LayerNorm,
        attention: SelfAttention,
        mlp_norm: nn.LayerNorm,
        mlp_in: nn.Linear,
        mlp_out: nn.Linear,
    ) -> None:
        self._attention_norm, self._mlp_norm = fused_norm(attention_norm), fused_norm(mlp_norm)
        self.num_heads = attention.num_heads
        self._project, self._add_attended = inference_linear(attention.qkv), inference_linear(attention.out).add
        self._gelu_linear, self._add_mlp = inference_linear(mlp_in).gelu, inference_linear(mlp_out).add

    def __call__(self, x: Tensor, position: Tensor) -> Tensor:
        qkv = self._project(self._attention_norm(x) + position)
        x = self._add_attended(x, attend(qkv, self.num_heads))
        return self._add_mlp(x, self._gelu_linear(self._mlp_norm(x)))


def fused_norm(norm: nn.LayerNorm) -> Callable[[Tensor], Tensor]:
    """The norm without a module's own way to its operation."""
    shape, weight, bias, eps = norm.normalized_shape, norm.weight, norm.bias, norm.eps
    return lambda x: torch.layer_norm(x, shape, weight, bias, eps)
