"""One pose out of many hypotheses: weighted by reprojection, or the best of N.

Weights by reprojection measure the fit of a hypothesis to the picture: projected, it must fall where the heatmaps are.
A wrong depth may fit as well as a right one, but a wrong mode of a heatmap explains the picture badly. Only the 2D
mixtures are used, so this needs no truth. The best of N does.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from diffpose_core.uncertainty.indeterminate import metric_scale
from diffpose_core.uncertainty.view import View


def reprojection_log_prob(view: View, poses_view: Tensor) -> Tensor:
    """Log-density of every joint's place in the picture under its 2D mixture.

    Scale and distance are those of the hypotheses' mean, so that no hypothesis is favoured for its size.

    Args:
        view: B frames.
        poses_view: (B, H, J, 3) metres, root-relative, view frame.

    Returns:
        (B, H, J) nats, densities per square normalised unit.
    """
    scale, distance = metric_scale(view, poses_view.mean(1))
    perspective = (1.0 + poses_view[..., 2:] / distance[:, None, None, None]).clamp_min(0.1)
    place = (poses_view[..., :2] / (scale[:, None, None, None] * perspective))[..., None, :]
    stds = view.stds_norm[:, None]
    white = (place - view.means_norm[:, None]) / stds
    log_density = -0.5 * white.square().sum(-1) - stds.log().sum(-1) - math.log(2.0 * math.pi)
    return torch.logsumexp(view.weights.log()[:, None] + log_density, dim=-1)


def weighted_by_reprojection(view: View, poses_view: Tensor, by_joint: bool = False) -> Tensor:
    """Mean of the hypotheses, weighted by the likelihood of their projections.

    Args:
        view: B frames.
        poses_view: (B, H, J, 3) metres, root-relative, view frame.
        by_joint: weight every joint by itself, which may mix hypotheses within a pose, instead of whole poses.

    Returns:
        (B, J, 3) metres.

    Source: the idea of aggregating by reprojection is Shan et al., "D3DP" (ICCV 2023); the mixtures are ours.
    """
    log_prob = reprojection_log_prob(view, poses_view)
    if not by_joint:
        log_prob = log_prob.sum(-1, keepdim=True)
    return (log_prob.softmax(1)[..., None] * poses_view).sum(1)


def best_hypothesis(poses_view: Tensor, truth_view: Tensor) -> Tensor:
    """The hypothesis with the lowest mean joint error, (B, J, 3) metres: best of N, which needs the truth.

    Args:
        poses_view: (B, H, J, 3) metres, root-relative, view frame.
        truth_view: (B, J, 3), the same frame.
    """
    nearest = (poses_view - truth_view[:, None]).norm(dim=-1).mean(-1).argmin(1)
    return poses_view[torch.arange(len(poses_view)), nearest]
