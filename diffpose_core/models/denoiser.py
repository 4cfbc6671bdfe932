"""The diffusion network g (main paper, section 4.3; step embedding: supplement, section 2)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from diffpose_core.config import DenoiserConfig
from diffpose_core.diffusion.embedding import step_embedding
from diffpose_core.models.layers import GraphAttentionBlock, GraphConv, root_relative

#: Channels of what g is told about the distribution that it denoises from (see `Denoiser.forward`).
CONDITION_CHANNELS = {"none": 0, "gmm": 12}


class Denoiser(nn.Module):
    """g(h_k, f_ST, f_D^k): a noisy pose, its context and its step in, the prediction (h_0, h_{k-1} or noise) out.

    Input GCN to 128 channels, concatenated with f_ST (128) to 256, f_D^k (256) added, three GCN-attention blocks,
    output GCN to 3. Without context the input GCN makes all 256 channels itself, so that the network keeps its size.
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

    def forward(self, x: Tensor, k: Tensor, context: Tensor | None, condition: Tensor | None = None) -> Tensor:
        """One prediction a noisy pose.

        x: (B, J, 3), h_k in metres. k: (B,) or a scalar, step numbers. context: (B, J, 128), f_ST, or None where the
        network has none. condition: (B, J, 12) or None, `condition_features` of the GMM that the noise is drawn from.
        Returns (B, J, 3), root-relative metres unless the prediction type is noise.
        """
        inputs = x if self.config.conditioning == "none" else torch.cat((x, _required(condition, "condition")), dim=-1)
        hidden = self.embed(inputs)
        if self.config.use_context:
            hidden = torch.cat((hidden, _required(context, "context").to(hidden.dtype)), dim=-1)
        steps = torch.as_tensor(k, device=x.device).expand(x.shape[0])
        hidden = hidden + step_embedding(steps, self.config.channels)[:, None].to(hidden.dtype)
        for block in self.blocks:
            hidden = block(hidden)
        output = self.head(self.norm(hidden)).float()
        return output if self.config.prediction_type == "noise" else root_relative(output)


def condition_features(
    component_mean: Tensor, component_std: Tensor, mixture_mean: Tensor, mixture_std: Tensor
) -> Tensor:
    """What g is told about the distribution it starts from, four (B, J, 3) in metres -> (B, J, 12).

    Mean and standard deviation of the drawn component (mu^G and the root of Sigma^G's diagonal), and of the whole GMM.
    For standard diffusion these are 0, 1, 0 and 1: it has nothing to tell.
    """
    return torch.cat((component_mean, component_std, mixture_mean, mixture_std), dim=-1)


def _required(value: Tensor | None, name: str) -> Tensor:
    if value is None:
        raise ValueError(f"this denoiser was built to take a {name}, but none was given")
    return value
