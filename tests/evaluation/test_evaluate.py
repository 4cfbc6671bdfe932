"""The benchmark: its report, its averages against loops, and what a perfect method would get."""

import json
import re
from dataclasses import replace
from typing import ClassVar

import numpy as np
import pytest
import torch

from diffpose_core.cli import main
from diffpose_core.datasets.benchmark import Recording
from diffpose_core.datasets.mocap17 import load_mocap17
from diffpose_core.evaluation import evaluate as evaluate_module
from diffpose_core.evaluation.evaluate import EvaluationSettings, clip_poses, evaluate
from diffpose_core.evaluation.gains import gains
from diffpose_core.evaluation.metrics import p_mpjpe
from diffpose_core.evaluation.scores import METRICS, MetricSums, protocol_errors
from diffpose_core.evaluation.tables import results_table
from diffpose_core.evaluation.turned import turned
from diffpose_core.evaluation.views import evaluation_clips
from diffpose_core.lifting import models as lifting_models
from diffpose_core.lifting.encode import encode_clip
from diffpose_core.lifting.sampling import sample_hypotheses
from diffpose_core.skeleton import BONES
from diffpose_core.structures import InvalidInput, PoseClip2D

METHODS = ("graformer", "graformer_reconciled", "diffpose", "diffpose_no_context", "diffpose_standard")


@pytest.fixture(scope="module")
def report(data, tiny_models):
    return evaluate(data, tiny_models, EvaluationSettings(stride=20, steps=2, hypotheses=2))


def test_the_report_has_the_promised_shape(report):
    assert set(report) == {"methods", "gains", "frames", "provenance"}
    assert set(METHODS) <= set(report["methods"])
    for row in report["methods"].values():
        assert set(row) == {*METRICS, "hidden", "visible", "action_mean", "actions"}
        assert set(row["actions"]) == {"walk", "wave"}
        assert row["mpjve_mm"] is None, "no two frames that follow each other were evaluated"
        walk, wave = row["actions"]["walk"], row["actions"]["wave"]
        assert np.isclose(row["action_mean"]["auc_percent"], (walk["auc_percent"] + wave["auc_percent"]) / 2)
        for part in (row, row["hidden"], row["visible"], *row["actions"].values()):
            assert part["mpjpe_mm"] > 0 and part["p_mpjpe_mm"] > 0
    # 60, 31 and 60 frames, every 20th, four cameras.
    assert report["frames"] == (3 + 2 + 3) * 4
    assert report["methods"] == json.loads(json.dumps(report))["methods"]
    found = report["provenance"]
    assert found["data"] == "motions.npz" and found["stride"] == 20 and found["steps"] == 2
    assert set(found["weights_sha256"]) == {
        name for name in report["methods"] if not name.endswith(("step", "hypothesis", "best"))
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
            count = np.full((2, 3), 100.0)
            level = generator.gamma(20.0, 0.002)
            found = {"graformer": level, "diffpose": 0.9 * level * generator.normal(1.0, 0.05)}
            clips[number] = {name: MetricSums(np.full((2, 3), 100 * error), count) for name, error in found.items()}
        low, high = gains(clips)["graformer"]["diffpose"]["mpjpe"]["interval"]
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
            found = clip_poses(clip, tiny_models, frames, EvaluationSettings(steps=2, hypotheses=2))["diffpose"]
            for pose, truth in zip(found, clip.pose3d_cam[frames], strict=True):
                errors.append(np.mean([np.linalg.norm(pose[j] - truth[j]) for j in range(17)]))
                aligned.append(p_mpjpe(pose, truth))
    assert np.isclose(report["methods"]["diffpose"]["mpjpe_mm"], 1000 * np.mean(errors))
    assert np.isclose(report["methods"]["diffpose"]["p_mpjpe_mm"], 1000 * np.mean(aligned))


def test_the_best_hypothesis_is_never_worse_than_a_single_one(report):
    for name in ("diffpose", "diffpose_standard"):
        methods = report["methods"]
        assert f"{name}_1_step" in methods
        best, single = methods[f"{name}_best"], methods[f"{name}_1_hypothesis"]
        assert 0 < best["mpjpe_mm"] < single["mpjpe_mm"]
        for action, row in best["actions"].items():
            assert row["mpjpe_mm"] <= single["actions"][action]["mpjpe_mm"]


def test_the_best_is_the_hypothesis_nearest_to_the_truth_in_every_frame(data, tiny_models):
    clip = evaluation_clips(load_mocap17(data), 0)[1]
    frames = np.arange(0, len(clip), 15)
    settings = EvaluationSettings(steps=2, hypotheses=4)
    encoded = encode_clip(clip, tiny_models, frames, settings.lift)
    network = tiny_models.denoisers["diffpose"]
    hypotheses = encoded.view.to_cam(sample_hypotheses(encoded, network)).numpy()
    found = clip_poses(clip, tiny_models, frames, settings)
    for f, truth in enumerate(clip.pose3d_cam[frames]):
        errors = np.linalg.norm(hypotheses[f] - truth, axis=-1).mean(-1)
        assert np.allclose(found["diffpose_best"][f], hypotheses[f, errors.argmin()], atol=1e-5)
        assert errors.max() > errors.min() + 1e-3
    assert np.allclose(found["diffpose"], hypotheses.mean(1), atol=1e-5)
    for name in ("graformer", "graformer_reconciled"):
        turns = turned(found[name], 4)
        errors = np.linalg.norm(turns - clip.pose3d_cam[frames][:, None], axis=-1).mean(-1)
        assert np.allclose(found[f"{name}_best"], turns[np.arange(len(frames)), errors.argmin(1)], atol=1e-5)
    assert np.allclose(found["diffpose_1_hypothesis"], hypotheses[:, 0], atol=1e-5)


def test_the_same_seed_gives_the_same_report(data, tiny_models, report):
    torch.manual_seed(7)
    again = evaluate(data, tiny_models, EvaluationSettings(stride=20, steps=2, hypotheses=2))
    assert again["methods"] == report["methods"]


def test_a_perfect_predictor_gets_zero(data, tiny_models, monkeypatch):
    monkeypatch.setattr(
        evaluate_module, "clip_poses", lambda clip, models, frames, *rest: {"perfect": clip.pose3d_cam[frames]}
    )
    row = evaluate(data, tiny_models, EvaluationSettings(stride=10))["methods"]["perfect"]
    assert row["mpjpe_mm"] == 0 and row["hidden"]["mpjpe_mm"] == 0
    assert row["p_mpjpe_mm"] < 1e-3


def test_every_metric_is_that_of_a_loop(data, tiny_models, monkeypatch):
    """A clip of more than one block, every frame of it, against sums written out frame by frame and joint by joint."""

    def wrong(clip, models, frames, *rest):
        off = np.stack([np.random.default_rng(int(f)).normal(0, 0.08, (17, 3)) for f in frames])
        off[:, 0] = 0
        return {"graformer": clip.pose3d_cam[frames] + off}

    monkeypatch.setattr(evaluate_module, "clip_poses", wrong)
    monkeypatch.setattr(lifting_models, "BLOCK_FRAMES", 7)
    found = evaluate(data, tiny_models, EvaluationSettings(stride=1), clips=range(1, 2))["methods"]["graformer"]
    values = {name: [] for name in METRICS}
    for clip in evaluation_clips(load_mocap17(data), 1):
        truth = clip.pose3d_cam.astype(np.float64)
        predicted = wrong(clip, None, np.arange(len(clip)))["graformer"].astype(np.float64)
        for f, (p, t) in enumerate(zip(predicted, truth, strict=True)):
            scale = (p * t).sum() / (p * p).sum()
            values["p_mpjpe_mm"].append(1000 * p_mpjpe(p, t))
            for j in range(17):
                error = 1000 * np.linalg.norm(p[j] - t[j])
                values["mpjpe_mm"].append(error)
                values["n_mpjpe_mm"].append(1000 * np.linalg.norm(scale * p[j] - t[j]))
                if j not in (0, 7, 9):  # root, spine, neck/nose: not among MPI-INF-3DHP's 14
                    values["pck_percent"].append(100 * (error <= 150))
                    values["auc_percent"].append(np.mean([100 * (error <= limit) for limit in range(0, 151, 5)]))
                if f > 0:
                    step = (p[j] - predicted[f - 1, j]) - (t[j] - truth[f - 1, j])
                    values["mpjve_mm"].append(1000 * np.linalg.norm(step))
        for parent, child in BONES:
            lengths = [np.linalg.norm(p[child] - p[parent]) for p in predicted]
            values["bone_spread_percent"].append(100 * np.std(lengths) / np.mean(lengths))
    for name, numbers in values.items():
        assert np.isclose(found[name], np.mean(numbers), rtol=1e-5), name
    assert 0 < found["pck_percent"] < 100


def test_velocities_are_of_consecutive_frames_only(tiny_models, monkeypatch):
    """Frames 0, 1, 2, 5, 6: three steps of one frame. A pose that jumps between 2 and 5 has no velocity error."""
    still = np.tile(np.random.default_rng(0).normal(0, 0.3, (1, 17, 3)).astype(np.float32), (8, 1, 1))
    points = np.zeros((8, 17, 2))
    clip = PoseClip2D("still", points, np.ones((8, 17)), 10, 10, 30.0, pose3d_cam=still)

    class OneClip:
        about: ClassVar = {"dataset": "mocap17", "data": "still"}

        def __len__(self):
            return 1

        def recording(self, number):
            return Recording("stand", (clip,), np.array([0, 1, 2, 5, 6]))

    def jumping(clip, models, frames, *rest):
        return {"graformer": clip.pose3d_cam[frames] + np.where(frames > 3, 0.5, 0.0)[:, None, None]}

    monkeypatch.setattr(evaluate_module, "clip_poses", jumping)
    report = evaluate(OneClip(), tiny_models, EvaluationSettings(stride=1))
    row = report["methods"]["graformer"]
    assert row["mpjve_mm"] < 1e-3 and row["mpjpe_mm"] > 300
    assert row["hidden"]["mpjpe_mm"] is None and row["bone_spread_percent"] < 1e-3
    assert report["frames"] == 5
    assert evaluate(OneClip(), tiny_models, EvaluationSettings(stride=2))["methods"]["graformer"]["mpjve_mm"] is None
    # Three of every six frames: the first three, with two steps among them.
    rows = evaluate(OneClip(), tiny_models, EvaluationSettings(stride=2, consecutive=3))
    assert (rows["frames"], rows["provenance"]["consecutive"]) == (3, 3)
    assert rows["methods"]["graformer"]["mpjve_mm"] < 1e-3 and rows["methods"]["graformer"]["mpjpe_mm"] < 1e-3
    with pytest.raises(InvalidInput, match="at least one frame in a row must be evaluated, found 0"):
        evaluate(OneClip(), tiny_models, EvaluationSettings(consecutive=0))


def test_a_report_of_an_earlier_version_can_be_printed(report):
    old = json.loads(json.dumps(report))
    old["provenance"].pop("dataset")
    for row in old["methods"].values():
        for part in (row, row["hidden"], row["visible"], *row["actions"].values()):
            for name in set(METRICS) - {"mpjpe_mm", "p_mpjpe_mm"}:
                part.pop(name, None)
        row.pop("action_mean")
    lines = results_table(old).splitlines()
    assert lines[2].split()[:4] == ["graformer", *(f"{old['methods']['graformer'][m]:.1f}" for m in
                                    ("mpjpe_mm", "p_mpjpe_mm")), "-"]  # fmt: skip


def test_hidden_and_visible_joints_are_told_apart(data, tiny_models, monkeypatch):
    """A method that is 10 mm off at hidden joints and 2 mm off at the others."""

    def wrong(clip, models, frames, *rest):
        off = np.where(clip.hidden[frames], 0.010, 0.002)[..., None] * np.array([0, 0, 1.0])
        return {"wrong": clip.pose3d_cam[frames] + off}

    monkeypatch.setattr(evaluate_module, "clip_poses", wrong)
    row = evaluate(data, tiny_models, EvaluationSettings(stride=5))["methods"]["wrong"]
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


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (dict(clips=range(4)), r"clips must be numbers from 0 to 2, found range\(0, 4\)"),
        (dict(clips=range(0)), "clips must be numbers from 0 to 2"),
    ],
)
def test_settings_out_of_range(data, tiny_models, settings, message):
    with pytest.raises(InvalidInput, match=message):
        evaluate(data, tiny_models, **settings)
    with pytest.raises(InvalidInput, match="stride must be at least 1, found 0"):
        EvaluationSettings(stride=0)


def test_bfloat16_inside_the_diffusion_networks_changes_little_and_the_baseline_not_at_all(data, tiny_models):
    settings = EvaluationSettings(stride=30, steps=1, hypotheses=2)
    exact = evaluate(data, tiny_models, settings, range(1))["methods"]
    mixed = evaluate(data, tiny_models, replace(settings, mixed_precision=True), range(1))["methods"]
    for name in METHODS:
        assert (mixed[name]["mpjpe_mm"] == exact[name]["mpjpe_mm"]) == name.startswith("graformer")
        assert np.isclose(mixed[name]["mpjpe_mm"], exact[name]["mpjpe_mm"], rtol=0.02)


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
