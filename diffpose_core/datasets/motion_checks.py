"""Motions that can't be: wrong units, no people, no bones. They are refused before anything is trained on them."""

from __future__ import annotations

import numpy as np

from diffpose_core.datasets.mocap17 import MotionSet
from diffpose_core.skeleton import BONES, JOINT_NAMES, bone_lengths, stature
from diffpose_core.structures import InvalidInput

#: Length of a person along the bones, metres: from small children to the tallest.
_STATURE_M = (0.5, 2.6)
_SHORTEST_BONE_M = 0.005
#: Height of the hip above or below the floor, metres, and its speed, metres a second.
_HIGHEST_M, _FASTEST_MPS = 30.0, 30.0
#: Frames of a clip that are looked at.
_FRAMES = 16


def check_motions(motions: MotionSet, name: str) -> None:
    """Check that clips hold people in metres.

    Args:
        motions: the clips.
        name: of their file, for messages.

    Raises:
        InvalidInput: a clip can't be: the message names the clip, what was found and what is expected.
    """
    for clip in range(len(motions)):
        begin, end = int(motions.start[clip]), int(motions.start[clip + 1])
        problem = _problem(motions, begin, end, float(motions.fps[clip]))
        if problem:
            raise InvalidInput(f"{name}: clip {clip} ({str(motions.name[clip])!r}): {problem}")


def _problem(motions: MotionSet, begin: int, end: int, fps: float) -> str | None:
    """A sentence on a clip's fault, or None."""
    poses = motions.poses_world(np.unique(np.linspace(begin, end - 1, _FRAMES).astype(np.int64)))
    bones = np.median(bone_lengths(poses), axis=0)
    if not bones.any():
        return "all joints lie in one point"
    shortest = int(bones.argmin())
    if bones[shortest] < _SHORTEST_BONE_M:
        ends = " to ".join(JOINT_NAMES[joint] for joint in BONES[shortest])
        return f"the bone {ends} is {1000 * bones[shortest]:.1f} mm long"
    height = stature(poses)
    if not _STATURE_M[0] <= height <= _STATURE_M[1]:
        return f"a person of {height:.2f} m; between {_STATURE_M[0]} and {_STATURE_M[1]} m is expected: see the unit"
    root = motions.root[begin:end]
    highest = float(np.abs(root[:, 2]).max())
    if highest > _HIGHEST_M:
        return f"the hip is {highest:,.0f} m above the floor: root must be in metres, with z up"
    if len(root) > 1:
        speed = float(np.median(np.linalg.norm(np.diff(root, axis=0), axis=1))) * fps
        if speed > _FASTEST_MPS:
            return f"the hip moves at {speed:,.0f} m a second: root must be in metres"
    return None
