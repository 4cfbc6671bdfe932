"""The Human3.6M skeleton: its tree, its symmetry, its bones."""

import numpy as np

from diffpose_core.skeleton import (
    BONES,
    JOINT_NAMES,
    LEFT_JOINTS,
    LIMB_ENDS,
    MIRROR,
    NUM_JOINTS,
    PARENTS,
    RIGHT_JOINTS,
    ROOT,
    adjacency,
    bone_lengths,
    bone_side,
    constant_bones,
    joint_label,
    stature,
)


def test_the_skeleton_is_one_tree_whose_parents_come_first():
    assert len(JOINT_NAMES) == len(PARENTS) == NUM_JOINTS == 17
    assert PARENTS[ROOT] == -1
    for joint in range(1, NUM_JOINTS):
        assert 0 <= PARENTS[joint] < joint
    assert len(BONES) == 16
    assert sorted(child for _, child in BONES) == list(range(1, 17))


def test_mirroring_swaps_the_names_sides_and_the_tree_keeps_its_shape():
    for joint, other in enumerate(MIRROR):
        assert MIRROR[other] == joint
        swapped = JOINT_NAMES[joint]
        if swapped[0] in "LR" and swapped[1].isupper():
            swapped = ("R" if swapped[0] == "L" else "L") + swapped[1:]
        assert JOINT_NAMES[other] == swapped
        if joint != ROOT:
            assert MIRROR[PARENTS[joint]] == PARENTS[other]
    assert {MIRROR[j] for j in LEFT_JOINTS} == set(RIGHT_JOINTS)


def test_sides_and_limb_ends():
    for joint, name in enumerate(JOINT_NAMES):
        side = {"L": "left", "R": "right"}.get(name[0]) if name[1].isupper() else "middle"
        assert bone_side(joint) == side
    leaves = set(range(NUM_JOINTS)) - set(PARENTS)
    assert set(LIMB_ENDS) == leaves - {JOINT_NAMES.index("Head")}


def test_adjacency_holds_each_bone_twice_and_nothing_else():
    matrix = adjacency()
    assert matrix.dtype == np.float32
    assert np.array_equal(matrix, matrix.T)
    assert matrix.sum() == 2 * len(BONES)
    assert all(matrix[a, b] == 1 for a, b in BONES)


def test_bone_lengths_of_a_pose_built_from_known_ones():
    rng = np.random.default_rng(0)
    lengths = rng.uniform(0.1, 0.5, 16)
    pose = np.zeros((5, 17, 3))
    for bone, (parent, child) in enumerate(BONES):
        direction = rng.standard_normal((5, 3))
        pose[:, child] = pose[:, parent] + lengths[bone] * direction / np.linalg.norm(direction, axis=1, keepdims=True)
    assert np.allclose(bone_lengths(pose), lengths)


def test_constant_bones_keep_directions_and_get_the_median_length_of_both_sides():
    rng = np.random.default_rng(3)
    poses = rng.normal(size=(9, 17, 3))
    rebuilt = constant_bones(poses)
    median = np.median(bone_lengths(poses), axis=0)
    for bone, (parent, child) in enumerate(BONES):
        before, after = poses[:, child] - poses[:, parent], rebuilt[:, child] - rebuilt[:, parent]
        expected = (median[bone] + median[MIRROR[child] - 1]) / 2
        assert np.allclose(np.linalg.norm(after, axis=-1), expected)
        assert np.allclose(np.cross(before, after), 0, atol=1e-9) and ((before * after).sum(-1) > 0).all()
    assert np.array_equal(rebuilt[:, 0], poses[:, 0])
    assert np.allclose(constant_bones(rebuilt), rebuilt)


def test_constant_bones_leave_a_bone_without_length():
    assert np.array_equal(constant_bones(np.zeros((2, 17, 3))), np.zeros((2, 17, 3)))


def test_stature_is_measured_along_the_bones_whatever_the_posture():
    lengths = {2: 0.44, 5: 0.42, 3: 0.40, 6: 0.40, 7: 0.22, 8: 0.25, 9: 0.12, 10: 0.11}
    rng = np.random.default_rng(3)
    poses = np.zeros((5, NUM_JOINTS, 3))
    for parent, child in BONES:
        direction = rng.standard_normal((5, 3))
        direction /= np.linalg.norm(direction, axis=-1, keepdims=True)
        poses[:, child] = poses[:, parent] + lengths.get(child, 0.3) * direction
    assert np.isclose(stature(poses), 0.43 + 0.40 + 0.22 + 0.25 + 0.12 + 0.11)
    outlier = poses.copy()
    outlier[2] *= 4.0
    assert np.isclose(stature(outlier), stature(poses)), "one bad frame does not make a giant"


def test_joints_in_plain_words():
    words = [joint_label(j) for j in range(len(JOINT_NAMES))]
    assert words[3] == "right foot" and words[13] == "left wrist"
    assert words[0] == "hip" and words[9] == "neck/nose" and words[8] == "thorax"
    assert len(set(words)) == len(words)
