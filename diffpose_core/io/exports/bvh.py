"""BVH: the rig of a clip (`rig`) as text. Metres, y up, angles in degrees."""

from __future__ import annotations

import warnings
from collections.abc import Mapping

import numpy as np
from scipy.spatial.transform import Rotation

from diffpose_core.io.exports.rig import MIXAMO_NAMES, RigJoint, rig_of
from diffpose_core.structures import LiftResult

_ROTATIONS = "Zrotation Xrotation Yrotation"
_SCIPY_ORDER = "ZXY"


def _angles(local: Rotation) -> np.ndarray:
    with warnings.catch_warnings():
        # Where two of the three axes meet, any split of the angle between them is right.
        warnings.filterwarnings("ignore", message="Gimbal lock")
        angles = local.as_euler(_SCIPY_ORDER, degrees=True)
    # No jumps by whole turns: programs that show moments between frames would spin the limb.
    return np.unwrap(angles, period=360.0, axis=0)


def _hierarchy(joints: tuple[RigJoint, ...]) -> list[str]:
    lines = ["HIERARCHY"]
    for number, joint in enumerate(joints):
        tab = "\t" * joint.depth
        channels = f"6 Xposition Yposition Zposition {_ROTATIONS}" if number == 0 else f"3 {_ROTATIONS}"
        lines += [
            f"{tab}{'ROOT' if number == 0 else 'JOINT'} {joint.name}",
            f"{tab}{{",
            f"{tab}\tOFFSET {' '.join(f'{x:.6f}' for x in joint.offset)}",
            f"{tab}\tCHANNELS {channels}",
        ]
        if joint.end is not None:
            end = " ".join(f"{x:.6f}" for x in joint.end)
            lines += [f"{tab}\tEnd Site", f"{tab}\t{{", f"{tab}\t\tOFFSET {end}", f"{tab}\t}}"]
        following = joints[number + 1].depth if number + 1 < len(joints) else 0
        lines += ["\t" * depth + "}" for depth in range(joint.depth, following - 1, -1)]
    return lines


def write_bvh(result: LiftResult) -> bytes:
    """Write BVH: the root with six channels, other joints with three, angles in degrees (no room for comments)."""
    return _write(result, {})


def write_bvh_mixamo(result: LiftResult) -> bytes:
    """Write the same BVH with Mixamo's names of joints."""
    return _write(result, MIXAMO_NAMES)


def _write(result: LiftResult, names: Mapping[str, str]) -> bytes:
    rig = rig_of(result, names)
    table = np.concatenate([rig.root, *(_angles(joint.turn) for joint in rig.joints)], axis=1)
    row_format = " ".join(["%.6f"] * table.shape[1])
    lines = [
        *_hierarchy(rig.joints),
        "MOTION",
        f"Frames: {len(result)}",
        f"Frame Time: {1 / result.fps:.12f}",
        *(row_format % tuple(row) for row in table),
    ]
    return ("\n".join(lines) + "\n").encode()
