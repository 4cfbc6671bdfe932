"""Recordings of Rerun (.rrd): bones, joints and hypotheses over time, of one person or several."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import rerun

from diffpose_core.io.frame import FILE_JOINT_NAMES, describe, in_y_up, positions_y_up, times_s
from diffpose_core.skeleton import BONES, bone_side
from diffpose_core.structures import LiftResult

#: Colours of the sides, as in the app.
_COLOURS = {"left": (204, 102, 0), "right": (26, 98, 214), "middle": (173, 180, 188)}
_BONE_M, _HYPOTHESIS_M = 0.012, 0.003
#: Bones of hypotheses in a recording at most: these take 100 MB.
_MAX_HYPOTHESIS_BONES = 4_000_000


def write_rrd(result: LiftResult) -> bytes:
    """Write a recording: metres, y up."""
    return write_people({"": result}, {})


def write_people(results: Mapping[str, LiftResult], starts_s: Mapping[str, float]) -> bytes:
    """Write a recording with several people.

    Args:
        results: of people by their keys, at least one.
        starts_s: times at which they begin, seconds; 0 by default.
    """
    first = next(iter(results.values()))
    recording = rerun.RecordingStream("diffpose_studio", send_properties=False)
    content = recording.binary_stream()
    recording.log("scene", rerun.ViewCoordinates.RIGHT_HAND_Y_UP, static=True)
    recording.log("about", rerun.TextDocument("\n\n".join(describe(first, "y_up", absolute=True))), static=True)
    for key, result in results.items():
        _add(recording, f"scene/{_part(key)}", result, starts_s.get(key, 0.0))
    whole = content.read(flush=True)
    return b"" if whole is None else bytes(whole)


def _part(key: str) -> str:
    """A person's part of a path, in which some signs have a meaning."""
    return "person_" + "".join(c if c.isalnum() else "_" for c in key) if key else "person"


def _add(recording: rerun.RecordingStream, path: str, result: LiftResult, start_s: float) -> None:
    """Add a person who begins at a time."""
    poses, seconds = positions_y_up(result).astype(np.float32), times_s(result) + start_s
    begin = round(start_s * result.fps)
    indexes = [
        rerun.TimeColumn("time", duration=seconds),
        rerun.TimeColumn("frame", sequence=np.arange(begin, begin + len(result))),
    ]
    colours = [_COLOURS[bone_side(child)] for _, child in BONES]
    recording.log(f"{path}/bones", rerun.LineStrips3D.from_fields(colors=colours, radii=_BONE_M), static=True)
    recording.log(f"{path}/joints", rerun.Points3D.from_fields(labels=FILE_JOINT_NAMES, show_labels=False), static=True)
    recording.send_columns(f"{path}/bones", indexes, _strips(poses[:, None]))
    radii = np.full(poses.shape[:2], _BONE_M, np.float32)
    joints = rerun.Points3D.columns(positions=poses.reshape(-1, 3), radii=radii.ravel())
    recording.send_columns(f"{path}/joints", indexes, [*joints.partition(lengths=[poses.shape[1]] * len(poses))])
    count = result.hypotheses.shape[1]
    if count and len(result) * count * len(BONES) <= _MAX_HYPOTHESIS_BONES and result.world is None:
        hip = poses[:, :1] - in_y_up(result.pose3d[:, :1])
        hypotheses = in_y_up(result.hypotheses) + hip[:, None]
        recording.log(f"{path}/hypotheses", rerun.LineStrips3D.from_fields(radii=_HYPOTHESIS_M), static=True)
        recording.send_columns(f"{path}/hypotheses", indexes, _strips(hypotheses.astype(np.float32)))
    if result.expected_error is not None:
        error = rerun.Scalars.columns(scalars=1000.0 * result.expected_error[:, 1:].mean(1))
        recording.send_columns(f"{path}/expected_error_mm", indexes, error)


def _strips(poses: np.ndarray) -> list[object]:
    """Bones of poses (F, H, 17, 3), as columns."""
    parents, children = (list(ends) for ends in zip(*BONES, strict=True))
    lines = np.stack((poses[:, :, parents], poses[:, :, children]), axis=-2)
    columns = rerun.LineStrips3D.columns(strips=lines.reshape(-1, 2, 3))
    return [*columns.partition(lengths=[lines.shape[1] * lines.shape[2]] * len(poses))]
