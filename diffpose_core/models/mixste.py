"""MixSTE: 3D poses of a window of consecutive 2D poses. A baseline, and the context encoder phi_ST of video.

Source: Zhang et al., "MixSTE: Seq2seq mixed spatio-temporal encoder for 3D human pose estimation in video", CVPR 2022.
Attention over the joints of one frame alternates with attention over the frames of one joint. The spatial half is a
Graformer, so training can start from a trained one; the temporal half then learns the use of other frames.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from diffpose_core.config import GraformerConfig, MixSTEConfig
from diffpose_core.diffusion.embedding import step_embedding
from diffpose_core.models.fast.blocks import FastAtInference, FusedTemporal
from diffpose_core.models.fast.linear import Linear
from diffpose_core.models.graformer import Graformer
from diffpose_core.models.layers import SelfAttention


class TemporalBlock(FastAtInference[FusedTemporal]):
    """Self-attention over frames and a two-layer perceptron, (B, T, C) -> (B, T, C).

    Each part has a norm in front of it and a residual around it. Both residuals are zero-initialised, so a new block
    is the identity.
    """

    def __init__(self, channels: int, num_heads: int, mlp_ratio: int, dropout: float) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(channels)
        self.attention = SelfAttention(channels, num_heads)
        self.mlp_norm = nn.LayerNorm(channels)
        self.mlp_in = Linear(channels, mlp_ratio * channels)
        self.mlp_out = Linear(mlp_ratio * channels, channels)
        self.dropout = nn.Dropout(dropout)
        for layer in (self.attention.out, self.mlp_out):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor, position: Tensor) -> Tensor:
        """The block's output. position: (T, C), the frames' embedding, which only the attention sees."""
        x = x + self.dropout(self.attention(self.attention_norm(x) + position))
        return x + self.dropout(self.mlp_out(nn.functional.gelu(self.mlp_in(self.mlp_norm(x)))))

    def fuse(self) -> FusedTemporal:
        return FusedTemporal(self.attention_norm, self.attention, self.mlp_norm, self.mlp_in, self.mlp_out)


class MixSTE(nn.Module):
    """Network from windows of 2D poses to every frame's 3D pose and feature f_ST (sequence to sequence).

    Poses are (B, J, ...) with B = windows x T. The T = `config.receptive_field` frames of a window stand one after
    another.
    """

    def __init__(self, config: MixSTEConfig) -> None:
        super().__init__()
        self.config = config
        self.spatial = Graformer(
            GraformerConfig(
                config.channels,
                config.num_blocks,
                config.num_heads,
                config.cheb_order,
                config.dropout,
                config.joint_embedding,
                config.conditions,
            )
        )
        self.temporal = nn.ModuleList(
            TemporalBlock(config.channels, config.num_heads, config.mlp_ratio, config.dropout)
            for _ in range(config.num_blocks)
        )
        # Waves as long as 6 to 600 frames: from small random numbers it would take long to learn which frames are near.
        frames = torch.arange(config.receptive_field)
        self.frame_embedding = nn.Parameter(step_embedding(frames, config.channels, base=100.0))

    @property
    def receptive_field(self) -> int:
        """T, the frames of a window."""
        return self.config.receptive_field

    def features(self, pose_norm: Tensor, told: Tensor | None = None) -> Tensor:
        """f_ST of every frame.

        Args:
            pose_norm: (B, J, 2), hips at the origin, one scale for all frames of a window.
            told: The camera's tilt and the body's proportions as far as they are known, (B, 14), or None.

        Returns:
            (B, J, C).

        Raises:
            ValueError: If B is no multiple of T.
        """
        frames = self.receptive_field
        if len(pose_norm) % frames:
            raise ValueError(f"windows of {frames} frames are expected, found {len(pose_norm)} frames")
        windows = len(pose_norm) // frames
        x = self.spatial.embedding(pose_norm, told)
        for spatial, temporal in zip(self.spatial.blocks, self.temporal, strict=True):
            x = spatial(x)
            # (windows x T, J, C) -> (windows x J, T, C) and back.
            of_joints = x.unflatten(0, (windows, frames)).transpose(1, 2).flatten(0, 1)
            of_joints = temporal(of_joints, self.frame_embedding)
            x = of_joints.unflatten(0, (windows, -1)).transpose(1, 2).flatten(0, 1)
        return self.spatial.norm(x)

    def pose(self, features: Tensor) -> Tensor:
        """The 3D pose of a feature: (B, J, C) -> (B, J, 3) metres, root-relative, view frame."""
        return self.spatial.pose(features)

    def up(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Up by a feature alone, and how sure that is; see `Graformer.up`."""
        return self.spatial.up(features)

    def forward(self, pose_norm: Tensor, told: Tensor | None = None) -> Tensor:
        """The 3D poses: pose_norm (B, J, 2), see `features` -> (B, J, 3) metres, root-relative, view frame."""
        return self.pose(self.features(pose_norm, told))
