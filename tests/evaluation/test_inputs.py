"""Inputs of the benchmark: exact 2D, mended heatmaps, other detectors' files, Human3.6M, the benchmark's cameras."""

import json
import pickle

import numpy as np

from diffpose_core.camera import evaluation_cameras
from diffpose_core.cli import main
from diffpose_core.datasets.h36m import ACTIONS, load_h36m
from diffpose_core.datasets.mocap17 import load_mocap17
from diffpose_core.evaluation.detector_statistics import detector_statistics
from diffpose_core.evaluation.evaluate import EvaluationSettings, evaluate
from diffpose_core.evaluation.tables import results_table
from diffpose_core.evaluation.views import DETECTOR_SEED, Mocap17Benchmark, evaluation_clips


def test_exact_2d_is_one_mode_at_the_exact_place(data):
    motions = load_mocap17(data)
    world = motions.clip_world(1)
    detected = evaluation_clips(motions, 1)
    exact = Mocap17Benchmark.load(data, "exact")
    assert exact.about["input"] == "exact 2D" and "detector" not in exact.about
    views = exact.recording(1).views
    for clip, seen, camera in zip(views, detected, evaluation_cameras(world[:, 0]), strict=True):
        px = camera.project(camera.to_cam(world.astype(np.float64)))
        assert np.allclose(clip.keypoints_px, px) and np.allclose(clip.mixture.argmax_px, px)
        assert clip.mixture.weights.shape[-1] == 1 and (clip.confidence == 1).all()
        spread, usual = clip.mixture.std_px.mean(), np.sqrt(seen.mixture.variances_px2[:, :, 0])[~seen.hidden].mean()
        assert 0.5 < spread / usual < 1.5, "about what the networks know of a joint that is seen"
        assert np.array_equal(clip.hidden, seen.hidden) and np.array_equal(clip.pose3d_cam, seen.pose3d_cam)


def test_mended_heatmaps_have_the_right_mode_or_exact_hidden_joints(data):
    motions = load_mocap17(data)
    world = motions.clip_world(1)
    detected = evaluation_clips(motions, 1)
    right, exact = (Mocap17Benchmark.load(data, kind).recording(1).views for kind in ("right-modes", "hidden-exact"))
    changed = 0
    for seen, mode, part, camera in zip(detected, right, exact, evaluation_cameras(world[:, 0]), strict=True):
        px = camera.project(camera.to_cam(world.astype(np.float64)))
        before, after = (np.linalg.norm(clip.keypoints_px - px, axis=-1) for clip in (seen, mode))
        assert (after <= before + 1e-3).all()
        several = (seen.mixture.weights > 0).sum(-1) > 1
        assert np.allclose(mode.keypoints_px[~several], seen.keypoints_px[~several])
        changed += int((after < before - 1.0).sum())
        modes = np.linalg.norm(mode.keypoints_px[:, :, None] - seen.mixture.means_px, axis=-1)
        assert (modes.min(-1) < 1e-3).all(), "a place that the heatmap itself names"
        assert np.allclose(part.keypoints_px[seen.hidden], px[seen.hidden], atol=1e-2)
        assert np.allclose(part.keypoints_px[~seen.hidden], seen.keypoints_px[~seen.hidden])
        assert np.array_equal(part.mixture.weights[~seen.hidden], seen.mixture.weights[~seen.hidden])
        for clip in (mode, part):
            assert np.array_equal(clip.pose3d_cam, seen.pose3d_cam) and np.array_equal(clip.hidden, seen.hidden)
    assert changed > 0


def test_files_of_other_detectors_have_confidences_and_gaps(data):
    motions = load_mocap17(data)
    detected = evaluation_clips(motions, 1)
    alone, gaps = (Mocap17Benchmark.load(data, kind).recording(1).views for kind in ("confidences", "gaps"))
    lost = []
    for seen, sure, part in zip(detected, alone, gaps, strict=True):
        assert sure.mixture is None and np.array_equal(sure.keypoints_px, seen.keypoints_px)
        missing = part.confidence == 0
        assert not missing[:, 0].any(), "the hip is always found"
        assert np.allclose(part.keypoints_px[~missing], seen.keypoints_px[~missing], atol=1e-3)
        assert part.mixture.std_px[missing].mean() > 1.5 * part.mixture.std_px[~missing].mean()
        assert np.array_equal(part.pose3d_cam, seen.pose3d_cam)
        lost.append(missing[:, 1:].mean())
    assert 0.03 < np.mean(lost) < 0.25
    assert Mocap17Benchmark.load(data, "gaps").about["detector_seed"] == DETECTOR_SEED


def test_human36m_is_measured_in_the_supplements_columns(h36m_folder, tiny_models):
    report = evaluate(load_h36m(h36m_folder), tiny_models, EvaluationSettings(stride=4, steps=1, hypotheses=1))
    # 11, 8, 10 and 7 frames, every 4th, four cameras.
    assert report["frames"] == (3 + 2 + 3 + 2) * 4
    row = report["methods"]["diffpose"]
    assert set(row["actions"]) == {"Directions", "WalkDog", "SittingDown"}
    # Both subjects walk the dog: its figure is that of all their frames.
    alone = [
        evaluate(load_h36m(h36m_folder, (s,)), tiny_models, EvaluationSettings(stride=4, steps=1, hypotheses=1))[
            "methods"
        ]["diffpose"]
        for s in ("S9", "S11")
    ]
    by_subject = [a["actions"]["WalkDog"]["p_mpjpe_mm"] for a in alone]
    assert np.isclose(row["actions"]["WalkDog"]["p_mpjpe_mm"], (2 * by_subject[0] + 3 * by_subject[1]) / 5)
    average = np.mean([row["actions"][a]["p_mpjpe_mm"] for a in row["actions"]])
    assert np.isclose(row["action_mean"]["p_mpjpe_mm"], average) and row["hidden"]["mpjpe_mm"] > 0
    lines = results_table(report).splitlines()
    head = next(i for i, line in enumerate(lines) if line.startswith("P-MPJPE"))
    assert lines[head].split()[1:] == [*ACTIONS.values(), "Avg"]
    printed = next(line for line in lines[head:] if line.startswith("DiffPose *"))
    row_of_the_supplement = "33.9 38.2 36.0 39.2 40.2 46.5 35.8 34.8 48.0 52.5 41.2 36.5 40.9 30.3 33.8 39.2"
    assert " ".join(printed.split()[2:]) == row_of_the_supplement
    own = next(line for line in lines[head:] if line.startswith("diffpose ")).split()[1:]
    assert own[0] == f"{row['actions']['Directions']['p_mpjpe_mm']:.1f}" and own[1] == "-"
    assert own[-1] == f"{average:.1f}"
    report["provenance"]["setting"] = "video"
    lines = results_table(report).splitlines()
    assert next(line for line in lines if line.startswith("Zhang 2022 *")).split()[-1] == "30.6"
    assert "Table 1 of" in lines[-1]
    # Processes that share the recordings get the data from the first one.
    sent = pickle.loads(pickle.dumps(load_h36m(h36m_folder))).recording(1)
    assert sent.action == "WalkDog" and len(sent.views) == 4


def test_human36m_from_the_command_line(h36m_folder, tiny_weights, tmp_path, capsys):
    out = tmp_path / "report.json"
    words = ["evaluate", "--dataset", "h36m", "--data", str(h36m_folder), "--weights", str(tiny_weights), "--quiet"]
    words += ["--stride", "6", "--steps", "1", "--hypotheses", "1", "--workers", "1", "--json", str(out)]
    assert main([*words, "--input", "exact", "--subjects", "S11"]) == 0
    written = json.loads(out.read_text())
    assert written["provenance"]["input"] == "exact 2D" and written["provenance"]["subjects"] == ["S11"]
    assert capsys.readouterr().out.strip() == results_table(written).strip()
    assert main(["evaluate", "--data", "x.npz", "--subjects", "S8"]) == 2
    assert main(["evaluate", "--data", "x.npz", "--dataset", "3dhp", "--input", "gaps"]) == 2
    assert "belong to --dataset h36m" in capsys.readouterr().err


def test_evaluation_clips_are_the_benchmarks_cameras_with_the_exact_pose(data):
    motions = load_mocap17(data)
    world = motions.clip_world(1)
    clips = evaluation_clips(motions, 1)
    assert len(clips) == 4
    for clip, camera in zip(clips, evaluation_cameras(world[:, 0]), strict=True):
        in_cam = camera.to_cam(world.astype(np.float64))
        assert np.allclose(clip.pose3d_cam, in_cam - in_cam[:, :1], atol=1e-5)
        assert clip.intrinsics == camera.intrinsics
        # A heavier mode at the wrong place is possible; most are not.
        assert np.median(np.linalg.norm(clip.keypoints_px - camera.project(in_cam), axis=-1)) < 8
    again = evaluation_clips(motions, 1)
    assert all(np.array_equal(a.keypoints_px, b.keypoints_px) for a, b in zip(clips, again, strict=True))
    assert not np.allclose(clips[0].keypoints_px, clips[1].keypoints_px)


def test_detector_statistics_of_a_file(data):
    found = detector_statistics(data)
    assert found["clips"] == 3 and found["joints"] == (60 + 31 + 60) * 4 * 17
    assert 3.5 < found["visible_error_px"]["mean"] < 6.5
    assert found["hidden_error_px"]["mean"] > found["visible_error_px"]["mean"]
    assert 0 < found["two_mode_share"] < 0.2 and 0 < found["hidden_share"] < 0.4
    # Exchanges come and go at once, and on few frames they weigh much.
    assert 0.4 < found["visible_error_correlation_one_frame_apart"] < 1.0
    json.dumps(found)
