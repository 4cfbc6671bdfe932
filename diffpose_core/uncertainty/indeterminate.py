"""The indeterminate pose distribution H_K of an input (main paper, section 4.2).

x and y come from the joints' 2D mixtures, brought to metres through the context encoder's scale; z comes from
the encoder's prediction and the spread that its errors had on the training set.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from diffpose_core.skeleton import NUM_JOINTS
from diffpose_core.structures import InvalidInput
from diffpose_core.uncertainty.draws import drawn_once
from diffpose_core.uncertainty.fit_gmm import block_frames
from diffpose_core.uncertainty.view import View

#: Distance of the person that stands for an unknown camera, in metres. A constant, so that size in the image has no
#: effect.
UNKNOWN_CAMERA_DISTANCE_M = 5.0
_NEAREST_M = 1.0


@dataclass(frozen=True)
class DepthResidual:
    """Errors of the encoder's depth, measured on training data.

    The variance of joint j's depth error is base_var + spread_gain * s^2, where s is the spread of its 2D mixture in
    metres.

    Attributes:
        correlation: (J, J), of the joints' depth errors; the hip never errs and has the row and column of a unit
            matrix.
        base_var: (J,) square metres.
        spread_gain: (J,).

    Raises:
        InvalidInput: wrong shapes, numbers that are not finite, or negative variances.
    """

    correlation: Tensor
    base_var: Tensor
    spread_gain: Tensor

    def __post_init__(self) -> None:
        expected = {
            "correlation": (NUM_JOINTS, NUM_JOINTS), "base_var": (NUM_JOINTS,), "spread_gain": (NUM_JOINTS,)
        }  # fmt: skip
        for name, shape in expected.items():
            tensor = getattr(self, name)
            if tuple(tensor.shape) != shape or not bool(torch.isfinite(tensor).all()):
                raise InvalidInput(f"depth residual: {name} must be finite and {shape}, found {tuple(tensor.shape)}")
        if bool((self.base_var < 0).any()) or bool((self.spread_gain < 0).any()):
            raise InvalidInput("depth residual: variances must not be negative")

    def to(self, device: torch.device | str) -> DepthResidual:
        """The same on another device."""
        return DepthResidual(self.correlation.to(device), self.base_var.to(device), self.spread_gain.to(device))

    @cached_property
    def correlation_cholesky(self) -> Tensor:
        """The lower Cholesky factor of the correlation, (J, J)."""
        return torch.linalg.cholesky(self.correlation)

    def std(self, spread: Tensor) -> Tensor:
        """Standard deviation of each joint's depth error, (B, J) metres.

        Args:
            spread: (B, J) metres, of the 2D mixtures.
        """
        return (self.base_var + self.spread_gain * spread.square()).sqrt()


def fit_depth_residual(residual: Tensor, spread: Tensor) -> DepthResidual:
    """Measure a DepthResidual.

    The two terms of the variance come from least squares on squared residuals in bins of the spread, kept at or above
    0.

    Args:
        residual: (N, J) metres, true minus predicted depth.
        spread: (N, J) metres, of the 2D mixtures.
    """
    squares, predictor = residual.double().square(), spread.double().square()
    base, gain = torch.zeros(NUM_JOINTS, dtype=torch.float64), torch.zeros(NUM_JOINTS, dtype=torch.float64)
    for joint in range(1, NUM_JOINTS):
        order = predictor[:, joint].argsort()
        bins_x = torch.stack([chunk.mean() for chunk in predictor[order, joint].chunk(20)])
        bins_y = torch.stack([chunk.mean() for chunk in squares[order, joint].chunk(20)])
        centred = bins_x - bins_x.mean()
        slope = (centred * (bins_y - bins_y.mean())).sum() / centred.square().sum().clamp_min(1e-12)
        gain[joint] = slope.clamp_min(0.0)
        base[joint] = (bins_y.mean() - gain[joint] * bins_x.mean()).clamp_min(1e-6)
    std = (base + gain * predictor).clamp_min(1e-12).sqrt()
    scaled = (residual.double() / std)[:, 1:]
    correlation = torch.eye(NUM_JOINTS, dtype=torch.float64)
    correlation[1:, 1:] = torch.corrcoef(scaled.T)
    # A little shrinkage keeps the Cholesky factor of a nearly singular estimate real.
    correlation = 0.99 * correlation + 0.01 * torch.eye(NUM_JOINTS, dtype=torch.float64)
    return DepthResidual(correlation.float(), base.float(), gain.float())


def metric_scale(view: View, pose_view: Tensor) -> tuple[Tensor, Tensor]:
    """Metres of a normalised unit at the hip's depth, and the hip's distance, from the encoder's 3D pose.

    With x the predicted and p the detected place, x = p (a + u z) is fitted for a by least squares, joints weighted by
    how sure their 2D place is; u is the size of a unit on the plane at 1 m, and a / u the distance. With an unknown
    camera the distance is UNKNOWN_CAMERA_DISTANCE_M and x = p a (1 + z / distance).

    Args:
        view: B frames.
        pose_view: (B, J, 3) metres, root-relative, view frame.

    Returns:
        Scale (B,) and distance (B,), metres.
    """
    place, depth = view.pose_norm, pose_view[..., 2:]
    certainty = 1.0 / (view.joint_std_norm.square() + 1e-3)[..., None]
    known = torch.isfinite(view.plane_unit)
    unit = torch.where(known, view.plane_unit, 0.0)[:, None, None]
    factor = torch.where(known[:, None, None], 1.0, 1.0 + depth / UNKNOWN_CAMERA_DISTANCE_M)
    grown = place * factor
    target = pose_view[..., :2] - place * unit * depth
    scale = (certainty * grown * target).sum((1, 2)) / (certainty * grown.square()).sum((1, 2)).clamp_min(1e-9)
    scale = scale.clamp(0.05, 2.0)
    distance = torch.where(known, scale / unit[:, 0, 0].clamp_min(1e-9), UNKNOWN_CAMERA_DISTANCE_M)
    return scale, distance.clamp_min(_NEAREST_M)


def _drawn(
    generator: torch.Generator, frames: int, num_samples: int, joints: int, dtype: torch.dtype
) -> tuple[Tensor, Tensor]:
    """Normal and uniform random numbers, (B, J, 3, N) and (B, J, N).

    Draws run along the last axis from here on: everything that follows then streams through memory.
    """
    source = generator.device
    noise = torch.randn(frames, num_samples, joints, 3, generator=generator, device=source, dtype=dtype)
    uniform = torch.rand(frames, num_samples, joints, generator=generator, device=source, dtype=dtype)
    return noise.permute(0, 2, 3, 1).contiguous(), uniform.mT.contiguous()


def sample_indeterminate(
    view: View,
    pose_view: Tensor,
    depth: DepthResidual,
    num_samples: int,
    generator: torch.Generator,
    shared_noise: bool = False,
) -> Tensor:
    """Draw poses from H_K of every frame.

    Args:
        view: B frames.
        pose_view: (B, J, 3) metres, the encoder's poses, root-relative, view frame.
        depth: errors of the encoder's depth.
        num_samples: N_GMM.
        generator: on the view's device, or on the CPU, which gives the same draws for every device.
        shared_noise: the same random numbers for every frame: a frame's draws depend on no other frame and change
            smoothly over a clip.

    Returns:
        (B, N, J, 3) metres, root-relative (the hip is exactly 0), view frame.

    Source: main paper, section 4.2.
    """
    device, dtype = pose_view.device, pose_view.dtype
    batch, joints, _ = view.weights.shape
    scale, distance = metric_scale(view, pose_view)
    spread = view.joint_std_norm * scale[:, None]
    correlated = depth.correlation_cholesky.to(device, dtype)
    if shared_noise:
        drawn = drawn_once(_drawn, generator, 1, num_samples, joints, dtype)
    else:
        drawn = _drawn(generator, batch, num_samples, joints, dtype)
    noise, uniform = (numbers.to(device) for numbers in drawn)
    depth_std = depth.std(spread)[..., None]
    edges, means, stds = view.weights.cumsum(-1), view.means_norm[..., None], view.stds_norm[..., None]
    poses = pose_view.new_empty(batch, joints, 3, num_samples)
    size = block_frames(device)
    for begin in range(0, batch, size):
        rows = slice(begin, begin + size)
        white, chance = (noise, uniform) if shared_noise else (noise[rows], uniform[rows])
        edge, mean_of, std_of = edges[rows], means[rows], stds[rows]
        z = correlated @ white[:, :, 2] * depth_std[rows] + pose_view[rows, :, 2:]
        z = z - z[:, :1]
        # Inverse transform sampling of the mode: modes are few, so that comparing beats torch.multinomial.
        mean, std = mean_of[:, :, 0], std_of[:, :, 0]
        for mode in range(1, means.shape[2]):
            later = (chance > edge[..., mode - 1, None])[:, :, None]
            mean, std = torch.where(later, mean_of[:, :, mode], mean), torch.where(later, std_of[:, :, mode], std)
        place = torch.addcmul(mean, std, white[:, :, :2])
        place = place - place[:, :1]
        perspective = (1.0 + z / distance[rows, None, None]).clamp_min(0.1)
        torch.mul(place, (scale[rows, None, None] * perspective)[:, :, None], out=poses[rows, :, :2])
        poses[rows, :, 2] = z
    return poses.permute(0, 3, 1, 2)
