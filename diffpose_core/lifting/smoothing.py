"""Averages what a denoiser adds to the pose of a video over neighbouring frames."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from diffpose_core.diffusion.reverse import ReverseStep
from diffpose_core.lifting.encode import Neighbours, context_for
from diffpose_core.models.denoiser import Denoiser
from diffpose_core.models.layers import root_relative


def smoothed_states(states: Iterator[ReverseStep], neighbours: Neighbours, network: Denoiser) -> Iterator[ReverseStep]:
    """The states of the frames whose neighbours these are, the last one in agreement with the neighbours'."""
    own = neighbours.own
    for state in states:
        if state.k > 0:
            yield ReverseStep(state.k, state.sample[own], state.pred_x_start[own])
        else:
            agreed = smoothed_hypotheses(root_relative(state.sample), neighbours, network)
            yield ReverseStep(state.k, agreed, agreed)


def smoothed_hypotheses(final: Tensor, neighbours: Neighbours, network: Denoiser) -> Tensor:
    """What the frames whose neighbours these are end at, (F, H, J, 3). final: (N, H, J, 3), root-relative."""
    return smooth_over_time(final, neighbours, network) if network.config.use_context else final[neighbours.own]


def smooth_over_time(final: Tensor, neighbours: Neighbours, network: Denoiser) -> Tensor:
    """Hypotheses that change from frame to frame no faster than the encoder's pose does, (F, H, J, 3).

    final: (N, H, J, 3) of the neighbours, metres, root-relative, view frame. What a network with f_ST adds to the pose
    that it starts from is averaged over the neighbours, with `SMOOTHING_S`, in the camera's frame: g reads every
    frame's heatmaps by themselves, and their errors would tremble through; the encoder has seen all frames.
    """
    around, own = neighbours.encoded, neighbours.own
    began = context_for(around, network).pose_view[:, None]
    added = around.view.to_cam(final - began)
    mean = torch.zeros_like(added[own])
    for weight, rows in zip(neighbours.weights, neighbours.rows.T, strict=True):
        mean += weight * added[rows]
    return began[own] + around.view[own].to_view(mean)
