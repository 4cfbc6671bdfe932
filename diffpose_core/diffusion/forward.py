"""Forward diffusion, standard and GMM-based (Eq. 1 to 3 of the supplement).

Poses are (..., J, 3) tensors, in practice metres, root-relative, camera frame; any other trailing axes work too. A
component m of the pose GMM is drawn once per sample and kept for the whole chain: `component_mean` is its mean
mu^G = mu_m, and every noise eps^G is a draw of N(0, Sigma_m). With a mean of 0 and noise of N(0, I) the same
functions are standard diffusion.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from diffpose_core.diffusion.schedule import Schedule
from diffpose_core.structures import InvalidInput

#: Called with a tensor of the wanted shape, dtype and device; returns a new draw of eps^G, zero-mean, like it.
NoiseSource = Callable[[Tensor], Tensor]

#: mu^G: a tensor that broadcasts to the pose, or 0 (or None) for standard diffusion.
ComponentMean = Tensor | float | None

#: Factor of a pose: one number, or one for each sample.
Weight = Tensor | float


@lru_cache(maxsize=64)
@torch.inference_mode(False)  # the cached tensors serve training too
def _table(schedule: Schedule, device: torch.device) -> Tensor:
    return torch.from_numpy(np.array(schedule.alphas_cumprod)).to(device)


def _check_step(k: int | Tensor, schedule: Schedule, lowest: int) -> None:
    if isinstance(k, Tensor):
        if k.is_floating_point() or k.is_complex() or k.dtype == torch.bool:
            raise InvalidInput(f"the step number k must be an int or an integer tensor, found dtype {k.dtype}")
        # Looking at values on an accelerator would make every training step wait for it.
        if k.device.type != "cpu" or k.numel() == 0:
            return
        low, high = int(k.min()), int(k.max())
    else:
        low = high = int(k)
    if low < lowest or high > schedule.num_steps:
        found = str(low) if low == high else f"values from {low} to {high}"
        raise InvalidInput(f"the step number k must lie between {lowest} and {schedule.num_steps}, found {found}")


def alphas_at(schedule: Schedule, k: int | Tensor, like: Tensor, lowest: int = 0) -> Tensor:
    """alpha_k as a float64 tensor that broadcasts to `like`.

    Args:
        schedule: the noise schedule.
        k: an int, or an integer tensor whose shape is the first axes of `like`, such as (B,) for poses (B, J, 3).
        like: decides device and axes.
        lowest: smallest k that is allowed.

    Returns:
        A scalar or (*k.shape, 1, ..., 1).

    Raises:
        InvalidInput: k lies outside lowest ... K (not checked for a k on an accelerator), or its axes don't fit.
    """
    _check_step(k, schedule, lowest)
    table = _table(schedule, like.device)
    if not isinstance(k, Tensor) or k.ndim == 0:
        return table[int(k)]
    fits = k.ndim <= like.ndim and all(a in (1, b) for a, b in zip(k.shape, like.shape, strict=False))
    if not fits:
        raise InvalidInput(
            f"k must have the leading axes of the poses {tuple(like.shape)}, found shape {tuple(k.shape)}"
        )
    return table[k.to(like.device)].reshape(*k.shape, *([1] * (like.ndim - k.ndim)))


def mixing_weights(schedule: Schedule, k: int | Tensor, like: Tensor, lowest: int = 0) -> tuple[Weight, Weight]:
    """sqrt(alpha_k) and sqrt(1 - alpha_k), the weights of h~_0 and eps^G in h~_k (Eq. 1).

    Args:
        schedule, k, like, lowest: as for `alphas_at`.

    Returns:
        Tensors of `like`'s dtype; plain numbers if k is one.
    """
    if not isinstance(k, Tensor):
        _check_step(k, schedule, lowest)
        alpha = float(schedule.alphas_cumprod[int(k)])
        return alpha**0.5, (1.0 - alpha) ** 0.5
    alphas = alphas_at(schedule, k, like, lowest)
    return alphas.sqrt().to(like.dtype), (1.0 - alphas).sqrt().to(like.dtype)


def centred(x: Tensor, component_mean: ComponentMean) -> Tensor:
    """x - mu^G (the tilde of Eq. 2)."""
    return x if component_mean is None else x - component_mean


def decentred(x: Tensor, component_mean: ComponentMean) -> Tensor:
    """x + mu^G, which undoes `centred`."""
    return x if component_mean is None else x + component_mean


def q_sample(
    x_start: Tensor,
    k: int | Tensor,
    schedule: Schedule,
    noise: Tensor,
    component_mean: ComponentMean = 0.0,
) -> Tensor:
    """h_k from h_0 in one step: h_k = mu^G + sqrt(alpha_k) (h_0 - mu^G) + sqrt(1 - alpha_k) eps^G.

    Args:
        x_start: h_0, (..., J, 3).
        k: 0 ... K, an int or an integer tensor over the leading axes.
        schedule: the noise schedule.
        noise: eps^G, a draw of N(0, Sigma_m), same shape as x_start.
        component_mean: mu^G, broadcasts to x_start; 0 or None for standard diffusion.

    Returns:
        h_k, (..., J, 3).

    Raises:
        InvalidInput: k is out of range.

    Source: supplement, Eq. 1 (main paper, Eq. 7).
    """
    keep, spread = mixing_weights(schedule, k, x_start)
    return decentred(keep * centred(x_start, component_mean) + spread * noise, component_mean)


def q_step(
    x_prev: Tensor,
    k: int | Tensor,
    schedule: Schedule,
    noise: Tensor,
    component_mean: ComponentMean = 0.0,
) -> Tensor:
    """h_k from h_{k-1}: with h~ = h - mu^G, h~_k = sqrt(alpha_k/alpha_{k-1}) h~_{k-1} + sqrt(1 - ratio) eps^G.

    Args:
        x_prev: h_{k-1}, (..., J, 3).
        k: 1 ... K, the step to arrive at.
        schedule: the noise schedule.
        noise: a new draw of N(0, Sigma_m), of the component whose mean is component_mean.
        component_mean: mu^G, as for `q_sample`.

    Returns:
        h_k, (..., J, 3).

    Raises:
        InvalidInput: k is out of range.

    Source: supplement, Eq. 2; k steps of it compose to Eq. 3.
    """
    ratio = alphas_at(schedule, k, x_prev, lowest=1) / alphas_at(schedule, k - 1, x_prev)
    keep, spread = ratio.sqrt().to(x_prev.dtype), (1.0 - ratio).sqrt().to(x_prev.dtype)
    return decentred(keep * centred(x_prev, component_mean) + spread * noise, component_mean)


def forward_chain(
    x_start: Tensor,
    schedule: Schedule,
    noise_source: NoiseSource,
    component_mean: ComponentMean = 0.0,
    stepwise: bool = False,
) -> Tensor:
    """The whole chain h_0 ... h_K, for animation.

    Args:
        x_start: h_0, (..., J, 3).
        schedule: the noise schedule.
        noise_source: gives draws of eps^G, all of the component whose mean is component_mean.
        component_mean: mu^G, as for `q_sample`.
        stepwise: False keeps one noise for the whole chain (Eq. 1 at every k, smooth paths); True draws a new noise at
            every step (Eq. 2, the Markov chain). Both have the same distribution at every single k.

    Returns:
        (K + 1, ..., J, 3), where [k] is h_k.
    """
    if stepwise:
        states = [x_start]
        for k in range(1, schedule.num_steps + 1):
            states.append(q_step(states[-1], k, schedule, noise_source(x_start), component_mean))
        return torch.stack(states)
    every_k = torch.arange(1, schedule.num_steps + 1)
    repeated = x_start.expand(schedule.num_steps, *x_start.shape)
    return torch.cat([x_start[None], q_sample(repeated, every_k, schedule, noise_source(x_start), component_mean)])
