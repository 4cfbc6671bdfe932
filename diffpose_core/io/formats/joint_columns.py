"""People whose joints are columns of a table of numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from diffpose_core.io.formats.detections import Detections
from diffpose_core.structures import InvalidInput
from diffpose_core.words import short

#: Meaning of the word for an axis in a column's name; v is y beside a u, else the visibility.
AXES = {
    "x": "x", "u": "x", "px": "x", "y": "y", "py": "y", "v": "v", "z": "z", "conf": "c", "confidence": "c", "c": "c",
    "p": "c", "score": "c", "likelihood": "c", "visibility": "c", "vis": "c", "prob": "c", "presence": "",
}  # fmt: skip


def add_columns(
    found: Detections, numbers: np.ndarray, names: Sequence[str], columns: Mapping[tuple[str, str], int],
    frames: Sequence[int], person: str | Sequence[str], label: str,
) -> None:  # fmt: skip
    """Add the rows of a person, or of the people whom the rows name.

    Args:
        found: gets them.
        numbers: (N, columns), NaN where a cell holds none.
        names: of the joints.
        columns: (joint, axis) -> column.
        frames: of each row.
        person: name of the person, or one name a row.
        label: names the file in messages.

    Raises:
        InvalidInput: a joint without x and y.
    """
    absent = [part for part in names if (part, "x") not in columns or (part, "y") not in columns]
    if absent:
        raise InvalidInput(f"{label}: no x and y for {', '.join(short(part, 30) for part in absent[:6])}")
    values = np.full((len(numbers), len(names), 3), np.nan)
    for place, axis in enumerate("xyc"):
        there = [joint for joint, part in enumerate(names) if (part, axis) in columns]
        values[:, there, place] = numbers[:, [columns[names[joint], axis] for joint in there]]
    if not any((part, "c") in columns for part in names):
        values[..., 2] = np.nan
    else:
        # A joint without a number is missing, not unknown.
        values[..., 2] = np.where(np.isnan(values[..., 0]), 0.0, values[..., 2])
    for row, frame in enumerate(frames):
        if not np.isnan(values[row, :, 0]).all():
            found.add(frame, values[row], person if isinstance(person, str) else person[row])
