"""Metrics against loops over scipy, and at the edges."""

import numpy as np
import pytest
from scipy.linalg import orthogonal_procrustes
from scipy.optimize import minimize
from scipy.spatial import procrustes
from scipy.spatial.transform import Rotation

from diffpose_core.evaluation import metrics
from diffpose_core.skeleton import BONES
from diffpose_core.structures import InvalidInput


def poses(shape=(4, 5), seed=0, noise=0.1):
    rng = np.random.default_rng(seed)
    target = 0.4 * rng.standard_normal((*shape, 17, 3))
    return target + noise * rng.standard_normal(target.shape), target


def aligned_by_scipy(predicted, target):
    """One pose onto another by a rotation and a scale, without code of this project."""
    p, t = predicted - predicted.mean(0), target - target.mean(0)
    rotation, _ = Rotation.align_vectors(t, p)
    turned = rotation.apply(p)
    return turned * (turned * t).sum() / (p * p).sum() + target.mean(0)


def test_p_mpjpe_is_that_of_scipys_rotations_frame_by_frame():
    predicted, target = poses(noise=0.3)
    ours = metrics.p_mpjpe(predicted, target)
    assert ours.shape == (4, 5)
    for index in np.ndindex(4, 5):
        p, t = predicted[index], target[index]
        expected = np.linalg.norm(aligned_by_scipy(p, t) - t, axis=-1).mean()
        assert np.isclose(ours[index], expected, rtol=1e-6)


def test_alignment_leaves_the_disparity_of_scipys_procrustes():
    predicted, target = poses(noise=0.1)
    aligned = metrics.procrustes_align(predicted, target)
    for index in np.ndindex(4, 5):
        p, t = predicted[index], target[index]
        rotation, _ = orthogonal_procrustes(p - p.mean(0), t - t.mean(0))
        assert np.linalg.det(rotation) > 0  # so that scipy's, which may mirror, means the same
        _, _, disparity = procrustes(t, p)
        left = np.square(aligned[index] - t).sum() / np.square(t - t.mean(0)).sum()
        assert np.isclose(left, disparity, rtol=1e-8)


def test_p_mpjpe_undoes_any_similarity_but_no_mirroring():
    _, target = poses((3,))
    turn = Rotation.random(3, random_state=1).as_matrix()
    moved = 1.7 * np.einsum("fij,fnj->fni", turn, target) + np.array([1.0, -2.0, 3.0])
    assert metrics.p_mpjpe(moved, target).max() < 1e-12
    mirrored = target * np.array([-1.0, 1.0, 1.0])
    assert metrics.p_mpjpe(mirrored, target).min() > 0.05


def test_each_frame_is_aligned_by_itself():
    predicted, target = poses((6,))
    alone = [metrics.p_mpjpe(predicted[f], target[f]) for f in range(6)]
    np.testing.assert_allclose(metrics.p_mpjpe(predicted, target), alone, rtol=1e-12)


@pytest.mark.filterwarnings("error")
def test_degenerate_poses_give_finite_errors():
    _, target = poses((1,))
    centred = np.linalg.norm(target - target.mean(-2, keepdims=True), axis=-1).mean(-1)
    point = np.zeros_like(target)
    np.testing.assert_allclose(metrics.p_mpjpe(point, target), centred)
    np.testing.assert_allclose(metrics.p_mpjpe(point + 5, target), centred)
    assert metrics.p_mpjpe(target, point + 2) == 0
    assert metrics.n_mpjpe(point, target) == metrics.mpjpe(point, target)
    line = target * np.array([1.0, 0.0, 0.0])
    assert metrics.p_mpjpe(line, line) < 1e-12
    flat = target * np.array([1.0, 1.0, 0.0])
    assert metrics.p_mpjpe(-2 * flat, flat) < 1e-12
    assert (metrics.bone_length_spread(np.zeros((4, 17, 3))) == 0).all()


def best_similarity_error(predicted, target):
    """Mean error after the best rotation, scale and shift, found by search alone: no SVD, no closed form of a rotation.

    Squares of the joints' distances are what is minimised, over unit quaternions, from several starts.
    """
    p, t = predicted - predicted.mean(0), target - target.mean(0)

    def fitted(quaternion):
        turned = Rotation.from_quat(quaternion).apply(p)
        scale = (turned * t).sum() / max((turned * turned).sum(), 1e-30)
        return max(scale, 0.0) * turned

    best = None
    for start in Rotation.random(12, random_state=3).as_quat():
        found = minimize(
            lambda q: np.square(fitted(q / np.linalg.norm(q)) - t).sum(),
            start, method="BFGS", options={"gtol": 1e-12},
        )  # fmt: skip
        if best is None or found.fun < best.fun:
            best = found
    return np.linalg.norm(fitted(best.x / np.linalg.norm(best.x)) - t, axis=-1).mean(), best.fun


def shapes():
    """Pairs of single poses (17, 3): mirrored, on a point, a line or a plane, of two joints' worth of spread."""
    predicted, target = (a[0, 0] for a in poses((1, 1), seed=5, noise=0.15))
    line, plane = np.array([1.0, 0, 0]), np.array([1.0, 1.0, 0])
    near_point = target.copy()
    near_point[:-1] = near_point[0]
    return {
        "plain": (predicted, target),
        "mirrored": (predicted * [-1, 1, 1], target),
        "upside down": (-predicted, target),
        "target on a plane": (predicted, target * plane),
        "prediction on a plane": (predicted * plane, target),
        "both on planes": ((predicted * plane)[:, [2, 0, 1]], target * plane),
        "mirrored in its plane": (predicted * plane * [-1, 1, 1], target * plane),
        "target on a line": (predicted, target * line),
        "both on lines": ((predicted * line)[:, [1, 2, 0]], target * line),
        "one joint away from the others": (near_point, target),
        "millimetres for metres": (1000 * predicted, target),
    }


@pytest.mark.parametrize("name", shapes())
def test_p_mpjpe_is_the_best_that_a_search_finds(name):
    """Where poses are degenerate the best rotation is not unique, but what is left of the squares is."""
    predicted, target = shapes()[name]
    error, squares = best_similarity_error(predicted, target)
    aligned = metrics.procrustes_align(predicted, target)
    assert np.isclose(np.square(aligned - target).sum(), squares, rtol=1e-6, atol=1e-9)
    assert np.isclose(metrics.p_mpjpe(predicted, target), error, rtol=1e-4, atol=1e-6)

    # It is a similarity: every distance is scaled alike, and no mirror image.
    def apart(pose):
        return np.linalg.norm(pose[:, None] - pose[None], axis=-1)

    factor = apart(aligned).sum() / apart(predicted).sum()
    np.testing.assert_allclose(apart(aligned), factor * apart(predicted), atol=1e-9)
    if np.linalg.matrix_rank(predicted - predicted.mean(0), tol=1e-6) == 3 and factor > 1e-6:
        edges = [np.linalg.det(pose[[1, 2, 3]] - pose[0]) for pose in (predicted, aligned)]
        assert np.sign(edges[0]) == np.sign(edges[1])


def test_the_others_value_by_value():
    predicted, target = poses((2, 3), noise=0.12)
    errors = metrics.joint_errors(predicted, target)
    assert errors.shape == (2, 3, 17)
    for a, b in np.ndindex(2, 3):
        p, t = predicted[a, b], target[a, b]
        by_hand = [sum((p[j, c] - t[j, c]) ** 2 for c in range(3)) ** 0.5 for j in range(17)]
        np.testing.assert_allclose(errors[a, b], by_hand)
        assert np.isclose(metrics.mpjpe(predicted, target)[a, b], np.mean(by_hand))
        factor = np.linalg.lstsq(p.reshape(-1, 1), t.reshape(-1), rcond=None)[0][0]
        assert np.isclose(metrics.n_mpjpe(predicted, target)[a, b], np.linalg.norm(factor * p - t, axis=-1).mean())
        assert np.isclose(metrics.pck(predicted, target)[a, b], sum(e <= 0.15 for e in by_hand) / 17)
        shares = [sum(e <= mm / 1000 for e in by_hand) / 17 for mm in range(0, 151, 5)]
        assert np.isclose(metrics.auc(predicted, target)[a, b], np.mean(shares))
    velocities = [
        np.linalg.norm((predicted[a, f] - predicted[a, f - 1]) - (target[a, f] - target[a, f - 1]), axis=-1)
        for a in range(2)
        for f in (1, 2)
    ]
    np.testing.assert_allclose(metrics.velocity_errors(predicted, target), np.reshape(velocities, (2, 2, 17)))
    expected = np.reshape(velocities, (2, 2, 17)).mean((1, 2))
    np.testing.assert_allclose(metrics.mpjve(predicted, target), expected)


def test_scaling_and_thresholds_at_their_edges():
    _, target = poses((3,))
    np.testing.assert_allclose(metrics.scale_align(-0.4 * target, target), target)
    assert (metrics.scale_align(np.zeros_like(target), target) == 0).all()
    # A joint exactly at a threshold is within it: 0 mm within all 31, 150 mm within the last, 151 mm within none.
    shares = metrics.auc_shares(np.array([0.0, 0.004, 0.005, 0.15, 0.151]))
    np.testing.assert_allclose(shares, np.array([31, 30, 30, 1, 0]) / 31)


def test_bone_length_spread():
    predicted, _ = poses((7,))
    for e, (parent, child) in enumerate(BONES):
        lengths = [np.linalg.norm(frame[child] - frame[parent]) for frame in predicted]
        assert np.isclose(metrics.bone_length_spread(predicted)[e], np.std(lengths) / np.mean(lengths))
    _, still = poses((1,))
    turning = np.concatenate([still @ Rotation.from_euler("z", a).as_matrix().T for a in (0.0, 1.0, 2.0)])
    assert metrics.bone_length_spread(turning).max() < 1e-12
    assert metrics.bone_length_spread(np.stack([predicted] * 3)).shape == (3, 16)


def test_perfect_poses_and_float32():
    _, target = poses()
    assert metrics.mpjpe(target, target).max() == 0
    assert metrics.p_mpjpe(target, target).max() < 1e-12
    assert (metrics.pck(target, target) == 1).all() and (metrics.auc(target, target) == 1).all()
    predicted, target = (a.astype(np.float32) for a in poses())
    assert metrics.p_mpjpe(predicted, target).dtype == np.float64


def test_bad_poses_are_told():
    good = np.zeros((2, 17, 3))
    with pytest.raises(InvalidInput, match=r"found \(2, 17, 3\) predicted and \(3, 17, 3\) target"):
        metrics.mpjpe(good, np.zeros((3, 17, 3)))
    with pytest.raises(InvalidInput, match=r"target pose must be \(\.\.\., joints, 3\), found \(2, 17, 2\)"):
        metrics.mpjpe(good, good[..., :2])
    with pytest.raises(InvalidInput, match="predicted pose must hold finite numbers"):
        metrics.p_mpjpe(good * np.nan, good)
    with pytest.raises(InvalidInput, match=r"at least two frames, found \(1, 17, 3\)"):
        metrics.mpjve(good[:1], good[:1])
    with pytest.raises(InvalidInput, match=r"threshold must not be below 0 m, found -1"):
        metrics.pck(good, good, -1)
    with pytest.raises(InvalidInput, match=r"need \(\.\.\., frames, 17, 3\), found \(2, 16, 3\)"):
        metrics.bone_length_spread(good[:, :16])


def test_the_14_joints_of_mpi_inf_3dhp_are_all_but_hip_spine_and_nose():
    assert sorted(metrics.PCK_JOINTS) == [j for j in range(17) if j not in (0, 7, 9)]


def test_a_single_joint_a_single_clip_and_two_frames_are_enough():
    one = np.array([[1.0, 0.0, 0.0]])
    assert metrics.mpjpe(one, np.zeros((1, 3))) == 1.0
    two = np.zeros((2, 1, 3))
    two[1, 0, 0] = 0.5
    assert metrics.mpjve(two, np.zeros((2, 1, 3))) == 0.5
    assert (metrics.bone_length_spread(np.random.default_rng(0).random((1, 17, 3))) == 0).all()


def test_one_number_that_is_not_finite_spoils_a_pose():
    bad = np.zeros((5, 3))
    bad[2, 1] = np.nan
    with pytest.raises(InvalidInput, match="finite numbers only"):
        metrics.mpjpe(np.zeros((5, 3)), bad)


def test_an_error_at_the_threshold_is_within_it_and_0_is_a_threshold():
    off = np.zeros((2, 3))
    off[1, 0] = 0.25
    assert metrics.pck(off, np.zeros((2, 3)), 0.25) == 1.0
    assert metrics.pck(off, np.zeros((2, 3)), 0.0) == 0.5
    with pytest.raises(InvalidInput, match="not be below 0 m, found nan"):
        metrics.pck(off, off, float("nan"))
