"""k-means with k-means++ seeds for many sets of samples at once: the start of EM. Axes as in `fit_gmm.py`."""

from __future__ import annotations

import torch
from torch import Tensor


def k_means(x: Tensor, race: Tensor, steps: int) -> Tensor:
    """Responsibilities of 0 and 1, (B, M, N), after k-means++ seeds and so many steps of Lloyd's algorithm.

    x: (B, D, N), centred. race: see `draw_race`.
    """
    means, resp = _seed_means(x, race), x.new_empty(0)
    for step in range(steps):
        if step > 0:
            counts = resp.sum(-1, keepdim=True)
            means = torch.where(counts > 0, torch.bmm(resp, x.mT) / counts.clamp(min=1), means)
        nearness = torch.baddbmm(means.square().sum(-1, keepdim=True), means, x, beta=-0.5)
        # Far faster on a CPU than argmax. Samples between two equal means belong to both.
        resp = (nearness == nearness.amax(1, keepdim=True)).to(x.dtype)
    return resp / resp.sum(1, keepdim=True)


def _seed_means(x: Tensor, race: Tensor) -> Tensor:
    """k-means++ seeds, (B, M, D): each next one drawn by its squared distance to those already there.

    x: (B, D, N). race: (B, M, N), exponential random numbers: the sample with the least of its number over its squared
    distance wins, which has that distribution. Unlike a search among cumulated distances this hardly ever picks another
    sample when all of them change by a rounding error.
    """
    rows = torch.arange(x.shape[0], device=x.device)
    squares = x.square().sum(1)
    chosen, nearest = [x[rows, :, race[:, 0].argmin(-1)]], torch.full_like(squares, torch.inf)
    for m in range(1, race.shape[1]):
        seed = chosen[-1]
        apart = squares - 2 * torch.bmm(seed[:, None, :], x)[:, 0] + seed.square().sum(-1, keepdim=True)
        nearest = torch.minimum(nearest, apart.clamp(min=0))
        chosen.append(x[rows, :, (race[:, m] / nearest).argmin(-1)])
    return torch.stack(chosen, dim=1)


def draw_race(generator: torch.Generator, frames: int, n_components: int, num_samples: int) -> tuple[Tensor]:
    """Exponential random numbers that seed k-means, (B, M, N), as one item for `drawn_once`."""
    drawn = torch.empty(frames, n_components, num_samples, device=generator.device)
    return (drawn.exponential_(generator=generator),)
