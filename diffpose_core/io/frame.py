"""Units, axes, origin, joint order and frame rate of exported files.

Files come in one of three frames. "cam": metres, x right, y down, z away from the camera, as everywhere in this
project. "world": x right, y away from the camera, z up, the floor at 0. "y_up": x right, y up, z towards the camera, as
animation and biomechanics programs expect it; made of the world frame where a result has one, else of the camera's
frame, turned by half a turn about x.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np

from diffpose_core.skeleton import JOINT_NAMES
from diffpose_core.structures import LiftResult

Frame = Literal["cam", "world", "y_up"]

AXES: Mapping[Frame, tuple[str, str, str]] = {
    "cam": ("right", "down", "forward"),
    "world": ("right", "away", "up"),
    "y_up": ("right", "up", "towards the camera"),
}
#: Joint names that every program takes: "/" is a path in OpenSim.
FILE_JOINT_NAMES: tuple[str, ...] = tuple(name.replace("/", "_") for name in JOINT_NAMES)


def in_y_up(vectors_cam: np.ndarray) -> np.ndarray:
    """Camera-frame vectors (..., 3) in the y-up frame, (..., 3)."""
    return vectors_cam * np.array([1.0, -1.0, -1.0])


def positions_cam(result: LiftResult) -> np.ndarray:
    """Positions of the joints, relative to the camera where the hip's path is known, else to the hip.

    Returns:
        (F, 17, 3) float64 metres, camera frame.
    """
    pose = result.pose3d.astype(np.float64)
    return pose if result.root_cam is None else pose + result.root_cam[:, None]


def positions_y_up(result: LiftResult) -> np.ndarray:
    """Positions of the joints in the y-up frame: on the floor where the result has a world frame, else as the camera
    sees them.

    Returns:
        (F, 17, 3) float64 metres.
    """
    if result.world is None:
        return in_y_up(positions_cam(result))
    x, y, z = np.moveaxis(result.world.pose.astype(np.float64), -1, 0)
    return np.stack([x, z, -y], axis=-1)


def times_s(result: LiftResult) -> np.ndarray:
    """Time of every frame in seconds, (F,), the first at 0."""
    return np.arange(len(result)) / result.fps


def describe(result: LiftResult, frame: Frame, unit: str = "metres", absolute: bool = False) -> tuple[str, ...]:
    """Description of an exported file for its reader, in plain ASCII.

    Args:
        result: the lifted clip.
        frame: coordinate frame of the file.
        unit: of lengths.
        absolute: True if the positions hold the hip's path (or the world frame) where it is known, instead of being
            relative to the hip.

    Returns:
        One sentence a line.
    """
    x, y, z = AXES[frame]
    upright = frame == "world" or (absolute and result.world is not None)
    if upright:
        origin = "the floor below the hip of the first frame; the person moves through space"
    elif absolute and result.root_cam is not None:
        origin = "the camera; the path of the hip was estimated from the 2D pose and the camera's intrinsics"
    else:
        origin = "the hip of each frame; no movement of the whole body through space"
    height = result.provenance.get("stature_m")
    size = "as predicted; a single camera cannot tell a small person from one further away"
    if height is not None:
        size = f"scaled so that lower leg, thigh, trunk, neck and head add up to {height:g} m, as was asked for"
    joints = ", ".join(f"{number} {name}" for number, name in enumerate(FILE_JOINT_NAMES))
    return (
        "3D human pose, lifted from a 2D pose by DiffPose Studio: a prediction, not a measurement.",
        f"Units: {unit}.",
        f"Axes: x {x}, y {y}, z {z}, as the camera sees it; {_level(upright)}.",
        f"Origin: {origin}.",
        f"Size: {size}.",
        f"Joints, in the order of Human3.6M: {joints}.",
        f"Frames a second: {result.fps:.6g}; frame 0 is at 0 s.",
        *_changes(result, upright),
    )


def _level(upright: bool) -> str:
    return "upright, the floor at 0" if upright else "the camera need not be level"


def _changes(result: LiftResult, upright: bool) -> list[str]:
    """Sentences about other people, smoothing and the world frame."""
    said = []
    if result.other_person.any():
        other = np.flatnonzero(result.other_person)
        said.append(f"Frames that seem to show somebody else: {len(other)} of {len(result)}, the first is {other[0]}.")
    if "smoothed_hz" in result.provenance:
        said.append(f"Smoothed: Butterworth low-pass filter, cut-off {result.provenance['smoothed_hz']:g} Hz.")
    if upright:
        about = result.provenance.get("world", {})
        held = ", standing feet held in their places" if about.get("feet_held") else ""
        said += [f"World frame: made of the prediction{held}.", *about.get("notes", ())]
    return said
