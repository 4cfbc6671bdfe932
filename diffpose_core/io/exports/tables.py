"""JSON and CSV: camera frame, metres, poses relative to the hip; the hip's path and the world frame beside them."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd

from diffpose_core.io.frame import AXES, FILE_JOINT_NAMES, describe, times_s
from diffpose_core.io.results import SCHEMA
from diffpose_core.skeleton import NUM_JOINTS, PARENTS
from diffpose_core.structures import LiftResult

#: A hundredth of a millimetre, in metres.
_DECIMALS = 5
#: "x_right_m" and so on: a table has no room for more than its columns' names.
_AXIS_COLUMNS = tuple(f"{axis}_{side}_m" for axis, side in zip("xyz", AXES["cam"], strict=True))
_WORLD_COLUMNS = tuple(f"world_{axis}_{side}_m" for axis, side in zip("xyz", AXES["world"], strict=True))


def _json_rows(array: np.ndarray) -> str:
    """Nested JSON lists of an array. Row by row, because json takes ten times the memory for all of them at once."""
    rows = array if array.dtype.kind == "i" else array.astype(np.float64).round(_DECIMALS)
    return f"[{','.join(json.dumps(row.tolist(), separators=(',', ':')) for row in rows)}]"


def write_json(result: LiftResult) -> bytes:
    """Write one JSON object: a description, then the arrays as nested lists.

    Always there are pose3d (F, 17, 3), joint_std (F, 17), guessed (F, 17) and other_person (F,). Where they are known,
    expected_error (F, 17), unlike (F,) and root_cam (F, 3) follow. The world frame adds pose_world (F, 17, 3) and
    standing (F, 2), the right and the left foot. guessed, other_person, unlike and standing are 0 or 1.
    """
    about = {
        "schema": SCHEMA,
        "about": describe(result, "cam"),
        "units": "metres",
        "axes": dict(zip("xyz", AXES["cam"], strict=True)),
        "fps": result.fps,
        "num_frames": len(result),
        "joint_names": FILE_JOINT_NAMES,
        "joint_parents": PARENTS,
        "provenance": dict(result.provenance),
    }
    arrays = {
        "pose3d": result.pose3d,
        "joint_std": result.joint_std,
        "guessed": result.guessed.astype(int),
        "other_person": result.other_person.astype(int),
    }
    if result.expected_error is not None:
        arrays["expected_error"] = result.expected_error
    if result.unlike is not None:
        arrays["unlike"] = result.unlike.astype(int)
    if result.root_cam is not None:
        arrays["root_cam"] = result.root_cam
    if result.world is not None:
        arrays |= {"pose_world": result.world.pose, "standing": result.world.standing.astype(int)}
        about["axes_world"] = dict(zip("xyz", AXES["world"], strict=True))
        about["about_world"] = describe(result, "world")
    parts = [json.dumps(about).removesuffix("}"), *(f'"{name}":{_json_rows(array)}' for name, array in arrays.items())]
    return (",\n".join(parts) + "}\n").encode()


def _frame_columns(result: LiftResult) -> dict[str, np.ndarray]:
    """The columns that hold a value a frame."""
    columns = {
        "frame": np.arange(len(result)),
        "time_s": times_s(result).round(6),
        "fps": np.full(len(result), result.fps),
        "other_person": result.other_person.astype(int),
    }
    if result.unlike is not None:
        columns["unlike"] = result.unlike.astype(int)
    if result.root_cam is not None:
        columns |= {f"root_{name}": result.root_cam[:, axis] for axis, name in enumerate(_AXIS_COLUMNS)}
    if result.world is not None:
        for foot, name in enumerate(("right", "left")):
            columns[f"{name}_foot_stands"] = result.world.standing[:, foot].astype(int)
    return columns


def _csv(columns: dict[str, np.ndarray]) -> bytes:
    table = pd.DataFrame(
        {k: v.astype(np.float64).round(_DECIMALS) if k.endswith("_m") else v for k, v in columns.items()}
    )
    return table.to_csv(index=False, lineterminator="\n").encode()


def write_csv_long(result: LiftResult) -> bytes:
    """Write CSV with one row for each joint of each frame.

    Columns: frame, time, joint, x, y, z, the spread of the hypotheses, the expected error where it is known, and 1
    where the joint was guessed; with a world frame also its x, y, z, and 1 where a foot stands. "other_person" is 1 in
    frames that show somebody else. Where the expected error is known, "unlike" is 1 in frames in which it means
    nothing.
    """
    columns = {name: np.repeat(values, NUM_JOINTS) for name, values in _frame_columns(result).items()}
    columns["joint"] = np.tile(np.array(FILE_JOINT_NAMES), len(result))
    columns |= {name: result.pose3d[..., axis].ravel() for axis, name in enumerate(_AXIS_COLUMNS)}
    if result.world is not None:
        columns |= {name: result.world.pose[..., axis].ravel() for axis, name in enumerate(_WORLD_COLUMNS)}
    columns["std_m"] = result.joint_std.ravel()
    if result.expected_error is not None:
        columns["expected_error_m"] = result.expected_error.ravel()
    columns["guessed"] = result.guessed.ravel().astype(int)
    return _csv(columns)


def write_csv_wide(result: LiftResult) -> bytes:
    """Write CSV with one row for each frame.

    Columns: frame, time, then x, y, z, spread and, where it is known, expected error of every joint, and 1 where it
    was guessed.
    """
    columns = _frame_columns(result)
    for joint, name in enumerate(FILE_JOINT_NAMES):
        columns |= {f"{name}_{column}": result.pose3d[:, joint, axis] for axis, column in enumerate(_AXIS_COLUMNS)}
        if result.world is not None:
            world = result.world.pose[:, joint]
            columns |= {f"{name}_{column}": world[:, axis] for axis, column in enumerate(_WORLD_COLUMNS)}
        columns[f"{name}_std_m"] = result.joint_std[:, joint]
        if result.expected_error is not None:
            columns[f"{name}_expected_error_m"] = result.expected_error[:, joint]
        columns[f"{name}_guessed"] = result.guessed[:, joint].astype(int)
    return _csv(columns)
