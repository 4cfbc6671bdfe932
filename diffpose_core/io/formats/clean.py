"""Missing joints and confidences, whatever way a detector writes them."""

from __future__ import annotations

import numpy as np

from diffpose_core.io.formats.detections import Notes

#: Coordinates beyond this, in pixels, are none.
_FARTHEST = 1e6


def clean(keypoints: np.ndarray, confidence: np.ndarray, notes: Notes) -> tuple[np.ndarray, np.ndarray]:
    """Mark missing joints and bring confidences to 0 to 1.

    A joint is missing at exactly (0, 0), where it isn't a number, or with confidence 0.

    Args:
        keypoints: (N, J, 2).
        confidence: (N, J), NaN where the file has none.
        notes: gets the repairs.

    Returns:
        Keypoints, (N, J, 2) float32, NaN where missing, and confidences, (N, J) float32, 0 there.
    """
    confidence = scaled_confidence(confidence, notes)
    with np.errstate(invalid="ignore", over="ignore"):
        far = ~(np.abs(keypoints) < _FARTHEST).all(-1) & ~np.isnan(keypoints).any(-1)
    if far.any():
        notes.add(f"{int(far.sum())} joints lie at infinity or more than a million pixels away: taken as missing.")
    zero = (keypoints == 0).all(-1)
    missing = far | zero | np.isnan(keypoints).any(-1) | (confidence == 0)
    if (zero & (confidence > 0)).any():
        notes.add("Joints at exactly (0, 0) are taken as missing.")
    points = np.where(missing[..., None], np.nan, keypoints).astype(np.float32)
    return points, np.where(missing, 0.0, confidence).astype(np.float32)


def scaled_confidence(confidence: np.ndarray, notes: Notes) -> np.ndarray:
    """Bring confidences of any range to [0, 1]; without any, all are 1.

    Args:
        confidence: (N, J), NaN where the file has none.
        notes: gets the assumptions.
    """
    known = np.isfinite(confidence)
    if not known.all():
        if not known.any():
            notes.add("The file has no confidences: every joint that is placed counts as sure.")
            return np.ones_like(confidence, dtype=np.float64)
        notes.add("Joints whose confidence isn't a number are taken as missing.")
    values = np.where(known, confidence, 0.0)
    if (values < 0).any():
        notes.add("Confidences below 0 are taken as 0: missing.")
    values = np.maximum(values, 0.0)
    most = float(values.max(initial=0.0))
    if most <= 1:
        return values
    usual = float(np.percentile(values[values > 0], 95))
    if usual <= 2:
        notes.add(f"Confidences reach {most:.2f}: those above 1 are taken as 1.")
        return np.minimum(values, 1.0)
    top, why = (100.0, "taken as percent") if 10 < most <= 100 else (most, "divided by the largest")
    notes.add(f"Confidences reach {most:.4g}: {why}.")
    return values / top
