"""Units, axes, origin, joint order and frame rate of exported files.

Files come in one of two frames. "cam": metres, x right, y down, z away from the camera, as everywhere in this project.
"y_up": x right, y up, z towards the camera: the same turned by half a turn about x, as animation and biomechanics
programs expect it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np

from diffpose_core.skeleton import JOINT_NAMES
from diffpose_core.structures import LiftResult

Frame = Literal["cam", "y_up"]

AXES: Mapping[Frame, tuple[str, str, str]] = {
    "cam": ("right", "down", "forward"),
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


def times_s(result: LiftResult) -> np.ndarray:
    """Time of every frame in seconds, (F,), the first at 0."""
    return np.arange(len(result)) / result.fps


def describe(result: LiftResult, frame: Frame, unit: str = "metres", absolute: bool = False) -> tuple[str, ...]:
    """Description of an exported file for its reader, in plain ASCII.

    Args:
        result: the lifted clip.
        frame: coordinate frame of the file.
        unit: of lengths.
        absolute: True if the positions hold the hip's path where it is known, instead of being relative to the hip.

    Returns:
        One sentence a line.
    """
    x, y, z = AXES[frame]
    if absolute and result.root_cam is not None:
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
        f"Axes: x {x}, y {y}, z {z}, as the camera sees it; the camera need not be level.",
        f"Origin: {origin}.",
        f"Size: {size}.",
        f"Joints, in the order of Human3.6M: {joints}.",
        f"Frames a second: {result.fps:.6g}; frame 0 is at 0 s.",
    )
