"""Frame rates from the times of frames."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import numpy as np

from diffpose_core.io.formats.detections import Notes

_CLOCK = re.compile(r"(?:(\d{1,3}):)?(\d{1,3}):(\d{1,2}(?:[.,]\d{1,9})?)")
#: Rates that cameras have; a measured one this near to one of them is taken as it.
_USUAL = (15.0, 20.0, 23.976, 24.0, 25.0, 29.97, 30.0, 48.0, 50.0, 59.94, 60.0, 90.0, 100.0, 120.0, 200.0, 240.0)
_NEAR = 0.0015


def seconds_of(value: Any) -> float:
    """A time as a number: of a number, of "1:02.5", or of a date and time; NaN where it is none."""
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        pass
    text = str(value).strip()[:40]
    clock = _CLOCK.fullmatch(text)
    if clock:
        hours, minutes, seconds = clock.groups()
        return 3600.0 * int(hours or 0) + 60.0 * int(minutes) + float(seconds.replace(",", "."))
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError, OSError):
        return float("nan")


def frame_rate(times: Sequence[Any], name: str, frames: Sequence[int], notes: Notes) -> float | None:
    """Frame rate of times.

    Args:
        times: one a row: numbers, or texts such as "00:00:01.5".
        name: of the column or field; "ms" in it means milliseconds.
        frames: number of the frame of each row.
        notes: gets the rate.

    Returns:
        Frames a second; None where the times are none, or only count the frames.
    """
    texts = any(isinstance(value, str) and not _is_number(value) for value in times[:20])
    values, numbers = np.array([seconds_of(value) for value in times]), np.asarray(frames, dtype=np.float64)
    values[~np.isfinite(values)] = np.nan
    order = np.argsort(numbers, kind="stable")
    steps, moved = np.diff(values[order]), np.diff(numbers[order])
    good = (moved > 0) & np.isfinite(steps) & (steps > 0)
    if good.sum() < 2:
        if texts:
            notes.add(f"The times in {name!r} are not understood, and not used.")
        elif (moved > 0).sum() > 1:
            notes.add(f"The times in {name!r} don't rise from frame to frame, and are not used.")
        return None
    each = steps[good] / moved[good]
    if (each == 1).all() and not texts and not re.search(r"ms|sec|_s$", name.lower()):
        notes.add(f"The times in {name!r} count 0, 1, 2: taken as numbers of frames.")
        return None
    usual = float(np.median(each))
    # One missing frame or one late frame must not change the rate of all.
    even = np.abs(each - usual) < 0.5 * usual
    mean = float(steps[good][even].sum() / moved[good][even].sum())
    unit = 1.0 if texts else _units_a_second(name.lower(), usual)
    rate = unit / mean
    if not 1 <= rate <= 1000:
        notes.add(f"The times in {name!r} mean {rate:.3g} frames a second, which is implausible; they are not used.")
        return None
    near = min(_USUAL, key=lambda known: abs(known / rate - 1))
    rate = near if abs(near / rate - 1) < _NEAR else float(f"{rate:.4g}")
    notes.add(f"The times in {name!r} mean {rate:g} frames a second.")
    return rate


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _units_a_second(name: str, step: float) -> float:
    """Units of time in a second, by the name of the times or by their usual step."""
    for word, units in (("ns", 1e9), ("us", 1e6), ("ms", 1e3)):
        if name.endswith(word):
            return units
    return 1.0 if step < 1 else 1e3 if step < 1500 else 1e6
