"""Joint definitions: one meaning for each of the 17 names, and the points that other layouts place instead.

Motion files and detectors disagree on where the hip, the spine, the thorax, the neck and the head are. Motion is
brought to one definition where it is loaded (`with_middle_joints`); training views then take the points of several
detectors' layouts (`place_landmarks`), so that a network meets each of them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from diffpose_core.skeleton import MIRROR

_HIP, _SPINE, _THORAX, _NECK, _HEAD = 0, 7, 8, 9, 10
_RIGHT_HIP, _LEFT_HIP, _LEFT_SHOULDER, _RIGHT_SHOULDER = 1, 4, 11, 14


def with_middle_joints(poses: Tensor) -> Tensor:
    """Put the hip in the middle of the hips, the thorax in the middle of the shoulders, the spine between the two.

    Args:
        poses: (..., J, 3), any unit and frame.

    Returns:
        A new tensor (..., J, 3); the other fourteen joints stay where they are.
    """
    placed = poses.clone()
    placed[..., _HIP, :] = (poses[..., _RIGHT_HIP, :] + poses[..., _LEFT_HIP, :]) / 2
    placed[..., _THORAX, :] = (poses[..., _LEFT_SHOULDER, :] + poses[..., _RIGHT_SHOULDER, :]) / 2
    placed[..., _SPINE, :] = (placed[..., _HIP, :] + placed[..., _THORAX, :]) / 2
    return placed


@dataclass(frozen=True)
class LandmarkRanges:
    """Shares of the layouts that training views are seen in, and how far their joints lie from the definition.

    Attributes:
        coco: share of views whose neck is the nose and whose head is the middle of the eyes (COCO-17, BODY_25).
        ears: share whose head is the middle of the ears and whose neck lies halfway to it (MediaPipe-33).
        halpe: share whose neck is the nose and whose head is the top of the head (Halpe-26).
        thorax_std: spread of the thorax along the trunk for the other views, in trunk lengths.
        spine_std: the same for the spine.
        hip_std: the same for the hip.
        head_yaw_deg: spread of the head's turn against the trunk.
        nose_m: from the middle of the ears to the tip of the nose, for a trunk of half a metre.
    """

    coco: float = 0.3
    ears: float = 0.2
    halpe: float = 0.1
    thorax_std: float = 0.05
    spine_std: float = 0.03
    hip_std: float = 0.02
    head_yaw_deg: float = 25.0
    nose_m: float = 0.11


def place_landmarks(poses_world: Tensor, ranges: LandmarkRanges, generator: torch.Generator) -> Tensor:
    """Move each body's trunk and head joints to where a detector of a layout drawn at random places them.

    Args:
        poses_world: (B, F, J, 3) metres, B clips of one person each, in the definition of `with_middle_joints`.
        ranges: shares of the layouts and spreads.
        generator: source of every random number, on the poses' device.

    Returns:
        (B, F, J, 3); within a clip the points are the same ones of the body.
    """
    size, device = len(poses_world), poses_world.device

    def uniform() -> Tensor:
        return torch.rand(size, 1, 1, generator=generator, device=device)

    def normal() -> Tensor:
        return torch.randn(size, 1, 1, generator=generator, device=device)

    chosen = uniform()
    coco = chosen < ranges.coco
    ears = ~coco & (chosen < ranges.coco + ranges.ears)
    halpe = ~coco & ~ears & (chosen < ranges.coco + ranges.ears + ranges.halpe)
    other = ~(coco | ears | halpe)

    hip, thorax = poses_world[..., _HIP, :], poses_world[..., _THORAX, :]
    neck, head = poses_world[..., _NECK, :], poses_world[..., _HEAD, :]
    trunk = thorax - hip
    length = trunk.norm(dim=-1, keepdim=True)
    # The skull: its axis runs from neck to head; the face looks where the trunk does, turned by a yaw of the clip.
    axis = torch.nn.functional.normalize(head - neck, dim=-1)
    across = poses_world[..., _LEFT_SHOULDER, :] - poses_world[..., _RIGHT_SHOULDER, :]
    forward = torch.nn.functional.normalize(torch.linalg.cross(across, trunk, dim=-1), dim=-1)
    forward = torch.nn.functional.normalize(forward - (forward * axis).sum(-1, keepdim=True) * axis, dim=-1)
    yaw = math.radians(ranges.head_yaw_deg) * normal()
    forward = torch.cos(yaw) * forward + torch.sin(yaw) * torch.linalg.cross(axis, forward, dim=-1)
    skull, face = head - neck, ranges.nose_m * length / 0.5 * (1.0 + 0.15 * normal())
    middle_of_ears = neck + (0.45 + 0.12 * normal()) * skull + 0.1 * face * forward
    nose = neck + (0.2 + 0.12 * normal()) * skull + face * forward
    eyes = neck + (0.5 + 0.12 * normal()) * skull + 0.8 * face * forward
    top = neck + (1.1 + 0.1 * normal()) * skull

    placed = poses_world.clone()
    placed[..., _NECK, :] = torch.where(coco | halpe, nose, torch.where(ears, (thorax + middle_of_ears) / 2, neck))
    placed[..., _HEAD, :] = torch.where(
        coco, eyes, torch.where(ears, middle_of_ears, torch.where(halpe, top, head + 0.08 * normal() * skull))
    )
    for joint, std in ((_HIP, ranges.hip_std), (_THORAX, ranges.thorax_std), (_SPINE, ranges.spine_std)):
        moved = placed[..., joint, :] + std * normal() * trunk
        placed[..., joint, :] = torch.where(other, moved, placed[..., joint, :])
    neck_moved = placed[..., _NECK, :] + 0.04 * normal() * trunk
    placed[..., _NECK, :] = torch.where(other, neck_moved, placed[..., _NECK, :])
    return placed


assert MIRROR[_RIGHT_HIP] == _LEFT_HIP
