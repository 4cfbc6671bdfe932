"""Rectified flow: straight lines from draws of H_K to poses, followed by Euler steps.

With t = k / K from 1 (a draw of H_K) to 0 (a pose), h_t = (1 - t) h_0 + t h_1. The velocity h_1 - h_0 is learnt as the
h_0 that it leads to: v = (h_t - h_0) / t. So the same networks serve as for diffusion.

Source: Liu et al., "Flow straight and fast: learning to generate and transfer data with rectified flow" (ICLR 2023),
algorithm 1.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from torch import Tensor

from diffpose_core.diffusion.reverse import Denoiser, ReverseStep
from diffpose_core.diffusion.schedule import ddim_steps


def flow_state(x_start: Tensor, x_end: Tensor, k: Tensor | int, num_steps: int) -> Tensor:
    """The state on the line from a pose to a draw of H_K: h_0 at k = 0, h_1 at k = K.

    Args:
        x_start: h_0, (B, J, 3).
        x_end: h_1, a draw of H_K, same shape.
        k: 0 ... K, one number or (B,).
        num_steps: K.

    Returns:
        (B, J, 3).
    """
    share = k[:, None, None].to(x_start.dtype) / num_steps if isinstance(k, Tensor) and k.ndim else k / num_steps
    return x_start + share * (x_end - x_start)


def flow_process(denoise: Denoiser, x_K: Tensor, num_steps: int, steps: int | Sequence[int]) -> Iterator[ReverseStep]:
    """The flow from draws of H_K to poses, one state at a time.

    An Euler step from k to k' keeps the share k' / k of the way to the predicted h_0.

    Args:
        denoise: called with (h_k, k) once for every state but the last; returns the predicted h_0.
        x_K: draws of H_K, (..., J, 3).
        num_steps: K.
        steps: Euler steps, 1 ... K, evenly spread; or all k that are visited, from K down to 0.

    Yields:
        States from k = K to k = 0, each with the h_0 predicted at it.

    Raises:
        InvalidInput: at the first state, the steps are out of range.
    """
    sample = x_K
    for k, k_prev in pairwise(ddim_steps(num_steps, steps)):
        pred_x_start = denoise(sample, k)
        yield ReverseStep(k, sample, pred_x_start)
        sample = pred_x_start + k_prev / k * (sample - pred_x_start)
    yield ReverseStep(0, sample, sample)
