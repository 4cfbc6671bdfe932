"""The benchmark: its report, its averages against loops, and what a perfect method would get."""

import json
import re

import numpy as np
import pytest
import torch

from diffpose_core import evaluation
from diffpose_core.camera import evaluation_cameras
from diffpose_core.cli import main, results_table
from diffpose_core.datasets.mocap17 import load_mocap17, motion_set, save_mocap17
from diffpose_core.datasets.procedural import procedural_motion
from diffpose_core.evaluation import (
    _gains,
    _Sums,
    detector_statistics,
    evaluate,
    evaluation_clips,
    protocol_errors,
)
from diffpose_core.metrics import p_mpjpe
from diffpose_core.structures import InvalidInput

METHODS = ("graformer", "graformer_reconciled", "diffpose", "diffpose_no_context", "diffpose_standard")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Three short clips of two actions."""
    clips = [
        procedural_motion("walk", 1, 2.0),
        procedural_motion("wave", 2, 2.0)[:31],
        procedural_motion("walk", 3, 2.0),
    ]
    path = tmp_path_factory.mktemp("data") / "motions.npz"
    save_mocap17(motion_set(clips, 30.0, name=["a", "b", "c"], action=["walk", "wave", "walk"]), path)
    return path


@pytest.fixture(scope="module")
def report(data, tiny_models):
    return evaluate(data, tiny_models, stride=20, steps=2, hypotheses=2)


def test_the_report_has_the_promised_shape(report):
    assert set(report) == {"methods", "gains", "frames", "provenance"}
    assert set(METHODS) <= set(report["methods"])
    for row in report["methods"].values():
        assert set(row) == {"mpjpe_mm", "p_mpjpe_mm", "hidden", "visible", "actions"}
        assert set(row["actions"]) == {"walk", "wave"}
        for part in (row, row["hidden"], row["visible"], *row["actions"].values()):
            assert part["mpjpe_mm"] > 0 and part["p_mpjpe_mm"] > 0
    # 60, 31 and 60 frames, every 20th, four cameras.
    assert report["frames"] == (3 + 2 + 3) * 4
    assert report["methods"] == json.loads(json.dumps(report))["methods"]
    found = report["provenance"]
    assert found["data"] == "motions.npz" and found["stride"] == 20 and found["steps"] == 2
    assert set(found["weights_sha256"]) == {
        name for name in report["methods"] if not name.endswith(("step", "best"))
    } - {"graformer", "graformer_reconciled"}


def test_gains_are_those_of_the_totals_and_lie_in_their_intervals(report):
    methods = report["methods"]
    assert set(report["gains"]) == {"graformer", "graformer_reconciled", "diffpose_no_context", "diffpose_standard"}
    for reference, rows in report["gains"].items():
        assert set(rows) == set(methods) - {reference}
        for name, row in rows.items():
            gain = 100 * (1 - methods[name]["mpjpe_mm"] / methods[reference]["mpjpe_mm"])
            assert np.isclose(row["mpjpe"]["percent"], gain)
            hidden = 100 * (1 - methods[name]["hidden"]["p_mpjpe_mm"] / methods[reference]["hidden"]["p_mpjpe_mm"])
            assert np.isclose(row["hidden_p_mpjpe"]["percent"], hidden)
            for found in row.values():
                low, high = found["interval"]
                assert low <= found["percent"] <= high


def test_an_interval_covers_the_true_gain_as_often_as_it_says():
    generator = np.random.default_rng(0)
    covered = 0
    for _ in range(100):
        clips = {}
        for number in range(40):
            count = np.full(3, 100.0)
            level = generator.gamma(20.0, 0.002)
            found = {"graformer": level, "diffpose": 0.9 * level * generator.normal(1.0, 0.05)}
            clips[number] = {name: _Sums(np.full((2, 3), 100 * error), count) for name, error in found.items()}
        low, high = _gains(clips)["graformer"]["diffpose"]["mpjpe"]["interval"]
        covered += low <= 10.0 <= high
    assert 88 <= covered <= 100


def test_the_total_is_the_mean_over_all_frames_not_over_actions(report):
    for row in report["methods"].values():
        walk, wave = row["actions"]["walk"], row["actions"]["wave"]
        for metric in ("mpjpe_mm", "p_mpjpe_mm"):
            assert np.isclose(row[metric], (6 * walk[metric] + 2 * wave[metric]) / 8)


def test_figures_are_those_of_a_loop_over_frames(data, tiny_models, report):
    motions = load_mocap17(data)
    errors, aligned = [], []
    for number in range(3):
        for clip in evaluation_clips(motions, number):
            frames = np.arange(0, len(clip), 20)
            found = evaluation.predictions(clip, tiny_models, frames, 2, 2, 0)["diffpose"]
            for pose, truth in zip(found, clip.pose3d_cam[frames], strict=True):
                errors.append(np.mean([np.linalg.norm(pose[j] - truth[j]) for j in range(17)]))
                aligned.append(p_mpjpe(pose, truth))
    assert np.isclose(report["methods"]["diffpose"]["mpjpe_mm"], 1000 * np.mean(errors))
    assert np.isclose(report["methods"]["diffpose"]["p_mpjpe_mm"], 1000 * np.mean(aligned))


def test_the_best_hypothesis_is_never_worse_than_a_single_one(report):
    for name in ("diffpose", "diffpose_standard"):
        methods = report["methods"]
        assert f"{name}_1_step" in methods
        assert methods[f"{name}_best"]["mpjpe_mm"] > 0


def test_the_same_seed_gives_the_same_report(data, tiny_models, report):
    torch.manual_seed(7)
    again = evaluate(data, tiny_models, stride=20, steps=2, hypotheses=2)
    assert again["methods"] == report["methods"]


def test_a_perfect_predictor_gets_zero(data, tiny_models, monkeypatch):
    monkeypatch.setattr(
        evaluation, "predictions", lambda clip, models, frames, *rest: {"perfect": clip.pose3d_cam[frames]}
    )
    row = evaluate(data, tiny_models, stride=10)["methods"]["perfect"]
    assert row["mpjpe_mm"] == 0 and row["hidden"]["mpjpe_mm"] == 0
    assert row["p_mpjpe_mm"] < 1e-3


def test_hidden_and_visible_joints_are_told_apart(data, tiny_models, monkeypatch):
    """A method that is 10 mm off at hidden joints and 2 mm off at the others."""

    def wrong(clip, models, frames, *rest):
        off = np.where(clip.hidden[frames], 0.010, 0.002)[..., None] * np.array([0, 0, 1.0])
        return {"wrong": clip.pose3d_cam[frames] + off}

    monkeypatch.setattr(evaluation, "predictions", wrong)
    row = evaluate(data, tiny_models, stride=5)["methods"]["wrong"]
    assert np.isclose(row["hidden"]["mpjpe_mm"], 10, atol=1e-3)
    assert np.isclose(row["visible"]["mpjpe_mm"], 2, atol=1e-3)


def test_protocol_errors_are_those_of_each_frame():
    rng = np.random.default_rng(0)
    truth = 0.4 * rng.standard_normal((5, 17, 3))
    predicted = truth + 0.1 * rng.standard_normal(truth.shape)
    found = protocol_errors(predicted, truth)
    assert found.shape == (2, 5, 17)
    for frame in range(5):
        for joint in range(17):
            assert np.isclose(found[0, frame, joint], np.linalg.norm(predicted[frame, joint] - truth[frame, joint]))
    assert np.allclose(found[1].mean(-1), p_mpjpe(predicted, truth))
    turned = 1.3 * truth[..., [1, 0, 2]] * [1, -1, 1] + 0.2
    assert protocol_errors(turned, truth)[1].max() < 1e-9


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


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (dict(stride=0), "stride must be at least 1, found 0"),
        (dict(clips=range(4)), r"clips must be numbers from 0 to 2, found range\(0, 4\)"),
        (dict(clips=range(0)), "clips must be numbers from 0 to 2"),
    ],
)
def test_settings_out_of_range(data, tiny_models, settings, message):
    with pytest.raises(InvalidInput, match=message):
        evaluate(data, tiny_models, **settings)


def test_bfloat16_inside_the_diffusion_networks_changes_little_and_the_baseline_not_at_all(data, tiny_models):
    settings = dict(stride=30, steps=1, hypotheses=2, clips=range(1))
    exact = evaluate(data, tiny_models, **settings)["methods"]
    mixed = evaluate(data, tiny_models, mixed_precision=True, **settings)["methods"]
    for name in METHODS:
        assert (mixed[name]["mpjpe_mm"] == exact[name]["mpjpe_mm"]) == name.startswith("graformer")
        assert np.isclose(mixed[name]["mpjpe_mm"], exact[name]["mpjpe_mm"], rtol=0.02)


def test_detector_statistics_of_a_file(data):
    found = detector_statistics(data)
    assert found["clips"] == 3 and found["joints"] == (60 + 31 + 60) * 4 * 17
    assert 3.5 < found["visible_error_px"]["mean"] < 6.5
    assert found["hidden_error_px"]["mean"] > found["visible_error_px"]["mean"]
    assert 0 < found["two_mode_share"] < 0.2 and 0 < found["hidden_share"] < 0.4
    # Exchanges come and go at once, and on few frames they weigh much.
    assert 0.4 < found["visible_error_correlation_one_frame_apart"] < 1.0
    json.dumps(found)


def test_the_command_writes_the_report_and_prints_a_table(data, tiny_weights, tmp_path, capsys):
    out = tmp_path / "report.json"
    words = ["evaluate", "--data", str(data), "--weights", str(tiny_weights), "--json", str(out), "--quiet"]
    assert main([*words, "--stride", "30", "--steps", "1", "--hypotheses", "1", "--clips", "2"]) == 0
    written = json.loads(out.read_text())
    assert set(METHODS) <= set(written["methods"]) and written["frames"] == (2 + 2) * 4
    printed = capsys.readouterr().out
    assert printed.strip() == results_table(written).strip()
    assert written["provenance"]["command"].startswith("diffpose evaluate --data ")
    assert "/" not in written["provenance"]["command"], "files by their names"
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", written["provenance"]["date"])
    for word in ("MPJPE by action", "P-MPJPE by action", "walk", "wave", "graformer"):
        assert word in printed
    assert str(tmp_path) not in out.read_text()
