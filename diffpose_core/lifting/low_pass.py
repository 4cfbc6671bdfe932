"""Smooths a lifted clip over time, with one control: the cut-off of a low-pass filter."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from diffpose_core.skeleton import constant_bones
from diffpose_core.structures import InvalidInput, LiftResult
from diffpose_core.uncertainty.identity import bridged, own_frames

#: Lowest and highest cut-off, Hz. 4 to 8 Hz are usual for human motion.
CUTOFF_HZ = (0.5, 30.0)
#: Order of the Butterworth filter; it runs forwards and backwards, which doubles it and keeps the time.
_ORDER = 2


def check_cutoff(cutoff_hz: float) -> None:
    """Check a cut-off.

    Raises:
        InvalidInput: it is out of range.
    """
    low, high = CUTOFF_HZ
    if not low <= cutoff_hz <= high:
        raise InvalidInput(f"the cut-off of smoothing must lie between {low:g} and {high:g} Hz, found {cutoff_hz:g}")


def low_passed(result: LiftResult, cutoff_hz: float) -> LiftResult:
    """The result with prediction, baseline and path smoothed: Butterworth, fourth order, without delay.

    Hypotheses, spreads and trace stay. Bones that kept their lengths keep them. A clip whose frame rate holds nothing
    above the cut-off stays as it is. So do frames that show somebody else; the others are smoothed as if the person had
    moved evenly through them.

    Args:
        result: of `lift`.
        cutoff_hz: motion that is faster is taken out.

    Raises:
        InvalidInput: the cut-off is out of range.

    Source: Winter, Biomechanics and Motor Control of Human Movement, section 3.4.
    """
    check_cutoff(cutoff_hz)
    rigid = bool(result.provenance.get("settings", {}).get("rigid_bones", False))
    provenance = {**result.provenance, "smoothed_hz": cutoff_hz}
    if cutoff_hz >= 0.5 * result.fps or len(result) < 2:
        return replace(result, provenance=provenance)

    own = own_frames(result.other_person)

    def smooth(array: np.ndarray) -> np.ndarray:
        smoothed = array.copy()
        smoothed[own] = _filtered(bridged(array, own), cutoff_hz, result.fps)[own]
        return smoothed

    def smooth_pose(pose: np.ndarray) -> np.ndarray:
        return constant_bones(smooth(pose), like=pose[own]) if rigid else smooth(pose)

    return replace(
        result,
        pose3d=smooth_pose(result.pose3d),
        baseline=smooth_pose(result.baseline),
        root_cam=None if result.root_cam is None else smooth(result.root_cam),
        provenance=provenance,
    )


def _filtered(array: np.ndarray, cutoff_hz: float, fps: float) -> np.ndarray:
    from scipy.signal import butter, sosfiltfilt

    sections = butter(_ORDER, cutoff_hz, fs=fps, output="sos")
    # As long as the filter's memory, and shorter than the clip.
    padding = min(len(array) - 1, int(np.ceil(3 * fps / cutoff_hz)))
    return np.asarray(sosfiltfilt(sections, array, axis=0, padlen=padding).astype(array.dtype))
