"""The diffusion network g (main paper, section 4.3; step embedding: supplement, section 2).

`Denoiser` is the definition. `models/fast/denoiser_cache.py` gives the same predictions faster for a reverse process.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from diffpose_core.config import DenoiserConfig
from diffpose_core.diffusion.embedding import step_embedding
from diffpose_core.models.blocks import GraphAttentionBlock
from diffpose_core.models.conditions import TOLD_CHANNELS
from diffpose_core.models.layers import GraphConv, root_relative
from diffpose_core.skeleton import NUM_JOINTS
from diffpose_core.uncertainty.view import HEATMAP_CHANNELS

GMM_CHANNELS = 12 + 8
#: Channels that each kind of conditioning adds to h_k.
CONDITION_CHANNELS = {"none": 0, "gmm": GMM_CHANNELS, "gmm+heatmaps": GMM_CHANNELS + HEATMAP_CHANNELS}

#: With an anchor, g reads and writes lengths in decimetres from it, so that numbers are neither tiny nor huge.
UNIT_M = 0.1
#: Standard deviations, in metres, at which a joint's position counts half.
_HALF_TRUST_STD_M = (0.03, 0.06)


@dataclass(frozen=True)
class Conditioning:
    """Inputs of g beside h_k and k. A network reads those that its configuration names.

    Attributes:
        features: f_ST, (B, J, 128).
        pose: The context encoder's own prediction, (B, J, 3) metres, view frame.
        gmm: `gmm_features` of the mixture that the noise is drawn from, (B, J, 12).
        heatmaps: `View.heatmap_features`, (B, J, 12).
        told: The camera's tilt and the body's proportions as far as they are known, (B, 14), `models.conditions`.
    """

    features: Tensor | None = None
    pose: Tensor | None = None
    gmm: Tensor | None = None
    heatmaps: Tensor | None = None
    told: Tensor | None = None


class Denoiser(nn.Module):
    """g(h_k, f_ST, f_D^k): predicts h_0, h_{k-1} or the noise from a noisy pose, its context and its step.

    Without context the input GCN makes all 256 channels itself, so that the network keeps its size. With an anchor g
    refines a pose that is already known, the encoder's or the mean of the GMM: lengths are relative to it, and `skip`,
    a zero-initialised linear layer over all joints, leads from the conditioning straight to the output.
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
        self.told: nn.Linear | None = None
        if config.conditions:
            self.told = nn.Linear(TOLD_CHANNELS, config.channels, bias=False)
            nn.init.zeros_(self.told.weight)
        self.skip: nn.Linear | None = None
        if config.anchor != "none":
            width = CONDITION_CHANNELS[config.conditioning] + (config.context_channels if config.use_context else 0)
            self.skip = nn.Linear(NUM_JOINTS * width, NUM_JOINTS * 3)
            nn.init.zeros_(self.skip.weight)
            nn.init.zeros_(self.skip.bias)

    def forward(self, x: Tensor, k: Tensor | int, conditioning: Conditioning) -> Tensor:
        """One prediction for each noisy pose.

        Args:
            x: h_k, (B, J, 3) metres, view frame.
            k: Step numbers, (B,), or one for all.
            conditioning: Everything that the configuration asks for.

        Returns:
            (B, J, 3), root-relative metres unless the prediction type is "noise".

        Raises:
            ValueError: If something that the configuration asks for is missing.

        Source: main paper, section 4.3; supplement, section 2 (f_D^k).
        """
        anchor, conditions = self.anchor_pose(conditioning), self.conditions(conditioning)
        h_k = x if anchor is None else (x - anchor) / UNIT_M
        # Input GCN to R^(J x 128), concatenated with f_ST to R^(J x 256), f_D^k added.
        hidden = self.embed(torch.cat((h_k, *conditions), dim=-1))
        if self.config.use_context:
            hidden = torch.cat((hidden, required(conditioning.features, "features").to(hidden.dtype)), dim=-1)
        f_d = step_embedding(torch.as_tensor(k, device=x.device), self.config.channels)
        hidden = hidden + f_d.unsqueeze(-2).to(hidden.dtype)
        if self.told is not None and conditioning.told is not None:
            hidden = hidden + self.told(conditioning.told).to(hidden.dtype)[:, None]
        # GCN-attention blocks, output GCN to R^(J x 3).
        for block in self.blocks:
            hidden = block(hidden)
        output = self.head(self.norm(hidden)).float()
        if anchor is not None:
            output = anchor + UNIT_M * (output + self.skipped(conditions, conditioning))
        return output if self.config.prediction_type == "noise" else root_relative(output)

    def anchor_pose(self, conditioning: Conditioning) -> Tensor | None:
        """The pose that the output is added to, (B, J, 3) metres, or None."""
        if self.config.anchor == "context":
            return required(conditioning.pose, "pose")
        if self.config.anchor == "mixture":
            return required(conditioning.gmm, "gmm")[..., 6:9]
        return None

    def conditions(self, conditioning: Conditioning) -> list[Tensor]:
        """Channels that the conditioning adds to h_k: up to two (B, J, C), lengths relative to the anchor."""
        if self.config.conditioning == "none":
            return []
        gmm = required(conditioning.gmm, "gmm")
        component_mean, component_std, mean, std = gmm.unflatten(-1, (4, 3)).unbind(-2)
        anchor = self.anchor_pose(conditioning)
        if anchor is not None:
            component_mean, component_std = (component_mean - anchor) / UNIT_M, component_std / UNIT_M
            mean, std = (mean - anchor) / UNIT_M, std / UNIT_M
        parts = [component_mean, component_std, mean, std]
        for half in _HALF_TRUST_STD_M:
            trust = 1.0 / (1.0 + (gmm[..., 9:11] / half).square())
            parts += [trust, trust * mean[..., :2]]
        found = [torch.cat(parts, dim=-1)]
        if self.config.conditioning == "gmm+heatmaps":
            found.append(required(conditioning.heatmaps, "heatmaps"))
        return found

    def skipped(self, conditions: list[Tensor], conditioning: Conditioning) -> Tensor:
        """`skip` of all joints' conditions and f_ST in one row, (B, J, 3) in `UNIT_M`. It needs an anchor."""
        assert self.skip is not None
        parts = [*conditions, required(conditioning.features, "features")] if self.config.use_context else conditions
        inputs = torch.cat([part.to(self.skip.weight.dtype) for part in parts], dim=-1).flatten(-2)
        # Sums over thousands of terms that nearly cancel: bfloat16 would spoil them.
        with torch.autocast(inputs.device.type, enabled=False):
            return self.skip(inputs).unflatten(-1, (NUM_JOINTS, 3))


def gmm_features(component_mean: Tensor, component_std: Tensor, mixture_mean: Tensor, mixture_std: Tensor) -> Tensor:
    """The GMM channels of the conditioning: four (B, J, 3) in metres -> (B, J, 12).

    Args:
        component_mean: mu^G, the mean of the drawn component.
        component_std: The square root of the diagonal of Sigma^G.
        mixture_mean: The mean of the whole GMM.
        mixture_std: The standard deviation of the whole GMM.
    """
    return torch.cat((component_mean, component_std, mixture_mean, mixture_std), dim=-1)


def required(value: Tensor | None, name: str) -> Tensor:
    """The value itself.

    Raises:
        ValueError: If it is None.
    """
    if value is None:
        raise ValueError(f"this denoiser was built to be given {name}, but got none")
    return value
