"""Joints that a person's own limbs and torso hide from a camera, with capsules in place of a body's surface."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from diffpose_core.skeleton import NUM_JOINTS

#: Capsules (joint a, joint b, radius in metres) that hide everything behind them.
CAPSULES: tuple[tuple[int, int, float], ...] = (
    (1, 2, 0.075),
    (2, 3, 0.055),
    (4, 5, 0.075),
    (5, 6, 0.055),
    (0, 8, 0.130),
    (9, 10, 0.090),
    (11, 12, 0.050),
    (12, 13, 0.040),
    (14, 15, 0.050),
    (15, 16, 0.040),
    (1, 4, 0.100),
    (11, 14, 0.080),
)
#: Capsules of the trunk and the joints that lie inside it: the trunk hides a far hip or shoulder, never its own axis.
_TRUNK_CAPSULES = (4, 10, 11)
_TRUNK_JOINTS = (0, 7, 8, 9)


def _capsule_touches_joint() -> np.ndarray:
    """(17, C) bool: pairs in which a capsule can't hide a joint, because the joint is part of it."""
    touches = np.zeros((NUM_JOINTS, len(CAPSULES)), dtype=bool)
    for c, (a, b, _) in enumerate(CAPSULES):
        touches[[a, b], c] = True
        if c in _TRUNK_CAPSULES:
            touches[list(_TRUNK_JOINTS), c] = True
    # Neck and head are one piece: the head does not hide the thorax below it.
    touches[8, 5] = True
    return touches


_TOUCHES = _capsule_touches_joint()


def hidden_joints(joints_cam: Tensor, depth_margin_m: float = 0.05) -> tuple[Tensor, Tensor]:
    """Find the joints that a limb or the torso hides from the camera at the origin.

    Geometry: closest approach of the line of sight to each capsule's axis.

    Args:
        joints_cam: (..., J, 3) absolute camera frame, metres.
        depth_margin_m: a capsule hides a joint only if it is this much nearer to the camera.

    Returns:
        hidden, (..., J) bool, and the joint next to the hiding place that is nearest to the camera, (..., J) int64
        (meaningless where nothing hides).
    """
    device = joints_cam.device
    index_a = torch.tensor([c[0] for c in CAPSULES], device=device)
    index_b = torch.tensor([c[1] for c in CAPSULES], device=device)
    radius = torch.tensor([c[2] for c in CAPSULES], dtype=joints_cam.dtype, device=device)
    distance = joints_cam.norm(dim=-1)
    sight = joints_cam / distance[..., None]
    start = joints_cam[..., None, index_a, :]
    axis = joints_cam[..., None, index_b, :] - start
    ray = sight[..., :, None, :]
    # Components perpendicular to the line of sight: the distance to the line is their length.
    start_along = (start * ray).sum(-1)
    axis_along = (axis * ray).sum(-1)
    start_across = start - start_along[..., None] * ray
    axis_across = axis - axis_along[..., None] * ray
    t = -(start_across * axis_across).sum(-1) / axis_across.square().sum(-1).clamp_min(1e-9)
    t = t.clamp(0.0, 1.0)
    gap = (start_across + t[..., None] * axis_across).norm(dim=-1)
    along = start_along + t * axis_along
    blocks = (gap < radius) & (along < distance[..., None] - depth_margin_m)
    blocks &= ~torch.as_tensor(_TOUCHES, device=device)
    hidden = blocks.any(-1)
    nearest = torch.where(blocks, along, torch.inf).argmin(-1)
    nearer_end = torch.where(t.gather(-1, nearest[..., None])[..., 0] < 0.5, index_a[nearest], index_b[nearest])
    return hidden, nearer_end
