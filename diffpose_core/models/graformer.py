"""Graformer: the 3D pose of one frame's 2D pose. A baseline, and the context encoder phi_ST of single frames.

Source: Zhao et al., "GraFormer: Graph-oriented transformer for 3D pose estimation", CVPR 2022. Chebyshev graph
convolutions stand at both ends, GCN-attention blocks between them. With `joint_embedding` every joint also has a
learned vector, like MixSTE's spatial position embedding.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from diffpose_core.config import GraformerConfig
from diffpose_core.models.blocks import GraphAttentionBlock
from diffpose_core.models.layers import ChebConv, root_relative
from diffpose_core.skeleton import NUM_JOINTS


class Graformer(nn.Module):
    """Network from 2D poses to 3D poses and their features f_ST."""

    #: Frames that are read together.
    receptive_field = 1

    def __init__(self, config: GraformerConfig) -> None:
        super().__init__()
        self.config = config
        self.embed = ChebConv(2, config.channels, config.cheb_order)
        # Convolutions and attention treat all joints alike: this tells them apart.
        self.joints = nn.Parameter(0.2 * torch.randn(NUM_JOINTS, config.channels)) if config.joint_embedding else None
        self.blocks = nn.ModuleList(
            GraphAttentionBlock(config.channels, config.num_heads, config.dropout) for _ in range(config.num_blocks)
        )
        self.norm = nn.LayerNorm(config.channels)
        self.head = ChebConv(config.channels, 3, config.cheb_order)

    def embedding(self, pose_norm: Tensor) -> Tensor:
        """The input of the blocks: pose_norm (B, J, 2) -> (B, J, C)."""
        x: Tensor = self.embed(pose_norm)
        return x if self.joints is None else x + self.joints.to(x.dtype)

    def features(self, pose_norm: Tensor) -> Tensor:
        """f_ST: pose_norm (B, J, 2) in normalised image units -> (B, J, C)."""
        x = self.embedding(pose_norm)
        for block in self.blocks:
            x = block(x)
        return self.norm(x)

    def pose(self, features: Tensor) -> Tensor:
        """The 3D pose of a feature: (B, J, C) -> (B, J, 3) metres, root-relative, view frame."""
        return root_relative(self.head(features).float())

    def forward(self, pose_norm: Tensor) -> Tensor:
        """The 3D pose: pose_norm (B, J, 2) -> (B, J, 3) metres, root-relative, view frame."""
        return self.pose(self.features(pose_norm))
