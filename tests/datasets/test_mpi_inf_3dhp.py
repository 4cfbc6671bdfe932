"""MPI-INF-3DHP in both of its layouts: joints, cameras, splits, valid frames, and what is refused."""

import numpy as np
import pytest
from scipy.io import savemat

from diffpose_core.cli import main
from diffpose_core.datasets.mpi_inf_3dhp import (
    FROM_RELEVANT,
    RELEVANT_JOINTS,
    TEST_SEQUENCES,
    TRAIN_CAMERAS,
    TRAIN_FRAMES,
    TRAIN_SUBJECTS,
    load_3dhp,
    mpi_inf_3dhp_cameras,
)
from diffpose_core.evaluation.evaluate import EvaluationSettings, evaluate
from diffpose_core.evaluation.tables import results_table
from diffpose_core.skeleton import JOINT_NAMES
from diffpose_core.structures import InvalidInput

#: The 28 joints by the names in the set's own description, and what this project calls 17 of them.
_NAMES = (
    "spine3 spine4 spine2 spine pelvis neck head head_top left_clavicle left_shoulder left_elbow left_wrist left_hand "
    "right_clavicle right_shoulder right_elbow right_wrist right_hand left_hip left_knee left_ankle left_foot left_toe "
    "right_hip right_knee right_ankle right_foot right_toe"
)
NAMES = _NAMES.split()
SAME = {
    "Hip": "pelvis", "RHip": "right_hip", "RKnee": "right_knee", "RFoot": "right_ankle", "LHip": "left_hip",
    "LKnee": "left_knee", "LFoot": "left_ankle", "Spine": "spine", "Thorax": "neck", "Neck/Nose": "head",
    "Head": "head_top", "LShoulder": "left_shoulder", "LElbow": "left_elbow", "LWrist": "left_wrist",
    "RShoulder": "right_shoulder", "RElbow": "right_elbow", "RWrist": "right_wrist",
}  # fmt: skip


def test_joints_go_by_their_names():
    assert [NAMES[RELEVANT_JOINTS[j]] for j in FROM_RELEVANT] == [SAME[name] for name in JOINT_NAMES]
    assert sorted(FROM_RELEVANT) == list(range(17))


def test_splits_and_cameras():
    assert TRAIN_SUBJECTS == tuple(f"S{n}" for n in range(1, 9)) and TEST_SEQUENCES == tuple(
        f"TS{n}" for n in range(1, 7)
    )
    assert len(TRAIN_FRAMES) == 16 and 3 not in TRAIN_CAMERAS and len(TRAIN_CAMERAS) == 8
    cameras = mpi_inf_3dhp_cameras()
    # The test set's own files give lens and sensor in mm: 7.32506 on 10 x 10, 8.770747185 on 10 x 5.625.
    inside, outside = cameras["TS4"], cameras["TS5"]
    assert (inside.width, outside.width, outside.height) == (2048, 1920, 1080)
    assert np.isclose(inside.intrinsics.fx, 7.32506 / 10 * 2048, atol=0.01)
    assert np.isclose(outside.intrinsics.fx, 8.770747185 / 10 * 1920, atol=0.01)
    assert inside.distortion is None and outside.distortion is not None


def test_the_test_set_is_read(hp_folder):
    read = load_3dhp(hp_folder)
    assert len(read) == 6 and read.about["input"] == "exact 2D"
    with np.load(hp_folder / "data_test_3dhp.npz", allow_pickle=True) as archive:
        stored = archive["data"].item()
    for number, name in enumerate(TEST_SEQUENCES):
        recording = read.recording(number)
        assert recording.action == name and len(recording.views) == 1
        assert list(recording.frames) == [f for f in range(9) if not (name == "TS2" and f in (0, 4))]
        clip = recording.views[0]
        pelvis = stored[name]["data_3d"][:, 14:15]
        head_top = (stored[name]["data_3d"] - pelvis)[:, 0] / 1000
        assert np.allclose(clip.pose3d_cam[:, 10], head_top, atol=1e-4)
        assert (clip.pose3d_cam[:, 10, 1] < -0.3).all(), "y is down"
        # A pose, put back where it stood, projects to the 2D pose once the lens is undone.
        camera = mpi_inf_3dhp_cameras()[name]
        projected = camera.project(clip.pose3d_cam.astype(np.float64) + pelvis / 1000)
        assert np.allclose(projected, clip.keypoints_px, atol=0.02)


def test_the_training_set_is_read(hp_folder):
    with pytest.raises(InvalidInput, match="S2 Seq1 is missing"):
        load_3dhp(hp_folder, train=True)
    read = load_3dhp(hp_folder, train=True, names=("S1",))
    assert [s.name for s in read.sequences] == ["S1 Seq1", "S1 Seq2"] and [s.fps for s in read.sequences] == [25, 50]
    views = read.recording(1).views
    assert len(views) == 8 and views[0].intrinsics != views[1].intrinsics and len(views[0]) == 6


def with_28_joints(relevant):
    """Poses of the 17 joints as rows of the 28, flattened as annot.mat has them."""
    whole = np.full((len(relevant), 28, relevant.shape[-1]), 7.0)
    whole[:, list(RELEVANT_JOINTS)] = relevant
    return whole.reshape(len(whole), -1)


def test_the_sets_own_training_files_say_the_same(hp_folder, tmp_path):
    with np.load(hp_folder / "data_train_3dhp.npz", allow_pickle=True) as archive:
        stored = archive["data"].item()
    for name, (cameras, _) in stored.items():
        cells = {}
        for key, part in (("annot2", "data_2d"), ("univ_annot3", "data_3d")):
            cells[key] = np.empty((14, 1), dtype=object)
            for camera in range(14):
                poses = cameras.get(str(camera), cameras["0"])[part]
                cells[key][camera, 0] = with_28_joints(poses)
        place = tmp_path.joinpath(*name.split(" "))
        place.mkdir(parents=True)
        savemat(place / "annot.mat", {**cells, "frames": np.arange(6)[:, None]})
    from_npz = load_3dhp(hp_folder, train=True, names=("S1",))
    from_mat = load_3dhp(tmp_path, train=True, names=("S1",))
    for a, b in zip(from_npz.sequences, from_mat.sequences, strict=True):
        assert a.name == b.name and [v.camera for v in a.views] == [v.camera for v in b.views]
        for mine, other in zip(a.views, b.views, strict=True):
            assert np.array_equal(mine.points_px, other.points_px)
            assert np.array_equal(mine.joints_cam, other.joints_cam)
    (tmp_path / "S1" / "Seq2" / "annot.mat").write_bytes(b"MATLAB 5.0 MAT-file" + bytes(200))
    with pytest.raises(InvalidInput, match=r"S1/Seq2/annot.mat: not readable as a MAT file"):
        load_3dhp(tmp_path, train=True, names=("S1",))


def test_the_sets_own_test_files_say_the_same(hp_folder, tmp_path):
    h5py = pytest.importorskip("h5py")
    with np.load(hp_folder / "data_test_3dhp.npz", allow_pickle=True) as archive:
        stored = archive["data"].item()
    for name, parts in stored.items():
        (tmp_path / name).mkdir()
        with h5py.File(tmp_path / name / "annot_data.mat", "w") as file:
            file["annot2"], file["univ_annot3"] = parts["data_2d"][:, None], parts["data_3d"][:, None]
            file["valid_frame"] = parts["valid"][:, None]
            file["activity_annotation"] = np.ones((9, 1))
    for a, b in zip(load_3dhp(hp_folder).sequences, load_3dhp(tmp_path).sequences, strict=True):
        assert a.name == b.name and np.array_equal(a.frames, b.frames)
        assert np.array_equal(a.views[0].points_px, b.views[0].points_px)
        assert np.array_equal(a.views[0].joints_cam, b.views[0].joints_cam)
    with h5py.File(tmp_path / "TS6" / "annot_data.mat", "a") as file:
        del file["annot2"]
        file["annot2"] = h5py.ExternalLink(str(tmp_path / "TS5" / "annot_data.mat"), "annot2")
    with pytest.raises(InvalidInput, match="annot2, an array of numbers, is missing"):
        load_3dhp(tmp_path)
    virtual = h5py.VirtualLayout(shape=(9, 1, 17, 2), dtype="f8")
    virtual[:] = h5py.VirtualSource(str(tmp_path / "TS5" / "annot_data.mat"), "annot2", shape=(9, 1, 17, 2))
    with h5py.File(tmp_path / "TS6" / "annot_data.mat", "a") as file:
        del file["annot2"]
        file.create_virtual_dataset("annot2", virtual)
    with pytest.raises(InvalidInput, match="annot2, an array of numbers, is missing"):
        load_3dhp(tmp_path)
    (tmp_path / "TS1" / "annot_data.mat").write_bytes(b"no HDF5")
    with pytest.raises(InvalidInput, match=r"TS1/annot_data.mat: not readable as HDF5"):
        load_3dhp(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.pop("TS3"), "TS3 is missing"),
        (lambda d: d["TS3"].pop("valid"), "TS3: valid is missing"),
        (lambda d: d["TS3"].update(valid=np.ones(4)), r"valid must hold one number a frame, 9, found float64 \(4,\)"),
        (lambda d: d["TS3"].update(valid=np.zeros(9)), "no frame is valid"),
        (lambda d: d["TS3"].update(data_2d=d["TS3"]["data_2d"][:5]), "5 2D poses for 9 3D ones"),
        (lambda d: d["TS3"].update(data_3d=d["TS3"]["data_3d"][:, :16]), r"found float64 \(9, 16, 3\)"),
        (lambda d: d["TS3"].update(data_3d=d["TS3"]["data_3d"] - d["TS3"]["data_3d"][:, 14:15]), "before the camera"),
    ],
)
def test_what_is_wrong_with_the_file_is_said(hp_folder, tmp_path, change, message):
    with np.load(hp_folder / "data_test_3dhp.npz", allow_pickle=True) as archive:
        data = archive["data"].item()
    change(data)
    np.savez_compressed(tmp_path / "data_test_3dhp.npz", data=data)
    with pytest.raises(InvalidInput, match=message):
        load_3dhp(tmp_path)


def test_an_empty_folder_and_unknown_names(hp_folder, tmp_path):
    with pytest.raises(InvalidInput, match=r"neither data_test_3dhp.npz nor TS1/annot_data.mat is there"):
        load_3dhp(tmp_path)
    with pytest.raises(InvalidInput, match=r"expected some of TS1, .* found S9"):
        load_3dhp(hp_folder, names=("S9",))


def test_it_is_measured_sequence_by_sequence_on_valid_frames(hp_folder, tiny_models, tiny_weights, capsys):
    report = evaluate(load_3dhp(hp_folder), tiny_models, EvaluationSettings(stride=4, steps=1, hypotheses=1))
    # Every 4th of 9 frames, of 7 in TS2.
    assert report["frames"] == 5 * 3 + 2 and report["provenance"]["dataset"] == "3dhp"
    row = report["methods"]["diffpose"]
    assert list(row["actions"]) == list(TEST_SEQUENCES)
    total = sum(row["actions"][s]["pck_percent"] * (2 if s == "TS2" else 3) for s in TEST_SEQUENCES) / 17
    assert np.isclose(row["pck_percent"], total)
    table = results_table(report)
    assert "PCK % by action" in table and "AUC % by action" in table and "TS6" in table
    words = ["evaluate", "--dataset", "3dhp", "--data", str(hp_folder), "--weights", str(tiny_weights), "--quiet"]
    assert main([*words, "--stride", "4", "--steps", "1", "--hypotheses", "1", "--workers", "1"]) == 0
    assert capsys.readouterr().out.strip() == table.strip()
