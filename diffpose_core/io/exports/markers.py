"""TRC and C3D: joint positions as markers, y up.

They are measured from the floor where there is a world frame, from the camera where the hip's path is known, else from
the hip.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from diffpose_core.io.frame import FILE_JOINT_NAMES, describe, positions_y_up, times_s
from diffpose_core.structures import InvalidInput, LiftResult

#: The header counts frames in 16 bits; the library that writes the file drops further ones.
C3D_MAX_FRAMES = 65_535
#: Longest text that a C3D parameter holds.
_C3D_LINE = 250


def write_trc(result: LiftResult) -> bytes:
    """Write TRC: metres, tab-separated, in the layout that OpenSim's TRCFileAdapter reads (no room for comments)."""
    names = FILE_JOINT_NAMES
    count = len(result)
    head = (
        ("PathFileType", "4", "(X/Y/Z)", "y_up.trc"),
        ("DataRate", "CameraRate", "NumFrames", "NumMarkers", "Units", "OrigDataRate", "OrigDataStartFrame",
         "OrigNumFrames"),
        (f"{result.fps:.6f}", f"{result.fps:.6f}", count, len(names), "m", f"{result.fps:.6f}", 1, count),
        ("Frame#", "Time", "\t\t\t".join(names), ""),
        ("", "", *(f"{axis}{marker + 1}" for marker in range(len(names)) for axis in "XYZ")),
        (),
    )  # fmt: skip
    lines = ["\t".join(map(str, row)) for row in head]
    row_format = "%d\t%.6f" + "\t%.5f" * (3 * len(names))
    table = positions_y_up(result).reshape(count, -1)
    lines += [
        row_format % (number, time, *row)
        for number, time, row in zip(range(1, count + 1), times_s(result), table, strict=True)
    ]
    return ("\n".join(lines) + "\n").encode()


def write_c3d(result: LiftResult) -> bytes:
    """Write C3D: millimetres, as is usual there; POINT:X_SCREEN and Y_SCREEN name the axes, DIFFPOSE:README the rest.

    Raises:
        InvalidInput: more than 65,535 frames.
    """
    import ezc3d

    if len(result) > C3D_MAX_FRAMES:
        raise InvalidInput(
            f"C3D holds up to {C3D_MAX_FRAMES:,} frames, found {len(result):,}; another format holds them all"
        )
    file = ezc3d.c3d()
    point = file["parameters"]["POINT"]
    point["RATE"]["value"] = [result.fps]
    point["LABELS"]["value"] = list(FILE_JOINT_NAMES)
    point["UNITS"]["value"] = ["mm"]
    file.add_parameter("POINT", "X_SCREEN", ["+X"])
    file.add_parameter("POINT", "Y_SCREEN", ["+Y"])
    about = describe(result, "y_up", "millimetres", absolute=True)
    file.add_parameter(
        "DIFFPOSE", "README", [line[i : i + _C3D_LINE] for line in about for i in range(0, len(line), _C3D_LINE)]
    )
    points = np.ones((4, len(FILE_JOINT_NAMES), len(result)))
    points[:3] = 1000 * positions_y_up(result).transpose(2, 1, 0)
    file["data"]["points"] = points
    # The library writes to paths only.
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "result.c3d")
        file.write(str(path))
        return path.read_bytes()
