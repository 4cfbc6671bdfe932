"""Human3.6M in VideoPose3D's files: layout, joints, cameras, lenses, and what is refused."""

import shutil

import numpy as np
import pytest

from diffpose_core.datasets.h36m import (
    ACTIONS,
    KEPT_JOINTS,
    TEST_SUBJECTS,
    TRAIN_SUBJECTS,
    h36m_cameras,
    h36m_motions,
    load_h36m,
    read_poses,
)
from diffpose_core.datasets.mocap17 import load_mocap17, save_mocap17
from diffpose_core.skeleton import bone_lengths
from diffpose_core.structures import InvalidInput


def turned(quaternion, points):
    """Points (..., 3) turned by a quaternion w, x, y, z: by its definition, q p q*."""

    def product(a, b):
        aw, av, bw, bv = a[..., :1], a[..., 1:], b[..., :1], b[..., 1:]
        return np.concatenate(
            (aw * bw - (av * bv).sum(-1, keepdims=True), aw * bv + bw * av + np.cross(av, bv)), axis=-1
        )

    q = np.asarray(quaternion, dtype=np.float64)
    q = np.broadcast_to(q / np.linalg.norm(q), (*points.shape[:-1], 4))
    p = np.concatenate((np.zeros((*points.shape[:-1], 1)), points), axis=-1)
    return product(product(q, p), q * [1, -1, -1, -1])[..., 1:]


def test_subjects_actions_and_joints_are_those_of_the_protocol():
    assert TRAIN_SUBJECTS == ("S1", "S5", "S6", "S7", "S8") and TEST_SUBJECTS == ("S9", "S11")
    assert len(ACTIONS) == 15 and set(h36m_cameras()) == {*TRAIN_SUBJECTS, *TEST_SUBJECTS}
    # VideoPose3D names the joints that go: fingers, toes, ends and doubles.
    gone = {4, 5, 9, 10, 11, 16, 20, 21, 22, 23, 24, 28, 29, 30, 31}
    assert set(KEPT_JOINTS) == set(range(32)) - gone and list(KEPT_JOINTS) == sorted(KEPT_JOINTS)


def test_cameras_are_those_of_the_laboratory():
    """Camera 54138969 of S9 in the numbers that are published, and every camera looks at the middle of the room."""
    first = h36m_cameras()["S9"][0]
    assert np.allclose(first.position_world, [2.04445849609375, 4.9351171875, 1.4812275390625])
    assert (first.intrinsics.fx, first.intrinsics.cy, first.height) == (1145.0494384765625, 515.4514770507812, 1002)
    rng = np.random.default_rng(0)
    world = rng.standard_normal((5, 17, 3))
    quaternion = [0.15540587902069092, -0.15548215806484222, -0.7532095313072205, 0.6199594736099243]
    conjugate = np.array(quaternion) * [1, -1, -1, -1]
    assert np.allclose(first.to_cam(world), turned(conjugate, world - first.position_world), atol=1e-6)
    person = np.array([[0, 0, 0.9], [0, 0, 1.7], [0, 0, 0.0]])
    for cameras in h36m_cameras().values():
        for camera in cameras:
            assert np.allclose(camera.rotation @ camera.rotation.T, np.eye(3), atol=1e-6)
            assert np.linalg.det(camera.rotation) > 0
            seen = camera.to_cam(person)
            assert (seen[:, 2] > 3.5).all() and (seen[:, 2] < 6.5).all()
            hip, head, feet = camera.project(seen)
            assert 100 < head[1] < hip[1] < feet[1] < 900 and 350 < hip[0] < 750


def test_the_picture_is_that_of_videopose3ds_normalised_cameras():
    """VideoPose3D divides by the width: x / w * 2 - (1, h / w), focal lengths by w / 2. The pixels are the same."""
    rng = np.random.default_rng(1)
    for camera in h36m_cameras()["S11"]:
        points = np.concatenate((rng.uniform(-1.5, 1.5, (40, 2)), rng.uniform(4, 6, (40, 1))), axis=1)
        i, w, h = camera.intrinsics, camera.width, camera.height
        focal = np.array([i.fx, i.fy]) / w * 2
        centre = np.array([i.cx, i.cy]) / w * 2 - [1, h / w]
        x, y = points[:, 0] / points[:, 2], points[:, 1] / points[:, 2]
        (k1, k2, k3), (px, py) = camera.distortion.radial, camera.distortion.tangential
        r2 = x**2 + y**2
        bend = 1 + k1 * r2 + k2 * r2**2 + k3 * r2**3 + px * x + py * y
        normalised = np.stack((x * bend + px * r2, y * bend + py * r2), -1) * focal + centre
        in_pixels = (normalised + np.array([1, h / w])) * w / 2
        assert np.abs(in_pixels - camera.project(points)).max() > 1
        assert np.allclose(camera.rectified(in_pixels), camera.project(points), atol=1e-3)


def test_recordings_are_read_with_their_cameras(h36m_folder):
    detected, exact = load_h36m(h36m_folder), load_h36m(h36m_folder, detections="gt")
    assert [(r.subject, r.name) for r in detected.recordings] == [
        ("S9", "Directions 1"), ("S9", "WalkDog"), ("S11", "WalkDog 1"), ("S11", "SittingDown"),
    ]  # fmt: skip
    assert [detected.recording(n).action for n in range(len(detected))] == [
        "Directions", "WalkDog", "WalkDog", "SittingDown",
    ]  # fmt: skip
    truth = {(s, name): poses for s, name, poses in read_poses(h36m_folder, ("S9", "S11"))}
    for number, source in enumerate(detected.recordings):
        for benchmark in (detected, exact):
            recording = benchmark.recording(number)
            assert len(recording.views) == 4 and np.array_equal(recording.frames, np.arange(len(source.poses_world)))
            for clip, camera in zip(recording.views, h36m_cameras()[source.subject], strict=True):
                cam = camera.to_cam(truth[source.subject, source.name].astype(np.float64))
                assert clip.fps == 50 and (clip.width, clip.height) == (camera.width, camera.height)
                assert np.allclose(clip.pose3d_cam, cam - cam[:, :1], atol=1e-5)
                assert clip.hidden.any() or source.name == "Directions 1"
                error = np.linalg.norm(clip.keypoints_px - camera.project(cam), axis=-1)
                if benchmark is exact:
                    assert error.max() < 5e-3, "without distortion the exact 2D is the pinhole projection"
                    assert clip.mixture.weights.shape[-1] == 1
                else:
                    # Noise of 4 px along each axis; frames after the end are gone.
                    assert 3 < error.mean() < 8 and clip.mixture is None
    assert detected.about["input"] == "detected 2D, cpn_ft_h36m_dbb" and exact.about["input"] == "exact 2D"


def test_motions_for_training_stand_in_the_world(h36m_folder, tmp_path):
    save_mocap17(h36m_motions(h36m_folder, ("S1", "S8")), tmp_path / "motions.npz")
    motions = load_mocap17(tmp_path / "motions.npz")
    assert list(motions.subject) == ["S1", "S8"] and list(motions.action) == ["Walking", "Greeting"]
    assert (motions.fps == 50).all() and motions.num_frames == 12 + 9
    poses = motions.clip_world(0)
    assert (poses[:, 10, 2] > 1.2).all() and (np.abs(poses[:, 3, 2]) < 0.4).all()
    assert np.allclose(bone_lengths(poses)[:, 3:6], bone_lengths(poses)[:, 0:3], atol=0.05)
    read = next(iter(read_poses(h36m_folder, ("S1",))))[2]
    assert np.abs(read - poses).max() < 1e-4


def changed(folder, tmp_path, name, key, change, **metadata):
    """A copy of the folder with one file's dict changed in place."""
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    with np.load(copy / name, allow_pickle=True) as archive:
        arrays = {k: archive[k].item() for k in archive.files}
    change(arrays[key])
    if metadata:
        arrays["metadata"] |= metadata
    np.savez_compressed(copy / name, **arrays)
    return copy


CPN = "data_2d_h36m_cpn_ft_h36m_dbb.npz"


@pytest.mark.parametrize(
    ("name", "key", "change", "message"),
    [
        (CPN, "positions_2d", lambda d: d["S9"].pop("WalkDog"), r"S9 / WalkDog: 2D poses of 4 cameras.* found 0"),
        (CPN, "positions_2d", lambda d: d["S9"]["WalkDog"].pop(), r"S9 / WalkDog: 2D poses of 4 cameras.* found 3"),
        (CPN, "positions_2d", lambda d: d.pop("S11"), "no actions of subject S11; it has S2, S1, S8, S9"),
        (
            CPN,
            "positions_2d",
            lambda d: d["S11"].update({"WalkDog 1": [a[:6] for a in d["S11"]["WalkDog 1"]]}),
            "6 2D poses for 10 3D ones",
        ),
        (
            CPN,
            "positions_2d",
            lambda d: d["S11"]["WalkDog 1"].__setitem__(2, np.zeros((12, 16, 2))),
            r"camera 2: poses \(frames, 17, 2\) .* found float64 \(12, 16, 2\)",
        ),
        (CPN, "positions_2d", lambda d: d["S9"]["WalkDog"][0].fill(np.nan), "camera 0: poses must hold finite"),
        ("data_3d_h36m.npz", "positions_3d", lambda d: d["S9"].update(Dancing=d["S9"]["WalkDog"]), "'Dancing' is none"),
        (
            "data_3d_h36m.npz",
            "positions_3d",
            lambda d: d["S9"].update(WalkDog=d["S9"]["WalkDog"][:, :25]),
            r"poses \(frames, 32, 3\) or .* found float32 \(8, 25, 3\)",
        ),
    ],
)
def test_what_is_wrong_with_the_files_is_said(h36m_folder, tmp_path, name, key, change, message):
    with pytest.raises(InvalidInput, match=message) as caught:
        load_h36m(changed(h36m_folder, tmp_path, name, key, change))
    assert name in str(caught.value)


@pytest.mark.parametrize(
    "metadata", [dict(layout_name="coco"), dict(keypoints_symmetry=[[1, 3, 5], [2, 4, 6]]), dict(keypoints_symmetry=7)]
)
def test_another_joint_order_is_refused(h36m_folder, tmp_path, metadata):
    folder = changed(h36m_folder, tmp_path, CPN, "positions_2d", lambda d: None, **metadata)
    with pytest.raises(InvalidInput, match="joint order of Human3"):
        load_h36m(folder)


def test_missing_files_and_settings_are_told(h36m_folder, tmp_path):
    with pytest.raises(InvalidInput, match=r"data_3d_h36m.npz: no such file; expected VideoPose3D's"):
        load_h36m(tmp_path)
    with pytest.raises(InvalidInput, match=r"subjects must be some of S1, .* found S4"):
        load_h36m(h36m_folder, ("S9", "S4"))
    with pytest.raises(InvalidInput, match="detections are named"):
        load_h36m(h36m_folder, detections="../other")
    shutil.copy(h36m_folder / "data_2d_h36m_gt.npz", tmp_path / "data_3d_h36m.npz")
    with pytest.raises(InvalidInput, match="expected positions_3d, a dict of subjects; found metadata"):
        load_h36m(tmp_path)


class Harmful:
    def __reduce__(self):
        return print, ("this file has run code",)


def test_a_file_that_would_run_code_is_refused(h36m_folder, tmp_path, capsys):
    shutil.copytree(h36m_folder, tmp_path / "bad")
    np.savez_compressed(tmp_path / "bad" / "data_3d_h36m.npz", positions_3d={"S9": {"Walking": Harmful()}})
    with pytest.raises(InvalidInput, match="pickled objects other than arrays"):
        load_h36m(tmp_path / "bad")
    assert capsys.readouterr().out == ""
