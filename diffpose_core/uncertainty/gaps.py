"""Joints that a detector did not find: a guess of their places, and the error that it may have.

Nothing is silently interpolated: every guessed joint gets a mixture that is wider the longer the joint has not been
seen. H_K, the cloud of poses and the result show the doubt.
"""

from __future__ import annotations

import numpy as np

from diffpose_core.skeleton import NUM_JOINTS
from diffpose_core.structures import InvalidInput, PoseMixture
from diffpose_core.uncertainty.mixtures import LOST_STD, levelled_std, mixture_of_spread

#: After this many seconds unseen, a joint's spread has grown to 1 - 1/e of that of a joint never seen. That is
#: about a third more than the guesses' root mean square error on Mocap-17's training motions (0.06 of the person's size
#: after 0.1 s, 0.13 after 0.2 s, 0.25 after 0.5 s), which is heavier in its tails than a Gaussian.
FORGET_SECONDS = 0.6
#: Places of the joints in a person who stands and faces the camera, in units of the person's size, y down.
_STANDING = np.array([
    (0.00, 0.12), (-0.24, 0.12), (-0.26, 1.00), (-0.28, 1.80), (0.24, 0.12), (0.26, 1.00), (0.28, 1.80), (0.00, -0.35),
    (0.00, -0.85), (0.00, -1.05), (0.00, -1.25), (0.32, -0.80), (0.48, -0.20), (0.52, 0.30), (-0.32, -0.80),
    (-0.48, -0.20), (-0.52, 0.30),
])  # fmt: skip
_BLOCK = 20_000


def fill_gaps(keypoints_px: np.ndarray, confidence: np.ndarray, fps: float) -> tuple[np.ndarray, PoseMixture]:
    """Guess the joints with confidence 0.

    A guess comes from the nearest frames before and after in which the joint was seen, moved along with the joints that
    both frames have; the nearer frame counts more. A joint that is never seen is placed as on a standing person.

    Its variance is that of the less sure of these frames, plus the square of LOST_STD (1 - exp(-t / FORGET_SECONDS)) of
    the person's size, t being the time to the nearest of them. Its spread is LOST_STD at most.

    Args:
        keypoints_px: (F, J, 2); values at confidence 0 are not read.
        confidence: (F, J) in [0, 1].
        fps: frames a second.

    Returns:
        Keypoints without gaps, (F, J, 2), and the mixtures of all joints; those of observed ones are as
        `mixture_from_confidence` makes them.

    Raises:
        InvalidInput: no joint is seen in any frame.
    """
    seen = confidence > 0
    if not seen.any():
        raise InvalidInput("every joint of every frame is missing: there is nothing to lift")
    points = np.where(seen[..., None], keypoints_px, 0.0).astype(np.float64)
    filled, relative = points.copy(), levelled_std(confidence)
    for joint in range(NUM_JOINTS):
        if seen[:, joint].any():
            _fill_joint(joint, points, seen, filled, relative, fps)
    never = np.logical_not(seen.any(0))
    if never.any():
        filled[:, never] = _as_standing(filled, never)
    filled = filled.astype(np.float32)
    return filled, mixture_of_spread(filled, relative)


def _fill_joint(
    joint: int, points: np.ndarray, seen: np.ndarray, filled: np.ndarray, relative: np.ndarray, fps: float
) -> None:
    """Write one joint's guesses into `filled` and their spreads, in units of the person's size, into `relative`."""
    known = np.flatnonzero(seen[:, joint])
    gaps = np.flatnonzero(~seen[:, joint])
    for begin in range(0, len(gaps), _BLOCK):
        frames = gaps[begin : begin + _BLOCK]
        place = np.searchsorted(known, frames)
        before, after = known[np.maximum(place - 1, 0)], known[np.minimum(place, len(known) - 1)]
        to_before, to_after = np.abs(frames - before), np.abs(after - frames)
        # Before the first and after the last both are the same frame.
        share = (to_after / (to_before + to_after))[:, None]
        guesses = [_carried(joint, points, seen, reference, frames) for reference in (before, after)]
        filled[frames, joint] = share * guesses[0] + (1.0 - share) * guesses[1]
        growth = LOST_STD * -np.expm1(-np.minimum(to_before, to_after) / (fps * FORGET_SECONDS))
        least_sure = np.maximum(relative[before, joint], relative[after, joint])
        relative[frames, joint] = np.minimum(np.hypot(least_sure, growth), LOST_STD)


def _carried(joint: int, points: np.ndarray, seen: np.ndarray, reference: np.ndarray, frames: np.ndarray) -> np.ndarray:
    """A joint's place in the reference frames, moved and scaled as the joints that both frames have. (N, 2)."""
    both = (seen[reference] & seen[frames])[..., None]
    count = np.maximum(both.sum(1), 1)
    centres = [np.where(both, points[f], 0.0).sum(1) / count for f in (reference, frames)]
    spreads = [
        np.sqrt(np.where(both, np.square(points[f] - c[:, None]), 0.0).sum((1, 2)))
        for f, c in zip((reference, frames), centres, strict=True)
    ]
    ratio = np.divide(spreads[1], spreads[0], out=np.ones(len(frames)), where=(spreads[0] > 0) & (count[:, 0] > 2))
    return centres[1] + np.clip(ratio, 0.5, 2.0)[:, None] * (points[reference, joint] - centres[0])


def _as_standing(filled: np.ndarray, never: np.ndarray) -> np.ndarray:
    """Places of joints that no frame has, (F, n, 2), on a standing person of the size and place of the others."""
    others, template = filled[:, ~never], _STANDING[~never]
    centre, middle = others.mean(1, keepdims=True), template.mean(0)
    spread = np.sqrt(np.square(others - centre).sum((1, 2)))
    own = np.sqrt(np.square(template - middle).sum())
    scale = spread / own if own > 0 else np.ones_like(spread)
    return centre + scale[:, None, None] * (_STANDING[never] - middle)
