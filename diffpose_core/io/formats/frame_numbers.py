"""Numbers of frames from the names or ids that files give them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from diffpose_core.io.formats.detections import Notes
from diffpose_core.io.limits import check_frames

#: A text that is a number and nothing else: "12", "-3", or "1.200e+01" as numpy writes it.
_IS_NUMBER = re.compile(r"[+-]?\d{1,18}(\.\d{0,30}(e[+-]?\d{1,2})?)?", re.IGNORECASE)


def frame_numbers(labels: Sequence[Any], label: str, notes: Notes) -> dict[Any, int]:
    """Number frames from 0 by their file names or ids.

    The last number in a name counts. Numbers that start elsewhere, or that rise in equal steps, are brought to 0, 1,
    2 ...; names without numbers count in their order.

    Args:
        labels: names or ids, which may repeat.
        label: names the file in messages.
        notes: gets the assumptions.

    Returns:
        Name or id -> number.

    Raises:
        InvalidInput: they span too many frames.
    """
    unique = list(dict.fromkeys(labels))
    if not unique:
        return {}
    numbers = [_number(item) for item in unique]
    if None in numbers or len(set(numbers)) < len(unique):
        if len(unique) > 1:
            notes.add("The names of the frames hold no number of their own: frames are taken in the file's order.")
        return {item: place for place, item in enumerate(unique)}
    found = np.array(sorted(n for n in numbers if n is not None), dtype=object)
    first = int(found[0])
    step = 1
    if len(found) > 2:
        step = int(np.gcd.reduce(found[1:] - found[:-1]))
    steps = (found[1:] - found[:-1]) // step if len(found) > 1 else found[:0]
    if len(found) >= 8 and float(np.median(steps.astype(np.float64))) > 1:
        notes.add(
            f"The numbers of the frames leave gaps almost everywhere ({len(found):,} numbers from {first} to "
            f"{int(found[-1])}): taken as names, in their order, not as time."
        )
        rank = {int(n): place for place, n in enumerate(found)}
        check_frames(len(found), label)
        return {item: rank[n] for item, n in zip(unique, numbers, strict=True) if n is not None}
    if step > 1:
        notes.add(f"Frame numbers rise in steps of {step}: taken as consecutive (so give the frame rate that is left).")
    if first != 0 and len(found) > 1:
        notes.add(f"The first frame is number {first if abs(first) < 10**9 else 'with many digits'}: shown as frame 0.")
    check_frames((int(found[-1]) - first) // step + 1, label)
    return {item: (n - first) // step for item, n in zip(unique, numbers, strict=True) if n is not None}


def bare_name(path: str) -> str:
    """The end of a file's path, without `_keypoints`, which OpenPose adds, and without its endings."""
    return re.sub(r"(_keypoints)?(\.\w{1,5})*$", "", path[-200:], flags=re.IGNORECASE)


def _number(item: Any) -> int | None:
    if isinstance(item, bool):
        return None
    if isinstance(item, (int, np.integer)):
        return int(item) if abs(int(item)) < 10**30 else None
    if isinstance(item, float):
        return int(item) if item.is_integer() and abs(item) < 2**53 else None
    text = str(item)[-200:].strip()
    if _IS_NUMBER.fullmatch(text):
        return int(text) if "." not in text else _number(float(text))
    digits = re.findall(r"\d+", bare_name(text))
    return int(digits[-1][-18:]) if digits else None
