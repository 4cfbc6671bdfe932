"""Layers on the skeleton graph. Activations are (..., J, C): J joints, C channels."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor, nn

from diffpose_core.skeleton import NUM_JOINTS, adjacency


def normalised_adjacency() -> Tensor:
    """D^-1/2 (A + I) D^-1/2 of the skeleton with self-loops, float32 (J, J) (Kipf and Welling, 2017)."""
    matrix = torch.from_numpy(adjacency()) + torch.eye(NUM_JOINTS)
    inverse_root = matrix.sum(1).rsqrt()
    return inverse_root[:, None] * matrix * inverse_root[None, :]


def chebyshev_basis(order: int) -> Tensor:
    """Chebyshev polynomials T_0 ... T_order of the skeleton's rescaled Laplacian, float32 (order + 1, J, J).

    L = I - D^-1/2 A D^-1/2, rescaled to 2 L / lambda_max - I (Defferrard et al., 2016). Computed once: the graph never
    changes.
    """
    matrix = torch.from_numpy(adjacency()).double()
    inverse_root = matrix.sum(1).rsqrt()
    identity = torch.eye(NUM_JOINTS, dtype=torch.float64)
    laplacian = identity - inverse_root[:, None] * matrix * inverse_root[None, :]
    rescaled = 2.0 * laplacian / torch.linalg.eigvalsh(laplacian).max() - identity
    basis = [identity, rescaled]
    while len(basis) <= order:
        basis.append(2.0 * rescaled @ basis[-1] - basis[-2])
    return torch.stack(basis[: order + 1]).float()


class ChebConv(nn.Module):
    """Chebyshev graph convolution, (..., J, in) -> (..., J, out): sum_i T_i x W_i + b."""

    basis: Tensor

    def __init__(self, in_channels: int, out_channels: int, order: int = 2) -> None:
        super().__init__()
        # T_0 is the identity: only the others mix joints.
        self.register_buffer("basis", chebyshev_basis(order)[1:].reshape(-1, NUM_JOINTS), persistent=False)
        self.order = order
        self.linear = nn.Linear(in_channels * (order + 1), out_channels)

    def forward(self, x: Tensor) -> Tensor:
        mixed = torch.matmul(self.basis.to(x.dtype), x).unflatten(-2, (self.order, NUM_JOINTS))
        return self.linear(torch.cat((x, *mixed.unbind(-3)), dim=-1))


class GraphConv(nn.Module):
    """GCN layer with a learnable adjacency (LAM-GConv of Graformer), (..., J, in) -> (..., J, out): A x W + b.

    A starts as the skeleton's normalised adjacency and is free to grow weights between joints that no bone joins.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.adjacency = nn.Parameter(normalised_adjacency())
        self.linear: nn.Linear | FusedLinear = nn.Linear(in_channels, out_channels)

    def forward(self, x: Tensor) -> Tensor:
        if self.linear.in_features <= self.linear.out_features:
            return self.linear(self.mix(x))
        # Matrix products associate: mix the joints where there are fewer channels.
        return self.mix(nn.functional.linear(x, self.linear.weight)) + self.linear.bias

    def mix(self, x: Tensor) -> Tensor:
        """A x: the joints' values mixed, channels as they are, (..., J, C) -> (..., J, C)."""
        return torch.matmul(self.adjacency.to(x.dtype), x)


class SelfAttention(nn.Module):
    """Multi-head self-attention over the joints, (B, J, C) -> (B, J, C)."""

    def __init__(self, channels: int, num_heads: int) -> None:
        super().__init__()
        if channels % num_heads:
            raise ValueError(f"channels ({channels}) must be a multiple of num_heads ({num_heads})")
        self.num_heads = num_heads
        self.qkv: nn.Linear | FusedLinear = nn.Linear(channels, 3 * channels)
        self.out: nn.Linear | FusedLinear = nn.Linear(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.attend(x))

    def attend(self, x: Tensor) -> Tensor:
        """What the heads found, side by side and before the last linear layer: (B, J, C) -> (B, J, C)."""
        qkv = self.qkv(x).unflatten(-1, (3 * self.num_heads, -1))
        query, key, value = qkv.transpose(-3, -2).chunk(3, dim=-3)
        if x.is_cuda or not torch.is_grad_enabled():
            # It reads the heads where the projection wrote them, and writes them where the next layer wants them.
            return nn.functional.scaled_dot_product_attention(query, key, value).transpose(-3, -2).flatten(-2)
        # The fused CPU kernel's backward is far slower than these two products on 17 joints.
        scores = (query * query.shape[-1] ** -0.5) @ key.transpose(-2, -1)
        return (scores.softmax(-1).to(value.dtype) @ value).transpose(-3, -2).flatten(-2)


class GraphAttentionBlock(nn.Module):
    """GCN-attention block: one self-attention layer and two GCN layers, each part with a residual and a norm before
    it.
    """

    def __init__(self, channels: int, num_heads: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(channels)
        self.attention = SelfAttention(channels, num_heads)
        self.graph_norm = nn.LayerNorm(channels)
        self.graph_in = GraphConv(channels, channels)
        self.graph_out = GraphConv(channels, channels)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        if torch.is_grad_enabled() or self.training:
            x = x + self.dropout(self.attention(self.attention_norm(x)))
            hidden = nn.functional.gelu(self.graph_in(self.graph_norm(x)))
            return x + self.dropout(self.graph_out(hidden))
        x = _add_linear(x, self.attention.attend(self.attention_norm(x)), self.attention.out)
        hidden = _gelu_linear(self.graph_in.mix(self.graph_norm(x)), self.graph_in.linear)
        return _add_linear(x, self.graph_out.mix(hidden), self.graph_out.linear)


def _gelu_linear(x: Tensor, layer: nn.Linear | FusedLinear) -> Tensor:
    return layer(x, gelu=True) if isinstance(layer, FusedLinear) else nn.functional.gelu(layer(x))


def _add_linear(x: Tensor, hidden: Tensor, layer: nn.Linear | FusedLinear) -> Tensor:
    """x + layer(hidden), the sum made inside the product: (..., C) each. For inference: no gradient."""
    if isinstance(layer, FusedLinear):
        return layer.add(x, hidden)
    summed = torch.addmm(x.flatten(0, -2), hidden.flatten(0, -2), layer.weight.mT)
    return summed.add_(layer.bias).view(x.shape)


class FusedLinear(nn.Module):
    """A linear layer in bfloat16 for inference on a CPU: its weights packed once as oneDNN wants them, and bias, GELU
    or a sum made while the product is still in the processor's registers.

    These are the operations that torch's own compiler writes; no public call reaches them, so that a torch without
    them is asked for by `available`.
    """

    weight: Tensor
    bias: Tensor
    packed: Tensor

    def __init__(self, layer: nn.Linear) -> None:
        super().__init__()
        self.in_features, self.out_features = layer.in_features, layer.out_features
        self.register_buffer("bias", layer.bias.detach().to(torch.bfloat16))
        self.register_buffer("weight", layer.weight.detach().to(torch.bfloat16))
        self.register_buffer("packed", torch.ops.mkldnn._reorder_linear_weight(self.weight))

    @staticmethod
    @lru_cache(maxsize=1)
    def available() -> bool:
        """Whether this torch has the operations and they give what they should."""
        try:
            layer = nn.Linear(32, 32)
            x = torch.ones(2, 32, dtype=torch.bfloat16)
            with torch.no_grad():
                fused, plain = FusedLinear(layer), nn.functional.linear(x.float(), layer.weight, layer.bias)
                pairs = (
                    (fused(x), plain),
                    (fused(x, gelu=True), nn.functional.gelu(plain)),
                    (fused.add(x, x), 1 + plain),
                )
                return all(torch.allclose(found.float(), right, atol=0.1) for found, right in pairs)
        except (AttributeError, RuntimeError, TypeError):
            return False

    def forward(self, x: Tensor, gelu: bool = False) -> Tensor:
        kind = "gelu" if gelu else "none"
        return torch.ops.mkldnn._linear_pointwise.default(x, self.packed, self.bias, kind, [], "none")

    def add(self, x: Tensor, hidden: Tensor) -> Tensor:
        """x + this layer of `hidden`, (..., C) each."""
        return torch.ops.mkldnn._linear_pointwise.binary(hidden, x, self.packed, self.bias, "add")


def root_relative(pose: Tensor) -> Tensor:
    """Pose with the hip moved to the origin, (..., J, C) -> (..., J, C). A new tensor: nothing is read after it was
    overwritten.
    """
    return pose - pose[..., :1, :]
