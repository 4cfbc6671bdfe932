"""The lean of upright people: its angle, its report, and methods that are known to lean."""

import json
import math

import numpy as np
import pytest

from diffpose_core.cli import main
from diffpose_core.datasets.level_people import LevelPerson, level_clip, level_rotation
from diffpose_core.evaluation import lean
from diffpose_core.evaluation.evaluate import EvaluationSettings
from diffpose_core.evaluation.lean import ARMS_DEG, evaluate_lean, lean_deg
from diffpose_core.evaluation.tables import lean_table


def leaning(pose, degrees):
    """Poses turned about the camera's x axis, so that their heads come nearer to it."""
    a = math.radians(degrees)
    turn = np.array([[1, 0, 0], [0, math.cos(a), -math.sin(a)], [0, math.sin(a), math.cos(a)]])
    return pose @ turn.T


@pytest.mark.parametrize("elevation", [-5.0, 0.0, 20.0])
@pytest.mark.parametrize("lean_by", [-12.0, 0.0, 15.0])
def test_the_lean_is_the_angle_towards_the_camera_whatever_the_cameras_tilt(elevation, lean_by):
    pose = level_clip(LevelPerson(elevation_deg=elevation), frames=2).pose3d_cam
    leant = leaning(pose, lean_by)
    assert (leant[:, 8, 2] < pose[:, 8, 2]).all() == (lean_by > 0)
    assert np.allclose(lean_deg(leant, level_rotation(elevation)[:, 2]), lean_by, atol=1e-4)


def test_a_sideways_lean_counts_for_nothing():
    pose = np.zeros((17, 3))
    pose[8] = (0.2, -0.4, 0.0)
    assert np.isclose(lean_deg(pose, np.array([0.0, -1.0, 0.0])), 0)


def test_the_report_has_the_leans_that_methods_make(tiny_models, monkeypatch):
    """One method leans by 10 degrees towards the camera, one by 4 away from it on every other frame."""

    def poses(clip, models, frames, settings, up_cam):
        truth = clip.pose3d_cam[frames]
        even = np.where(np.arange(len(frames))[:, None, None] % 2 == 0, truth, leaning(truth, -4.0))
        return {"diffpose": leaning(truth, 10.0), "graformer": even}

    monkeypatch.setattr(lean, "clip_poses", poses)
    report = evaluate_lean(tiny_models, EvaluationSettings(stride=16))
    assert set(report["tilts"]) == {"unknown", "estimated", "given"} and not report["missing"]
    for found in report["tilts"].values():
        for part, count in (("level", len(ARMS_DEG)), ("people", 10)):
            both, half = found[part]["diffpose"], found[part]["graformer"]
            assert np.isclose(both["lean_deg"], 10, atol=1e-3) and np.isclose(both["absolute_lean_deg"], 10, atol=1e-3)
            assert np.isclose(half["lean_deg"], -2, atol=1e-3) and np.isclose(half["absolute_lean_deg"], 2, atol=1e-3)
            assert len(both["by_person_deg"]) == count and np.isclose(half["worst_lean_deg"], -2, atol=1e-3)
            assert both["n_mpjpe_mm"] > 30
    assert json.loads(json.dumps(report))["tilts"] == report["tilts"]
    assert len(report["people"]) == 10 and report["people"][0]["half_shoulders_m"] == 0.13


def test_the_command_measures_all_tilts_and_says_what_weights_cannot_do(tiny_weights, tmp_path, capsys):
    out = tmp_path / "lean.json"
    words = ["evaluate", "--dataset", "lean", "--weights", str(tiny_weights), "--json", str(out), "--quiet"]
    assert main([*words, "--stride", "64", "--steps", "1", "--hypotheses", "1"]) == 0
    written = json.loads(out.read_text())
    assert set(written["tilts"]) == {"unknown"} and set(written["missing"]) == {"estimated", "given"}
    assert "camera's tilt" in written["missing"]["given"], "these weights know no tilt"
    assert capsys.readouterr().out.strip() == lean_table(written).strip()
    assert main(["evaluate", "--dataset", "lean", "--data", "x.npz"]) == 2
    assert "needs no --data" in capsys.readouterr().err
    assert main(["evaluate"]) == 2 and "--dataset mocap17 needs --data" in capsys.readouterr().err
