"""Standing feet held in their places: legs are bent so that their ankles get there, bones keep their lengths."""

from __future__ import annotations

import numpy as np

from diffpose_core.lifting.world.contacts import ANKLES, runs_of

#: (hip, knee, ankle) of each leg.
_LEGS = ((1, 2, 3), (4, 5, 6))
#: Time over which a correction fades before and after a contact, seconds.
_FADE_S = 0.15
#: Weight of the body's own front in the direction to which a knee bends.
_STRAIGHT = 0.02


def hold_feet(pose: np.ndarray, standing: np.ndarray, level: float, fps: float, drift_m: float) -> np.ndarray:
    """Poses whose standing feet keep their places.

    Each foot stands at the median place of its stretch, at the height of a standing ankle. Before and after a stretch
    the correction fades.

    Args:
        pose: (F, 17, 3) metres, z up.
        standing: (F, 2) bool, right and left.
        level: z of a standing ankle, metres.
        fps: frames a second.
        drift_m: see `contacts.runs_of`.

    Returns:
        A new array, (F, 17, 3).
    """
    held = pose.copy()
    left = pose[:, 4] - pose[:, 1]
    forward = np.stack([left[:, 1], -left[:, 0], np.zeros(len(pose))], axis=-1)
    for foot, leg in enumerate(_LEGS):
        ankle = pose[:, ANKLES[foot]]
        runs = runs_of(standing[:, foot], ankle, drift_m)
        if not runs:
            continue
        moved = np.zeros_like(ankle)
        for run in runs:
            moved[run] = np.array([*np.median(ankle[run, :2], axis=0), level]) - ankle[run]
        moved += _faded(moved, runs, fps)
        changed = np.flatnonzero(np.abs(moved).max(-1) > 0)
        rows = np.ix_(changed, np.array(leg))
        held[rows] = _bent(pose[rows], (ankle + moved)[changed], forward[changed])
    return held


def _faded(moved: np.ndarray, runs: list[slice], fps: float) -> np.ndarray:
    """Corrections of the frames between stretches, (F, 3): those of the nearest frames that stand, fading.

    Args:
        moved: (F, 3), corrections of the frames inside stretches.
        runs: the stretches, in order.
        fps: frames a second.
    """
    frames = np.arange(len(moved))
    first, last = np.array([run.start for run in runs]), np.array([run.stop - 1 for run in runs])
    before = np.searchsorted(last, frames) - 1
    after = np.searchsorted(first, frames, side="right")
    away_before = np.where(before >= 0, frames - last[before], np.inf)
    away_after = np.where(after < len(runs), first[np.minimum(after, len(runs) - 1)] - frames, np.inf)

    def eased(share: np.ndarray) -> np.ndarray:
        return np.where(share < 1, 0.5 + 0.5 * np.cos(np.pi * np.minimum(share, 1)), 0.0)

    outside = np.searchsorted(last, frames) == after  # no stretch begins by this frame without having ended
    found = np.zeros_like(moved)
    for away, other, nearest in (
        (away_before, away_after, last[before]),
        (away_after, away_before, first[np.minimum(after, len(runs) - 1)]),
    ):
        near = outside & np.isfinite(away)
        between = np.zeros(len(moved))
        np.divide(away, away + other, out=between, where=near & np.isfinite(other))
        share = eased(away / (fps * _FADE_S)) * eased(between)
        found[near] += share[near, None] * moved[nearest[near]]
    return found


def _bent(leg: np.ndarray, target: np.ndarray, forward: np.ndarray) -> np.ndarray:
    """Legs whose ankles are at a target, or as near as their bones reach; knees bend to where they did.

    Args:
        leg: (F, 3, 3), hip, knee and ankle.
        target: (F, 3).
        forward: (F, 3), to where a straight leg's knee bends.
    """
    hip, knee = leg[:, 0], leg[:, 1]
    thigh, shin = (np.linalg.norm(leg[:, b] - leg[:, a], axis=-1) for a, b in ((0, 1), (1, 2)))
    way = target - hip
    length = np.linalg.norm(way, axis=-1)
    direction = way / np.maximum(length, 1e-9)[:, None]
    reach = np.clip(length, np.abs(thigh - shin) + 1e-6, thigh + shin - 1e-6)

    def across(vectors: np.ndarray) -> np.ndarray:
        return np.asarray(vectors - (vectors * direction).sum(-1, keepdims=True) * direction)

    # A knee that is all but straight tells little of where it bends.
    side = across(knee - hip) + _STRAIGHT * across(forward)
    side = side / np.maximum(np.linalg.norm(side, axis=-1, keepdims=True), 1e-9)
    cosine = np.clip((thigh**2 + reach**2 - shin**2) / np.maximum(2 * thigh * reach, 1e-9), -1, 1)
    bent = leg.copy()
    bent[:, 1] = hip + thigh[:, None] * (cosine[:, None] * direction + np.sqrt(1 - cosine**2)[:, None] * side)
    bent[:, 2] = hip + reach[:, None] * direction
    return bent
