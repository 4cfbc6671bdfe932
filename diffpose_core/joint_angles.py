"""Joint angles of the 17-joint skeleton, after the recommendations of the International Society of Biomechanics.

Segments' axes are x forward, y up, z to the person's right, from Wu et al. (2002) for hip and knee and Wu et al. (2005)
for thorax and shoulder. 17 points allow a part of them: no foot, so no ankle; no forearm's or hand's own turn; pelvis
and trunk share one line, so that the pelvis has no tilt of its own.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

#: Angles of a result and their meaning when they grow, in the order of files.
MEANINGS: Mapping[str, str] = {
    "trunk_forward_lean": "the trunk leans to the person's front, against the vertical",
    "trunk_side_lean": "the trunk leans to the person's right, against the vertical",
    "trunk_twist": "the shoulders are turned to the left, against the hips",
    "pelvis_obliquity": "the right hip is lower than the left",
    "pelvis_heading": "the person is turned to the left; 0 faces right in the picture",
    **{
        f"{side}_{name}": meaning
        for side in ("right", "left")
        for name, meaning in (
            ("hip_flexion", "the thigh is in front of the pelvis"),
            ("hip_adduction", "the thigh is towards the middle"),
            ("hip_rotation", "the thigh is turned inwards"),
            ("knee_flexion", "the knee is bent; 0 is straight"),
            ("shoulder_flexion", "the upper arm is in front of the trunk"),
            ("shoulder_adduction", "the upper arm is towards the middle"),
            ("shoulder_rotation", "the upper arm is turned inwards"),
            ("shoulder_elevation", "the upper arm is raised, in whatever direction; 0 hangs down"),
            ("shoulder_plane", "plane of the raised arm: 0 to the side, 90 to the front"),
            ("elbow_flexion", "the elbow is bent; 0 is straight"),
        )
    },
}
#: A limb's own turn is seen by how its joint bends: below this angle it is not known.
LEAST_BENT_DEG = 20.0
#: The plane of an arm that hangs down or points up is not known.
_LEAST_RAISED_DEG = 10.0
_HIPS, _KNEES, _ANKLES = {"right": 1, "left": 4}, {"right": 2, "left": 5}, {"right": 3, "left": 6}
_SHOULDERS, _ELBOWS, _WRISTS = {"right": 14, "left": 11}, {"right": 15, "left": 12}, {"right": 16, "left": 13}
_HIP, _SPINE, _THORAX = 0, 7, 8


def joint_angles(pose_y_up: np.ndarray) -> dict[str, np.ndarray]:
    """Joint angles by the names of `MEANINGS`, (F,) degrees each; NaN where an angle is not known.

    Args:
        pose_y_up: (F, 17, 3), x right, y up, z towards the camera; leans are against this y.

    Source: Grood and Suntay (1983) for the order of hip and shoulder angles (flexion, adduction, rotation).
    """
    pose = pose_y_up.astype(np.float64)
    pelvis, thorax = pelvis_axes(pose), thorax_axes(pose)
    found = {}
    # Trunk against the vertical: heading first, then what is left of it.
    _, lean_side, lean_front = _euler(thorax, "YXZ").T
    found["trunk_forward_lean"], found["trunk_side_lean"] = -lean_front, lean_side
    found["trunk_twist"] = _euler(_in(pelvis, thorax), "ZXY")[:, 2]
    heading, obliquity, _ = _euler(pelvis, "YXZ").T
    found["pelvis_obliquity"], found["pelvis_heading"] = obliquity, without_jumps(heading)
    for side in ("right", "left"):
        thigh, knee = limb_axes(pose, _HIPS[side], _KNEES[side], _ANKLES[side], pelvis, backwards=True)
        arm, elbow = limb_axes(pose, _SHOULDERS[side], _ELBOWS[side], _WRISTS[side], thorax, backwards=False)
        for name, axes, parent, bend in (("hip", thigh, pelvis, knee), ("shoulder", arm, thorax, elbow)):
            flexion, adduction, rotation = ball_angles(_in(parent, axes), side).T
            found[f"{side}_{name}_flexion"], found[f"{side}_{name}_adduction"] = flexion, adduction
            found[f"{side}_{name}_rotation"] = np.where(bend >= LEAST_BENT_DEG, rotation, np.nan)
        found[f"{side}_knee_flexion"], found[f"{side}_elbow_flexion"] = knee, elbow
        found[f"{side}_shoulder_elevation"], found[f"{side}_shoulder_plane"] = _elevation(_in(thorax, arm), side)
    return {name: found[name] for name in MEANINGS}


def pelvis_axes(pose: np.ndarray) -> np.ndarray:
    """Axes of the pelvis as columns, (F, 3, 3): z along the hips, y as near to the lower spine as that allows."""
    z = _unit(pose[:, _HIPS["right"]] - pose[:, _HIPS["left"]])
    x = _unit(np.cross(pose[:, _SPINE] - pose[:, _HIP], z))
    return np.stack([x, np.cross(z, x), z], axis=-1)


def thorax_axes(pose: np.ndarray) -> np.ndarray:
    """Axes of the thorax as columns, (F, 3, 3): y along the upper spine, z as near to the shoulders as that allows."""
    y = _unit(pose[:, _THORAX] - pose[:, _SPINE])
    x = _unit(np.cross(y, pose[:, _SHOULDERS["right"]] - pose[:, _SHOULDERS["left"]]))
    return np.stack([x, y, np.cross(x, y)], axis=-1)


def limb_axes(
    pose: np.ndarray, top: int, middle: int, end: int, parent: np.ndarray, backwards: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Axes of a thigh or an upper arm as columns, (F, 3, 3), and how far its lower joint is bent, (F,) degrees.

    z is the axis about which knee or elbow bend. A straight limb takes the parent's z.

    Args:
        pose: (F, 17, 3).
        top, middle, end: numbers of the limb's joints.
        parent: axes of pelvis or thorax, (F, 3, 3).
        backwards: whether the lower part bends to the back, as the knee does.
    """
    y, lower = _unit(pose[:, top] - pose[:, middle]), _unit(pose[:, end] - pose[:, middle])
    normal = np.cross(y, lower) if backwards else np.cross(lower, y)
    bent = np.degrees(np.arctan2(np.linalg.norm(normal, axis=-1), -(y * lower).sum(-1)))
    bent[~(y.any(-1) & lower.any(-1))] = np.nan
    straight = parent[..., 2] - (parent[..., 2] * y).sum(-1, keepdims=True) * y
    z = _unit(np.where((bent >= LEAST_BENT_DEG)[:, None], normal, straight))
    return np.stack([np.cross(y, z), y, z], axis=-1), bent


def ball_angles(turn: np.ndarray, side: str) -> np.ndarray:
    """Flexion, adduction and inward rotation, (F, 3) degrees, of a limb's axes in its parent's, (F, 3, 3).

    Args:
        turn: (F, 3, 3).
        side: "right" or "left".
    """
    return _euler(turn, "ZXY") * (1.0 if side == "right" else np.array([1.0, -1.0, -1.0]))


def _elevation(turn: np.ndarray, side: str) -> tuple[np.ndarray, np.ndarray]:
    """Elevation of an arm and the plane that it is raised in, (F,) degrees each."""
    down = -turn[..., 1]
    outwards = down[:, 2] if side == "right" else -down[:, 2]
    raised = np.degrees(np.arctan2(np.hypot(down[:, 0], outwards), -down[:, 1]))
    plane = np.degrees(np.arctan2(down[:, 0], outwards))
    known = (raised >= _LEAST_RAISED_DEG) & (raised <= 180 - _LEAST_RAISED_DEG)
    return raised, np.where(known, plane, np.nan)


def without_jumps(angle_deg: np.ndarray) -> np.ndarray:
    """Angles over time, (F,) degrees, without jumps by whole turns; NaN stays."""
    smooth, known = angle_deg.copy(), np.isfinite(angle_deg)
    smooth[known] = np.unwrap(angle_deg[known], period=360.0)
    return smooth


def _in(parent: np.ndarray, axes: np.ndarray) -> np.ndarray:
    """Axes seen from a parent's, (F, 3, 3) twice -> (F, 3, 3)."""
    return np.einsum("fji,fjk->fik", parent, axes)


def _unit(vectors: np.ndarray) -> np.ndarray:
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.divide(vectors, length, out=np.zeros_like(vectors), where=length > 1e-9)


def _euler(turn: np.ndarray, order: str) -> np.ndarray:
    """Euler angles about moving axes, (F, 3) degrees; NaN where a joint's points leave its axes undefined."""
    import warnings

    from scipy.spatial.transform import Rotation

    found = np.full((len(turn), 3), np.nan)
    good = np.linalg.det(turn) > 0.5
    if good.any():
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Gimbal lock")
            found[good] = Rotation.from_matrix(turn[good]).as_euler(order, degrees=True)
    return found
