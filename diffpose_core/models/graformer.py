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
from diffpose_core.models.conditions import LEVEL, TOLD_CHANNELS
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
        self.told: nn.Linear | None = None
        self.tilt: nn.Linear | None = None
        if config.conditions:
            self.told = nn.Linear(TOLD_CHANNELS, NUM_JOINTS * config.channels, bias=False)
            self.tilt = nn.Linear(NUM_JOINTS * config.channels, 4)
            for layer in (self.told, self.tilt):
                nn.init.zeros_(layer.weight)
            nn.init.zeros_(self.tilt.bias)

    def embedding(self, pose_norm: Tensor, told: Tensor | None = None) -> Tensor:
        """The input of the blocks: pose_norm (B, J, 2), told (B, 14) or None -> (B, J, C)."""
        x: Tensor = self.embed(pose_norm)
        if self.joints is not None:
            x = x + self.joints.to(x.dtype)
        if self.told is not None and told is not None:
            x = x + self.told(told).unflatten(-1, (NUM_JOINTS, -1)).to(x.dtype)
        return x

    def features(self, pose_norm: Tensor, told: Tensor | None = None) -> Tensor:
        """f_ST of a pose.

        Args:
            pose_norm: (B, J, 2) in normalised image units.
            told: The camera's tilt and the body's proportions as far as they are known, (B, 14), or None.

        Returns:
            (B, J, C).
        """
        x = self.embedding(pose_norm, told)
        for block in self.blocks:
            x = block(x)
        return self.norm(x)

    def pose(self, features: Tensor) -> Tensor:
        """The 3D pose of a feature: (B, J, C) -> (B, J, 3) metres, root-relative, view frame."""
        return root_relative(self.head(features).float())

    def up(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Up by a feature alone, and how sure that is.

        Args:
            features: (B, J, C).

        Returns:
            Unit vectors (B, 3), view frame, and the spread of their error along an axis, (B,) radians.
        """
        assert self.tilt is not None
        found = self.tilt(features.flatten(1)).float()
        up = nn.functional.normalize(torch.tensor(LEVEL).to(found) + 0.2 * found[:, :3], dim=-1)
        return up, 0.1 * found[:, 3].clamp(-3.0, 2.0).exp()

    def forward(self, pose_norm: Tensor, told: Tensor | None = None) -> Tensor:
        """The 3D pose: pose_norm (B, J, 2) -> (B, J, 3) metres, root-relative, view frame."""
        return self.pose(self.features(pose_norm, told))
