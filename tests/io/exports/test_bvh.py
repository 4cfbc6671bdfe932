"""BVH is read back by a reader of its own: forward kinematics gives the pose."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from diffpose_core.io.exports import export_bytes
from diffpose_core.io.frame import FILE_JOINT_NAMES, in_y_up, positions_y_up
from diffpose_core.skeleton import NUM_JOINTS, PARENTS, constant_bones
from tests.io.exports.results import MM, made_result


def read_bvh(content):
    """An independent reader: hierarchy, channels, and where forward kinematics puts each joint, (F, joints, 3)."""
    words = iter(content.decode("ascii").split())
    assert next(words) == "HIERARCHY"
    names, parents, offsets, channels, ends, stack = [], [], [], [], [], []
    for word in words:
        if word in ("ROOT", "JOINT"):
            assert (word == "ROOT") == (not names), "one root, and it comes first"
            names.append(next(words))
            parents.append(stack[-1] if stack else -1)
            ends.append(None)
            stack.append(len(names) - 1)
            assert [next(words), next(words)] == ["{", "OFFSET"]
            offsets.append([float(next(words)) for _ in range(3)])
            assert next(words) == "CHANNELS"
            channels.append([next(words) for _ in range(int(next(words)))])
        elif word == "End":
            assert [next(words) for _ in range(3)] == ["Site", "{", "OFFSET"]
            ends[stack[-1]] = [float(next(words)) for _ in range(3)]
            assert next(words) == "}"
        elif word == "}":
            stack.pop()
        else:
            assert word == "MOTION" and not stack
            break
    assert next(words) == "Frames:"
    frames = int(next(words))
    assert [next(words), next(words)] == ["Frame", "Time:"]
    frame_time = float(next(words))
    table = np.array(list(words), dtype=float).reshape(frames, sum(map(len, channels)))
    turns, places, column = [], [], 0
    for joint, kinds in enumerate(channels):
        values = dict(zip(kinds, table[:, column : column + len(kinds)].T, strict=True))
        column += len(kinds)
        rotations = [kind for kind in kinds if kind.endswith("rotation")]
        local = Rotation.from_euler(
            "".join(kind[0] for kind in rotations), np.stack([values[kind] for kind in rotations], 1), degrees=True
        )
        if parents[joint] < 0:
            turns.append(local)
            places.append(np.stack([values[f"{axis}position"] for axis in "XYZ"], 1))
        else:
            parent = parents[joint]
            turns.append(turns[parent] * local)
            places.append(places[parent] + turns[parent].apply(offsets[joint]))
    return names, parents, offsets, channels, ends, frame_time, np.stack(places, 1)


def test_bvh_forward_kinematics_gives_the_pose(result):
    content, name = export_bytes(result, "bvh")
    names, parents, offsets, channels, ends, frame_time, places = read_bvh(content)
    assert name == "walk_metres_y-up.bvh" and np.isclose(1 / frame_time, result.fps, rtol=1e-9)
    found = places[:, [names.index(joint) for joint in FILE_JOINT_NAMES]]
    assert np.abs(found - positions_y_up(result)).max() < 0.1 * MM
    assert len(set(names)) == len(names) and len(channels[0]) == 6 and {len(c) for c in channels[1:]} == {3}
    for joint, parent in enumerate(PARENTS[1:], start=1):
        above = parents[names.index(FILE_JOINT_NAMES[joint])]
        # A helper joint at the same place may stand between a joint and its parent.
        if "_to_" in names[above]:
            assert offsets[above] == [0, 0, 0]
            above = parents[above]
        assert names[above] == FILE_JOINT_NAMES[parent]
    leaves = [names[j] for j in range(len(names)) if j not in parents]
    assert leaves == [names[j] for j, end in enumerate(ends) if end is not None]
    assert sorted(leaves) == ["Head", "LFoot", "LWrist", "RFoot", "RWrist"]
    assert all(np.linalg.norm(end) > 0.01 for end in ends if end is not None), "Blender needs bones of some length"


def test_bvh_at_rest_is_a_t_pose_that_faces_z(walking):
    names, parents, offsets, *_ = read_bvh(export_bytes(made_result(walking), "bvh")[0])
    at = {}
    for joint, name in enumerate(names):
        at[name] = np.array(offsets[joint]) + (at[names[parents[joint]]] if parents[joint] >= 0 else 0)
    assert at["Head"][1] > at["Hip"][1] > at["LFoot"][1] and at["LWrist"][0] > 0.3 > -0.3 > at["RWrist"][0]


def test_bvh_angles_do_not_jump_between_frames(walking):
    """A slow full turn of the body: an angle that wraps would spin the limb between two frames."""
    turned = np.stack([Rotation.from_euler("y", 6 * f, degrees=True).apply(walking[0]) for f in range(120)])
    content = export_bytes(made_result(turned), "bvh")[0].decode()
    rows = np.array([line.split() for line in content.partition("Frame Time:")[2].splitlines()[1:]], dtype=float)
    assert np.abs(np.diff(rows[:, 3:6], axis=0)).max() < 90


def straight(direction):
    """All bones along one line."""
    pose = np.zeros((2, NUM_JOINTS, 3))
    for joint, parent in enumerate(PARENTS[1:], start=1):
        pose[:, joint] = pose[:, parent] + 0.3 * np.array(direction)
    return pose


@pytest.mark.parametrize(
    "pose",
    [np.zeros((3, 17, 3)), *(straight(s * axis) for axis in np.eye(3) for s in (1.0, -1.0)), straight([1, 0, 0])[:1]],
)
def test_bvh_of_poses_that_no_body_takes(pose):
    names, *_, places = read_bvh(export_bytes(made_result(pose), "bvh")[0])
    found = places[:, [names.index(joint) for joint in FILE_JOINT_NAMES]]
    assert np.abs(found - in_y_up(pose)).max() < 0.1 * MM


def test_bvh_of_bones_that_change_their_lengths_has_their_median(walking):
    rng = np.random.default_rng(0)
    poses = walking * rng.uniform(0.9, 1.1, (len(walking), 1, 1))
    result = made_result(poses)
    names, *_, places = read_bvh(export_bytes(result, "bvh")[0])
    found = places[:, [names.index(joint) for joint in FILE_JOINT_NAMES]]
    own = poses[~result.other_person]
    assert np.abs(found - in_y_up(constant_bones(poses, like=own))).max() < 0.1 * MM, "nobody else's bones count"
