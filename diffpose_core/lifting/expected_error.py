"""The error to expect of every joint of a lifted pose."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from diffpose_core.datasets.bodies import measure
from diffpose_core.lifting.encode import EncodedFrames, context_for
from diffpose_core.lifting.view import mixture_view
from diffpose_core.models.conditions import unusual_proportions
from diffpose_core.models.denoiser import Denoiser
from diffpose_core.uncertainty.expected_error import Calibration, known_of
from diffpose_core.uncertainty.indeterminate import metric_scale
from diffpose_core.uncertainty.residual import residual_m

#: Metres for a factor e in a bone's length: half a metre is about a long bone.
_METRES_PER_LOG = 0.5


@dataclass(frozen=True)
class ExpectedError:
    """The error to expect of F frames.

    Attributes:
        error: (F, J) metres.
        unlike: (F,) bool, frames so unlike the calibration's motions that their error means nothing.
    """

    error: np.ndarray
    unlike: np.ndarray


def expected_error(
    encoded: EncodedFrames, network: Denoiser, calibration: Calibration, hypotheses_cam: np.ndarray
) -> ExpectedError:
    """The error to expect of every joint of the hypotheses' mean.

    It is the mean error of such joints on the motions that the calibration was measured on, with the simulated
    detector. For a guessed joint, the error that the guess may have is added.

    Args:
        encoded: F frames.
        network: the denoiser.
        calibration: of that denoiser.
        hypotheses_cam: (F, H, J, 3) metres, root-relative, camera frame, H at least 2.

    Raises:
        InvalidInput: there is a single hypothesis.
    """
    encoder_pose = context_for(encoded, network).pose_view
    hypotheses = encoded.view.to_view(torch.from_numpy(hypotheses_cam).to(encoder_pose.device))
    spread = mixture_std_m(encoded)
    limited = limited_m(encoded).cpu().numpy()
    known = known_of(
        hypotheses.cpu().numpy(), encoder_pose.cpu().numpy(), spread.cpu().numpy(), calibration.usual_view, limited
    )
    error = np.hypot(calibration.expected_error(known), _error_of_guesses(encoded)).astype(np.float32)
    return ExpectedError(error, calibration.unlike(limited))


def limited_m(encoded: EncodedFrames) -> Tensor:
    """The features `LIMITED` of every frame: residual and proportion of the encoder's pose, (F, 2) metres."""
    seen = torch.from_numpy(~encoded.clip.guessed[encoded.frames]).to(encoded.view.rotation.device)
    pose = encoded.context.pose_view
    return torch.stack((residual_m(encoded.view, pose, seen), proportion_m(pose)), dim=-1)


def proportion_m(pose: Tensor) -> Tensor:
    """Distance of each pose's proportions from usual people's, (B,) metres.

    It is the root mean square logarithm of measure over usual measure, times half a metre.

    Args:
        pose: (B, J, 3) metres.
    """
    return _METRES_PER_LOG * unusual_proportions(measure(pose[:, None])).square().mean(-1).sqrt()


def mixture_std_m(encoded: EncodedFrames) -> Tensor:
    """Spread of each joint's 2D mixture, root mean square over both axes, (F, J) metres at the hip's distance."""
    scale, _ = metric_scale(encoded.view, encoded.context.pose_view)
    return encoded.view.joint_std_norm * scale[:, None]


def _error_of_guesses(encoded: EncodedFrames) -> np.ndarray:
    """Mean error of guessed joints by the spread of their mixtures, (F, J) metres; 0 for detected joints.

    The network is given no spread as wide as a guess's (`View.levelled`), and its hypotheses don't show it.
    """
    guessed = encoded.clip.guessed[encoded.frames]
    if not guessed.any():
        return np.zeros(guessed.shape)
    std_norm = mixture_view(encoded.mixture, encoded.clip.intrinsics).joint_std_norm
    scale = metric_scale(encoded.view, encoded.context.pose_view)[0].cpu()
    # Of a normal distribution in the plane with this spread along each axis.
    return np.where(guessed, math.sqrt(math.pi / 2) * (std_norm * scale[:, None]).numpy(), 0.0)
