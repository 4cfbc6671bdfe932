"""The diffusion network g (main paper, section 4.3; step embedding: supplement, section 2)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from diffpose_core.config import DenoiserConfig
from diffpose_core.diffusion.embedding import step_embedding
from diffpose_core.models.layers import GraphAttentionBlock, GraphConv, root_relative
from diffpose_core.skeleton import NUM_JOINTS
from diffpose_core.uncertainty.view import HEATMAP_CHANNELS

GMM_CHANNELS = 12 + 8
#: Channels that each kind of conditioning adds to h_k.
CONDITION_CHANNELS = {"none": 0, "gmm": GMM_CHANNELS, "gmm+heatmaps": GMM_CHANNELS + HEATMAP_CHANNELS}

#: With an anchor, lengths go in and come out in decimetres from it, so that numbers are neither tiny nor huge.
UNIT_M = 0.1
#: Spreads, in metres, at which a joint's place counts half.
_HALF_TRUST_STD_M = (0.03, 0.06)


@dataclass(frozen=True)
class Given:
    """What g is given beside h_k and k; a network reads what its configuration names and no more.

    features: (B, J, 128), f_ST. pose: (B, J, 3) metres, the context encoder's own prediction. gmm: (B, J, 12),
    `gmm_features` of the mixture that the noise is drawn from. heatmaps: (B, J, 12), `View.heatmap_features`.
    """

    features: Tensor | None = None
    pose: Tensor | None = None
    gmm: Tensor | None = None
    heatmaps: Tensor | None = None


class Denoiser(nn.Module):
    """g(h_k, f_ST, f_D^k): a noisy pose, its context and its step in, the prediction (h_0, h_{k-1} or noise) out.

    Input GCN to 128 channels, concatenated with f_ST (128) to 256, f_D^k (256) added, three GCN-attention blocks,
    output GCN to 3. Without context the input GCN makes all 256 channels itself, so that the network keeps its size.
    With an anchor g refines a pose that is known already, the encoder's or the mean of the GMM: lengths go in relative
    to it, the output GCN starts at 0, and a linear layer over all joints (`skip`) leads from what g is given straight
    to its output. That layer can be fitted by least squares before training starts (`training.fit_skip`).
    """

    def __init__(self, config: DenoiserConfig) -> None:
        super().__init__()
        self.config = config
        in_channels = 3 + CONDITION_CHANNELS[config.conditioning]
        own = config.channels - config.context_channels if config.use_context else config.channels
        self.embed = GraphConv(in_channels, own)
        self.blocks = nn.ModuleList(
            GraphAttentionBlock(config.channels, config.num_heads, config.dropout) for _ in range(config.num_blocks)
        )
        self.norm = nn.LayerNorm(config.channels)
        self.head = GraphConv(config.channels, 3)
        self.skip: nn.Linear | None = None
        if config.anchor != "none":
            width = CONDITION_CHANNELS[config.conditioning] + (config.context_channels if config.use_context else 0)
            self.skip = nn.Linear(NUM_JOINTS * width, NUM_JOINTS * 3)
            for layer in (self.head.linear, self.skip):
                nn.init.zeros_(layer.weight)
                nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor, k: Tensor, given: Given) -> Tensor:
        """One prediction a noisy pose.

        x: (B, J, 3), h_k in metres. k: (B,) or a scalar, step numbers. given: what the configuration asks for.
        Returns (B, J, 3), root-relative metres unless the prediction type is noise.
        Raises ValueError if something that the configuration asks for is missing.
        """
        config = self.config
        anchor = self.anchor_pose(given)
        conditions = self.conditions(given)
        start = x if anchor is None else (x - anchor) / UNIT_M
        hidden = self.embed(torch.cat((start, *conditions), dim=-1))
        if config.use_context:
            hidden = torch.cat((hidden, _required(given.features, "features").to(hidden.dtype)), dim=-1)
        steps = torch.as_tensor(k, device=x.device).expand(x.shape[0])
        hidden = hidden + step_embedding(steps, config.channels)[:, None].to(hidden.dtype)
        for block in self.blocks:
            hidden = block(hidden)
        output = self.head(self.norm(hidden)).float()
        if anchor is not None and self.skip is not None:
            # Sums over thousands of terms that nearly cancel: bfloat16 would spoil them.
            with torch.autocast(x.device.type, enabled=False):
                straight = self.skip(self.skip_inputs(given)).unflatten(-1, (NUM_JOINTS, 3))
            output = anchor + UNIT_M * (output + straight)
        return output if config.prediction_type == "noise" else root_relative(output)

    def anchor_pose(self, given: Given) -> Tensor | None:
        """The pose that the output is added to, (B, J, 3) metres, or None."""
        if self.config.anchor == "context":
            return _required(given.pose, "pose")
        if self.config.anchor == "mixture":
            return _required(given.gmm, "gmm")[..., 6:9]
        return None

    def conditions(self, given: Given) -> list[Tensor]:
        """What the conditioning adds to h_k: up to two (B, J, C) tensors, lengths relative to the anchor."""
        config = self.config
        if config.conditioning == "none":
            return []
        gmm = _required(given.gmm, "gmm")
        component_mean, component_std, mean, std = gmm.unflatten(-1, (4, 3)).unbind(-2)
        anchor = self.anchor_pose(given)
        if anchor is not None:
            component_mean, component_std = (component_mean - anchor) / UNIT_M, component_std / UNIT_M
            mean, std = (mean - anchor) / UNIT_M, std / UNIT_M
        plain_std = gmm[..., 9:11]
        trusted = [1.0 / (1.0 + (plain_std / half).square()) for half in _HALF_TRUST_STD_M]
        parts = [component_mean, component_std, mean, std]
        for trust in trusted:
            parts += [trust, trust * mean[..., :2]]
        found = [torch.cat(parts, dim=-1)]
        if config.conditioning == "gmm+heatmaps":
            found.append(_required(given.heatmaps, "heatmaps"))
        return found

    def skip_inputs(self, given: Given) -> Tensor:
        """What the linear layer reads: all joints' conditions and f_ST in one row, (B, J C), of the weights' type."""
        dtype = self.head.linear.weight.dtype
        parts = self.conditions(given)
        if self.config.use_context:
            parts.append(_required(given.features, "features"))
        return torch.cat([part.to(dtype) for part in parts], dim=-1).flatten(-2)


def gmm_features(component_mean: Tensor, component_std: Tensor, mixture_mean: Tensor, mixture_std: Tensor) -> Tensor:
    """What g is told about the distribution it starts from, four (B, J, 3) in metres -> (B, J, 12).

    Mean and standard deviation of the drawn component (mu^G and the root of Sigma^G's diagonal), and of the whole GMM.
    """
    return torch.cat((component_mean, component_std, mixture_mean, mixture_std), dim=-1)


def _required(value: Tensor | None, name: str) -> Tensor:
    if value is None:
        raise ValueError(f"this denoiser was built to be given {name}, but got none")
    return value
