"""MixSTE: 3D poses from a window of consecutive 2D poses. The baseline, and the context encoder phi_ST, of video.

After Zhang et al., "MixSTE: Seq2seq mixed spatio-temporal encoder for 3D human pose estimation in video" (CVPR 2022):
attention over the joints of one frame alternates with attention over the frames of one joint. The spatial half is our
Graformer, whose blocks hold graph convolutions beside the attention; so training can start from a Graformer that is
trained already, and what the temporal half learns is what other frames add.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from diffpose_core.config import GraformerConfig, MixSTEConfig
from diffpose_core.diffusion.embedding import step_embedding
from diffpose_core.models.graformer import Graformer
from diffpose_core.models.layers import Linear, SelfAttention, attended, inferred, inferred_and_added, inferred_gelu


class TemporalBlock(nn.Module):
    """Self-attention over frames and a two-layer perceptron, each with a norm before and a residual around it,
    (B, T, C) -> (B, T, C). At first it changes nothing: both residuals start at 0.
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
        """position: (T, C), the frames' embedding, which only the attention sees."""
        if not (torch.is_grad_enabled() or self.training):
            qkv = inferred(self.attention.qkv)(self.attention_norm(x) + position)
            x = inferred_and_added(self.attention.out)(x, attended(qkv, self.attention.num_heads))
            return inferred_and_added(self.mlp_out)(x, inferred_gelu(self.mlp_in)(self.mlp_norm(x)))
        x = x + self.dropout(self.attention(self.attention_norm(x) + position))
        return x + self.dropout(self.mlp_out(nn.functional.gelu(self.mlp_in(self.mlp_norm(x)))))


class MixSTE(nn.Module):
    """Windows of 2D poses in, a 3D pose and its feature f_ST for every frame out (sequence to sequence).

    Poses are (B, J, ...) with B = windows x T: the T frames of a window, `config.receptive_field` of them, stand one
    after another.
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

    def features(self, pose_norm: Tensor) -> Tensor:
        """f_ST: pose_norm (B, J, 2), hips at the origin, one scale for the frames of a window -> (B, J, C).

        Raises ValueError if B is no multiple of T.
        """
        frames = self.receptive_field
        if len(pose_norm) % frames:
            raise ValueError(f"windows of {frames} frames are expected, found {len(pose_norm)} frames")
        windows = len(pose_norm) // frames
        x = self.spatial.embedded(pose_norm)
        for spatial, temporal in zip(self.spatial.blocks, self.temporal, strict=True):
            x = spatial(x)
            # (windows x T, J, C) -> (windows x J, T, C) and back.
            of_joints = x.unflatten(0, (windows, frames)).transpose(1, 2).flatten(0, 1)
            of_joints = temporal(of_joints, self.frame_embedding)
            x = of_joints.unflatten(0, (windows, -1)).transpose(1, 2).flatten(0, 1)
        return self.spatial.norm(x)

    def pose(self, features: Tensor) -> Tensor:
        """3D pose of a feature: (B, J, C) -> (B, J, 3) metres, root-relative, view frame."""
        return self.spatial.pose(features)

    def forward(self, pose_norm: Tensor) -> Tensor:
        """pose_norm (B, J, 2), see `features` -> 3D poses (B, J, 3), metres, root-relative, view frame."""
        return self.pose(self.features(pose_norm))
