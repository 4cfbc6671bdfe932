"""HDF5 files: SLEAP's analysis export, and DeepLabCut's tables as pandas writes them."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np

from diffpose_core.io.formats.build import pose_file
from diffpose_core.io.formats.deeplabcut_files import Header, deeplabcut_file
from diffpose_core.io.formats.detections import Detections, Notes
from diffpose_core.io.formats.packing import packed, unpacked
from diffpose_core.io.formats.people import build_clip
from diffpose_core.io.formats.posefile import PoseFile
from diffpose_core.io.formats.recognise import layout_by_names
from diffpose_core.io.limits import check_frames
from diffpose_core.io.untrusted.hdf5 import Hdf5
from diffpose_core.io.untrusted.pickle import restricted_unpickle
from diffpose_core.io.untrusted.worker import Allowance, Workers
from diffpose_core.structures import InvalidInput
from diffpose_core.words import short

SLEAP = "SLEAP"
_EXPECTED = "expected SLEAP's analysis export (tracks, node_names) or DeepLabCut's table (df_with_missing)"
#: Order of the axes of `tracks` in files that don't say it: for MATLAB, and for Python.
_ORDERS = (("track", "xy", "node", "frame"), ("frame", "track", "node", "xy"))
_MAX_COLUMNS = 3_000
#: Seconds that a file may take: 512 MiB are unpacked in three.
PROCESSOR_S = 8


@cache
def _workers() -> Workers:
    """The process that reads HDF5 files: some that are damaged keep the library busy for ever."""
    advice = "cut it into parts if it is long, else it is damaged"
    return Workers(Allowance(processor_s=PROCESSOR_S), (__name__,), at_once=1, advice=advice)


def read_hdf5(content: bytes, name: str) -> PoseFile:
    """Recognise an HDF5 file by the names in it, and read it in a process of its own.

    Raises:
        InvalidInput: damaged, too large, or neither SLEAP's nor DeepLabCut's, with what is missing.
    """
    parts = [name.encode("utf-8", "replace"), content]
    return unpacked(_workers().run(f"{__name__}:read_parts", parts, name))


def read_parts(parts: list[bytes]) -> bytes:
    """The job of `read_hdf5`: name and content."""
    return packed(_read(parts[1], parts[0].decode()))


def _read(content: bytes, name: str) -> PoseFile:
    with Hdf5(content, name) as file:
        names = file.names()
        if "tracks" in names and "node_names" in names:
            return _read_sleap(file, name)
        tables = [key for key in names if file.attribute(key, "pandas_type").startswith(b"frame")]
        if tables:
            return _read_deeplabcut(file, "df_with_missing" if "df_with_missing" in tables else tables[0], name)
        if {"instances", "points", "frames"} <= set(names):
            raise InvalidInput(
                f"{name}: a SLEAP project; export it as analysis HDF5 (File, Export Analysis HDF5), which can be read"
            )
        shown = ", ".join(short(key) for key in names[:8]) or "nothing"
        raise InvalidInput(f"{name}: an HDF5 file of {shown}; {_EXPECTED}")


def _read_sleap(file: Hdf5, name: str) -> PoseFile:
    """Tracks of people, NaN where they are not seen."""
    tracks, nodes, notes = file.array("tracks"), file.texts("node_names"), Notes()
    if tracks is None or nodes is None or tracks.ndim != 4:
        raise InvalidInput(f"{name}: SLEAP's tracks (an array of four axes) and node_names must lie in this very file")
    order = _axes(file, tracks.shape, len(nodes), name)
    tracks = tracks.transpose([order.index(axis) for axis in ("frame", "track", "node", "xy")])
    check_frames(len(tracks), name)
    layouts = layout_by_names(nodes, name)
    scores = _scores(file, tracks.shape[:3], [axis for axis in order if axis != "xy"])
    people = file.texts("track_names") or []
    found, seen = Detections(name), ~np.isnan(tracks).any(-1)
    for frame, person in np.argwhere(seen.any(-1)).tolist():
        joints = np.full((len(nodes), 3), np.nan)
        joints[:, :2] = tracks[frame, person]
        if scores is not None:
            sure = scores[frame, person]
            if (np.isnan(sure) & seen[frame, person]).any():
                notes.add("Joints without a score, as those that a person placed, count as sure.")
            joints[:, 2] = np.where(seen[frame, person], np.where(np.isnan(sure), 1.0, sure), 0.0)
        key = people[person] if person < len(people) and people[person] else str(person + 1)
        found.add(frame, joints, key)
    clip = build_clip("", found, len(tracks), name, notes)
    return pose_file(name, SLEAP, [clip], notes, "screen", (layouts, False), "pixels")


def _axes(file: Hdf5, shape: tuple[int, ...], nodes: int, name: str) -> tuple[str, ...]:
    """Names of the axes of `tracks`, which newer files say, and older ones have as MATLAB wants them."""
    said = _json_names(file.attribute("tracks", "dims"))
    for order in (said,) if sorted(said) == sorted(_ORDERS[0]) else _ORDERS:
        sizes = dict(zip(order, shape, strict=True))
        if sizes["xy"] == 2 and sizes["node"] == nodes:
            return order
    raise InvalidInput(
        f"{name}: SLEAP's tracks must be (tracks, 2, nodes, frames) with {nodes} nodes as in node_names, found {shape}"
    )


def _json_names(text: bytes) -> tuple[str, ...]:
    """A short list of words in JSON; empty where it is none."""
    try:
        words = json.loads(text[:200]) if text else []
    except ValueError:
        return ()
    return tuple(words) if isinstance(words, list) and all(isinstance(word, str) for word in words) else ()


def _scores(file: Hdf5, shape: tuple[int, ...], order: Sequence[str]) -> np.ndarray | None:
    """Scores of the joints, (frames, tracks, nodes); None where there are none."""
    scores = file.array("point_scores", "f")
    if scores is None or scores.ndim != 3:
        return None
    scores = scores.transpose([list(order).index(axis) for axis in ("frame", "track", "node")])
    return scores if scores.shape == shape and not np.isnan(scores).all() else None


def _read_deeplabcut(file: Hdf5, key: str, name: str) -> PoseFile:
    """A table as pandas writes it, in one of its two ways."""
    whole = file.attribute(key, "pandas_type") == b"frame"
    columns, numbers, labels = (_fixed if whole else _appendable)(file, key, name)
    if len({len(column) for column in columns}) != 1 or len(columns[0]) not in (3, 4):
        raise InvalidInput(
            f"{name}: {key} has no header of DeepLabCut (scorer, individuals in some, bodyparts, coords)"
        )
    people = [column[1] if len(column) == 4 else "" for column in columns]
    header = Header([column[-2] for column in columns], [column[-1].lower() for column in columns], people)
    return deeplabcut_file(header, numbers, labels, name)


def _appendable(file: Hdf5, key: str, name: str) -> tuple[list[tuple[str, ...]], np.ndarray, list[Any]]:
    """Header, numbers (N, columns) and frames of a table with a record a row."""
    table = file.table(f"{key}/table", "fiuS")
    fields = () if table is None or table.dtype.names is None else table.dtype.names
    blocks = [field for field in fields if field.startswith("values_block_")]
    if table is None or not blocks or "index" not in fields or file.attribute(key, "table_type") != b"appendable_frame":
        raise InvalidInput(
            f"{name}: {key} is no table with a row a frame (index, values_block_0); of labelled pictures DeepLabCut "
            "also writes a .csv, which can be read"
        )
    columns: list[tuple[str, ...]] = []
    parts = []
    for block in blocks:
        # The names of the columns are there as a pickle only.
        found = restricted_unpickle(file.attribute(f"{key}/table", f"{block}_kind"), f"{name}: header of {key}")
        values = table[block].reshape(len(table), math.prod(table[block].shape[1:]))
        if not _is_header(found) or len(found) != values.shape[1] or values.dtype.kind not in "fiu":
            raise InvalidInput(f"{name}: the header of {key} doesn't fit its {values.shape[1]} columns of numbers")
        columns += [tuple(column) for column in found]
        parts.append(values.astype(np.float64))
    return columns, np.concatenate(parts, axis=1), _labels(table["index"], name)


def _fixed(file: Hdf5, key: str, name: str) -> tuple[list[tuple[str, ...]], np.ndarray, list[Any]]:
    """The same of a table that is kept as arrays."""
    columns: list[tuple[str, ...]] = []
    parts = []
    for block in range(8):
        values = file.array(f"{key}/block{block}_values")
        if values is None:
            break
        header = _levels(file, f"{key}/block{block}_items", name)
        if values.ndim != 2 or len(header) not in values.shape:
            raise InvalidInput(f"{name}: the header of {key} has {len(header)} columns, its numbers {values.shape}")
        columns += header
        parts.append((values if values.shape[1] == len(header) else values.T).astype(np.float64))
    labels = file.array(f"{key}/axis1", "iu")
    if not parts or labels is None or labels.ndim != 1 or any(len(values) != len(labels) for values in parts):
        raise InvalidInput(f"{name}: {key} holds no table with a row a frame (block0_values, axis1)")
    return columns, np.concatenate(parts, axis=1), _labels(labels, name)


def _levels(file: Hdf5, path: str, name: str) -> list[tuple[str, ...]]:
    """Columns of a block: each level has its words, and a number of a word for each column."""
    rows = []
    for level in range(4):
        words, numbers = file.texts(f"{path}_level{level}"), file.array(f"{path}_label{level}", "iu")
        if words is None or numbers is None:
            break
        if numbers.ndim != 1 or not len(numbers) or not 0 <= int(numbers.min()) <= int(numbers.max()) < len(words):
            raise InvalidInput(f"{name}: the header of a table is damaged")
        rows.append([words[int(number)] for number in numbers])
    if not rows or len({len(row) for row in rows}) > 1 or len(rows[0]) > _MAX_COLUMNS:
        raise InvalidInput(f"{name}: the header of a table is missing or damaged")
    return list(zip(*rows, strict=True))


def _is_header(found: Any) -> bool:
    return isinstance(found, list) and 0 < len(found) <= _MAX_COLUMNS and all(
        isinstance(column, (tuple, list)) and all(isinstance(word, str) for word in column) for column in found
    )  # fmt: skip


def _labels(labels: np.ndarray, name: str) -> list[Any]:
    """Numbers or names of frames."""
    if labels.ndim != 1:
        raise InvalidInput(f"{name}: a table's rows must have one number or name each, found {labels.shape}")
    check_frames(len(labels), name)
    words: list[Any] = labels.tolist()
    return [word.decode("utf-8", "replace") if isinstance(word, bytes) else word for word in words]
