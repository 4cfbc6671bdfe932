"""BVH: the 17 joints as a skeleton of constant bone lengths, turned by rotations. Metres, y up.

A joint's rotation moves all its children alike, but hips and shoulders are not rigid in a predicted pose. Where a
joint has several children (hip, thorax), each hangs from a helper joint of its own at the same place, so that every
position is kept exactly. At rest the skeleton stands in a T with its face towards +z.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from diffpose_core.io.frame import FILE_JOINT_NAMES, positions_y_up
from diffpose_core.skeleton import NUM_JOINTS, PARENTS, bone_side, constant_bones
from diffpose_core.structures import LiftResult

_ROTATIONS = "Zrotation Xrotation Yrotation"
_SCIPY_ORDER = "ZXY"
#: End sites only give the last bones of a limb a length on screen, in metres.
_END_M = 0.05
_LEGS = (2, 3, 5, 6)
_CHILDREN = tuple(tuple(j for j in range(NUM_JOINTS) if PARENTS[j] == parent) for parent in range(NUM_JOINTS))


def _rest_direction(child: int) -> np.ndarray:
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


@dataclass(frozen=True)
class _Node:
    """A joint of the file.

    Attributes:
        name, depth: in the file.
        offset: (3,) from its parent at rest, metres.
        angles_deg: (F, 3), in the file's order.
        end: (3,) to the end of the chain, metres, where the joint is its last.
    """

    name: str
    depth: int
    offset: np.ndarray
    angles_deg: np.ndarray
    end: np.ndarray | None = None


def _angles(local: Rotation) -> np.ndarray:
    with warnings.catch_warnings():
        # Where two of the three axes meet, any split of the angle between them is right.
        warnings.filterwarnings("ignore", message="Gimbal lock")
        angles = local.as_euler(_SCIPY_ORDER, degrees=True)
    # No jumps by whole turns: programs that show moments between frames would spin the limb.
    return np.unwrap(angles, period=360.0, axis=0)


def _nodes(pose: np.ndarray, lengths: np.ndarray) -> list[_Node]:
    """Joints of the file, depth first.

    Args:
        pose: (F, 17, 3) metres, y up.
        lengths: (17,) metres, of the bone that ends at each joint.
    """
    still = Rotation.identity(len(pose))
    nodes: list[_Node] = []

    def bone(child: int) -> tuple[np.ndarray, np.ndarray]:
        return _rest_direction(child), pose[:, child] - pose[:, PARENTS[child]]

    def towards(child: int, turn: Rotation) -> Rotation:
        rest, seen = bone(child)
        return _swing(turn.apply(rest), seen) * turn

    def add(joint: int, depth: int, parent_turn: Rotation) -> None:
        offset = lengths[joint] * _rest_direction(joint) if depth else np.zeros(3)
        children = _CHILDREN[joint]
        if not children:
            nodes.append(_Node(FILE_JOINT_NAMES[joint], depth, offset, _angles(still), _END_M * _rest_direction(joint)))
        elif len(children) == 1:
            turn = towards(children[0], parent_turn)
            nodes.append(_Node(FILE_JOINT_NAMES[joint], depth, offset, _angles(parent_turn.inv() * turn)))
            add(children[0], depth + 1, turn)
        else:
            rest, seen = zip(*(bone(child) for child in children), strict=True)
            turn = _common_turn(np.stack(rest), np.stack(seen, axis=1))
            nodes.append(_Node(FILE_JOINT_NAMES[joint], depth, offset, _angles(parent_turn.inv() * turn)))
            for child in children:
                helper = towards(child, turn)
                name = f"{FILE_JOINT_NAMES[joint]}_to_{FILE_JOINT_NAMES[child]}"
                nodes.append(_Node(name, depth + 1, np.zeros(3), _angles(turn.inv() * helper)))
                add(child, depth + 2, helper)

    add(0, 0, still)
    return nodes


def _hierarchy(nodes: list[_Node]) -> list[str]:
    lines = ["HIERARCHY"]
    for number, node in enumerate(nodes):
        tab = "\t" * node.depth
        channels = f"6 Xposition Yposition Zposition {_ROTATIONS}" if number == 0 else f"3 {_ROTATIONS}"
        lines += [
            f"{tab}{'ROOT' if number == 0 else 'JOINT'} {node.name}",
            f"{tab}{{",
            f"{tab}\tOFFSET {' '.join(f'{x:.6f}' for x in node.offset)}",
            f"{tab}\tCHANNELS {channels}",
        ]
        if node.end is not None:
            end = " ".join(f"{x:.6f}" for x in node.end)
            lines += [f"{tab}\tEnd Site", f"{tab}\t{{", f"{tab}\t\tOFFSET {end}", f"{tab}\t}}"]
        following = nodes[number + 1].depth if number + 1 < len(nodes) else 0
        lines += ["\t" * depth + "}" for depth in range(node.depth, following - 1, -1)]
    return lines


def write_bvh(result: LiftResult) -> bytes:
    """Write BVH: the root with six channels, other joints with three, angles in degrees (no room for comments).

    Bones that change their length get its median first (`skeleton.constant_bones`).
    """
    pose = constant_bones(positions_y_up(result))
    lengths = np.zeros(NUM_JOINTS)
    lengths[1:] = np.linalg.norm(pose[:, 1:] - pose[:, PARENTS[1:]], axis=-1).mean(0)
    nodes = _nodes(pose, lengths)
    root = pose[:, 0]
    table = np.concatenate([root, *(node.angles_deg for node in nodes)], axis=1)
    row_format = " ".join(["%.6f"] * table.shape[1])
    lines = [
        *_hierarchy(nodes),
        "MOTION",
        f"Frames: {len(result)}",
        f"Frame Time: {1 / result.fps:.12f}",
        *(row_format % tuple(row) for row in table),
    ]
    return ("\n".join(lines) + "\n").encode()
