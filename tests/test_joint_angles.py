"""Joint angles: signs and sizes of poses whose angles are known."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from diffpose_core.joint_angles import MEANINGS, joint_angles

FRONT, UP, RIGHT = np.eye(3)
SIDES = {"right": (1, 2, 3, 14, 15, 16), "left": (4, 5, 6, 11, 12, 13)}


def stand() -> np.ndarray:
    """A person who faces x, arms down, (17, 3)."""
    pose = np.zeros((17, 3))
    for side, sign in (("right", 1.0), ("left", -1.0)):
        hip, knee, ankle, shoulder, elbow, wrist = SIDES[side]
        pose[hip] = 0.12 * sign * RIGHT
        pose[knee], pose[ankle] = pose[hip] - 0.45 * UP, pose[hip] - 0.9 * UP
        pose[shoulder] = 0.5 * UP + 0.18 * sign * RIGHT
        pose[elbow], pose[wrist] = pose[shoulder] - 0.3 * UP, pose[shoulder] - 0.55 * UP
    pose[7], pose[8], pose[9], pose[10] = 0.25 * UP, 0.5 * UP, 0.6 * UP, 0.75 * UP
    return pose


def angles(pose: np.ndarray) -> dict[str, float]:
    return {name: float(values[0]) for name, values in joint_angles(pose[None]).items()}


def turned(pose: np.ndarray, joints: list[int], about: int, axis: np.ndarray, degrees: float) -> np.ndarray:
    """Joints turned about another one. axis: right-handed."""
    moved = pose.copy()
    turn = Rotation.from_rotvec(np.radians(degrees) * np.asarray(axis))
    moved[joints] = turn.apply(pose[joints] - pose[about]) + pose[about]
    return moved


def test_a_person_who_stands_has_no_angles():
    found = angles(stand())
    assert list(found) == list(MEANINGS)
    unknown = {name for name, value in found.items() if np.isnan(value)}
    assert unknown == {f"{side}_{name}" for side in SIDES for name in ("hip_rotation", "shoulder_rotation",
                                                                       "shoulder_plane")}  # fmt: skip
    assert all(abs(value) < 1e-6 for name, value in found.items() if name not in unknown)


@pytest.mark.parametrize("side", ["right", "left"])
def test_limbs(side):
    hip, knee, ankle, shoulder, elbow, wrist = SIDES[side]
    outwards = 1.0 if side == "right" else -1.0
    pose = turned(stand(), [knee, ankle], hip, RIGHT, 40)
    assert angles(pose)[f"{side}_hip_flexion"] == pytest.approx(40) and pose[knee, 0] > 0
    pose = turned(stand(), [knee, ankle], hip, FRONT, -25 * outwards)
    assert angles(pose)[f"{side}_hip_adduction"] == pytest.approx(-25) and pose[knee, 2] * outwards > 0.12
    pose = turned(stand(), [ankle], knee, RIGHT, -60)
    assert angles(pose)[f"{side}_knee_flexion"] == pytest.approx(60) and pose[ankle, 0] < 0
    assert angles(pose)[f"{side}_hip_rotation"] == pytest.approx(0, abs=1e-6)
    inwards = turned(pose, [ankle], knee, UP, 15 * outwards)
    assert angles(inwards)[f"{side}_hip_rotation"] == pytest.approx(15)
    pose = turned(stand(), [wrist], elbow, RIGHT, 90)
    assert angles(pose)[f"{side}_elbow_flexion"] == pytest.approx(90) and pose[wrist, 0] > 0
    inwards = turned(pose, [wrist], elbow, UP, 30 * outwards)
    assert angles(inwards)[f"{side}_shoulder_rotation"] == pytest.approx(30)
    pose = turned(stand(), [elbow, wrist], shoulder, RIGHT, 70)
    found = angles(pose)
    assert found[f"{side}_shoulder_flexion"] == pytest.approx(70)
    assert found[f"{side}_shoulder_elevation"] == pytest.approx(70)
    assert found[f"{side}_shoulder_plane"] == pytest.approx(90)
    pose = turned(stand(), [elbow, wrist], shoulder, FRONT, -70 * outwards)
    found = angles(pose)
    assert found[f"{side}_shoulder_adduction"] == pytest.approx(-70)
    assert found[f"{side}_shoulder_elevation"] == pytest.approx(70)
    assert found[f"{side}_shoulder_plane"] == pytest.approx(0, abs=1e-6)


def test_the_trunk():
    upper = [7, 8, 9, 10, *SIDES["right"][3:], *SIDES["left"][3:]]
    assert angles(turned(stand(), upper, 0, RIGHT, -20))["trunk_forward_lean"] == pytest.approx(20)
    assert angles(turned(stand(), upper, 0, FRONT, 12))["trunk_side_lean"] == pytest.approx(12)
    assert angles(turned(stand(), upper, 0, UP, 30))["trunk_twist"] == pytest.approx(30)
    hips = [1, 2, 3, 4, 5, 6]
    assert angles(turned(stand(), hips, 0, FRONT, 8))["pelvis_obliquity"] == pytest.approx(8)


def test_angles_do_not_depend_on_where_the_person_faces_and_headings_do_not_jump():
    pose = turned(turned(stand(), [2, 3], 1, RIGHT, 40), [16], 15, RIGHT, 50)
    whole = np.stack([turned(pose, list(range(17)), 0, UP, degrees) for degrees in range(0, 400, 10)])
    whole += np.array([1.0, 2.0, 3.0])
    found = joint_angles(whole)
    assert np.allclose(found["pelvis_heading"], range(0, 400, 10))
    for name, values in found.items():
        if name != "pelvis_heading":
            assert np.allclose(values, values[0], atol=1e-6, equal_nan=True), name


def test_a_body_without_extent_has_no_angles():
    found = joint_angles(np.zeros((2, 17, 3)))
    assert np.isnan(found["right_hip_flexion"]).all() and np.isnan(found["trunk_forward_lean"]).all()
    assert np.isnan(found["left_knee_flexion"]).all()
