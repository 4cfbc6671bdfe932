"""2D mixtures of a clip whose detector gave confidences only, and clips with one joint made less sure."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from diffpose_core.skeleton import NUM_JOINTS
from diffpose_core.structures import InvalidInput, PoseClip2D, PoseMixture

#: Spread that every view is brought to, geometric mean over the joints, in units of the pose's own size: the mean of
#: the simulated detector's. The overall width of heatmaps can't be relied on. Detectors differ in it, and confidences
#: don't have it. The simulated detector errs by the same length on everybody, so its width tells a person's size: a
#: network that was given it took it for scale.
MEAN_STD = 0.046
#: Spread of a joint relative to the person's size (root mean square distance of the joints from their centre): at full
#: confidence, and for a joint of which nothing is known.
SURE_STD = 0.035
LOST_STD = 0.6
_HALF_STD = 0.12


def person_size_px(keypoints_px: np.ndarray) -> np.ndarray:
    """Root mean square distance of the joints from their centre, (F, J, 2) -> (F,) pixels, a thousandth at least."""
    centre = keypoints_px.mean(1, keepdims=True)
    return np.maximum(np.sqrt(np.square(keypoints_px - centre).sum(-1).mean(-1)), 1e-3)


def relative_std(confidence: np.ndarray) -> np.ndarray:
    """Spread of a joint in units of the person's size: 0.12 sqrt(1 / c^2 - 1), kept between SURE_STD and LOST_STD.

    Args:
        confidence: c, any shape, in [0, 1].
    """
    c = np.clip(confidence, 1e-3, 1.0)
    return np.clip(_HALF_STD * np.sqrt(np.maximum(1.0 / c**2 - 1.0, 0.0)), SURE_STD, LOST_STD)


def levelled_std(confidence: np.ndarray) -> np.ndarray:
    """`relative_std` of joints beside the others of their pose.

    Confidences of different detectors can't be compared. So the spreads of a pose's seen joints (confidence above 0)
    are brought to a mean of MEAN_STD; a joint that wasn't seen has LOST_STD.

    Args:
        confidence: (F, J) in [0, 1].

    Returns:
        (F, J), in units of the person's size.
    """
    relative, seen = relative_std(confidence), confidence > 0
    mean = (relative * seen).sum(1, keepdims=True) / np.maximum(seen.sum(1, keepdims=True), 1)
    return np.where(seen, relative * (MEAN_STD / np.maximum(mean, SURE_STD)), relative)


def mixture_from_confidence(keypoints_px: np.ndarray, confidence: np.ndarray) -> PoseMixture:
    """One mode for each joint, wider the less confident the detector is of it than of the others (`levelled_std`).

    Args:
        keypoints_px: (F, J, 2).
        confidence: (F, J) in [0, 1].
    """
    return mixture_of_spread(keypoints_px, levelled_std(confidence))


def mixture_of_spread(keypoints_px: np.ndarray, relative: np.ndarray) -> PoseMixture:
    """One mode for each joint.

    Args:
        keypoints_px: (F, J, 2).
        relative: (F, J), spreads in units of the person's size.
    """
    std = relative * person_size_px(keypoints_px)[:, None]
    variances = np.repeat(np.square(std)[:, :, None, None], 2, axis=-1)
    return PoseMixture(np.ones((*relative.shape, 1)), keypoints_px[:, :, None], variances)


def exact_mixture(keypoints_px: np.ndarray) -> PoseMixture:
    """One mode for each joint at its place, for exact poses.

    Its spread is MEAN_STD: no denoiser has seen sharper ones.

    Args:
        keypoints_px: (F, J, 2).
    """
    return mixture_of_spread(keypoints_px, np.full(keypoints_px.shape[:2], MEAN_STD))


def clip_mixture(clip: PoseClip2D, frames: slice | np.ndarray | None = None) -> PoseMixture:
    """The clip's own mixtures, or those that follow from its confidences.

    Args:
        clip: in 2D.
        frames: a slice or an integer array that picks frames, all by default.
    """
    picked = slice(None) if frames is None else frames
    if clip.mixture is not None:
        return clip.mixture if frames is None else clip.mixture.frames(picked)
    return mixture_from_confidence(clip.keypoints_px[picked], clip.confidence[picked])


def falling_confidence(confidence: float, count: int) -> np.ndarray:
    """Confidences from a joint's own down to 0 whose spreads (`relative_std`) grow evenly.

    Args:
        confidence: the joint's own, in [0, 1].
        count: of confidences, at least 2.

    Returns:
        (count,), the last one 0.

    Raises:
        InvalidInput: confidence or count is out of range.
    """
    if not 0 <= confidence <= 1 or count < 2:
        raise InvalidInput(f"expected a confidence from 0 to 1 and at least 2 levels, found {confidence} and {count}")
    own = min(_HALF_STD * np.sqrt(1.0 / max(confidence, 1e-3) ** 2 - 1.0), LOST_STD)
    levels = 1.0 / np.sqrt(1.0 + np.square(np.linspace(own, LOST_STD, count) / _HALF_STD))
    levels[0], levels[-1] = confidence, 0.0
    return levels


def less_sure(clip: PoseClip2D, joint: int, confidence: np.ndarray | float) -> PoseClip2D:
    """The clip with one joint made less sure.

    Where the new confidence is below the clip's own, every mode of the joint's mixture gets at least the spread
    `relative_std`. Places and weights stay, and no joint gets surer.

    Args:
        clip: in 2D.
        joint: its number.
        confidence: of the joint, in [0, 1], one number or (F,); 0 for a joint of which nothing is known.

    Raises:
        InvalidInput: joint or confidence is out of range.
    """
    if not 0 <= joint < NUM_JOINTS:
        raise InvalidInput(f"a joint's number lies between 0 and {NUM_JOINTS - 1}, found {joint}")
    wanted = np.asarray(confidence, dtype=np.float64)
    if wanted.shape not in ((), (len(clip),)):
        raise InvalidInput(f"confidence must be one number or one for each of {len(clip)} frames, found {wanted.shape}")
    if not bool(((wanted >= 0) & (wanted <= 1)).all()):
        raise InvalidInput(f"confidence must lie between 0 and 1, found {wanted.min()} to {wanted.max()}")
    confidences = clip.confidence.copy()
    lower = wanted < confidences[:, joint]
    confidences[:, joint] = np.where(lower, wanted, confidences[:, joint])
    mixture = clip_mixture(clip)
    variances = mixture.variances_px2.copy()
    least = np.square(relative_std(confidences[:, joint]) * person_size_px(clip.keypoints_px))[:, None, None]
    variances[lower, joint] = np.maximum(variances[lower, joint], least[lower])
    return replace(clip, confidence=confidences, mixture=PoseMixture(mixture.weights, mixture.means_px, variances))
