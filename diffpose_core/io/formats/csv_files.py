"""Readers of .csv files: DeepLabCut, MediaPipe, and plain tables with columns such as left_hip_x, left_hip_y."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import pandas as pd

from diffpose_core.io.formats.body_score import NO_BODY, body_score
from diffpose_core.io.formats.build import pose_file
from diffpose_core.io.formats.csv_table import (
    MAX_CELLS,
    MAX_COLUMNS,
    SEPARATORS,
    all_numbers,
    empty_lines,
    first_rows,
    read_table,
    separator_of,
)
from diffpose_core.io.formats.deeplabcut_files import Header, deeplabcut_file
from diffpose_core.io.formats.detections import Detections, Notes
from diffpose_core.io.formats.frame_numbers import frame_numbers
from diffpose_core.io.formats.joint_columns import AXES, add_columns
from diffpose_core.io.formats.landmark_files import MEDIAPIPE
from diffpose_core.io.formats.layouts import LAYOUTS, layouts_of
from diffpose_core.io.formats.people import build_clip
from diffpose_core.io.formats.posefile import FileClip, PoseFile
from diffpose_core.io.formats.rates import frame_rate
from diffpose_core.io.formats.recognise import layout_by_count, layout_by_names
from diffpose_core.io.untrusted.files import MIB
from diffpose_core.structures import InvalidInput
from diffpose_core.words import quoted

PLAIN_CSV = "plain CSV"
MAX_TEXT = 128 * MIB
#: A unit behind a column's name: which one it is, the numbers tell.
_UNIT = re.compile(r"\s*[(\[](px|pixels?|norm\.?|normali[sz]ed|s|sec|seconds)[)\]]$", re.IGNORECASE)
_FRAME_WORDS = (
    "frame",
    "frameid",
    "frameno",
    "framenumber",
    "frameindex",
    "frameidx",
    "image",
    "imageid",
    "index",
    "filename",
)
_PERSON_WORDS = ("person", "personid", "track", "trackid", "id", "individual", "subject", "playerid", "poseid")
_TIME_WORDS = ("time", "t", "timestamp", "timesec", "times", "seconds", "timems", "timestampms", "ms")
#: Numbers of a joint in tables without names; v is MediaPipe's visibility, z its depth.
_ORDERS = ((3, "xyc"), (3, "xyz"), (4, "xyzc"), (2, "xy"))
_JOINT_WORDS = ("landmark", "joint", "keypoint", "landmarkid", "jointid", "keypointid", "landmarkindex", "name", "part",
                "bodypart", "landmarkname", "jointname", "keypointname")  # fmt: skip


def looks_like_csv(text: str) -> bool:
    """True if the first line that is not empty has columns and only text."""
    line = next((line for line in text[:20_000].splitlines() if line.strip()), "")
    return any(separator in line for separator in SEPARATORS) and line.replace("\t", " ").isprintable()


def read_csv(text: str, name: str) -> PoseFile:
    """Recognise a table and read it. Raises InvalidInput that names the columns found and those expected."""
    if len(text) > MAX_TEXT:
        raise InvalidInput(f"{name}: a table of {len(text) // MIB} MiB; the limit is {MAX_TEXT // MIB} MiB")
    # Line ends of Windows, and of old Macs.
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    separator = separator_of(text)
    head = first_rows(text, separator, name)
    if head and head[0] and head[0][0].strip().lower() == "scorer":
        return _read_deeplabcut(text, separator, head, name)
    if not head or len(head) < 2:
        raise InvalidInput(f"{name}: a table without rows of numbers")
    columns = [_UNIT.sub("", cell.strip()) for cell in head[0]]
    if all_numbers(columns):
        return _read_without_header(text, separator, head, name)
    words = [re.sub(r"[^a-z0-9]", "", column.lower()) for column in columns]
    if any(word in _JOINT_WORDS for word in words) and {"x", "y"} <= set(words):
        return _read_long(text, separator, words, name)
    return _read_wide(text, separator, columns, words, name)


def _read_deeplabcut(text: str, separator: str, head: list[list[str]], name: str) -> PoseFile:
    """DeepLabCut's header: scorer, (individuals), bodyparts, coords; then a frame a row."""
    rows = {row[0].strip().lower(): row[1:] for row in head[:4]}
    missing = [word for word in ("bodyparts", "coords") if word not in rows]
    if missing:
        raise InvalidInput(f"{name}: DeepLabCut's header has the rows scorer, bodyparts and coords; missing: "
                           f"{', '.join(missing)}")  # fmt: skip
    several = "individuals" in rows
    parts, axes = [part.strip() for part in rows["bodyparts"]], [axis.strip().lower() for axis in rows["coords"]]
    people = [person.strip() for person in rows["individuals"]] if several else [""] * len(parts)
    if not len(parts) == len(axes) == len(people):
        raise InvalidInput(f"{name}: DeepLabCut's header rows have different lengths")
    # Labels may take several columns: folder, video, picture.
    label_column = next((number for number, part in enumerate(parts) if part), 0)
    lines = empty_lines(text) + (4 if several else 3)
    wanted = [number + 1 for number, (part, axis) in enumerate(zip(parts, axes, strict=True)) if part and axis in AXES]
    table = read_table(text, separator, len(parts) + 1, lines, name, wanted, [label_column])
    return deeplabcut_file(Header(parts, axes, people), table.numbers[:, 1:], table.words[label_column], name)


def _column_joint(column: str) -> tuple[str, str] | None:
    """(joint, axis) that a column's name stands for: nose_x, nose.y, x_nose, x0, leftHipX, LEFT_HIP visibility ..."""
    text = column.strip()[:80]
    match = re.fullmatch(r"(.*[^\s_.:/-])[\s_.:/-]+([A-Za-z]+)", text) or re.fullmatch(r"(.*\d)([A-Za-z]+)", text)
    if match and match[2].lower() in AXES:
        return match[1], AXES[match[2].lower()]
    match = re.fullmatch(r"([A-Za-z]+)[\s_.:/-]+(.+)", text) or re.fullmatch(r"([A-Za-z]{1,10})(\d+)", text)
    if match and match[1].lower() in AXES:
        return match[2], AXES[match[1].lower()]
    match = re.fullmatch(r"([A-Za-z]{2,})([XYZ])", text)
    return (match[1], AXES[match[2].lower()]) if match else None


def _read_wide(text: str, separator: str, columns: list[str], words: list[str], name: str) -> PoseFile:
    """A frame (and person) a row, joints in the columns."""
    notes = Notes()
    joints: dict[str, None] = {}
    axes: dict[tuple[str, str], int] = {}
    v_axis = "y" if "u" in {column.strip().lower()[:1] for column in columns if _column_joint(column)} or any(
        re.search(r"[\s_.:/-]u$", column.strip().lower()[-3:]) for column in columns) else "c"  # fmt: skip
    for number, column in enumerate(columns):
        if words[number] in (*_FRAME_WORDS, *_PERSON_WORDS, *_TIME_WORDS):
            continue
        found_joint = _column_joint(column)
        if found_joint is not None:
            joints[found_joint[0]] = None
            joint, axis = found_joint
            axes.setdefault((joint, v_axis if axis == "v" else axis), number)
    names = [joint for joint in joints if (joint, "x") in axes and (joint, "y") in axes]
    if all(re.fullmatch(r"\d{1,4}", joint) for joint in names):
        names.sort(key=int)
    if not names:
        raise InvalidInput(
            f"{name}: no columns of joints; expected names such as left_hip_x, left_hip_y, left_hip_conf, found "
            f"{', '.join(quoted(column, 20) for column in columns[:8])}"
        )
    return _finish(text, separator, 1, columns, words, names, axes, notes, name)


@dataclass(frozen=True, order=True)
class _Candidate:
    """A way to read columns without names.

    Attributes:
        score: of `body_score`.
        lead: columns before the first joint.
        joints: J.
        order: axes of a joint.
    """

    score: float
    lead: int
    joints: int
    order: str


def _read_without_header(text: str, separator: str, head: list[list[str]], name: str) -> PoseFile:
    """Read numbers without names: of all joint orders and axes that fit their count, those that make a body.

    The first column may count the frames.
    """
    notes, columns = Notes(), len(head[0])
    counts = {len(layout) for layout in LAYOUTS.values()}
    firsts = [row[0].strip() for row in head]
    counting = len(firsts) > 1 and all(cell.isdecimal() and len(cell) < 9 for cell in firsts) and (
        np.unique(np.diff([int(cell) for cell in firsts])).tolist() == [1])  # fmt: skip
    rows = _sample(head, separator)
    found = [
        candidate for lead in ((1, 0) if counting else (0,)) for width, order in _ORDERS
        for candidate in _candidate(rows, lead, width, order, counts)
    ]  # fmt: skip
    if not found:
        raise InvalidInput(
            f"{name}: {columns} columns without names, which fit no known joint order; name them, such as left_hip_x, "
            "left_hip_y, left_hip_conf"
        )
    best = min(found)
    if best.score > NO_BODY:
        raise InvalidInput(
            f"{name}: {columns} columns without names. In no known joint order do the numbers make a body; name the "
            "columns, such as left_hip_x, left_hip_y, left_hip_conf"
        )
    axes = {
        (str(joint), axis): best.lead + len(best.order) * joint + place
        for joint in range(best.joints) for place, axis in enumerate(best.order)
    }  # fmt: skip
    meaning = ", ".join({"c": "confidence", "v": "visibility"}.get(axis, axis) for axis in best.order)
    notes.add(f"No column names: {best.joints} joints of {meaning} are assumed.")
    words = ["frame"] * best.lead + [""] * (columns - best.lead)
    return _finish(text, separator, 0, words, words, [str(j) for j in range(best.joints)], axes, notes, name)


def _sample(head: list[list[str]], separator: str) -> np.ndarray:
    """The first rows as numbers, NaN where a cell is empty or none."""
    width = max(map(len, head))
    rows = np.full((len(head), width), np.nan)
    for number, row in enumerate(head):
        for column, cell in enumerate(row):
            with suppress(ValueError):
                rows[number, column] = float(cell.strip().replace(",", "."))
    return rows


def _candidate(rows: np.ndarray, lead: int, width: int, order: str, counts: set[int]) -> Iterator[_Candidate]:
    """A way to read columns without names, if the number of joints is known and the confidences are none but that."""
    # A comma at the end of every row makes one more column, which is empty.
    used = rows.shape[1] - int(np.isnan(rows[:, -1]).all())
    joints, rest = divmod(used - lead, width)
    if rest or joints not in counts:
        return
    values = rows[:, lead : lead + joints * width].reshape(len(rows), joints, width)
    sure = values[..., order.index("c")] if "c" in order else np.zeros(1)
    # A depth is below 0 as often as above, and has other sizes.
    if (sure < 0).any() or np.nanmax(sure, initial=0.0) > 100:
        return
    points = np.where((values[..., :2] == 0).all(-1, keepdims=True), np.nan, values[..., :2])
    for layout in layouts_of(joints):
        yield _Candidate(body_score(layout, points), lead, joints, order)


def _finish(
    text: str, separator: str, skip: int, columns: list[str], words: list[str], names: list[str],
    axes: dict[tuple[str, str], int], notes: Notes, name: str,
) -> PoseFile:  # fmt: skip
    frame, person = _first(words, _FRAME_WORDS), _first(words, _PERSON_WORDS)
    time = _first(words, _TIME_WORDS)
    spoken = [column for column in (frame, person, time) if column is not None]
    wanted = [column for (joint, _), column in axes.items() if joint in set(names)]
    table = read_table(text, separator, len(columns), skip + empty_lines(text), name, wanted, spoken)
    people: str | list[str] = "1" if person is None else table.words[person]
    if frame is not None:
        labels = table.words[frame]
    elif person is not None and len(set(people)) > 1:
        raise InvalidInput(f"{name}: several people, but no column that says the frame; expected one named frame")
    else:
        labels = [str(row) for row in range(len(table))]
    places = frame_numbers(labels, name, notes)
    frames = [places[label] for label in labels]
    found = Detections(name)
    add_columns(found, table.numbers, names, axes, frames, people, name)
    fps = None if time is None else frame_rate(table.words[time], words[time], frames, notes)
    clip = build_clip("", found, max(places.values()) + 1, name, notes, fps=fps)
    return _named_or_numbered(names, clip, name, notes)


def _named_or_numbered(names: list[str], clip: FileClip, label: str, notes: Notes) -> PoseFile:
    """The file of named joints; those that are numbered only are told by how many there are."""
    if all(re.fullmatch(r"\D{0,12}\d+(\.0)?", joint) for joint in names):
        layouts = layout_by_count(len(names), [clip], label)
    else:
        layouts = layout_by_names(names, label), False
    is_mediapipe = layouts[0][0].layout.name.startswith("MediaPipe-33")
    kind = MEDIAPIPE if is_mediapipe else PLAIN_CSV
    return pose_file(label, kind, [clip], notes, "unit" if is_mediapipe else "screen", layouts)


def _first(words: Sequence[str], wanted: Sequence[str]) -> int | None:
    return next((words.index(word) for word in wanted if word in words), None)


def _read_long(text: str, separator: str, words: list[str], name: str) -> PoseFile:
    """A joint a row: frame, (person,) landmark, x, y, (z,) visibility."""
    notes = Notes()
    joint = _first(words, ("landmarkname", "jointname", "keypointname", "bodypart", "part", "name", *_JOINT_WORDS))
    frame, person = _first(words, _FRAME_WORDS), _first(words, _PERSON_WORDS)
    sure = _first(words, ("visibility", "confidence", "conf", "score", "likelihood", "prob", "vis", "c"))
    assert joint is not None
    time = _first(words, _TIME_WORDS)
    spoken = [column for column in (joint, frame, person, time) if column is not None]
    columns = [words.index("x"), words.index("y"), *([] if sure is None else [sure])]
    table = read_table(text, separator, len(words), empty_lines(text) + 1, name, columns, spoken)
    parts = [part.strip()[:80] for part in table.words[joint]]
    names = list(dict.fromkeys(parts))
    if len(names) > MAX_COLUMNS:
        raise InvalidInput(f"{name}: {len(names):,} names of joints; expected those of one person")
    if all(re.fullmatch(r"\d{1,4}(\.0)?", value) for value in names):
        names.sort(key=float)
    if frame is None:
        labels = [str(row // len(names)) for row in range(len(table))]
        notes.add("No column of frames: every full set of joints counts as one.")
    else:
        labels = table.words[frame]
    places = frame_numbers(labels, name, notes)
    who = ["1"] * len(table) if person is None else table.words[person]
    # One row of joints for every person and frame.
    pose, groups = pd.factorize(pd.MultiIndex.from_arrays([labels, who]))
    if len(groups) * len(names) > MAX_CELLS:
        raise InvalidInput(
            f"{name}: {len(names)} joints, {len(groups)} people and frames; more than {MAX_CELLS:,} places"
        )
    place = {value: number for number, value in enumerate(names)}
    values = np.full((len(groups), len(names), 3), np.nan)
    values[..., 2] = np.nan if sure is None else 0.0
    values[pose, [place[part] for part in parts], : len(columns)] = table.numbers[:, columns]
    found = Detections(name)
    for number, (label, someone) in enumerate(groups):
        found.add(places[label], values[number], someone)
    rows = [places[label] for label in labels]
    fps = None if time is None else frame_rate(table.words[time], words[time], rows, notes)
    clip = build_clip("", found, max(places.values()) + 1, name, notes, fps=fps)
    return _named_or_numbered(names, clip, name, notes)
