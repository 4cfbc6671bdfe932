"""Graformer: 3D pose from one frame's 2D pose. The baseline, and the context encoder phi_ST of one frame.

After Zhao et al., "GraFormer: Graph-oriented transformer for 3D pose estimation" (CVPR 2022): Chebyshev graph
convolutions at both ends, blocks of self-attention and of graph convolutions with a learnable adjacency between them.
"""

from __future__ import annotations

from torch import Tensor, nn

from diffpose_core.config import GraformerConfig
from diffpose_core.models.layers import ChebConv, GraphAttentionBlock, root_relative


class Graformer(nn.Module):
    """2D pose in, 3D pose and its feature f_ST out."""

    #: Frames that are read together.
    receptive_field = 1

    def __init__(self, config: GraformerConfig) -> None:
        super().__init__()
        self.config = config
        self.embed = ChebConv(2, config.channels, config.cheb_order)
        self.blocks = nn.ModuleList(
            GraphAttentionBlock(config.channels, config.num_heads, config.dropout) for _ in range(config.num_blocks)
        )
        self.norm = nn.LayerNorm(config.channels)
        self.head = ChebConv(config.channels, 3, config.cheb_order)

    def features(self, pose_norm: Tensor) -> Tensor:
        """f_ST: pose_norm (B, J, 2) in normalised image units -> (B, J, C)."""
        x = self.embed(pose_norm)
        for block in self.blocks:
            x = block(x)
        return self.norm(x)

    def pose(self, features: Tensor) -> Tensor:
        """3D pose of a feature: (B, J, C) -> (B, J, 3) metres, root-relative, view frame."""
        return root_relative(self.head(features).float())

    def forward(self, pose_norm: Tensor) -> Tensor:
        """pose_norm (B, J, 2) -> 3D pose (B, J, 3), metres, root-relative, view frame."""
        return self.pose(self.features(pose_norm))
