"""Joint angles: a table for spreadsheets, and a motion file for OpenSim's model of the whole body."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.spatial.transform import Rotation

from diffpose_core.io.frame import positions_y_up, times_s
from diffpose_core.joint_angles import joint_angles, pelvis_axes, thorax_axes, without_jumps
from diffpose_core.structures import LiftResult

#: Middle of the hips in the pelvis of Rajagopal's model, metres: x forward, y up, z right.
_HIPS_IN_PELVIS = np.array([-0.0563, -0.0785, 0.0])
#: OpenSim's coordinates of a limb by our names.
_COORDINATES = {
    "hip_flexion": "hip_flexion", "hip_adduction": "hip_adduction", "hip_rotation": "hip_rotation",
    "knee_flexion": "knee_angle", "shoulder_flexion": "arm_flex", "shoulder_adduction": "arm_add",
    "shoulder_rotation": "arm_rot", "elbow_flexion": "elbow_flex",
}  # fmt: skip


def write_angles(result: LiftResult) -> bytes:
    """Write CSV with one row for each frame.

    Columns: frame, time, frame rate, 1 where somebody else is seen, then every joint angle in degrees. A cell is empty
    where an angle is not known (`joint_angles`).
    """
    columns = {
        "frame": np.arange(len(result)),
        "time_s": times_s(result).round(6),
        "fps": np.full(len(result), result.fps),
        "other_person": result.other_person.astype(int),
    }
    found = joint_angles(positions_y_up(result))
    columns |= {f"{name}_deg": values.round(3) for name, values in found.items()}
    return pd.DataFrame(columns).to_csv(index=False, lineterminator="\n").encode()


def write_mot(result: LiftResult) -> bytes:
    """Write OpenSim's motion file: degrees and metres, coordinates by the names of Rajagopal et al. (2016).

    Rotations that are not known stay at their neighbours' in time, or at 0. Ankles and forearms' own turns are 0.
    """
    pose = positions_y_up(result)
    columns = {"time": times_s(result), **_pelvis(pose)}
    found = joint_angles(pose)
    for side, letter in (("right", "r"), ("left", "l")):
        for name, coordinate in _COORDINATES.items():
            columns[f"{coordinate}_{letter}"] = _filled(found[f"{side}_{name}"])
    table = np.stack(list(columns.values()), axis=1)
    head = ("diffpose", "version=1", f"nRows={len(table)}", f"nColumns={len(columns)}", "inDegrees=yes", "endheader")
    rows = ("\t".join(f"{value:.6f}" for value in row) for row in table)
    return ("\n".join([*head, "\t".join(columns), *rows]) + "\n").encode()


def _pelvis(pose: np.ndarray) -> dict[str, np.ndarray]:
    """Coordinates of pelvis and lower back."""
    pelvis, back = pelvis_axes(pose), np.einsum("fji,fjk->fik", pelvis_axes(pose), thorax_axes(pose))
    origin = pose[:, 0] - pelvis @ _HIPS_IN_PELVIS
    columns = {f"pelvis_t{axis}": origin[:, number] for number, axis in enumerate("xyz")}
    for names, turn in (
        (("pelvis_tilt", "pelvis_list", "pelvis_rotation"), pelvis),
        (("lumbar_extension", "lumbar_bending", "lumbar_rotation"), back),
    ):
        good = np.linalg.det(turn) > 0.5
        angles = np.full((len(turn), 3), np.nan)
        if good.any():
            angles[good] = Rotation.from_matrix(turn[good]).as_euler("ZXY", degrees=True)
        columns |= {name: _filled(angles[:, number]) for number, name in enumerate(names)}
    return columns


def _filled(angle_deg: np.ndarray) -> np.ndarray:
    """Angles over time, (F,) degrees, without jumps and without gaps: lines between the known ones, else 0."""
    smooth, frames = without_jumps(angle_deg), np.arange(len(angle_deg))
    known = np.isfinite(smooth)
    return np.interp(frames, frames[known], smooth[known]) if known.any() else np.zeros(len(angle_deg))
