"""ASF/AMC (Acclaim): a skeleton file, and motion files that turn its bones.

A bone's rotation is given about axes of its own, which the skeleton file turns by `axis` (matrix C): in the frame of
the parent the bone turns by C R C^-1. Source: Lander, "Working with motion capture file formats", Game Developer,
January 1998. Lengths are in units of `length` to the inch, as the CMU database has them (0.45: 5.6 cm a unit).

Joints are named after the bone that begins at them; the ends of the outermost bones are called BONE_end.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from diffpose_core.datasets.motion_files.rig import (
    MAX_DEPTH,
    MAX_JOINTS,
    Rig,
    check_counts,
    check_finite,
    check_fps,
)
from diffpose_core.io.untrusted.text import decode_text
from diffpose_core.structures import InvalidInput
from diffpose_core.words import quoted

INCH_M = 0.0254
#: AMC files don't say their frame rate; the CMU database was recorded with 120 frames a second.
DEFAULT_FPS = 120.0
_MAX_ASF_CHARS = 1_000_000
_AXES = {"rx": "x", "ry": "y", "rz": "z", "tx": "x", "ty": "y", "tz": "z"}


@dataclass
class _Bone:
    """A bone.

    Attributes:
        vector: (3,) from its beginning to its end: direction times length.
        length: in the file's unit.
        axis: C.
        dof: channels, in the order of the motion file.
        parent: name of the bone that it hangs from.
    """

    name: str
    vector: np.ndarray = field(default_factory=lambda: np.zeros(3))
    length: float = 0.0
    axis: Rotation = field(default_factory=Rotation.identity)
    dof: tuple[str, ...] = ()
    parent: str | None = None


@dataclass(frozen=True)
class Skeleton:
    """An ASF file.

    Attributes:
        bones: by name, "root" among them, parents before children.
        unit_m: metres of a unit of length, None where the file does not define it.
        degrees: True if the motion's angles are in degrees.
    """

    bones: dict[str, _Bone]
    unit_m: float | None
    degrees: bool


def read_asf(content: bytes, name: str) -> Skeleton:
    """Read a skeleton file.

    Raises:
        InvalidInput: damaged, or beyond a bound.
    """
    text = decode_text(content, name)
    if len(text) > _MAX_ASF_CHARS:
        raise InvalidInput(f"{name}: an ASF of more than {_MAX_ASF_CHARS:,} characters")
    sections: dict[str, list[list[str]]] = {}
    section: list[list[str]] = []
    for line in text.splitlines():
        words = line.partition("#")[0].split()
        if words and words[0].startswith(":"):
            section = sections.setdefault(words[0][1:].lower(), [])
            words = words[1:]
        if words:
            section.append(words)
    missing = [key for key in ("root", "bonedata", "hierarchy") if key not in sections]
    if missing:
        raise InvalidInput(f"{name}: not an ASF skeleton; missing: {', '.join(':' + key for key in missing)}")
    units = {words[0].lower(): words[1] for words in sections.get("units", []) if len(words) > 1}
    root = _Bone("root")
    for words in sections["root"]:
        key = words[0].lower()
        if key == "order":
            root.dof = tuple(word.lower() for word in words[1:])
        elif key == "orientation":
            root.axis = _turn("XYZ", words[1:], name)
    bones = {"root": root}
    _read_bones(sections["bonedata"], bones, name)
    for bone in bones.values():
        if len(set(bone.dof)) != len(bone.dof) or not set(bone.dof) <= {*_AXES, "l"}:
            raise InvalidInput(f"{name}: degrees of freedom {quoted(' '.join(bone.dof), 60)} of {bone.name!r}")
    _read_hierarchy(sections["hierarchy"], bones, name)
    length = _number(units.get("length", "0"), name)
    degrees = not units.get("angle", "deg").lower().startswith("rad")
    return Skeleton(_ordered(bones, name), INCH_M / length if length > 1e-6 else None, degrees)


def _number(word: str, name: str) -> float:
    try:
        number = float(word)
    except ValueError:
        number = float("nan")
    if not abs(number) < 1e9:
        raise InvalidInput(f"{name}: expected a number, found {quoted(word)}")
    return number


def _numbers(words: list[str], count: int, name: str) -> np.ndarray:
    if len(words) < count:
        raise InvalidInput(f"{name}: expected {count} numbers, found {quoted(' '.join(words), 60)}")
    return np.array([_number(word, name) for word in words[:count]])


def _turn(order: str, words: list[str], name: str) -> Rotation:
    """The rotation of three angles in degrees about fixed axes, in the order named."""
    if sorted(order.upper()) != ["X", "Y", "Z"]:
        raise InvalidInput(f"{name}: an order of axes {quoted(order, 20)}; expected one such as XYZ")
    return Rotation.from_euler(order.lower(), _numbers(words, 3, name), degrees=True)


def _read_bones(lines: list[list[str]], bones: dict[str, _Bone], name: str) -> None:
    bone: _Bone | None = None
    for words in lines:
        key = words[0].lower()
        if key == "begin":
            bone = _Bone("")
        elif bone is None:
            raise InvalidInput(f"{name}: {quoted(' '.join(words), 60)} stands outside of a bone")
        elif key == "end":
            if not bone.name or bone.name in bones:
                raise InvalidInput(f"{name}: a bone without a name, or {bone.name!r} twice")
            bone.vector = bone.vector * bone.length
            bones[bone.name] = bone
            bone = None
            if len(bones) > MAX_JOINTS // 2:
                raise InvalidInput(f"{name}: a skeleton of more than {MAX_JOINTS // 2} bones")
        elif key == "name":
            bone.name = " ".join(words[1:])[:200]
        elif key == "direction":
            bone.vector = _numbers(words[1:], 3, name)
            norm = np.linalg.norm(bone.vector)
            bone.vector = bone.vector / norm if norm > 1e-9 else np.zeros(3)
        elif key == "length":
            bone.length = float(_numbers(words[1:], 1, name)[0])
        elif key == "axis":
            bone.axis = _turn(words[4] if len(words) > 4 else "XYZ", words[1:4], name)
        elif key == "dof":
            bone.dof = tuple(word.lower() for word in words[1:])
    if bone is not None:
        raise InvalidInput(f"{name}: it ends within a bone; perhaps cut off")


def _read_hierarchy(lines: list[list[str]], bones: dict[str, _Bone], name: str) -> None:
    for words in lines:
        if len(words) == 1 and words[0].lower() in ("begin", "end"):
            continue
        for word in words:
            if word not in bones:
                raise InvalidInput(f"{name}: the hierarchy names {quoted(word, 60)}, which is no bone")
        for child in words[1:]:
            if bones[child].parent is not None or child == "root":
                raise InvalidInput(f"{name}: the hierarchy hangs {quoted(child, 60)} from two bones")
            bones[child].parent = words[0]


def _ordered(bones: dict[str, _Bone], name: str) -> dict[str, _Bone]:
    """The bones that hang from the root, parents first."""
    below: dict[str, list[str]] = {}
    for bone in bones.values():
        if bone.parent is not None:
            below.setdefault(bone.parent, []).append(bone.name)
    ordered, waiting = {}, [("root", 0)]
    while waiting:
        current, depth = waiting.pop()
        if depth > MAX_DEPTH:
            raise InvalidInput(f"{name}: bones hang deeper than {MAX_DEPTH}")
        ordered[current] = bones[current]
        waiting += [(child, depth + 1) for child in reversed(below.get(current, []))]
    return ordered


def find_asf(amc: Path) -> Path:
    """The skeleton of a motion file.

    It is the .asf beside it (or in the folder above) whose name the motion's name begins with, or the only one there.

    Raises:
        InvalidInput: there is none, or it is not clear which.
    """
    for folder in (amc.parent, amc.parent.parent):
        found = sorted(path for path in folder.glob("*") if path.suffix.lower() == ".asf" and path.is_file())
        fitting = [path for path in found if amc.stem.lower().startswith(path.stem.lower())]
        if fitting:
            return max(fitting, key=lambda path: len(path.stem))
        if len(found) == 1:
            return found[0]
        if found:
            raise InvalidInput(
                f"{amc}: which of {', '.join(path.name for path in found[:5])} is its skeleton? Expected one "
                "whose name the motion's name begins with"
            )
    raise InvalidInput(f"{amc}: no skeleton; expected an .asf file beside it, such as 01.asf for 01_02.amc")


def read_amc(content: bytes, name: str, skeleton: Skeleton, fps: float | None = None) -> Rig:
    """Read a motion file for a skeleton; y is up.

    Args:
        content: the .amc.
        name: names the file in messages.
        skeleton: of the .asf.
        fps: in place of 120.

    Raises:
        InvalidInput: damaged, beyond a bound, or of another skeleton.
    """
    channels: dict[str, tuple[int, int]] = {}
    width = 0
    for bone in skeleton.bones.values():
        if bone.dof:
            channels[bone.name] = (width, len(bone.dof))
            width += len(bone.dof)
    table = _table(decode_text(content, name), name, channels, width)
    check_finite(table, name, "the motion's numbers")
    names, parents, offsets = list(skeleton.bones), [], []
    for bone in skeleton.bones.values():
        parents.append(-1 if bone.parent is None else names.index(bone.parent))
        offsets.append(np.zeros(3) if bone.parent is None else skeleton.bones[bone.parent].vector)
    rotations: dict[int, Rotation] = {}
    translations: dict[int, np.ndarray] = {}
    for joint, bone in enumerate(skeleton.bones.values()):
        begin = channels.get(bone.name, (0, 0))[0]
        turns = [(begin + n, dof) for n, dof in enumerate(bone.dof) if dof.startswith("r")]
        if turns:
            angles = table[:, [column for column, _ in turns]]
            # About fixed axes, in the order of the file: the same as about turned ones in the reverse order.
            own = Rotation.from_euler("".join(_AXES[dof] for _, dof in turns), angles, skeleton.degrees)
            rotations[joint] = bone.axis * own * bone.axis.inv()
        if joint == 0:
            place = np.zeros((len(table), 3))
            for n, dof in enumerate(bone.dof):
                if dof.startswith("t"):
                    place[:, "xyz".index(_AXES[dof])] = table[:, begin + n]
            translations[0] = place
    for joint, bone in enumerate(list(skeleton.bones.values())):
        if joint not in parents:
            names.append(f"{bone.name}_end")
            parents.append(joint)
            offsets.append(bone.vector)
    notes = () if fps else (f"frame rate taken as {DEFAULT_FPS:g} (AMC files don't say it; --fps)",)
    return Rig(
        tuple(names), tuple(parents), np.array(offsets), rotations, translations, len(table),
        check_fps(fps or DEFAULT_FPS, name), skeleton.unit_m, notes=notes,
    )  # fmt: skip


def _table(text: str, name: str, channels: dict[str, tuple[int, int]], width: int) -> np.ndarray:
    """All numbers of a motion file, (F, width)."""
    rows: list[np.ndarray] = []
    seen: set[str] = set()

    def finish() -> None:
        if rows and len(seen) < len(channels):
            lacking = next(bone for bone in channels if bone not in seen)
            raise InvalidInput(
                f"{name}: frame {len(rows)} has no {quoted(lacking, 60)}; cut off, or another skeleton's"
            )

    # Line by line: a list of all of them would take many times the file's size.
    for line in io.StringIO(text, newline=None):
        words = line.split()
        if not words or words[0][0] in "#:":
            continue
        if len(words) == 1 and words[0].isdecimal():
            finish()
            seen = set()
            rows.append(np.zeros(width))
            check_counts(0, len(rows), width, name)
            continue
        place = channels.get(words[0])
        if not rows or (place is None and (len(words) < 2 or words[0].replace(".", "").isdecimal())):
            raise InvalidInput(
                f"{name}: {quoted(line, 60)} is not understood; expected a frame's number, then its bones"
            )
        if place is None or words[0] in seen or len(words) - 1 != place[1]:
            raise InvalidInput(
                f"{name}: frame {len(rows)}: {quoted(line, 60)} does not fit the skeleton; is it another one's?"
            )
        try:
            rows[-1][place[0] : place[0] + place[1]] = words[1:]
        except ValueError:
            raise InvalidInput(
                f"{name}: frame {len(rows)}: {quoted(line, 60)} holds something other than numbers"
            ) from None
        seen.add(words[0])
    finish()
    check_counts(0, len(rows), width, name)
    return np.stack(rows)
