"""A lifted clip as a skeleton of constant bone lengths, turned by rotations: what animation files hold.

A joint's rotation moves all its children alike, but hips and shoulders are not rigid in a predicted pose. Where a
joint has several children (hip, thorax), each hangs from a helper joint of its own at the same place, so that every
position is kept exactly. At rest the skeleton stands in a T with its face towards +z.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from diffpose_core.io.frame import FILE_JOINT_NAMES, positions_y_up
from diffpose_core.skeleton import NUM_JOINTS, PARENTS, bone_side, constant_bones
from diffpose_core.structures import LiftResult
from diffpose_core.uncertainty.identity import own_frames

#: End sites only give the last bones of a limb a length on screen, in metres.
END_M = 0.05
_LEGS = (2, 3, 5, 6)
_CHILDREN = tuple(tuple(j for j in range(NUM_JOINTS) if PARENTS[j] == parent) for parent in range(NUM_JOINTS))
#: Names that Mixamo's skeletons, and what retargets them, have for joints and helpers; others keep ours.
MIXAMO_NAMES: Mapping[str, str] = {
    "Hip": "Hips",
    "Hip_to_RHip": "RightPelvis", "RHip": "RightUpLeg", "RKnee": "RightLeg", "RFoot": "RightFoot",
    "Hip_to_LHip": "LeftPelvis", "LHip": "LeftUpLeg", "LKnee": "LeftLeg", "LFoot": "LeftFoot",
    "Hip_to_Spine": "Spine", "Spine": "Spine1", "Thorax": "Spine2",
    "Thorax_to_Neck_Nose": "Neck", "Neck_Nose": "Head", "Head": "HeadTop_End",
    "Thorax_to_LShoulder": "LeftShoulder", "LShoulder": "LeftArm", "LElbow": "LeftForeArm", "LWrist": "LeftHand",
    "Thorax_to_RShoulder": "RightShoulder", "RShoulder": "RightArm", "RElbow": "RightForeArm", "RWrist": "RightHand",
}  # fmt: skip


@dataclass(frozen=True)
class RigJoint:
    """A joint of an animation file.

    Attributes:
        name: in the file.
        joint: number of the joint that it stands for; of a helper, the joint at whose place it is.
        parent: its place in the list, -1 for the first.
        depth: below the first.
        offset: (3,) from its parent at rest, metres.
        turn: F rotations against its parent.
        end: (3,) to the end of the chain, metres, where the joint is its last.
    """

    name: str
    joint: int
    parent: int
    depth: int
    offset: np.ndarray
    turn: Rotation
    end: np.ndarray | None = None


@dataclass(frozen=True)
class Rig:
    """A skeleton and its motion, y up.

    Attributes:
        joints: depth first.
        root: (F, 3) metres, place of the first joint.
    """

    joints: tuple[RigJoint, ...]
    root: np.ndarray

    def at_rest(self) -> np.ndarray:
        """Places of the joints in the T pose, (N, 3), the first at the origin."""
        places = np.zeros((len(self.joints), 3))
        for number, joint in enumerate(self.joints):
            if joint.parent >= 0:
                places[number] = places[joint.parent] + joint.offset
        return places


def rig_of(result: LiftResult, names: Mapping[str, str] | None = None) -> Rig:
    """The rig of a result.

    Bones that change their length get its median first (`skeleton.constant_bones`).

    Args:
        result: the lifted clip.
        names: other names of joints.
    """
    pose = positions_y_up(result)
    pose = constant_bones(pose, like=pose[own_frames(result.other_person)])
    lengths = np.zeros(NUM_JOINTS)
    lengths[1:] = np.linalg.norm(pose[:, 1:] - pose[:, PARENTS[1:]], axis=-1).mean(0)
    renamed = names or {}
    joints: list[RigJoint] = []

    def add(joint: int, name: str, parent: int, offset: np.ndarray, turn: Rotation, end: np.ndarray | None) -> int:
        depth = joints[parent].depth + 1 if parent >= 0 else 0
        joints.append(RigJoint(renamed.get(name, name), joint, parent, depth, offset, turn, end))
        return len(joints) - 1

    def towards(child: int, turn: Rotation) -> Rotation:
        rest = rest_direction(child)
        return _swing(turn.apply(rest), pose[:, child] - pose[:, PARENTS[child]]) * turn

    def grow(joint: int, parent: int, parent_turn: Rotation) -> None:
        offset = lengths[joint] * rest_direction(joint) if parent >= 0 else np.zeros(3)
        name, children = FILE_JOINT_NAMES[joint], _CHILDREN[joint]
        if not children:
            still = Rotation.identity(len(pose))
            add(joint, name, parent, offset, still, END_M * rest_direction(joint))
        elif len(children) == 1:
            turn = towards(children[0], parent_turn)
            grow(children[0], add(joint, name, parent, offset, parent_turn.inv() * turn, None), turn)
        else:
            rest = np.stack([rest_direction(child) for child in children])
            turn = _common_turn(rest, np.stack([pose[:, child] - pose[:, joint] for child in children], axis=1))
            own = add(joint, name, parent, offset, parent_turn.inv() * turn, None)
            for child in children:
                helper = towards(child, turn)
                label = f"{name}_to_{FILE_JOINT_NAMES[child]}"
                grow(child, add(joint, label, own, np.zeros(3), turn.inv() * helper, None), helper)

    grow(0, -1, Rotation.identity(len(pose)))
    return Rig(tuple(joints), pose[:, 0])


def rest_direction(child: int) -> np.ndarray:
    """Direction in the T pose of the bone that ends at a joint, (3,), y up."""
    if child in _LEGS:
        return np.array([0.0, -1.0, 0.0])
    sides = {"left": [1.0, 0.0, 0.0], "right": [-1.0, 0.0, 0.0], "middle": [0.0, 1.0, 0.0]}
    return np.array(sides[bone_side(child)])


def _unit(vectors: np.ndarray) -> np.ndarray:
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.divide(vectors, length, out=np.zeros_like(vectors), where=length > 1e-12)


def _swing(start: np.ndarray, end: np.ndarray) -> Rotation:
    """Smallest rotations that turn vectors (F, 3) onto others (F, 3); the identity where either has no length."""
    start, end = _unit(start), _unit(end)
    axis = np.cross(start, end)
    sine, cosine = np.linalg.norm(axis, axis=-1), (start * end).sum(-1)
    # Half a turn goes about any axis at a right angle: the one made with the least of the coordinate axes.
    least = np.eye(3)[np.abs(start).argmin(-1)]
    axis = np.where((sine < 1e-9)[:, None], np.cross(start, least), axis)
    return Rotation.from_rotvec(_unit(axis) * np.arctan2(sine, cosine)[:, None])


def _common_turn(rest: np.ndarray, seen: np.ndarray) -> Rotation:
    """F rotations that turn directions (N, 3) closest to the seen ones (F, N, 3).

    Source: Kabsch (1976).
    """
    u, _, vt = np.linalg.svd(np.einsum("fni,nj->fij", _unit(seen), rest))
    u[..., -1] *= np.linalg.det(u @ vt)[:, None]
    return Rotation.from_matrix(u @ vt)
