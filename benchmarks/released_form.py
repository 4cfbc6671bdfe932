"""A network of the released denoiser's form, for comparison: its layers in their order and size, computed the way that
release computes them, written anew and never trained. Speed does not depend on weights.

github.com/GONGJIA0208/Diffpose, models: 96 channels, five layers. A layer is self-attention and two graph convolutions
of twice the width whose adjacency is learnt, then two Chebyshev convolutions of order 2 with the step's embedding
between them. Its slow parts are kept. The Laplacian and its polynomials are made again in every convolution, and the
learnt adjacency is normalised for every pose by itself. Queries, keys and values are projected one by one. Norms are
put together from means and deviations, and the step is embedded for every pose.
"""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn

from diffpose_core.skeleton import NUM_JOINTS, adjacency

CHANNELS, LAYERS, HEADS = 96, 5, 4
#: Linear maps of a layer, in squares of the channels: attention 4, adjacency convolutions 4, Chebyshev convolutions 6.
_SQUARES = 4 + 4 + 6


def multiply_adds(channels: int) -> int:
    """Of a pose in the layers' linear maps."""
    return LAYERS * NUM_JOINTS * _SQUARES * channels**2


def channels_of(wanted: int) -> int:
    """Channels, divisible among the heads, with which a pose takes about so many multiply-adds."""
    return HEADS * round((wanted / multiply_adds(1)) ** 0.5 / HEADS)


class Chebyshev(nn.Module):
    """Chebyshev convolution of order 2, (B, J, in) -> (B, J, out)."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.maps = nn.Parameter(torch.randn(3, 1, in_channels, out_channels) * in_channels**-0.5)
        self.bias = nn.Parameter(torch.zeros(out_channels))
        self.graph: Tensor
        graph = torch.from_numpy(adjacency()).float() + torch.eye(NUM_JOINTS)
        self.register_buffer("graph", graph / graph.sum(1, keepdim=True))

    def forward(self, x: Tensor) -> Tensor:
        root = torch.diag(self.graph.sum(-1).rsqrt())
        first = torch.eye(NUM_JOINTS, device=x.device)
        laplacian = first - root @ self.graph @ root
        basis = torch.stack((first, laplacian, 2 * laplacian @ laplacian - first))[:, None]
        mixed = torch.matmul(basis, x)
        return torch.matmul(mixed, self.maps).sum(0) + self.bias


class LearntAdjacency(nn.Module):
    """Two graph convolutions of twice the width, (B, J, C) -> (B, J, C)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.matrix = nn.Parameter(torch.eye(NUM_JOINTS))
        self.widen, self.narrow = nn.Linear(channels, 2 * channels), nn.Linear(2 * channels, channels)

    def mix(self, x: Tensor) -> Tensor:
        of_poses = self.matrix.repeat(len(x), 1, 1)
        root = (of_poses.sum(1) + 1e-5).rsqrt()
        return torch.bmm(root[:, :, None] * of_poses * root[:, None], x)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.narrow(self.mix(self.widen(self.mix(x)).relu()))
        return out


class Attention(nn.Module):
    """Self-attention with four projections, (B, J, C) -> (B, J, C)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.project = nn.ModuleList(nn.Linear(channels, channels) for _ in range(4))
        self.dropout = nn.Dropout(0.1)

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = (layer(x).unflatten(-1, (HEADS, -1)).transpose(1, 2) for layer in self.project[:3])
        scores = query @ key.mT / query.shape[-1] ** 0.5
        scores = scores.masked_fill(torch.zeros(1, 1, 1, NUM_JOINTS, dtype=torch.bool, device=x.device), -1e9)
        out: Tensor = self.project[3]((self.dropout(scores.softmax(-1)) @ value).transpose(1, 2).flatten(2))
        return out


class Norm(nn.Module):
    """Layer norm by mean and standard deviation."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gain, self.offset = nn.Parameter(torch.ones(channels)), nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        return self.gain * (x - x.mean(-1, keepdim=True)) / (x.std(-1, keepdim=True) + 1e-6) + self.offset


class Layer(nn.Module):
    """A layer, (B, J, C) and the step's embedding (B, 4 C), or None -> (B, J, C)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList(Norm(channels) for _ in range(2))
        self.attention, self.adjacency = Attention(channels), LearntAdjacency(channels)
        self.before, self.after = Chebyshev(channels, channels), Chebyshev(channels, channels)
        self.step = nn.Linear(4 * channels, channels)
        self.dropout, self.graph_dropout = nn.Dropout(0.25), nn.Dropout(0.1)

    def forward(self, x: Tensor, step: Tensor | None) -> Tensor:
        x = x + self.dropout(self.attention(self.norms[0](x)))
        x = x + self.dropout(self.adjacency(self.norms[1](x)))
        hidden = self.graph_dropout(self.before(x).relu()).relu()
        if step is not None:
            hidden = hidden + self.step(nn.functional.silu(step))[:, None]
        return x + self.graph_dropout(self.after(hidden).relu()).relu()


class ReleasedForm(nn.Module):
    """(B, J, in) and step numbers (B,), or None for the context encoder, which knows no step -> (B, J, out)."""

    def __init__(self, channels: int = CHANNELS, in_channels: int = 5, out_channels: int = 5) -> None:
        super().__init__()
        self.channels = channels
        self.first, self.last = Chebyshev(in_channels, channels), Chebyshev(channels, out_channels)
        self.layers = nn.ModuleList(Layer(channels) for _ in range(LAYERS))
        self.embed = nn.Sequential(
            nn.Linear(channels, 4 * channels), nn.SiLU(), nn.Linear(4 * channels, 4 * channels)
        )  # fmt: skip

    def forward(self, x: Tensor, k: Tensor | None = None) -> Tensor:
        step = None
        if k is not None:
            half = torch.arange(self.channels // 2, device=x.device) / (self.channels // 2 - 1)
            angles = k[:, None].float() * 1e4**-half
            step = self.embed(torch.cat((angles.sin(), angles.cos()), -1))
        hidden = self.first(x)
        for layer in self.layers:
            hidden = layer(hidden, step)
        out: Tensor = self.last(hidden)
        return out


@torch.no_grad()
def lift(encoder: ReleasedForm, denoiser: ReleasedForm, pose_2d: Tensor, steps: int, hypotheses: int) -> Tensor:
    """Lift 2D poses as the release does at the paper's setting: the encoder once, then DDIM steps of every hypothesis.

    No GMM is fitted.

    Args:
        encoder: The context encoder.
        denoiser: The network g.
        pose_2d: (B, J, 2).
        steps: Number of DDIM steps.
        hypotheses: Number of hypotheses, H.

    Returns:
        (B, J, 3), the mean of the hypotheses.
    """
    x = torch.cat((pose_2d, encoder(pose_2d)), -1).repeat(hypotheses, 1, 1)
    alphas = (1 - torch.linspace(1e-4, 1e-3, 51, device=x.device)).cumprod(0)
    visited = torch.linspace(50, 0, steps + 1).long()
    for k, following in itertools.pairwise(visited):
        noise = denoiser(x, torch.full((len(x),), int(k), device=x.device))
        clean = (x - (1 - alphas[k]).sqrt() * noise) / alphas[k].sqrt()
        x = alphas[following].sqrt() * clean + (1 - alphas[following]).sqrt() * noise
    return x.unflatten(0, (hypotheses, -1)).mean(0)[..., 2:]
