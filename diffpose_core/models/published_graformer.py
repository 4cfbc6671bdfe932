"""The Graformer as published, a baseline. `Graformer` is the variant of it that encodes the context here.

Source: Zhao et al., "GraFormer: Graph-oriented transformer for 3D pose estimation", CVPR 2022, and the network and
settings that its authors released. Every layer is attention, a GCN with a learnable adjacency, and a residual
Chebyshev block.
`docs/evidence.md` lists how `Graformer` differs.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from diffpose_core.config import PublishedGraformerConfig
from diffpose_core.models.layers import chebyshev_polynomials, root_relative
from diffpose_core.skeleton import NUM_JOINTS, adjacency

#: Added to the joints' degrees before their root.
_EPS = 1e-5


def _laplacian_polynomials(order: int) -> Tensor:
    """Chebyshev polynomials T_0 ... T_order of L = I - D^-1/2 A D^-1/2, float32 (order + 1, J, J).

    A is the skeleton with self-loops, its rows divided by their sums; L isn't rescaled.
    """
    joined = torch.from_numpy(adjacency()) + torch.eye(NUM_JOINTS)
    rows = joined / joined.sum(1, keepdim=True)
    inverse_root = rows.sum(1).rsqrt()
    laplacian = torch.eye(NUM_JOINTS) - inverse_root[:, None] * rows * inverse_root
    return chebyshev_polynomials(laplacian, order)


class PublishedChebConv(nn.Module):
    """Chebyshev convolution on the plain Laplacian, (B, J, in) -> (B, J, out)."""

    polynomials: Tensor

    def __init__(self, in_channels: int, out_channels: int, order: int) -> None:
        super().__init__()
        self.register_buffer("polynomials", _laplacian_polynomials(order), persistent=False)
        self.linear = nn.Linear((order + 1) * in_channels, out_channels)
        nn.init.xavier_normal_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def forward(self, x: Tensor) -> Tensor:
        mixed = torch.einsum("kij,bjc->bikc", self.polynomials.to(x.dtype), x)
        return self.linear(mixed.flatten(-2))


class LearnableGCN(nn.Module):
    """Two GCN layers that share a learnable adjacency A, (B, J, C) -> (B, J, C); twice as wide between them.

    Each multiplies by D^-1/2 A D^-1/2, with D the sums of A's rows. A starts as the identity.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.adjacency = nn.Parameter(torch.eye(NUM_JOINTS))
        self.wide = nn.Linear(channels, 2 * channels)
        self.narrow = nn.Linear(2 * channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        # A row whose sum isn't positive has no root; the released code would give NaN.
        inverse_root = (self.adjacency.sum(1) + _EPS).clamp_min(_EPS).rsqrt()
        mix = (inverse_root[:, None] * self.adjacency * inverse_root).to(x.dtype)
        return self.narrow(mix @ torch.relu(self.wide(mix @ x)))


class PublishedBlock(nn.Module):
    """One layer, (B, J, C) -> (B, J, C): attention, `LearnableGCN` and two Chebyshev convolutions, residual each."""

    def __init__(self, config: PublishedGraformerConfig) -> None:
        super().__init__()
        channels, inner = config.channels, config.inner_dropout
        self.attention_norm, self.graph_norm = nn.LayerNorm(channels, eps=1e-6), nn.LayerNorm(channels, eps=1e-6)
        self.attention = nn.MultiheadAttention(channels, config.num_heads, inner, batch_first=True)
        self.graph = LearnableGCN(channels)
        self.dropout, self.inner_dropout = nn.Dropout(config.dropout), nn.Dropout(inner)
        self.convolutions = nn.ModuleList(PublishedChebConv(channels, channels, config.cheb_order) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        seen = self.attention_norm(x)
        x = x + self.dropout(self.attention(seen, seen, seen, need_weights=False)[0])
        x = x + self.dropout(self.graph(self.graph_norm(x)))
        hidden = x
        for convolution in self.convolutions:
            hidden = self.inner_dropout(torch.relu(convolution(hidden)))
        return x + hidden


class PublishedGraformer(nn.Module):
    """Network from 2D poses to 3D poses; its features are those in front of the last convolution.

    It is told neither tilt nor body. Its pose is moved to the hip, in training too.
    """

    #: Frames that are read together.
    receptive_field = 1

    def __init__(self, config: PublishedGraformerConfig) -> None:
        super().__init__()
        self.config = config
        self.embed = PublishedChebConv(2, config.channels, config.cheb_order)
        self.blocks = nn.ModuleList(PublishedBlock(config) for _ in range(config.num_blocks))
        self.head = PublishedChebConv(config.channels, 3, config.cheb_order)

    def features(self, pose_norm: Tensor, told: Tensor | None = None) -> Tensor:
        """Features of a pose: (B, J, 2) in normalised image units -> (B, J, C). `told` isn't read."""
        x: Tensor = self.embed(pose_norm)
        for block in self.blocks:
            x = block(x)
        return x

    def pose(self, features: Tensor) -> Tensor:
        """The 3D pose of a feature: (B, J, C) -> (B, J, 3) metres, root-relative, view frame."""
        return root_relative(self.head(features).float())

    def forward(self, pose_norm: Tensor, told: Tensor | None = None) -> Tensor:
        """The 3D pose: pose_norm (B, J, 2) -> (B, J, 3) metres, root-relative, view frame."""
        return self.pose(self.features(pose_norm))
