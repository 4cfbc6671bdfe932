"""A lifted clip in the file formats that other programs read.

`EXPORTS` lists them; `export_bytes` writes one. docs/exports.md has the meaning of the numbers, and so has
every file whose format has room for it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from types import MappingProxyType

from diffpose_core.io.exports.markers import C3D_MAX_FRAMES, write_c3d, write_trc
from diffpose_core.io.results import write_npz
from diffpose_core.structures import InvalidInput, LiftResult


@dataclass(frozen=True)
class ExportFormat:
    """One way to write a result.

    Attributes:
        ending: of the suggested file name, after the clip's name.
        label: a few words.
        description: one sentence for a person who chooses.
        media_type: for a download.
        write: makes the file.
        max_frames: that the format holds; None for any number.
    """

    ending: str
    label: str
    description: str
    media_type: str
    write: Callable[[LiftResult], bytes]
    max_frames: int | None = None


def _later(module: str, writer: str) -> Callable[[LiftResult], bytes]:
    """A writer whose module is loaded when it is first used: pandas and scipy take half a second."""

    def write(result: LiftResult) -> bytes:
        content: bytes = getattr(import_module(f"{__name__}.{module}"), writer)(result)
        return content

    return write


#: The format of an extra; nothing where its package is not installed.
_RERUN = {} if find_spec("rerun_bindings") is None else {
    "rrd": ExportFormat(
        ".rrd", "Rerun (recording)",
        "Bones, joints and hypotheses over time, for the viewer of Rerun.",
        "application/octet-stream", _later("rerun_scene", "write_rrd"),
    ),
}  # fmt: skip
EXPORTS: Mapping[str, ExportFormat] = MappingProxyType({
    "npz": ExportFormat(
        ".npz", "NumPy (.npz)",
        "Everything, for Python: poses, spread, hypotheses, baseline and how they were made.",
        "application/octet-stream", write_npz,
    ),
    "json": ExportFormat(
        ".json", "JSON",
        "Poses and spread with joint names, units, axes and frame rate, for any programming language.",
        "application/json", _later("tables", "write_json"),
    ),
    "csv": ExportFormat(
        "-long.csv", "CSV, one row a joint",
        "One row for each joint of each frame, for pandas, R and plots.",
        "text/csv", _later("tables", "write_csv_long"),
    ),
    "csv-wide": ExportFormat(
        "-wide.csv", "CSV, one row a frame",
        "One row for each frame with all joints side by side, for spreadsheets.",
        "text/csv", _later("tables", "write_csv_wide"),
    ),
    "csv-angles": ExportFormat(
        "-angles.csv", "CSV, joint angles",
        "Angles of hips, knees, shoulders, elbows and trunk in degrees, one row for each frame.",
        "text/csv", _later("angles", "write_angles"),
    ),
    "bvh": ExportFormat(
        "_metres_y-up.bvh", "BVH (animation)",
        "A skeleton with rotations and bones of constant length, for Blender and other animation programs.",
        "text/plain", _later("bvh", "write_bvh"),
    ),
    "bvh-mixamo": ExportFormat(
        "_mixamo.bvh", "BVH, Mixamo's names",
        "The same skeleton with the joint names of Mixamo, for retargeting to characters.",
        "text/plain", _later("bvh", "write_bvh_mixamo"),
    ),
    "glb": ExportFormat(
        ".glb", "glTF (3D scene)",
        "A moving body on bones, for Blender, three.js, game engines and viewers.",
        "model/gltf-binary", _later("gltf", "write_glb"),
    ),
    "trc": ExportFormat(
        ".trc", "TRC (OpenSim)",
        "Joint positions as markers, for OpenSim and biomechanics.",
        "text/plain", write_trc,
    ),
    "mot": ExportFormat(
        ".mot", "MOT (OpenSim)",
        "Joint angles as coordinates of OpenSim's model of the whole body (Rajagopal 2016).",
        "text/plain", _later("angles", "write_mot"),
    ),
    "c3d": ExportFormat(
        ".c3d", "C3D (motion capture)",
        "Joint positions as markers in millimetres, for motion capture and gait software; up to 65,535 frames.",
        "application/octet-stream", write_c3d, C3D_MAX_FRAMES,
    ),
    **_RERUN,
})  # fmt: skip
#: Formats that hold several people in one scene, with the modules that write it.
SCENES: Mapping[str, str] = MappingProxyType({"glb": "gltf", "rrd": "rerun_scene"})


def export_format(name: str) -> ExportFormat:
    """The format of a name.

    Raises:
        InvalidInput: lists the names that there are, or says what the format needs.
    """
    if name == "rrd" and name not in EXPORTS:
        raise InvalidInput(
            'rrd, a recording of Rerun, needs its package: pip install ".[rerun]" in the project\'s folder'
        )
    if name not in EXPORTS:
        raise InvalidInput(f"no export format {name!r}; there are {', '.join(EXPORTS)}")
    return EXPORTS[name]


def format_of_ending(file_name: str) -> str:
    """Name of the format that a file name's ending stands for; .csv is the long one.

    Raises:
        InvalidInput: lists the endings that there are.
    """
    suffix = re.search(r"\.[^./\\]*$", file_name.lower())
    name = "" if suffix is None else suffix.group()[1:]
    if name not in EXPORTS and name not in SCENES:
        known = ", ".join(sorted({"." + form.ending.rpartition(".")[2] for form in EXPORTS.values()}))
        raise InvalidInput(
            f"{file_name}: the ending names no export format; expected one of {known}, or a format by its name"
        )
    return name


def write_scene(results: Mapping[str, LiftResult], starts_s: Mapping[str, float], format: str) -> bytes:
    """Write several people, by their keys and the times at which they begin, as one scene. format: a key of SCENES."""
    content: bytes = import_module(f"{__name__}.{SCENES[format]}").write_people(results, starts_s)
    return content


def file_stem(name: str) -> str:
    """A clip's name reduced to letters, digits, dot, dash and underscore, for a file name that is valid everywhere."""
    stem = re.sub(r"[^\w.-]+", "-", name, flags=re.ASCII).strip(".-_")
    return stem[:80] or "clip"


def file_name(result: LiftResult, format: str) -> str:
    """File name for a result, made from the clip's name.

    Raises:
        InvalidInput: an unknown format.
    """
    return file_stem(str(result.provenance.get("clip", ""))) + export_format(format).ending


def export_bytes(result: LiftResult, format: str) -> tuple[bytes, str]:
    """Write a lifted clip as a file.

    Args:
        result: the lifted clip.
        format: a key of EXPORTS.

    Returns:
        The file's content, and a suggested file name made from the clip's name.

    Raises:
        InvalidInput: an unknown format, or a clip that the format can't hold.
    """
    return export_format(format).write(result), file_name(result, format)
