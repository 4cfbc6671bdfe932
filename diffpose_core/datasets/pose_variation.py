"""Poses that were not recorded: limbs exchanged between clips, trunks bent, angles shaken, whole bodies tilted.

The kinds of variation of PoseAug (Gong et al., CVPR 2021), drawn at random instead of learnt.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

#: Each limb's segments (parent, child) from the trunk outwards, and whether it is an arm.
LIMBS: tuple[tuple[tuple[tuple[int, int], ...], bool], ...] = (
    (((1, 2), (2, 3)), False),
    (((4, 5), (5, 6)), False),
    (((11, 12), (12, 13)), True),
    (((14, 15), (15, 16)), True),
)


@dataclass(frozen=True)
class PoseRanges:
    """Shares of the clips whose poses are varied, and by how much.

    Attributes:
        plumb_share: share of the clips whose skeleton is set upright (`set_plumb`).
        knee_m: how far its knees move back at most.
        trunk_deg: how far its trunk turns forwards at most.
        exchange_share: share of the limbs that take their pose from another clip of the batch.
        bend_share: share of the clips whose trunk bends forwards over the hips, further than it was recorded.
        bend_deg: largest angle of it; angles are uniform from 0.
        twist_share: share of the clips whose trunk bends and twists by small angles.
        twist_deg: standard deviation of these angles: forwards, to a side, about its own axis.
        shake_share: share of the clips whose limb segments are turned by small angles.
        shake_deg: standard deviation of these angles.
        lean_share: share of the clips whose body leans as a whole by a few degrees.
        lean_deg: standard deviation of the lean.
        fall_share: share of the clips whose body is tilted far, as of somebody who bends, falls or lies.
        fall_deg: range of these tilts.
    """

    plumb_share: float = 0.7
    knee_m: float = 0.06
    trunk_deg: float = 7.0
    exchange_share: float = 0.12
    bend_share: float = 0.06
    bend_deg: float = 75.0
    twist_share: float = 0.2
    twist_deg: tuple[float, float, float] = (4.0, 8.0, 8.0)
    shake_share: float = 0.12
    shake_deg: float = 8.0
    lean_share: float = 0.1
    lean_deg: float = 4.0
    fall_share: float = 0.04
    fall_deg: tuple[float, float] = (20.0, 100.0)


def trunk_axes(poses: Tensor) -> Tensor:
    """Axes of the trunk as columns (right, forward, up), (..., J, 3) -> (..., 3, 3)."""
    up = torch.nn.functional.normalize(poses[..., 8, :] - poses[..., 0, :], dim=-1)
    right = (poses[..., 1, :] - poses[..., 4, :]) + (poses[..., 14, :] - poses[..., 11, :])
    right = torch.nn.functional.normalize(right - (right * up).sum(-1, keepdim=True) * up, dim=-1)
    return torch.stack((right, torch.linalg.cross(up, right, dim=-1), up), dim=-1)


def axis_rotation(axis: Tensor, angle_rad: Tensor) -> Tensor:
    """Rotation matrices by Rodrigues' formula. axis: (..., 3), unit. angle_rad: (...). Returns (..., 3, 3)."""
    x, y, z = axis.unbind(-1)
    zero = torch.zeros_like(x)
    cross = torch.stack((zero, -z, y, z, zero, -x, -y, x, zero), dim=-1).unflatten(-1, (3, 3))
    sine, cosine = torch.sin(angle_rad)[..., None, None], torch.cos(angle_rad)[..., None, None]
    return torch.eye(3, device=axis.device) + sine * cross + (1.0 - cosine) * cross @ cross


def set_plumb(poses: Tensor, ranges: PoseRanges, generator: torch.Generator) -> Tensor:
    """Move knees back and turn trunks forwards, as the joints of people who stand straight lie.

    Motion capture puts its joints so that people who stand have knees bent by 16 degrees and shoulders 4 (Bandai-Namco)
    to 10 degrees (CMU) behind the hips. On a person who stands straight, shoulder, hip, knee and ankle lie nearly above
    each other (Kendall's plumb line), and detectors place them so.

    Args:
        poses: (B, F, J, 3) metres.
        ranges: share and largest changes; each clip draws its own below them.
        generator: source of every random number.

    Returns:
        (B, F, J, 3).
    """
    size, device = len(poses), poses.device
    rand = torch.rand(3, size, generator=generator, device=device)
    chosen = (rand[0] < ranges.plumb_share).float()
    knee_m, angle = chosen * ranges.knee_m * rand[1], chosen * math.radians(ranges.trunk_deg) * rand[2]
    varied = poses.clone()
    for hip, knee, ankle in ((1, 2, 3), (4, 5, 6)):
        along = torch.nn.functional.normalize(poses[:, :, ankle] - poses[:, :, hip], dim=-1)
        thigh = poses[:, :, knee] - poses[:, :, hip]
        out = thigh - (thigh * along).sum(-1, keepdim=True) * along
        length = out.norm(dim=-1, keepdim=True).clamp_min(1e-6)
        varied[:, :, knee] -= out / length * torch.minimum(length, knee_m[:, None, None])
    # About the axis to the right, a negative angle leads from up to forward.
    right = torch.tensor([1.0, 0.0, 0.0], device=device).expand(size, 3)
    varied[:, :, 7:] = _upper_body_turned(poses, right, -angle)
    return varied


def _upper_body_turned(poses: Tensor, axis: Tensor, angle_rad: Tensor) -> Tensor:
    """Joints above the hips, turned about an axis of each clip's own trunk.

    Args:
        poses: (B, F, J, 3) metres.
        axis: (B, 3), unit, in the order of `trunk_axes`.
        angle_rad: (B,).

    Returns:
        (B, F, J - 7, 3), joints 7 and up.
    """
    axes, hip = trunk_axes(poses), poses[:, :, :1]
    rotation = axes @ axis_rotation(axis, angle_rad)[:, None] @ axes.mT
    return hip + torch.einsum("bfij,bfnj->bfni", rotation, poses[:, :, 7:] - hip)


def exchange_limbs(poses: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """Give limbs the pose that the same limb has in another clip, relative to the trunk.

    Args:
        poses: (B, F, J, 3) metres.
        share: of the limbs.
        generator: source of every random number.

    Returns:
        (B, F, J, 3); segments keep their lengths.
    """
    size, device = len(poses), poses.device
    axes = trunk_axes(poses)
    varied = poses.clone()
    for segments, _ in LIMBS:
        other = torch.randperm(size, generator=generator, device=device)
        chosen = (torch.rand(size, generator=generator, device=device) < share)[:, None, None]
        turn = axes @ axes[other].mT
        for parent, child in segments:
            own = poses[:, :, child] - poses[:, :, parent]
            foreign = (turn @ (poses[other, :, child] - poses[other, :, parent])[..., None])[..., 0]
            length = own.norm(dim=-1, keepdim=True)
            taken = length * torch.nn.functional.normalize(foreign, dim=-1)
            varied[:, :, child] = varied[:, :, parent] + torch.where(chosen, taken, own)
    return varied


def shake_limbs(poses: Tensor, share: float, std_deg: float, generator: torch.Generator) -> Tensor:
    """Turn the limbs' segments by small random angles, the same in every frame of a clip.

    Args:
        poses: (B, F, J, 3) metres.
        share: of the clips.
        std_deg: standard deviation of the angle about each axis.
        generator: source of every random number.

    Returns:
        (B, F, J, 3); segments keep their lengths.
    """
    size, device = len(poses), poses.device
    chosen = (torch.rand(size, 1, generator=generator, device=device) < share).float()
    varied = poses.clone()
    axes = trunk_axes(poses)
    for segments, _ in LIMBS:
        for parent, child in segments:
            turn = math.radians(std_deg) * chosen * torch.randn(size, 3, generator=generator, device=device)
            angle = turn.norm(dim=-1)
            rotation = axis_rotation(turn / angle.clamp_min(1e-9)[:, None], angle)[:, None]
            # About axes of the trunk, so that a person who turns keeps the change.
            bone = (axes @ rotation @ axes.mT @ (poses[:, :, child] - poses[:, :, parent])[..., None])[..., 0]
            varied[:, :, child] = varied[:, :, parent] + bone
    return varied


def bend_trunks(poses: Tensor, ranges: PoseRanges, generator: torch.Generator) -> Tensor:
    """Bend trunks over the hips, with head and arms; legs stay.

    Args:
        poses: (B, F, J, 3) metres.
        ranges: shares and angles.
        generator: source of every random number.

    Returns:
        (B, F, J, 3); all frames of a clip get the same change, seen from its own trunk.
    """
    size, device = len(poses), poses.device
    rand = torch.rand(3, size, generator=generator, device=device)
    small = torch.tensor(ranges.twist_deg, device=device) * torch.randn(size, 3, generator=generator, device=device)
    angles = small * (rand[0] < ranges.twist_share)[:, None]
    # About the axis to the right, a negative angle leads from up to forward.
    angles[:, 0] -= torch.where(rand[1] < ranges.bend_share, ranges.bend_deg * rand[2], 0.0)
    turn = torch.deg2rad(angles)
    angle = turn.norm(dim=-1)
    varied = poses.clone()
    varied[:, :, 7:] = _upper_body_turned(poses, turn / angle.clamp_min(1e-9)[:, None], angle)
    return varied


def tilt_bodies(poses_world: Tensor, ranges: PoseRanges, generator: torch.Generator) -> Tensor:
    """Tilt whole bodies about a horizontal axis through the hip, z up.

    Args:
        poses_world: (B, F, J, 3) metres.
        ranges: shares and angles.
        generator: source of every random number.

    Returns:
        (B, F, J, 3); a clip is tilted by one rotation.
    """
    size, device = len(poses_world), poses_world.device
    rand = torch.rand(4, size, generator=generator, device=device)
    lean = ranges.lean_deg * torch.randn(size, generator=generator, device=device)
    low, high = ranges.fall_deg
    angle = torch.where(rand[0] < ranges.lean_share, lean, 0.0)
    angle = torch.where(rand[1] < ranges.fall_share, low + (high - low) * rand[2], angle)
    azimuth = 2 * math.pi * rand[3]
    axis = torch.stack((torch.cos(azimuth), torch.sin(azimuth), torch.zeros_like(azimuth)), dim=-1)
    rotation = axis_rotation(axis, torch.deg2rad(angle))
    root = poses_world[:, :, :1]
    return root + torch.einsum("bij,bfnj->bfni", rotation, poses_world - root)


def vary_poses(poses_world: Tensor, ranges: PoseRanges, generator: torch.Generator) -> Tensor:
    """Vary the poses of a batch of clips, (B, F, J, 3) metres, world frame, z up."""
    varied = exchange_limbs(poses_world, ranges.exchange_share, generator)
    varied = bend_trunks(varied, ranges, generator)
    varied = shake_limbs(varied, ranges.shake_share, ranges.shake_deg, generator)
    return tilt_bodies(varied, ranges, generator)
