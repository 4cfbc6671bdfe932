"""The error to expect of every joint of a lifted pose."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from diffpose_core.lifting.encode import EncodedFrames, context_for
from diffpose_core.lifting.view import mixture_view
from diffpose_core.models.denoiser import Denoiser
from diffpose_core.uncertainty.expected_error import Calibration, known_of
from diffpose_core.uncertainty.indeterminate import metric_scale


def expected_error(
    encoded: EncodedFrames, network: Denoiser, calibration: Calibration, hypotheses_cam: np.ndarray
) -> np.ndarray:
    """The error to expect of every joint of the hypotheses' mean.

    It is the mean error of such joints on the motions that the calibration was measured on, with the simulated
    detector. For a guessed joint, the error that the guess may have is added.

    Args:
        encoded: F frames.
        network: the denoiser.
        calibration: of that denoiser.
        hypotheses_cam: (F, H, J, 3) metres, root-relative, camera frame, H at least 2.

    Returns:
        (F, J) metres.

    Raises:
        InvalidInput: there is a single hypothesis.
    """
    encoder_pose = context_for(encoded, network).pose_view
    hypotheses = encoded.view.to_view(torch.from_numpy(hypotheses_cam).to(encoder_pose.device))
    spread = mixture_std_m(encoded)
    known = known_of(hypotheses.cpu().numpy(), encoder_pose.cpu().numpy(), spread.cpu().numpy(), calibration.usual_view)
    return np.hypot(calibration.expected_error(known), _error_of_guesses(encoded)).astype(np.float32)


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
