"""The distance between detected joints and a 3D pose's reprojection, whatever the pose's size and place."""

from __future__ import annotations

from torch import Tensor

from diffpose_core.uncertainty.indeterminate import metric_scale
from diffpose_core.uncertainty.view import View


def residual_m(view: View, pose_view: Tensor, seen: Tensor) -> Tensor:
    """Root mean square distance of the detected joints from the reprojected ones, (B,) metres.

    The reprojection gets the shift and the positive scale that fit best. Metres are those of the plane through the
    hip, in which detected and predicted pose are taken to be equally large. So the residual is at most the pose's
    root mean square radius, and it reaches that where the two poses have nothing in common.

    Args:
        view: B frames.
        pose_view: (B, J, 3) metres, root-relative, view frame.
        seen: (B, J) bool, the joints that a detector placed; only these count.
    """
    _, distance = metric_scale(view, pose_view)
    perspective = (1.0 + pose_view[..., 2:] / distance[:, None, None]).clamp_min(0.1)
    weight = seen.to(pose_view)[..., None]
    weight = weight / weight.sum(1, keepdim=True).clamp_min(1.0)
    projected, detected = (
        place - (weight * place).sum(1, keepdim=True) for place in (pose_view[..., :2] / perspective, view.pose_norm)
    )
    size, detected_size = ((weight * place.square()).sum((1, 2)) for place in (projected, detected))
    together = (weight * projected * detected).sum((1, 2))
    # Squared residual of the best fit, as a share of the detected pose's square; nothing fits at a negative scale.
    cosine = together.clamp_min(0.0) / (size * detected_size).sqrt().clamp_min(1e-12)
    return (size * (1.0 - cosine.square()).clamp_min(0.0)).sqrt()
