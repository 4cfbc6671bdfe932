"""Averages a denoiser's corrections to the encoder's poses over neighbouring frames of a video."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from diffpose_core.diffusion.reverse import ReverseStep
from diffpose_core.lifting.encode import Neighbours, context_for
from diffpose_core.models.denoiser import Denoiser
from diffpose_core.models.layers import root_relative


def smoothed_states(states: Iterator[ReverseStep], neighbours: Neighbours, network: Denoiser) -> Iterator[ReverseStep]:
    """A reverse process of some frames, from that of their neighbours; the last state is smoothed.

    Args:
        states: of the neighbours, samples (N, H, J, 3), view frame.
        neighbours: of F frames.
        network: the denoiser.

    Yields:
        States of the F frames.
    """
    own = neighbours.own
    for state in states:
        if state.k > 0:
            yield ReverseStep(state.k, state.sample[own], state.pred_x_start[own])
        else:
            final = smoothed_hypotheses(root_relative(state.sample), neighbours, network)
            yield ReverseStep(state.k, final, final)


def smoothed_hypotheses(final: Tensor, neighbours: Neighbours, network: Denoiser) -> Tensor:
    """Final hypotheses of some frames, (F, H, J, 3): smoothed if the denoiser reads f_ST, else as they are.

    Args:
        final: hypotheses of the neighbours, (N, H, J, 3) metres, root-relative, view frame.
        neighbours: of F frames.
        network: the denoiser.
    """
    return smooth_over_time(final, neighbours, network) if network.config.use_context else final[neighbours.own]


def smooth_over_time(final: Tensor, neighbours: Neighbours, network: Denoiser) -> Tensor:
    """Hypotheses whose difference from the encoder's pose is averaged over neighbouring frames.

    The encoder has read all frames; g reads each frame's heatmaps alone, and their errors would show as trembling.
    The average is taken in the camera's frame, with Gaussian weights of `encode.SMOOTHING_S`.

    Args:
        final: hypotheses of the neighbours, (N, H, J, 3) metres, root-relative, view frame.
        neighbours: of F frames.
        network: the denoiser, which reads f_ST.

    Returns:
        (F, H, J, 3) metres, root-relative, view frame.
    """
    around, own = neighbours.encoded, neighbours.own
    encoder_pose = context_for(around, network).pose_view[:, None]
    added = around.view.to_cam(final - encoder_pose)
    mean = torch.zeros_like(added[own])
    for weight, rows in zip(neighbours.weights, neighbours.rows.T, strict=True):
        mean += weight * added[rows]
    return encoder_pose[own] + around.view[own].to_view(mean)
