"""Normalised 2D poses, the networks' input: independent of the person's place and size in the image.

With a known camera the viewing ray of the hip is turned onto the optical axis, which takes out the place in the image
exactly; without one the hip is subtracted. Either way the pose is divided by its own size. The 3D frame that belongs to
this view ("view frame") is the camera's frame turned by the same rotation.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from diffpose_core.camera import rotation_to_axis
from diffpose_core.uncertainty.mixtures import MEAN_STD

#: A joint's heaviest modes that a network is told about, and the numbers for each: weight, u, v, spread.
HEATMAP_MODES = 3
HEATMAP_CHANNELS = 4 * HEATMAP_MODES

#: Largest spread of a mode that networks are given: training has few wider ones. Chosen on validation views that miss
#: joints.
WIDEST_STD = 0.2
#: Most that a joint counts, as a multiple of the pose's median spread: three joints that nobody saw don't make the
#: others sure.
_MOST_TIMES_MEDIAN = 4.0


@dataclass(frozen=True)
class View:
    """Normalised 2D poses of B frames.

    Attributes:
        weights: (B, J, K).
        means_norm: (B, J, K, 2), in units of the pose's own size, the detected hip at the origin.
        stds_norm: (B, J, K, 2), the same units.
        pose_norm: (B, J, 2), the detected pose (each joint's heaviest mode).
        plane_unit: (B,), length of one normalised unit on the plane 1 m before the camera; NaN where the camera is
            unknown.
        size: (B,), the same, but in pixels where the camera is unknown.
        rotation: (B, 3, 3), camera frame to view frame.
    """

    weights: Tensor
    means_norm: Tensor
    stds_norm: Tensor
    pose_norm: Tensor
    plane_unit: Tensor
    size: Tensor
    rotation: Tensor

    def __getitem__(self, index: slice | Tensor) -> View:
        return View(*(getattr(self, name)[index] for name in self.__dataclass_fields__))

    def __len__(self) -> int:
        return int(self.pose_norm.shape[0])

    def float(self) -> View:
        """The same in single precision."""
        return View(*(getattr(self, name).float() for name in self.__dataclass_fields__))

    def to(self, device: torch.device | str) -> View:
        """The same on another device."""
        return View(*(getattr(self, name).to(device) for name in self.__dataclass_fields__))

    def levelled(self) -> View:
        """The same view with spreads whose geometric mean over the joints is MEAN_STD, none above WIDEST_STD.

        The order of the joints' spreads stays, their overall width goes.
        """
        main = of_main_mode(self.weights, self.stds_norm).mean(-1).clamp_min(1e-9)
        main = main.minimum(_MOST_TIMES_MEDIAN * main.median(1, keepdim=True).values)
        factor = MEAN_STD / main.log().mean(1).exp()
        return replace(self, stds_norm=(self.stds_norm * factor[:, None, None, None]).clamp_max(WIDEST_STD))

    @cached_property
    def joint_std_norm(self) -> Tensor:
        """Standard deviation of each joint's whole mixture, root mean square over u and v, (B, J)."""
        weights = self.weights[..., None]
        mean = (weights * self.means_norm).sum(2)
        second = (weights * (self.stds_norm.square() + self.means_norm.square())).sum(2)
        return (second - mean.square()).clamp_min(0.0).mean(-1).sqrt()

    def heatmap_features(self) -> Tensor:
        """Each joint's mixture as a network reads it, (B, J, 12): weight, u, v and spread of its three heaviest modes.

        Heaviest first, normalised units; a mode that is not there is all zeros.
        """
        weights, means, stds = self.weights, self.means_norm, self.stds_norm
        missing = HEATMAP_MODES - weights.shape[-1]
        if missing > 0:
            weights = torch.nn.functional.pad(weights, (0, missing))
            means, stds = (torch.nn.functional.pad(values, (0, 0, 0, missing)) for values in (means, stds))
        order = weights.argsort(dim=-1, descending=True, stable=True)[..., :HEATMAP_MODES]
        pairs = order[..., None].expand(*order.shape, 2)
        weights = weights.gather(-1, order)[..., None]
        spread = stds.gather(-2, pairs).square().mean(-1, keepdim=True).sqrt()
        there = (weights > 0).to(weights.dtype)
        return (torch.cat((weights, means.gather(-2, pairs), spread), dim=-1) * there).flatten(-2)

    def to_view(self, pose_cam: Tensor) -> Tensor:
        """Root-relative poses (B, ..., J, 3) from the camera's frame into the view frame."""
        return torch.einsum("bij,b...j->b...i", self.rotation, pose_cam)

    def to_cam(self, pose_view: Tensor) -> Tensor:
        """Root-relative poses (B, ..., J, 3) from the view frame into the camera's frame."""
        return torch.einsum("bji,b...j->b...i", self.rotation, pose_view)


def of_main_mode(weights: Tensor, values: Tensor) -> Tensor:
    """Values of each joint's heaviest mode.

    Args:
        weights: (..., K).
        values: (..., K, C).

    Returns:
        (..., C).
    """
    best = weights.argmax(-1)[..., None, None].expand(*weights.shape[:-1], 1, values.shape[-1])
    return values.gather(-2, best)[..., 0, :]


def normalise_view(weights: Tensor, means_px: Tensor, variances_px2: Tensor, intrinsics: Tensor | None) -> View:
    """Normalise detected mixtures.

    A pose whose joints all fall on one point has no size of its own; a thousandth of a pixel is taken.

    Args:
        weights: (B, J, K).
        means_px: (B, J, K, 2) pixels.
        variances_px2: (B, J, K, 2) square pixels.
        intrinsics: (B, 4) as fx, fy, cx, cy, pixels; None for an unknown camera.
    """
    batch = means_px.shape[0]
    if intrinsics is None:
        plane = means_px
        stds = variances_px2.sqrt()
        rotation = torch.eye(3, dtype=means_px.dtype, device=means_px.device).expand(batch, 3, 3)
    else:
        focal, centre = intrinsics[:, None, None, :2], intrinsics[:, None, None, 2:]
        flat = (means_px - centre) / focal
        rays = torch.nn.functional.pad(flat, (0, 1), value=1.0)
        root_ray = of_main_mode(weights[:, 0], rays[:, 0])
        rotation = rotation_to_axis(root_ray)
        turned = torch.einsum("bij,bnkj->bnki", rotation, rays)
        # A ray at a right angle to the hip's can't be seen by the same camera: the clamp only guards against bad input.
        depth = turned[..., 2:].clamp_min(0.05)
        plane = turned[..., :2] / depth
        stds = variances_px2.sqrt() / focal / depth
    pose = of_main_mode(weights, plane)
    root = pose[:, :1]
    spread = (pose - pose.mean(1, keepdim=True)).square().sum(-1).mean(1).sqrt()
    smallest = 1e-3 if intrinsics is None else 1e-6
    unit = spread.clamp_min(smallest)
    plane_unit = torch.full_like(unit, torch.nan) if intrinsics is None else unit
    divisor = unit[:, None, None]
    return View(
        weights=weights,
        means_norm=(plane - root[:, :, None]) / divisor[..., None],
        stds_norm=stds / divisor[..., None],
        pose_norm=(pose - root) / divisor,
        plane_unit=plane_unit,
        size=unit,
        rotation=rotation,
    )
