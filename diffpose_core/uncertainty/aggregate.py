"""One pose out of many hypotheses, by their reprojection into the picture or by the truth.

A wrong depth may reproject as well as a right one, but a wrong mode of a heatmap explains the picture badly. Whatever
takes the truth, as a whole pose or as the place of the hip, is marked as a leak where it is reported.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

from diffpose_core.uncertainty.indeterminate import metric_scale
from diffpose_core.uncertainty.view import View

#: Ways from hypotheses to one pose that need no truth: `one_pose`.
Way = Literal["mean", "nearest", "j-agg", "rpea", "by pose", "by joint"]
#: RPEA: how many hypotheses of a joint count, and the distance from the detected place, in units of the pose's own
#: size, at which a hypothesis' weight falls by e. The number is that of FMPose3D, the distance our choice.
_RPEA_BEST, _RPEA_DISTANCE = 3, 0.02


def reprojected(view: View, poses_view: Tensor, root_view: Tensor | None = None) -> Tensor:
    """Places of hypotheses in the picture.

    Args:
        view: B frames.
        poses_view: (B, H, J, 3) metres, root-relative, view frame.
        root_view: (B, 3) metres, the true place of the hip, which only a data set knows; it needs a known camera. None
            takes scale and distance of the hypotheses' mean, so that no hypothesis is favoured for its size.

    Returns:
        (B, H, J, 2), normalised units.
    """
    if root_view is not None:
        placed = poses_view + root_view[:, None, None]
        return placed[..., :2] / placed[..., 2:].clamp_min(0.1) / view.plane_unit[:, None, None, None]
    scale, distance = metric_scale(view, poses_view.mean(1))
    perspective = (1.0 + poses_view[..., 2:] / distance[:, None, None, None]).clamp_min(0.1)
    return poses_view[..., :2] / (scale[:, None, None, None] * perspective)


def reprojection_log_prob(view: View, poses_view: Tensor, root_view: Tensor | None = None) -> Tensor:
    """Log-density of every joint's place in the picture under its 2D mixture.

    Args:
        view: B frames.
        poses_view: (B, H, J, 3) metres, root-relative, view frame.
        root_view: see `reprojected`.

    Returns:
        (B, H, J) nats, densities per square normalised unit.
    """
    place = reprojected(view, poses_view, root_view)[..., None, :]
    stds = view.stds_norm[:, None]
    white = (place - view.means_norm[:, None]) / stds
    log_density = -0.5 * white.square().sum(-1) - stds.log().sum(-1) - math.log(2.0 * math.pi)
    return torch.logsumexp(view.weights.log()[:, None] + log_density, dim=-1)


def reprojection_error(view: View, poses_view: Tensor, root_view: Tensor | None = None) -> Tensor:
    """Distance of every joint's place in the picture from the detected one, (B, H, J) normalised units.

    Args:
        view: B frames.
        poses_view: (B, H, J, 3) metres, root-relative, view frame.
        root_view: see `reprojected`.
    """
    return (reprojected(view, poses_view, root_view) - view.pose_norm[:, None]).norm(dim=-1)


def one_pose(way: Way, view: View, poses_view: Tensor, root_view: Tensor | None = None) -> Tensor:
    """One pose out of hypotheses, without the truth unless its hip is given.

    - "mean": their mean, which D3DP calls P-Agg.
    - "nearest": the hypothesis whose joints lie nearest to the detected ones on average.
    - "j-agg": of every joint the hypothesis that lies nearest to the detected place.
    - "rpea": of every joint the mean of the three nearest ones, weighted by exp(-distance).
    - "by pose", "by joint": means weighted by the likelihood under the whole heatmaps, of a pose or of each joint.

    Args:
        way: one of `Way`.
        view: B frames.
        poses_view: (B, H, J, 3) metres, root-relative, view frame.
        root_view: see `reprojected`.

    Returns:
        (B, J, 3) metres.

    Source: Shan et al., "Diffusion-based 3D human pose estimation with multi-hypothesis aggregation" (D3DP, ICCV 2023),
    for choosing by reprojection; Wang et al., "FMPose3D" (CVPR 2026), for "rpea". Likelihoods under heatmaps are ours.
    """
    if way == "mean":
        return poses_view.mean(1)
    if way in ("by pose", "by joint"):
        log_prob = reprojection_log_prob(view, poses_view, root_view)
        if way == "by pose":
            log_prob = log_prob.sum(-1, keepdim=True)
        return (log_prob.softmax(1)[..., None] * poses_view).sum(1)
    error = reprojection_error(view, poses_view, root_view)
    if way == "nearest":
        return _picked(poses_view, error.mean(-1, keepdim=True).expand_as(error).argmin(1))
    if way == "j-agg":
        return _picked(poses_view, error.argmin(1))
    nearest = error.topk(min(_RPEA_BEST, error.shape[1]), dim=1, largest=False)
    weights = torch.zeros_like(error).scatter(1, nearest.indices, (-nearest.values / _RPEA_DISTANCE).softmax(1))
    return (weights[..., None] * poses_view).sum(1)


def best_hypothesis(poses_view: Tensor, truth_view: Tensor) -> Tensor:
    """The hypothesis with the lowest mean joint error, (B, J, 3) metres: best of N, P-Best, which needs the truth.

    Args:
        poses_view: (B, H, J, 3) metres, root-relative, view frame.
        truth_view: (B, J, 3), the same frame.
    """
    nearest = (poses_view - truth_view[:, None]).norm(dim=-1).mean(-1).argmin(1)
    return poses_view[torch.arange(len(poses_view)), nearest]


def best_joints(poses_view: Tensor, truth_view: Tensor) -> Tensor:
    """Of every joint the hypothesis nearest to the truth, (B, J, 3) metres: J-Best, which needs the truth.

    Args:
        poses_view: (B, H, J, 3) metres, root-relative, view frame.
        truth_view: (B, J, 3), the same frame.
    """
    return _picked(poses_view, (poses_view - truth_view[:, None]).norm(dim=-1).argmin(1))


def _picked(poses_view: Tensor, hypothesis: Tensor) -> Tensor:
    """Joints of the numbered hypotheses: (B, H, J, 3) and (B, J) -> (B, J, 3)."""
    index = hypothesis[:, None, :, None].expand(-1, 1, -1, 3)
    return poses_view.gather(1, index)[:, 0]
