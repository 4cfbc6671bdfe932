"""2D mixtures of a clip whose detector gave confidences only."""

from __future__ import annotations

import numpy as np

from diffpose_core.structures import PoseClip2D, PoseMixture

#: Spread of a joint relative to the person's size (root mean square distance of the joints from their centre): at full
#: confidence, and for a joint of which nothing is known.
SURE_STD = 0.035
LOST_STD = 0.6
_HALF_STD = 0.12


def mixture_from_confidence(keypoints_px: np.ndarray, confidence: np.ndarray) -> PoseMixture:
    """One mode a joint, the wider the less confident the detector is.

    keypoints_px: (F, J, 2). confidence: (F, J) in [0, 1]. With c the confidence the spread is
    0.12 sqrt(1 / c^2 - 1) of the person's size, kept between SURE_STD and LOST_STD.
    """
    centre = keypoints_px.mean(1, keepdims=True)
    size = np.sqrt(np.square(keypoints_px - centre).sum(-1).mean(-1))
    size = np.maximum(size, 1e-3)
    c = np.clip(confidence, 1e-3, 1.0)
    relative = np.clip(_HALF_STD * np.sqrt(np.maximum(1.0 / c**2 - 1.0, 0.0)), SURE_STD, LOST_STD)
    std = relative * size[:, None]
    variances = np.repeat(np.square(std)[:, :, None, None], 2, axis=-1).astype(np.float32)
    weights = np.ones((*confidence.shape, 1), dtype=np.float32)
    return PoseMixture(weights, keypoints_px[:, :, None].astype(np.float32), variances)


def clip_mixture(clip: PoseClip2D) -> PoseMixture:
    """The clip's own mixtures, or the ones its confidences stand for."""
    return clip.mixture if clip.mixture is not None else mixture_from_confidence(clip.keypoints_px, clip.confidence)
