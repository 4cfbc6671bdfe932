"""DeepLabCut's tables, of .csv and .h5 files: a frame a row, and several rows of names above the columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from diffpose_core.io.formats.build import pose_file
from diffpose_core.io.formats.detections import Detections, Notes
from diffpose_core.io.formats.frame_numbers import frame_numbers
from diffpose_core.io.formats.joint_columns import AXES, add_columns
from diffpose_core.io.formats.people import build_clip
from diffpose_core.io.formats.posefile import PoseFile
from diffpose_core.io.formats.recognise import layout_by_names

DEEPLABCUT = "DeepLabCut"
#: Of the points that belong to no individual.
_NOBODY = "single"


@dataclass(frozen=True)
class Header:
    """Meaning of each column; all three are of one length.

    Attributes:
        parts: body part, "" where the column is none.
        axes: "x", "y", "likelihood".
        people: individual, "" in files of one person.
    """

    parts: Sequence[str]
    axes: Sequence[str]
    people: Sequence[str]


def deeplabcut_file(header: Header, numbers: np.ndarray, labels: Sequence[object], name: str) -> PoseFile:
    """Put the file of a table together.

    Args:
        header: of the columns.
        numbers: (N, columns), NaN where a cell holds none.
        labels: number or name of each row's frame.
        name: names the file in messages.

    Raises:
        InvalidInput: names without hips and shoulders, parts without x and y, or nobody in it.
    """
    notes, found = Notes(), Detections(name)
    cells = list(zip(header.parts, header.axes, header.people, strict=True))
    places = frame_numbers(labels, name, notes)
    frames = [places[label] for label in labels]
    names = list(dict.fromkeys(part for part, _, person in cells if part and person != _NOBODY))
    for person in dict.fromkeys(person for part, _, person in cells if part):
        columns = {
            (part, AXES.get(axis, "")): number
            for number, (part, axis, who) in enumerate(cells) if part and who == person
        }  # fmt: skip
        if person == _NOBODY and not all((part, "x") in columns for part in names):
            notes.add("DeepLabCut's points that belong to no individual are left out.")
            continue
        add_columns(found, numbers, names, columns, frames, person or "1", name)
    layouts = layout_by_names(names, name)
    clip = build_clip("", found, max(places.values(), default=0) + 1, name, notes)
    return pose_file(name, DEEPLABCUT, [clip], notes, "screen", (layouts, False))
