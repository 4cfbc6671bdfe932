"""Training losses over joints."""

from __future__ import annotations

from torch import Tensor


def mean_joint_distance(predicted: Tensor, target: Tensor) -> Tensor:
    """Mean Euclidean distance of the joints, which is MPJPE.

    Args:
        predicted: (..., J, 3), metres.
        target: (..., J, 3), metres.

    Returns:
        A scalar, metres.
    """
    # The hip is exact on both sides; a plain norm would have no gradient there.
    return (predicted - target).square().sum(-1).clamp_min(1e-12).sqrt().mean()
