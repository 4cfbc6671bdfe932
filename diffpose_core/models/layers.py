"""Layers on the skeleton graph. Activations are (..., J, C): J joints, C channels."""

from __future__ import annotations

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
        self.linear = nn.Linear(in_channels, out_channels)

    def forward(self, x: Tensor) -> Tensor:
        if self.linear.in_features <= self.linear.out_features:
            return self.linear(torch.matmul(self.adjacency.to(x.dtype), x))
        # Matrix products associate: mix the joints where there are fewer channels.
        mixed = torch.matmul(self.adjacency.to(x.dtype), nn.functional.linear(x, self.linear.weight))
        return mixed + self.linear.bias


class SelfAttention(nn.Module):
    """Multi-head self-attention over the joints, (B, J, C) -> (B, J, C)."""

    def __init__(self, channels: int, num_heads: int) -> None:
        super().__init__()
        if channels % num_heads:
            raise ValueError(f"channels ({channels}) must be a multiple of num_heads ({num_heads})")
        self.num_heads = num_heads
        self.qkv = nn.Linear(channels, 3 * channels)
        self.out = nn.Linear(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        qkv = self.qkv(x).unflatten(-1, (3, self.num_heads, -1)).movedim(-3, 0).transpose(-3, -2)
        query, key, value = qkv
        if x.is_cuda or not torch.is_grad_enabled():
            attended = nn.functional.scaled_dot_product_attention(query, key, value)
        else:
            # The fused CPU kernel's backward is far slower than these two products on 17 joints.
            scores = (query * query.shape[-1] ** -0.5) @ key.transpose(-2, -1)
            attended = scores.softmax(-1).to(value.dtype) @ value
        return self.out(attended.transpose(-3, -2).flatten(-2))


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
        x = x + self.dropout(self.attention(self.attention_norm(x)))
        hidden = nn.functional.gelu(self.graph_in(self.graph_norm(x)))
        return x + self.dropout(self.graph_out(hidden))


def root_relative(pose: Tensor) -> Tensor:
    """Pose with the hip moved to the origin, (..., J, C) -> (..., J, C). A new tensor: nothing is read after it was
    overwritten.
    """
    return pose - pose[..., :1, :]
