"""Training losses over joints."""

from __future__ import annotations

from collections.abc import Callable

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


def mean_squared_distance(predicted: Tensor, target: Tensor) -> Tensor:
    """Mean squared Euclidean distance of the joints, the paper's loss.

    Args:
        predicted: (..., J, 3), metres.
        target: (..., J, 3), metres.

    Returns:
        A scalar, square metres.

    Source: DiffPose (Gong et al., 2023), supplement, the training loss of g, as a mean instead of a sum.
    """
    return (predicted - target).square().sum(-1).mean()


#: The losses by their names in `TrainingConfig`.
LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "distance": mean_joint_distance,
    "squared": mean_squared_distance,
}


def up_loss(up: Tensor, std: Tensor, truth: Tensor) -> Tensor:
    """Negative log-likelihood of the true up, but for a constant: normal errors along two axes across it.

    Args:
        up: (B, 3), predicted unit vectors.
        std: (B,), predicted spread of their error along an axis, radians.
        truth: (B, 3), unit vectors.

    Returns:
        (B,).
    """
    return 0.5 * (up - truth).square().sum(-1) / std.square() + 2.0 * std.log()
