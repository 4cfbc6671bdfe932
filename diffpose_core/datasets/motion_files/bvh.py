"""BVH (Biovision Hierarchy): a tree of joints with offsets, and their channels frame by frame.

The format has no written standard beyond Biovision's own description (Lander, "Working with motion capture file
formats", Game Developer, January 1998). Where files differ, this is how they are read:

- Channels come in any order and number; rotations turn one after the other as listed, each in the turned frame.
- A position channel stands in place of the joint's offset, as Blender reads it and as Bandai-Namco's and LaFAN1's
  files mean it. A file whose joints below the root have position channels that lie nearer to zero than to their
  offsets means them on top of the offsets, and is read so.
"""

from __future__ import annotations

import re
import warnings

import numpy as np
from scipy.spatial.transform import Rotation

from diffpose_core.datasets.motion_files.rig import (
    MAX_DEPTH,
    MAX_JOINTS,
    Rig,
    check_counts,
    check_finite,
    check_fps,
    euler,
)
from diffpose_core.io.untrusted.text import decode_text
from diffpose_core.structures import InvalidInput
from diffpose_core.words import quoted

#: Hierarchies are some kilobytes long.
_MAX_HIERARCHY_CHARS = 4_000_000
_CHANNELS = {f"{axis}{kind}": (kind, axis) for axis in "xyz" for kind in ("position", "rotation")}


class _Hierarchy:
    """The first part of the file, read line by line.

    Args:
        text: up to the line MOTION.
        name: names the file in messages.

    Raises:
        InvalidInput: damaged, or beyond a bound.
    """

    def __init__(self, text: str, name: str) -> None:
        self.name = name
        self.names: list[str] = []
        self.parents: list[int] = []
        self.offsets: list[tuple[float, ...]] = []
        self.channels: list[tuple[int, str, str]] = []
        open_joints: list[int] = []
        lines = (line.strip() for line in text.replace("{", "\n{\n").replace("}", "\n}\n").splitlines())
        announced = False
        for line in lines:
            if not line:
                continue
            word, _, rest = line.partition(" ") if " " in line else line.partition("\t")
            key = word.upper()
            if line == "{":
                if not announced:
                    raise self.damaged("a { that belongs to no joint")
                open_joints.append(len(self.names) - 1)
                if len(open_joints) > MAX_DEPTH:
                    raise InvalidInput(f"{name}: joints hang deeper than {MAX_DEPTH}")
                announced = False
            elif line == "}":
                if not open_joints:
                    raise self.damaged("more } than {")
                open_joints.pop()
            elif key in ("ROOT", "JOINT", "END"):
                if (key == "ROOT") == bool(open_joints):
                    raise self.damaged(f"{quoted(line, 60)} stands in the wrong place")
                parent = open_joints[-1] if open_joints else -1
                self.add(f"{self.names[parent]}_end" if key == "END" else rest.strip(), parent)
                announced = True
            elif key == "OFFSET" and open_joints:
                self.offsets[open_joints[-1]] = self.numbers(rest, 3)
            elif key == "CHANNELS" and open_joints:
                self.add_channels(open_joints[-1], rest)
            elif key != "HIERARCHY":
                raise self.damaged(f"{quoted(line, 60)} is not understood")
        if open_joints or announced:
            raise self.damaged("it ends within a joint")
        if not self.names:
            raise self.damaged("it has no ROOT")
        if self.parents.count(-1) > 1:
            raise InvalidInput(f"{name}: several ROOTs; expected one person a file")

    def damaged(self, what: str) -> InvalidInput:
        return InvalidInput(f"{self.name}: the hierarchy is damaged: {what}")

    def add(self, joint: str, parent: int) -> None:
        if len(self.names) >= MAX_JOINTS:
            raise InvalidInput(f"{self.name}: a skeleton of more than {MAX_JOINTS} joints")
        self.names.append(joint[:200])
        self.parents.append(parent)
        self.offsets.append((0.0, 0.0, 0.0))

    def numbers(self, text: str, count: int) -> tuple[float, ...]:
        try:
            numbers = tuple(float(word) for word in text.split())
        except ValueError:
            numbers = ()
        if len(numbers) != count or not all(abs(number) < 1e9 for number in numbers):
            raise self.damaged(f"expected {count} numbers, found {quoted(text, 60)}")
        return numbers

    def add_channels(self, joint: int, text: str) -> None:
        words = text.split()
        if not words or words[0] != str(len(words) - 1):
            raise self.damaged(f"CHANNELS {quoted(text, 80)}: the count does not fit the names")
        for word in words[1:]:
            if word.lower() not in _CHANNELS:
                raise self.damaged(f"an unknown channel {quoted(word)}")
            channel = (joint, *_CHANNELS[word.lower()])
            if channel in self.channels[-6:]:
                raise self.damaged(f"channel {quoted(word)} twice")
            self.channels.append(channel)


def read_bvh(content: bytes, name: str, fps: float | None = None) -> Rig:
    """Read a BVH file. Units are unknown, y is up.

    Args:
        content: the file.
        name: names the file in messages.
        fps: in place of the file's.

    Raises:
        InvalidInput: damaged, or beyond a bound.
    """
    text = decode_text(content, name)
    header = re.search(r"^[ \t]*MOTION[ \t]*\r?$", text, re.MULTILINE | re.IGNORECASE)
    if not text[:4096].lstrip().upper().startswith("HIERARCHY") or header is None:
        raise InvalidInput(f"{name}: not a BVH file; expected HIERARCHY and MOTION")
    if header.start() > _MAX_HIERARCHY_CHARS:
        raise InvalidInput(f"{name}: a hierarchy of more than {_MAX_HIERARCHY_CHARS:,} characters")
    tree = _Hierarchy(text[: header.start()], name)
    counts = re.compile(
        r"\s*Frames:\s*(\d{1,12})\s+Frame[ \t]*Time:\s*([0-9.eE+-]{1,40}|nan|inf)[ \t]*(?:\r?\n|$)", re.IGNORECASE
    ).match(text, header.end())
    if counts is None:
        raise InvalidInput(f"{name}: after MOTION, Frames: and Frame Time: are expected")
    frames, width = int(counts.group(1)), len(tree.channels)
    check_counts(len(tree.names), frames, width, name)
    if width == 0:
        raise InvalidInput(f"{name}: no joint has channels; nothing moves")
    try:
        seconds = float(counts.group(2))
    except ValueError:
        seconds = 0.0
    if fps is None and not seconds > 0:
        raise InvalidInput(f"{name}: Frame Time is {counts.group(2)}; expected seconds above 0 (or give --fps)")
    rate = check_fps(1 / seconds if fps is None else fps, name)
    values = _numbers(text[counts.end() :], name).reshape(-1)
    if values.size != frames * width:
        raise InvalidInput(
            f"{name}: {frames} frames of {width} numbers are announced, {values.size / width:.1f} found; "
            "perhaps cut off"
        )
    table = values.reshape(frames, width)
    check_finite(table, name, "the motion's numbers")
    return _rig(tree, table, rate)


def _numbers(text: str, name: str) -> np.ndarray:
    with warnings.catch_warnings():
        # Numpy's message about text that is no number.
        warnings.simplefilter("error", DeprecationWarning)
        try:
            return np.fromstring(text, np.float64, sep=" ")
        except (ValueError, DeprecationWarning):
            raise InvalidInput(f"{name}: the motion holds something other than numbers") from None


def _rig(tree: _Hierarchy, table: np.ndarray, fps: float) -> Rig:
    offsets = np.array(tree.offsets, dtype=np.float64)
    turning: dict[int, list[tuple[int, str]]] = {}
    moving: dict[int, list[tuple[int, str]]] = {}
    for column, (joint, kind, axis) in enumerate(tree.channels):
        (turning if kind == "rotation" else moving).setdefault(joint, []).append((column, axis))
    rotations: dict[int, Rotation] = {}
    for joint, channels in turning.items():
        columns = [column for column, _ in channels]
        rotations[joint] = euler("".join(axis for _, axis in channels), np.radians(table[:, columns]))
    translations: dict[int, np.ndarray] = {}
    for joint, channels in moving.items():
        place = np.tile(offsets[joint], (len(table), 1))
        for column, axis in channels:
            place[:, "xyz".index(axis)] = table[:, column]
        translations[joint] = place
    notes = []
    if _on_top_of_offsets(tree, translations, offsets):
        notes.append("position channels of joints below the root were read as shifts on top of their offsets")
        for joint, channels in moving.items():
            if tree.parents[joint] >= 0:
                axes = ["xyz".index(axis) for _, axis in channels]
                translations[joint][:, axes] += offsets[joint, axes]
    return Rig(
        tuple(tree.names), tuple(tree.parents), offsets, rotations, translations, len(table), fps, notes=tuple(notes)
    )


def _on_top_of_offsets(tree: _Hierarchy, translations: dict[int, np.ndarray], offsets: np.ndarray) -> bool:
    """True if most of the joints with position channels mean a shift of their offset, see the module."""
    votes = []
    for joint, place in translations.items():
        if tree.parents[joint] >= 0 and np.linalg.norm(offsets[joint]) > 0:
            middle = np.median(place, axis=0)
            votes.append(np.linalg.norm(middle) < np.linalg.norm(middle - offsets[joint]))
    return bool(votes) and 2 * sum(votes) > len(votes)
