"""The error to expect of every joint, and the spreads that tell it."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from diffpose_core.lifting.encode import EncodedFrames, context_for
from diffpose_core.lifting.view import clip_view
from diffpose_core.models.denoiser import Denoiser
from diffpose_core.uncertainty.expected_error import Calibration, known_of
from diffpose_core.uncertainty.indeterminate import metric_scale


def expected_error(
    encoded: EncodedFrames, network: Denoiser, calibration: Calibration, hypotheses_cam: np.ndarray
) -> np.ndarray:
    """The error to expect of every joint of the hypotheses' mean, (F, J) metres.

    hypotheses_cam: (F, H, J, 3), what the network made of the encoded frames, at least two a frame. It is the mean
    error of such joints on the motions that the calibration was measured on, with the simulated detector; where a joint
    was guessed, with the error on top that the guess may have. Raises InvalidInput on a single hypothesis.
    """
    started = context_for(encoded, network).pose_view
    hypotheses = encoded.view.to_view(torch.from_numpy(hypotheses_cam).to(started.device))
    spread = mixture_std_m(encoded)
    known = known_of(hypotheses.cpu().numpy(), started.cpu().numpy(), spread.cpu().numpy(), calibration.usual_view)
    return np.hypot(calibration.expected_error(known), _error_of_guesses(encoded)).astype(np.float32)


def mixture_std_m(encoded: EncodedFrames) -> Tensor:
    """Spread of each joint's 2D mixture, root mean square over both axes, (F, J) metres at the hip's distance."""
    scale, _ = metric_scale(encoded.view, encoded.context.pose_view)
    return encoded.view.joint_std_norm * scale[:, None]


def _error_of_guesses(encoded: EncodedFrames) -> np.ndarray:
    """Mean length of the error that the mixtures of guessed joints speak of, (F, J) metres; 0 where one was detected.

    The network reads no spread as wide as a guess's (`View.levelled`), and its hypotheses don't show it.
    """
    guessed = encoded.clip.guessed[encoded.frames]
    if not guessed.any():
        return np.zeros(guessed.shape)
    said = clip_view(encoded.clip, encoded.frames, levelled=False).joint_std_norm
    scale = metric_scale(encoded.view, encoded.context.pose_view)[0].cpu()
    # Of a normal distribution in the plane with this spread along each axis.
    return np.where(guessed, math.sqrt(math.pi / 2) * (said * scale[:, None]).numpy(), 0.0)
