"""The 17-joint Human3.6M skeleton: names, tree, bones and symmetry.

Every pose in this project uses this order. Axes are named J (17 joints) and E (16 bones).
"""

from __future__ import annotations

import numpy as np

JOINT_NAMES: tuple[str, ...] = (
    "Hip",
    "RHip",
    "RKnee",
    "RFoot",
    "LHip",
    "LKnee",
    "LFoot",
    "Spine",
    "Thorax",
    "Neck/Nose",
    "Head",
    "LShoulder",
    "LElbow",
    "LWrist",
    "RShoulder",
    "RElbow",
    "RWrist",
)
NUM_JOINTS = len(JOINT_NAMES)
ROOT = 0

#: PARENTS[j] is the joint that bone j hangs from; the root has no parent (-1).
PARENTS: tuple[int, ...] = (-1, 0, 1, 2, 0, 4, 5, 0, 7, 8, 9, 8, 11, 12, 8, 14, 15)

#: (parent, child) of every bone, in order of the child.
BONES: tuple[tuple[int, int], ...] = tuple((p, j) for j, p in enumerate(PARENTS) if p >= 0)

RIGHT_JOINTS: tuple[int, ...] = (1, 2, 3, 14, 15, 16)
LEFT_JOINTS: tuple[int, ...] = (4, 5, 6, 11, 12, 13)

#: MIRROR[j] is the joint on the opposite side of the body (itself for the joints of the middle).
MIRROR: tuple[int, ...] = (0, 4, 5, 6, 1, 2, 3, 7, 8, 9, 10, 14, 15, 16, 11, 12, 13)

#: Ends of limbs: both ankles ("Foot" in Human3.6M's names) and both wrists.
LIMB_ENDS: tuple[int, ...] = (3, 6, 13, 16)


def bone_side(child: int) -> str:
    """Side of the body that the bone ending at joint `child` belongs to: "left", "right" or "middle"."""
    if child in LEFT_JOINTS:
        return "left"
    return "right" if child in RIGHT_JOINTS else "middle"


def adjacency() -> np.ndarray:
    """Symmetric 0/1 adjacency matrix of the skeleton graph without self-loops, float32 (J, J)."""
    matrix = np.zeros((NUM_JOINTS, NUM_JOINTS), dtype=np.float32)
    for parent, child in BONES:
        matrix[parent, child] = matrix[child, parent] = 1.0
    return matrix


def bone_lengths(pose: np.ndarray) -> np.ndarray:
    """Lengths of the 16 bones, (..., J, 3) -> (..., E), in the unit of `pose`."""
    parents = [p for p, _ in BONES]
    children = [c for _, c in BONES]
    # Several times as fast as a fancy index and a norm over an axis this short.
    vectors = pose.take(children, axis=-2) - pose.take(parents, axis=-2)
    return np.asarray(np.sqrt(np.einsum("...i,...i->...", vectors, vectors)))


def constant_bones(poses: np.ndarray, like: np.ndarray | None = None) -> np.ndarray:
    """The poses of one person with bones of constant length.

    Each bone gets its median length over the frames, the same on both sides of the body, and keeps its direction in
    every frame. The root stays. A bone of length 0 stays one.

    Args:
        poses: (F, J, 3), any unit.
        like: (N, J, 3), poses of the same person that the lengths are taken from instead.

    Returns:
        A new array, (F, J, 3).
    """
    median = np.median(bone_lengths(poses if like is None else like), axis=0)
    rebuilt = poses.copy()
    for bone, (parent, child) in enumerate(BONES):
        vector = poses[:, child] - poses[:, parent]
        length = np.linalg.norm(vector, axis=-1, keepdims=True)
        target = (median[bone] + median[MIRROR[child] - 1]) / 2
        direction = np.divide(vector, length, out=np.zeros_like(vector), where=length > 0)
        rebuilt[:, child] = rebuilt[:, parent] + direction * target
    return rebuilt


#: Child joints of the bones that a person's stature is made of: both legs count half, the others whole.
_LEGS, _UPRIGHT = (2, 3, 5, 6), (7, 8, 9, 10)


def stature(poses: np.ndarray) -> float:
    """Length of a person along the bones (lower leg, thigh, trunk, neck and head), whatever the posture.

    Every bone counts with its median over the frames, the legs with the mean of both sides. The ankle is not the sole
    and the head's joint not the crown: a person who is measured upright is some centimetres taller.

    Args:
        poses: (F, J, 3), any unit.

    Returns:
        A length in the unit of the poses.
    """
    median = np.median(bone_lengths(poses), axis=0)
    return float(0.5 * median[[j - 1 for j in _LEGS]].sum() + median[[j - 1 for j in _UPRIGHT]].sum())


def joint_label(joint: int) -> str:
    """A joint's name in plain words: RFoot is "right foot"."""
    name = JOINT_NAMES[joint]
    side = {"R": "right ", "L": "left "}.get(name[0], "") if name[1].isupper() else ""
    return (side + (name[1:] if side else name)).lower()
