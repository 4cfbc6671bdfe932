"""Real footage: its file, its metrics against loops, and the shipped weights on it where it is at hand."""

import json
from dataclasses import replace

import numpy as np
import pytest

from diffpose_core.cli import main
from diffpose_core.datasets.footage import LAYOUT, load_footage
from diffpose_core.evaluation import footage as footage_module
from diffpose_core.evaluation.evaluate import EvaluationSettings
from diffpose_core.evaluation.footage import BLOCK_FRAMES, LIMB_JOINTS, evaluate_footage, limb_errors
from diffpose_core.evaluation.metrics import p_mpjpe, scale_align
from diffpose_core.evaluation.tables import footage_table
from diffpose_core.skeleton import JOINT_NAMES
from diffpose_core.structures import Intrinsics, InvalidInput

FRAMES = 24


def arrays():
    """Two cameras that see one person: made landmarks, exact in the first camera, shaken in the second."""
    generator = np.random.default_rng(0)
    truth = generator.normal(0, 0.3, (1, 33, 3)) + np.linspace(0, 0.2, FRAMES)[:, None, None] + [0, 0, 1.0]
    down = np.array([0.0, 0.0, -1.0])
    rotation = []
    for forward in (np.array([0.0, 1.0, 0.0]), np.array([1.0, 0.0, 0.0])):
        rotation.append(np.stack((np.cross(down, forward), down, forward)))
    rotation = np.stack(rotation)
    centre = np.array([[0.0, -5.0, 1.0], [-5.0, 0.0, 1.0]])
    intrinsics = np.array([[1000.0, 1000, 500, 900], [1100.0, 1100, 540, 960]])
    cam = np.einsum("cij,cfkj->cfki", rotation, truth[None] - centre[:, None, None])
    px = intrinsics[:, None, None, :2] * cam[..., :2] / cam[..., 2:] + intrinsics[:, None, None, 2:]
    px[1] += generator.normal(0, 5, px[1].shape)
    on_person = np.ones((2, FRAMES), dtype=bool)
    on_person[1, :4] = False
    turn = np.linalg.qr(generator.normal(size=(3, 3)))[0]
    turn *= np.sign(np.linalg.det(turn))
    return {
        "keypoints_px": px.astype(np.float32),
        "visibility": generator.uniform(0.3, 1, (2, FRAMES, 33)).astype(np.float32),
        "detector_pose3d_m": (1.3 * cam @ turn.T + 0.5).astype(np.float32),
        "truth_world_m": truth.astype(np.float32),
        "rotation": rotation,
        "centre_m": centre,
        "intrinsics": intrinsics,
        "on_person": on_person,
        "size": np.array([1088, 1920]),
        "fps": np.array(60.0),
    }


@pytest.fixture
def path(tmp_path):
    np.savez(tmp_path / "footage.npz", **arrays())
    return tmp_path / "footage.npz"


def test_a_camera_becomes_a_clip_by_the_conversion_of_uploads_with_the_truth_in_its_frame(path):
    footage, a = load_footage(path), arrays()
    assert len(footage) == 2 and footage.num_frames == FRAMES
    recording = footage.recording(1)
    (clip,) = recording.views
    assert recording.frames.tolist() == list(range(4, FRAMES)) and (clip.width, clip.height, clip.fps) == (
        1088,
        1920,
        60,
    )
    assert np.allclose(recording.up_cam[0], [0, -1, 0]), "a level camera"
    names = {name: number for number, name in enumerate(LAYOUT.names)}
    hips = [names["left_hip"], names["right_hip"]]
    for joint, parts in (
        (0, hips),
        (8, [names["left_shoulder"], names["right_shoulder"]]),
        (16, [names["right_wrist"]]),
    ):
        assert np.allclose(clip.keypoints_px[:, joint], a["keypoints_px"][1][:, parts].mean(1), atol=1e-3)
        assert np.allclose(clip.confidence[:, joint], a["visibility"][1][:, parts].min(1))
        cam = (a["truth_world_m"].astype(float) - a["centre_m"][1]) @ a["rotation"][1].T
        assert np.allclose(clip.pose3d_cam[:, joint], cam[:, parts].mean(1) - cam[:, hips].mean(1), atol=1e-5)
    assert clip.intrinsics is None
    assert load_footage(path, known_camera=True).recording(1).views[0].intrinsics == Intrinsics(1100, 1100, 540, 960)


def test_errors_are_those_of_a_loop_over_limb_joints():
    assert [JOINT_NAMES[j][1:] for j in LIMB_JOINTS] == [
        "Hip", "Knee", "Foot", "Hip", "Knee", "Foot", "Shoulder", "Elbow", "Wrist", "Shoulder", "Elbow", "Wrist",
    ]  # fmt: skip
    generator = np.random.default_rng(1)
    truth, predicted = generator.normal(0, 0.3, (2, 5, 17, 3))
    truth -= truth[:, [1, 4]].mean(1, keepdims=True)
    found = limb_errors(predicted, truth)
    for f in range(5):
        p, t = predicted[f, list(LIMB_JOINTS)], truth[f, list(LIMB_JOINTS)]
        moved = p - predicted[f, [1, 4]].mean(0)
        for column, pose in ((0, scale_align(p, t)), (2, scale_align(moved, t))):
            assert np.isclose(found[f, column], 1000 * np.mean([np.linalg.norm(pose[j] - t[j]) for j in range(12)]))
        assert np.isclose(found[f, 1], 1000 * p_mpjpe(p, t))
    assert np.allclose(limb_errors(1.7 * truth, truth), 0, atol=1e-6)
    shifted = limb_errors(truth + np.array([0.0, 0.1, 0.0]), truth)
    assert (shifted[:, 0] > 40).all() and np.allclose(shifted[:, 1:], 0, atol=1e-6), "another Hip moves N-MPJPE only"


def test_the_total_is_the_mean_of_the_cameras_means_and_gains_are_paired(path, tiny_models, monkeypatch):
    def poses(clip, models, frames, settings, up_cam):
        truth = clip.pose3d_cam[frames]
        # By the frame, so that blocks differ; the second camera is twice as wrong.
        by = 0.01 * (1 + frames % 7)[:, None, None] * (2 if "camera 1" in clip.name else 1)
        off = np.random.default_rng(2).normal(0, 1, truth.shape)
        return {"graformer": truth + by * off, "diffpose": truth + 0.5 * by * off}

    monkeypatch.setattr(footage_module, "clip_poses", poses)
    report = evaluate_footage(load_footage(path), tiny_models, EvaluationSettings(stride=1))
    assert report["frames"] == FRAMES + FRAMES - 4 and report["provenance"]["block_frames"] == BLOCK_FRAMES
    for name, row in report["methods"].items():
        for metric in ("n_mpjpe_mm", "p_mpjpe_mm", "n_mpjpe_hips_mm"):
            cameras = [camera[metric] for camera in row["cameras"]]
            if row[metric] is None:
                assert name == "detector" and metric != "p_mpjpe_mm" and cameras == [None, None]
                continue
            assert np.isclose(row[metric], np.mean(cameras))
            low, high = row["intervals"][metric]
            assert low <= row[metric] <= high
    assert report["methods"]["detector"]["p_mpjpe_mm"] < 0.01, "the truth in another frame and size"
    graformer, diffpose = (report["methods"][name] for name in ("graformer", "diffpose"))
    assert graformer["cameras"][1]["n_mpjpe_mm"] > 1.5 * graformer["cameras"][0]["n_mpjpe_mm"]
    gain = report["gains"]["graformer"]["diffpose"]["p_mpjpe"]
    assert np.isclose(gain["percent"], 100 * (1 - diffpose["p_mpjpe_mm"] / graformer["p_mpjpe_mm"]))
    low, high = gain["interval"]
    assert low <= gain["percent"] <= high and high - low < 5, "twice as good on every block"
    assert set(report["gains"]["graformer"]["detector"]) == {"p_mpjpe"}
    assert json.loads(json.dumps(report, allow_nan=False))["methods"] == report["methods"]


def test_the_command_measures_footage(path, tiny_weights, tmp_path, capsys):
    out = tmp_path / "report.json"
    words = ["evaluate", "--dataset", "footage", "--data", str(path), "--weights", str(tiny_weights), "--quiet"]
    words += ["--stride", "8", "--steps", "1", "--hypotheses", "1", "--workers", "1", "--json", str(out)]
    assert main([*words, "--camera", "given"]) == 0
    written = json.loads(out.read_text())
    assert written["provenance"]["known_camera"] and written["provenance"]["tilt"] == "unknown"
    assert {"graformer", "diffpose", "detector"} <= set(written["methods"]) and written["frames"] == 3 + 3
    assert capsys.readouterr().out.strip() == footage_table(written).strip()
    assert main([*words, "--tilt", "given"]) == 2, "these weights know no tilt"
    assert main([*words, "--clips", "1"]) == 2 and main([*words, "--input", "gaps"]) == 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda a: a.pop("fps"), "missing: fps"),
        (
            lambda a: a.update(visibility=a["visibility"][:, :5]),
            r"visibility must be \(2, 24, 33\), found \(2, 5, 33\)",
        ),
        (lambda a: a.update(keypoints_px=a["keypoints_px"][..., 0]), r"keypoints_px must be \(C, F, 33, 2\)"),
        (lambda a: a.update(centre_m=a["centre_m"] * np.nan), "centre_m must hold finite numbers only"),
        (lambda a: a.update(visibility=2 * a["visibility"]), r"visibility must lie in \[0, 1\]"),
        (lambda a: a.update(rotation=2 * a["rotation"]), "must hold rotations"),
        (lambda a: a.update(rotation=-a["rotation"]), "must hold rotations"),
        (lambda a: a.update(on_person=a["on_person"].astype(int)), "on_person must be true or false, found int64"),
        (lambda a: a.update(on_person=a["on_person"] & False), "a frame of every camera"),
        (lambda a: a.update(fps=np.array("fast")), "fps must hold finite numbers only, found <U4"),
    ],
)
def test_files_that_are_not_footage(tmp_path, change, message):
    content = arrays()
    change(content)
    np.savez(tmp_path / "x.npz", **content)
    with pytest.raises(InvalidInput, match=message):
        load_footage(tmp_path / "x.npz")


def test_no_file_and_no_archive(tmp_path):
    with pytest.raises(InvalidInput, match="no such file; expected real footage"):
        load_footage(tmp_path / "x.npz")
    (tmp_path / "x.npz").write_bytes(b"PK no archive")
    with pytest.raises(InvalidInput, match="not a readable archive"):
        load_footage(tmp_path / "x.npz")


@pytest.fixture(scope="module")
def real(data_dir):
    path = data_dir / "real_footage.npz"
    if not path.is_file():
        pytest.skip(f"needs the real footage, and there is no {path}")
    return path


def test_the_real_footages_detector_and_shipped_encoder(real, shipped_models):
    encoder = replace(shipped_models, denoisers={})
    report = evaluate_footage(load_footage(real), encoder, EvaluationSettings(stride=5, hypotheses=1, steps=1))
    assert abs(report["methods"]["detector"]["p_mpjpe_mm"] - 81) < 2, "as the data's README says"
    row = report["methods"]["graformer"]
    assert 40 < row["p_mpjpe_mm"] < row["n_mpjpe_mm"] < 200 and len(row["cameras"]) == 4
