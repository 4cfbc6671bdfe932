"""MixSTE: 3D poses from a window of consecutive 2D poses. The baseline, and the context encoder phi_ST, of video.

After Zhang et al., "MixSTE: Seq2seq mixed spatio-temporal encoder for 3D human pose estimation in video" (CVPR 2022):
blocks that attend over the joints of one frame alternate with blocks that attend over the frames of one joint.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from diffpose_core.config import MixSTEConfig
from diffpose_core.models.layers import SelfAttention, root_relative
from diffpose_core.skeleton import NUM_JOINTS


class TransformerBlock(nn.Module):
    """Self-attention over the second axis from the end and a two-layer perceptron, each with a norm before and a
    residual around it, (B, N, C) -> (B, N, C).
    """

    def __init__(self, channels: int, num_heads: int, mlp_ratio: int, dropout: float) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(channels)
        self.attention = SelfAttention(channels, num_heads)
        self.mlp_norm = nn.LayerNorm(channels)
        self.mlp_in = nn.Linear(channels, mlp_ratio * channels)
        self.mlp_out = nn.Linear(mlp_ratio * channels, channels)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.dropout(self.attention(self.attention_norm(x)))
        return x + self.dropout(self.mlp_out(nn.functional.gelu(self.mlp_in(self.mlp_norm(x)))))


class MixSTE(nn.Module):
    """Windows of 2D poses in, a 3D pose and its feature f_ST for every frame out (sequence to sequence).

    Poses are (B, J, ...) with B = windows x T: the T frames of a window, `config.receptive_field` of them, stand one
    after another.
    """

    def __init__(self, config: MixSTEConfig) -> None:
        super().__init__()
        self.config = config
        self.embed = nn.Linear(2, config.channels)
        self.joint_embedding = nn.Parameter(0.02 * torch.randn(NUM_JOINTS, config.channels))
        self.frame_embedding = nn.Parameter(0.02 * torch.randn(config.receptive_field, 1, config.channels))

        def blocks() -> nn.ModuleList:
            return nn.ModuleList(
                TransformerBlock(config.channels, config.num_heads, config.mlp_ratio, config.dropout)
                for _ in range(config.num_blocks)
            )

        self.spatial, self.temporal = blocks(), blocks()
        self.norm = nn.LayerNorm(config.channels)
        self.head = nn.Linear(config.channels, 3)

    @property
    def receptive_field(self) -> int:
        """T, the frames of a window."""
        return self.config.receptive_field

    def features(self, pose_norm: Tensor) -> Tensor:
        """f_ST: pose_norm (B, J, 2), hips at the origin, one scale for the frames of a window -> (B, J, C).

        Raises ValueError if B is no multiple of T.
        """
        frames = self.receptive_field
        if len(pose_norm) % frames:
            raise ValueError(f"windows of {frames} frames are expected, found {len(pose_norm)} frames")
        x = self.embed(pose_norm) + self.joint_embedding
        for number, (spatial, temporal) in enumerate(zip(self.spatial, self.temporal, strict=True)):
            x = spatial(x).unflatten(0, (-1, frames))
            if number == 0:
                x = x + self.frame_embedding
            windows = len(x)
            x = temporal(x.transpose(1, 2).flatten(0, 1)).unflatten(0, (windows, -1)).transpose(1, 2).flatten(0, 1)
        return self.norm(x)

    def pose(self, features: Tensor) -> Tensor:
        """3D pose of a feature: (B, J, C) -> (B, J, 3) metres, root-relative, view frame."""
        return root_relative(self.head(features).float())

    def forward(self, pose_norm: Tensor) -> Tensor:
        """pose_norm (B, J, 2), see `features` -> 3D poses (B, J, 3), metres, root-relative, view frame."""
        return self.pose(self.features(pose_norm))
