"""Kinds of detectors for training: blunt heatmaps, confidences alone, joints that nobody found.

Each function takes the simulated detector's output and gives some of the clips as another detector would.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from diffpose_core.datasets.correlated_noise import CorrelatedNoise
from diffpose_core.skeleton import NUM_JOINTS
from diffpose_core.uncertainty.mixtures import LOST_STD
from diffpose_core.uncertainty.view import of_main_mode

#: Spread of a guessed joint in units of the person's size, and how much smaller than it the guess's error is (both as
#: `uncertainty.gaps` has them); share of the joints that are missing one by one.
_GUESS_STD = (0.08, LOST_STD)
_GUESS_ERROR = 0.75
_LOST_SHARE = 0.08
#: Joints that tend to be missing together, from the end of a limb to the trunk.
_LIMBS = ((3, 2, 1), (6, 5, 4), (13, 12, 11), (16, 15, 14))
#: Blunt heatmaps, after those of BlazePose (docs/video.md): the share of lighter modes that are found at all, and that
#: of the wrong main modes that change places with a better one.
_BLUNT_KEPT = 0.45
_BLUNT_RIGHTED = 0.6
#: Largest sigma of a log-normal factor on a spread that has nothing to do with the error.
_LOOSE_SIGMA = 0.4


@dataclass(frozen=True)
class Detection:
    """Raw detector output as tensors.

    Attributes:
        weights: (..., F, J, K).
        means_px, variances_px2: (..., F, J, K, 2).
        hidden: (..., F, J) bool, joints that a limb or the torso hides.
        swapped: (..., F, J) bool, joints that are exchanged with the other side's.
    """

    weights: Tensor
    means_px: Tensor
    variances_px2: Tensor
    hidden: Tensor
    swapped: Tensor


def _one_mode(found: Detection, which: Tensor, centre_px: Tensor, variance_px2: Tensor) -> Detection:
    """The same detection with a single mode for some joints.

    Args:
        found: the detection.
        which: (B, F, J) bool.
        centre_px: (B, F, J, 2).
        variance_px2: (B, F, J).
    """
    single = torch.zeros_like(found.weights)
    single[..., 0] = 1.0
    every = which[..., None, None]
    return replace(
        found,
        weights=torch.where(which[..., None], single, found.weights),
        means_px=torch.where(every, centre_px[..., None, :], found.means_px),
        variances_px2=torch.where(every, variance_px2[..., None, None], found.variances_px2),
    )


def _loosened(log_std: Tensor, noise: CorrelatedNoise, generator: torch.Generator) -> Tensor:
    """Logarithms of spreads that follow the true ones more or less, by one degree for each clip.

    Args:
        log_std: (B, F, J) or (B, F, J, K).
        noise: of the batch.
        generator: decides each clip's degree.
    """
    shape = (log_std.shape[0],) + (1,) * (log_std.dim() - 1)
    follows, own = torch.rand(2, *shape, generator=generator, device=log_std.device)
    level = log_std.mean(2, keepdim=True)
    return level + follows * (log_std - level) + _LOOSE_SIGMA * own * noise.normal(*log_std.shape[2:])


def blunt_heatmaps(
    found: Detection, exact_px: Tensor, share: float, noise: CorrelatedNoise, generator: torch.Generator
) -> Detection:
    """Some clips as BlazePose gives them: few second modes, hardly any of them right, spreads that tell little.

    Args:
        found: the detection.
        exact_px: (B, F, J, 2), the joints' true places.
        share: of the clips.
        noise: of the batch.
        generator: decides the clips.
    """
    size, device = found.weights.shape[0], found.weights.device
    chosen = (torch.rand(size, 1, 1, 1, generator=generator, device=device) < share).expand_as(found.weights)
    # Where another mode is nearer to the truth than the main one, they change places.
    away = (found.means_px - exact_px[..., None, :]).norm(dim=-1).masked_fill(found.weights <= 0, torch.inf)
    main, best = found.weights.argmax(-1, keepdim=True), away.argmin(-1, keepdim=True)
    best = torch.where(noise.uniform(NUM_JOINTS)[..., None] < _BLUNT_RIGHTED, best, main)
    order = torch.arange(found.weights.shape[-1], device=device).expand_as(found.weights)
    order = order.scatter(-1, main, best).scatter(-1, best, main)
    means_px = found.means_px.gather(3, order[..., None].expand_as(found.means_px))
    alone = noise.uniform(NUM_JOINTS)[..., None] >= _BLUNT_KEPT
    only_main = torch.zeros_like(found.weights).scatter(-1, main, 1.0)
    weights = torch.where(alone, only_main, found.weights)
    variances = (2.0 * _loosened(0.5 * found.variances_px2[..., 0].log(), noise, generator)).exp()
    return replace(
        found,
        weights=torch.where(chosen, weights, found.weights),
        means_px=torch.where(chosen[..., None], means_px, found.means_px),
        variances_px2=torch.where(chosen[..., None], variances[..., None], found.variances_px2),
    )


def confidences_alone(found: Detection, share: float, noise: CorrelatedNoise, generator: torch.Generator) -> Detection:
    """Some clips as a detector without heatmaps gives them: one place and one confidence a joint.

    The confidence follows the heatmap's spread more or less, by one degree for each clip.
    """
    chosen = torch.rand(found.weights.shape[0], 1, 1, generator=generator, device=found.weights.device) < share
    log_std = 0.5 * of_main_mode(found.weights, found.variances_px2)[..., 0].log()
    variances = (2.0 * _loosened(log_std, noise, generator)).exp()
    which = chosen.expand(log_std.shape)
    return _one_mode(found, which, of_main_mode(found.weights, found.means_px), variances)


def with_gaps(found: Detection, share: float, noise: CorrelatedNoise, generator: torch.Generator) -> Detection:
    """Some clips with joints that were not found: each has one wide mode at a guess. The hip is always found."""
    size, device = found.weights.shape[0], found.weights.device
    chosen, spread, limb, reach = torch.rand(4, size, generator=generator, device=device)
    lost = torch.rand(size, NUM_JOINTS, generator=generator, device=device) < _LOST_SHARE
    # Half of these clips miss a limb, from its end up to one of its joints.
    for number, joints in enumerate(_LIMBS):
        for place, joint in enumerate(joints):
            lost[:, joint] |= ((limb * 2 * len(_LIMBS)).long() == number) & (reach * len(joints) >= place)
    lost &= (chosen < share)[:, None]
    lost[:, 0] = False
    main_px = of_main_mode(found.weights, found.means_px)
    person_px = (main_px - main_px.mean(2, keepdim=True)).square().sum(-1).mean(2).sqrt()
    low, high = _GUESS_STD
    std_px = (low + (high - low) * spread)[:, None] * person_px
    guess_px = main_px + _GUESS_ERROR * std_px[..., None, None] * noise.normal(NUM_JOINTS, 2)
    which = lost[:, None].expand(found.weights.shape[:-1])
    return _one_mode(found, which, guess_px, std_px.square()[..., None].expand(which.shape))
