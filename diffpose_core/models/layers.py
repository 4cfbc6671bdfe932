"""Layers on the skeleton graph. Activations are (..., J, C): J joints, C channels."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from diffpose_core.models.fast.attention import attend
from diffpose_core.models.fast.linear import Linear, mix_joints
from diffpose_core.skeleton import NUM_JOINTS, adjacency


def normalised_adjacency() -> Tensor:
    """D^-1/2 (A + I) D^-1/2 of the skeleton with self-loops, float32 (J, J).

    Source: Kipf and Welling, 2017.
    """
    matrix = torch.from_numpy(adjacency()) + torch.eye(NUM_JOINTS)
    inverse_root = matrix.sum(1).rsqrt()
    return inverse_root[:, None] * matrix * inverse_root[None, :]


def chebyshev_basis(order: int) -> Tensor:
    """Chebyshev polynomials T_0 ... T_order of the skeleton's rescaled Laplacian, float32 (order + 1, J, J).

    The Laplacian is L = I - D^-1/2 A D^-1/2, rescaled to 2 L / lambda_max - I.

    Source: Defferrard et al., 2016.
    """
    matrix = torch.from_numpy(adjacency()).double()
    inverse_root = matrix.sum(1).rsqrt()
    identity = torch.eye(NUM_JOINTS, dtype=torch.float64)
    laplacian = identity - inverse_root[:, None] * matrix * inverse_root[None, :]
    rescaled = 2.0 * laplacian / torch.linalg.eigvalsh(laplacian).max() - identity
    return chebyshev_polynomials(rescaled, order).float()


def chebyshev_polynomials(matrix: Tensor, order: int) -> Tensor:
    """Chebyshev polynomials T_0 ... T_order of a square matrix (J, J) -> (order + 1, J, J)."""
    found = [torch.eye(len(matrix), dtype=matrix.dtype), matrix]
    while len(found) <= order:
        found.append(2.0 * matrix @ found[-1] - found[-2])
    return torch.stack(found[: order + 1])


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
    """GCN layer with a learnable adjacency, (B, J, in) -> (B, J, out): A x W + b.

    A starts as the skeleton's normalised adjacency. It may grow weights between joints that no bone connects.

    Source: LAM-GConv of Graformer (Zhao et al., 2022).
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.adjacency = nn.Parameter(normalised_adjacency())
        self.linear = Linear(in_channels, out_channels)

    def forward(self, x: Tensor) -> Tensor:
        if self.linear.in_features <= self.linear.out_features:
            return self.linear(mix_joints(self.adjacency, x))
        # Matrix products associate: mix the joints where there are fewer channels.
        return mix_joints(self.adjacency, nn.functional.linear(x, self.linear.weight)) + self.linear.bias


class SelfAttention(nn.Module):
    """Multi-head self-attention over the joints, (B, J, C) -> (B, J, C).

    Raises:
        ValueError: If the heads do not divide the channels.
    """

    def __init__(self, channels: int, num_heads: int) -> None:
        super().__init__()
        if channels % num_heads:
            raise ValueError(f"channels ({channels}) must be a multiple of num_heads ({num_heads})")
        self.num_heads = num_heads
        self.qkv = Linear(channels, 3 * channels)
        self.out = Linear(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(attend(self.qkv(x), self.num_heads))


def root_relative(pose: Tensor) -> Tensor:
    """The pose with its hip moved to the origin, (..., J, C) -> (..., J, C), as a new tensor."""
    return pose - pose[..., :1, :]
