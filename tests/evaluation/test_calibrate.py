"""Calibrating from the command line, what the report says, and the expected error that `lift` returns."""

import json
from dataclasses import replace

import numpy as np
import pytest

from diffpose_core.cli import main
from diffpose_core.cli.calibrate import calibration_table, check_line
from diffpose_core.cli.lift import expected_line
from diffpose_core.datasets.footage import Footage
from diffpose_core.datasets.mocap17 import motion_set, save_mocap17
from diffpose_core.datasets.procedural import procedural_motion
from diffpose_core.evaluation.calibrate import CalibrationSettings, Predictions, collect_predictions, fit
from diffpose_core.evaluation.calibration_report import report
from diffpose_core.evaluation.expected_checks import check_footage, check_means, check_motions
from diffpose_core.io.calibrations import calibration_path, read_calibration
from diffpose_core.io.clips import save_clip
from diffpose_core.lifting.lift import lift
from diffpose_core.lifting.models import load_models
from diffpose_core.lifting.settings import LiftSettings
from diffpose_core.lifting.stature import scaled_to_stature
from diffpose_core.structures import InvalidInput
from tests.evaluation.test_footage import arrays as footage_arrays

SETTINGS = CalibrationSettings(stride=12, steps=1, hypotheses=4)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Three short clips."""
    clips = [procedural_motion("walk", seed, 2.0)[:45] for seed in (1, 2, 3)]
    path = tmp_path_factory.mktemp("data") / "motions.npz"
    save_mocap17(motion_set(clips, 30.0, name=["a", "b", "c"], action=["walk"] * 3), path)
    return path


@pytest.fixture(scope="module")
def weights(tiny_weights, data, tmp_path_factory):
    """The tiny weights with a calibration beside them, made by the command, and its report."""
    folder = tmp_path_factory.mktemp("calibrated")
    for path in tiny_weights.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    out, report_path = calibration_path(folder / "diffpose.safetensors"), folder / "report.json"
    words = ["calibrate", "--data", data, "--test", data, "--weights", folder, "--stride", 12, "--test-stride", 15,
             "--steps", 1, "--hypotheses", 4, "-o", out, "--json", report_path, "--quiet"]  # fmt: skip
    assert main([str(word) for word in words]) == 0
    return folder


def ideal(count=600, hypotheses=20, seed=0):
    """Views of a perfectly calibrated network: truth and hypotheses are draws of the same law."""
    generator = np.random.default_rng(seed)
    std = generator.uniform(0.01, 0.04, (count, 1, 17, 1))
    std[:, :, 0] = 0
    drawn = std * generator.standard_normal((count, hypotheses + 1, 17, 3))
    zero = np.zeros((count, 17, 3))
    return Predictions(drawn[:, 1:], zero, np.full((count, 17), 0.01), np.zeros((count, 2)), drawn[:, 0],
                drawn[:, 0, :, 0] > 0.01, np.arange(count) % 30, np.ones(count))  # fmt: skip


def test_a_perfect_network_is_found_to_be_one(tiny_models):
    seen = ideal()
    made = fit(seen, "diffpose", tiny_models, {})
    found = report(made, ideal(seed=1))
    for kind in ("before", "after"):
        row = found["reliability"][kind]
        assert np.abs(np.array(row["coverage"]) - found["nominal"]).max() < 0.03
        assert np.abs(np.array(row["ranks"]) - 1 / 21).max() < 0.01 and np.isclose(sum(row["ranks"]), 1)
        assert np.isclose(sum(row["pit"]), 1) and len(row["pit"]) == 20
    assert np.abs(np.array(found["regions"]["coverage"]) - [0.5, 0.8, 0.95]).max() < 0.02
    assert np.allclose(made.spread_factor[1:], made.spread_factor[1:].mean(), rtol=0.1)
    expected = found["expected_error"]
    assert expected["correlation"]["all"] > 0.35 > abs(found["same_for_every_frame"]["all"]) + 0.2
    for decile in expected["deciles"]:
        low, high = decile["interval"]
        assert low <= decile["observed_mm"] <= high
        assert abs(decile["expected_mm"] / decile["observed_mm"] - 1) < 0.15
    assert found["views"] == 600 and found["clips"] == 30


def test_hypotheses_that_are_too_narrow_are_found_out_and_widened(tiny_models):
    seen, new = ideal(), ideal(seed=1)
    narrow, new = (replace(s, hypotheses=s.hypotheses.mean(1, keepdims=True) + 0.2 * (
        s.hypotheses - s.hypotheses.mean(1, keepdims=True))) for s in (seen, new))  # fmt: skip
    found = report(fit(narrow, "diffpose", tiny_models, {}), new)
    before, after = (found["reliability"][kind] for kind in ("before", "after"))
    assert before["coverage"][4] < 0.2 and abs(after["coverage"][4] - 0.5) < 0.03
    assert before["ranks"][0] > 0.25 and after["ranks"][0] < 0.08, "the truth lies outside of narrow hypotheses"
    assert after["energy_score_mm"]["mean"] < before["energy_score_mm"]["mean"]
    assert after["spread_mm"] > 4 * before["spread_mm"]


def test_the_energy_score_is_that_of_its_definition(tiny_models):
    seen = ideal(40, 5)
    found = report(fit(seen, "diffpose", tiny_models, {}), seen)["reliability"]["before"]["energy_score_mm"]["mean"]
    total = 0.0
    for poses, truth in zip(seen.hypotheses[:, :, 1:], seen.truth[:, 1:], strict=True):
        to_truth = np.linalg.norm(poses - truth, axis=-1).mean()
        apart = [np.linalg.norm(poses[a] - poses[b], axis=-1).mean() for a in range(5) for b in range(5) if a != b]
        total += to_truth - 0.5 * np.mean(apart)
    assert np.isclose(found, 1000 * total / 40)


def test_predictions_are_collected_view_by_view(data, tiny_models):
    seen = collect_predictions(data, tiny_models, "diffpose", SETTINGS)
    assert seen.hypotheses.shape == (3 * 4 * 4, 4, 17, 3) and seen.known(np.zeros((17, 3))).shape == (48, 17, 9)
    assert sorted(set(seen.clip)) == [0, 1, 2] and seen.hidden.any() and not seen.hidden.all()
    assert (seen.mixture_std > 0).all() and seen.mixture_std.max() < 1
    assert seen.limited.shape == (48, 2) and (seen.limited > 0).all() and (seen.weight == 1).all()
    for changed, message in (
        (dict(stride=0), "stride must be at least 1"),
        (dict(hypotheses=1), "at least two hypotheses, found 1"),
        (dict(clips=range(9)), "clips must be numbers from 0 to 2"),
    ):
        with pytest.raises(InvalidInput, match=message):
            collect_predictions(data, tiny_models, "diffpose", replace(SETTINGS, **changed))
    with pytest.raises(InvalidInput, match="no weights for 'mine'; loaded: diffpose"):
        collect_predictions(data, tiny_models, "mine", SETTINGS)


def test_the_command_writes_a_calibration_and_a_report(weights, data):
    made = read_calibration(calibration_path(weights / "diffpose.safetensors"))
    assert made.network == "diffpose" and made.provenance["data"] == "motions.npz"
    found = json.loads((weights / "report.json").read_text())
    assert found["provenance"]["stride"] == 15 and found["provenance"]["fitted_to"]["stride"] == 12
    assert found["provenance"]["command"].startswith("diffpose calibrate --data motions.npz")
    assert str(weights.parent) not in (weights / "report.json").read_text()
    table = calibration_table(found)
    assert "central intervals of" in table and "regions of 50 % hold" in table


def test_lift_says_what_error_to_expect_where_the_weights_were_calibrated(weights, tiny_models, walking_clip):
    models = load_models(weights)
    assert set(models.calibrations) == {"diffpose"}
    settings = LiftSettings(steps=1, hypotheses=4)
    found = lift(walking_clip, models, settings, frames=range(6))
    assert found.expected_error.shape == (6, 17) and found.expected_error.dtype == np.float32
    assert (found.expected_error[:, 1:] > 0).all() and not found.expected_error[:, 0].any()
    assert found.unlike.shape == (6,) and found.unlike.dtype == bool
    apart = lift(walking_clip, models, settings, frames=range(6), window=4)
    assert np.allclose(apart.expected_error, found.expected_error, atol=1e-5)
    scaled = scaled_to_stature(found, 1.8)
    assert np.allclose(scaled.expected_error, scaled.provenance["scaled_by"] * found.expected_error, rtol=1e-5)
    assert lift(walking_clip, tiny_models, settings, frames=range(6)).expected_error is None
    for other in (replace(settings, hypotheses=1), replace(settings, context=False)):
        found = lift(walking_clip, models, other, frames=range(6))
        assert found.expected_error is None and found.unlike is None
    strict = {"diffpose": replace(models.calibrations["diffpose"], limits=np.zeros(2))}
    assert lift(walking_clip, replace(models, calibrations=strict), settings, frames=range(6)).unlike.all()


def test_the_lift_command_says_and_writes_what_to_expect(weights, walking_clip, tmp_path, capsys):
    clip, out = tmp_path / "clip.npz", tmp_path / "out.npz"
    save_clip(walking_clip.frames(slice(3)), clip)
    command = ["lift", str(clip), "-o", str(out), "--weights", str(weights), "--steps", "1", "--quiet"]
    assert main([*command, "--hypotheses", "3"]) == 0
    with np.load(out) as found:
        words = expected_line(found["expected_error"], found["unlike"])
    assert words.startswith("expected error of a joint: ") and words in capsys.readouterr().out
    assert main([*command, "--hypotheses", "1"]) == 0
    assert "expected" not in capsys.readouterr().out


def test_the_error_to_expect_in_words_leaves_out_frames_unlike_the_data():
    expected = np.zeros((4, 17))
    expected[:, 1:] = np.array([0.02, 0.04, 0.5, 0.5])[:, None]
    assert expected_line(expected, None) == "expected error of a joint: 265 mm (docs/evidence.md)"
    words = expected_line(expected, np.array([False, False, True, True]))
    assert words.startswith("2 of 4 frames are unlike anything")
    assert words.endswith("; expected error of a joint in the others: 30 mm")
    assert expected_line(expected, np.ones(4, bool)).startswith("expected error of a joint: not known; 4 of 4 frames")


def test_files_count_alike_and_their_clips_are_numbered_on(tiny_models):
    small, large = ideal(60), ideal(600, seed=1)
    both = Predictions.joined([small, large])
    assert len(both) == 660 and len(np.unique(both.clip)) == 60 and np.isclose(both.weight.mean(), 1)
    assert np.isclose(both.weight[:60].sum(), both.weight[60:].sum())
    limited = np.concatenate((np.full((60, 2), 0.1), np.full((600, 2), 0.01)))
    assert np.allclose(fit(replace(both, limited=limited), "diffpose", tiny_models, {}).limits, 0.125)


def test_a_check_compares_means_and_counts_frames_unlike_the_data():
    found = check_means(np.array([10.0, 20.0, 90.0]), np.array([20.0, 20.0, 200.0]), np.array([False, False, True]))
    assert found["frames"] == 3 and np.isclose(found["expected_mm"], 40) and np.isclose(found["observed_mm"], 80)
    assert np.isclose(found["ratio"], 0.5) and np.isclose(found["unlike_percent"], 100 / 3)
    assert found["known"] == {"expected_mm": 15.0, "observed_mm": 20.0, "ratio": 0.75}
    line = check_line("a.npz", found)
    assert "expected 40.0 mm, observed 80.0 mm, ratio 0.50; unlike the training data 33.3 % of 3 frames" in line
    assert check_means(np.ones(2), np.ones(2), np.ones(2, bool))["known"] is None


def test_checks_of_motions_and_footage(weights, data):
    models = load_models(weights)
    made = models.calibrations["diffpose"]
    seen = collect_predictions(data, models, "diffpose", SETTINGS)
    found = check_motions(made, seen)
    assert found["frames"] == 48 and np.isclose(found["observed_mm"], 1000 * seen.error()[:, 1:].mean())
    assert 0.5 < found["ratio"] < 2 and 0 <= found["unlike_percent"] < 10, "the very data of the fit"
    checked = check_footage(made, Footage("made", footage_arrays()), models, replace(SETTINGS, stride=4))
    assert checked["frames"] == sum(camera["frames"] for camera in checked["cameras"])
    assert checked["expected_mm"] > 0 and checked["observed_mm"] > 0


def test_a_calibration_of_an_earlier_format_is_left_out_with_a_warning(weights, tmp_path):
    for path in weights.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    path = calibration_path(tmp_path / "diffpose.safetensors")
    path.write_text(json.dumps({**json.loads(path.read_text()), "format": "diffpose-calibration/1"}))
    with pytest.warns(UserWarning, match="no expected errors: .*earlier format"):
        assert not load_models(tmp_path).calibrations


def test_a_calibration_of_other_weights_is_left_out(weights, tmp_path):
    for path in weights.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    path = calibration_path(tmp_path / "diffpose.safetensors")
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, "weights_sha256": "0" * 64}))
    assert not load_models(tmp_path).calibrations
    path.write_text("{")
    with pytest.raises(InvalidInput, match=r"diffpose\.calibration\.json"):
        load_models(tmp_path)
