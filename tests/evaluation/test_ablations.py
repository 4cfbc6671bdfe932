"""The ablation suite on small random networks: figures against the evaluation's, missing weights, the files."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks import ablations as command
from diffpose_core.cli import parser
from diffpose_core.config import to_dict
from diffpose_core.datasets.mocap17 import load_mocap17, motion_set, save_mocap17
from diffpose_core.datasets.procedural import procedural_motion
from diffpose_core.datasets.sampling import PoseSampler
from diffpose_core.evaluation import ablation_suite, ablations
from diffpose_core.evaluation.ablation_poses import Weights, find_weights
from diffpose_core.evaluation.ablation_suite import Setting, groups, training_commands
from diffpose_core.evaluation.ablations import COLUMNS, AblationSettings, ablate, rows
from diffpose_core.evaluation.evaluate import EvaluationSettings, evaluate
from diffpose_core.evaluation.population import measure_population
from diffpose_core.io.checkpoints import Record, encoder_tensors, fingerprint, save_checkpoint
from diffpose_core.models.denoiser import Denoiser
from diffpose_core.presets import PRESETS
from diffpose_core.structures import InvalidInput

SETTINGS = AblationSettings(stride=25, clips=range(2))


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Three short clips."""
    clips = [procedural_motion("walk", seed, 2.0) for seed in (1, 2, 3)]
    path = tmp_path_factory.mktemp("data") / "motions.npz"
    save_mocap17(motion_set(clips, 30.0, name=["a", "b", "c"], action=["walk"] * 3), path)
    return path


@pytest.fixture(scope="module")
def report(data, tiny_models):
    return ablate(data, Weights(tiny_models), replace(SETTINGS, only=("diffusion", "baselines", "input", "chain")))


def cells(report, name):
    return {cell["label"]: cell for group in report["groups"] if group["name"] == name for cell in group["cells"]}


def test_every_group_names_its_reference_and_every_network_is_a_preset():
    known = {*PRESETS, *ablation_suite.ENCODERS, *ablation_suite.OTHER_ENCODERS}
    labels = [group.name for group in groups()]
    assert len(labels) == len(set(labels))
    for group in groups():
        own = [cell.label for cell in group.cells]
        assert group.reference in own and len(own) == len(set(own)), group.name
        assert {cell.setting.network for cell in group.cells} <= known
        for cell in group.cells:
            assert cell.x is None or cell.x in vars(cell.setting).values() or group.name == "chain"
            assert bool(group.axis) == (cell.x is not None)


def test_errors_are_those_of_the_evaluation(report, data, tiny_models):
    methods = evaluate(data, tiny_models, EvaluationSettings(stride=25), clips=range(2))["methods"]
    found = cells(report, "diffusion")
    pairs = [
        (found["GMM diffusion, f_ST, converging"], "diffpose"),
        (found["standard diffusion, f_ST, converging"], "diffpose_standard"),
        (cells(report, "baselines")["Graformer"], "graformer"),
        (cells(report, "baselines")["Graformer on reconciled 2D"], "graformer_reconciled"),
        (cells(report, "baselines")["DiffPose"], "diffpose"),
    ]
    all_steps = evaluate(data, tiny_models, EvaluationSettings(stride=25, steps=50), clips=range(2))["methods"]
    methods["paper"] = all_steps["diffpose_paper"]
    pairs.append((found["the paper's form, supplement, 50 steps"], "paper"))
    for cell, name in pairs:
        for metric in ("mpjpe_mm", "p_mpjpe_mm"):
            assert np.isclose(cell["errors"]["all"][metric]["value"], methods[name][metric], rtol=1e-4)
            hidden = cell["errors"]["hidden"][metric]["value"]
            assert np.isclose(hidden, methods[name]["hidden"][metric], rtol=1e-4)
    assert report["views"] == 2 * 4 * 3 and report["clips"] == 2


def test_gains_are_over_the_reference_and_lie_in_their_intervals(report):
    for group in filter(lambda group: group["cells"], report["groups"]):
        base = next(c for c in group["cells"] if c["label"] == group["reference"])["errors"]
        for cell in group["cells"]:
            for part in ("all", "hidden", "visible"):
                for metric, figure in cell["gain_percent"][part].items():
                    error = cell["errors"][part][metric]
                    assert np.isclose(figure["value"], 100 * (1 - error["value"] / base[part][metric]["value"]))
                    for found in (figure, error):
                        low, high = found["interval"]
                        assert low - 1e-9 <= found["value"] <= high + 1e-9


def test_what_is_known_of_the_2d_poses_matters(report):
    found = cells(report, "input")
    for label in ("DiffPose", "Graformer"):
        errors = {
            kind: found[f"{label}, {kind}"]["errors"]["all"]["mpjpe_mm"]["value"]
            for kind in ("detected", "exact", "confidences", "gaps")
        }
        assert errors["exact"] != errors["detected"] != errors["gaps"]
        # Without its heatmaps a detector says the same of where joints are, which is all that the Graformer sees.
        assert (errors["confidences"] == errors["detected"]) == (label == "Graformer")


def test_what_is_missing_is_listed_with_commands_that_are_commands(report):
    missing = {entry["network"]: entry["commands"] for entry in report["missing"]}
    assert {
        "regression",
        "regression_deep",
        "regression_mixture",
        "graformer_long",
        "diffpose_k10",
    } <= set(missing)
    for commands in missing.values():
        for line in commands:
            words = parser().parse_args(line.split()[1:])
            assert words.name in PRESETS
    assert len(missing["graformer_long"]) == 1 and len(missing["regression"]) == 2
    assert "--own-states" not in missing["regression"][1] and "--own-states 0.75" in missing["diffpose_k10"][1]
    assert training_commands("diffpose_supplement") == [
        "diffpose train diffpose_supplement --data mocap17_train.npz --validation mocap17_val.npz"
    ]


def test_networks_of_one_budget_are_trained_by_one_command_each(data, tiny_models):
    names = ("told", "flow", "published")
    found = ablate(data, Weights(tiny_models), replace(SETTINGS, clips=range(1), only=names))
    missing = {entry["network"]: entry["commands"] for entry in found["missing"]}
    encoders = {"graformer_budget", "graformer_published"}
    assert encoders | {"regression", "diffpose_flow", "diffpose_standard_told_all"} <= set(missing)
    for network, (line,) in missing.items():
        words = parser().parse_args(line.split()[1:])
        assert words.epochs == (6 if network in encoders else 8) and words.out == f"runs/budget/{network}.safetensors"
        assert line in training_commands(network, budget=True)


def test_hypotheses_and_answers(data, tiny_models, monkeypatch):
    few = [g for g in groups() if g.name in ("hypotheses", "components", "samples")]
    small = tuple(replace(g, cells=tuple(c for c in g.cells if not c.x or c.x in (1, 2, 5, 100, 1000))) for g in few)
    monkeypatch.setattr(ablations, "groups", lambda: small)
    found = ablate(data, Weights(tiny_models), AblationSettings(stride=59, clips=range(1)))
    hypotheses = cells(found, "hypotheses")

    def error(label):
        return hypotheses[label]["errors"]["all"]["mpjpe_mm"]["value"]

    names = [
        "mean",
        "best of N (leak: needs the truth)",
        "weighted by likelihood",
        "weighted by likelihood, joint by joint",
    ]
    assert np.ptp([error(f"1, {name}") for name in names]) < 1e-3, "one hypothesis is its own mean"
    assert len({round(error(f"5, {name}"), 4) for name in names}) == 4
    assert error("5, best of N (leak: needs the truth)") <= error("5, mean") + 50
    default = error("5, mean")
    for name, label in (("components", "5"), ("samples", "1000")):
        assert np.isclose(cells(found, name)[label]["errors"]["all"]["mpjpe_mm"]["value"], default)
    assert cells(found, "components")["1"]["errors"]["all"]["mpjpe_mm"]["value"] != default


def test_rows_about_hypotheses(data, tiny_models):
    """The encoder's part, the best of five, ways to one pose, balanced draws: what must and must not be equal."""
    sampler = PoseSampler(load_mocap17(data))
    weights = Weights(tiny_models, population=measure_population(tiny_models.encoder, sampler, 500))
    names = ("encoder", "best", "ways", "noise")
    settings = AblationSettings(stride=40, clips=range(1), only=names)
    found = ablate(data, weights, settings)
    error = {
        name: {label: cell["errors"]["all"]["mpjpe_mm"]["value"] for label, cell in cells(found, name).items()}
        for name in names
    }
    kept = error["encoder"]
    assert {"f_ST alone taken away, not trained so", "nothing of the encoder, not trained so"} <= set(kept)
    assert len({round(value, 3) for value in kept.values()}) == len(kept)
    assert [entry["network"] for entry in found["missing"]] == ["diffpose_pose"]
    best, ways = error["best"], error["ways"]
    assert best["Graformer, turned"] < kept["Graformer alone"] and best["DiffPose's mean, turned"] < kept["DiffPose"]
    assert ways["mean (P-Agg)"] == kept["DiffPose"] == error["noise"]["5, balanced"]
    assert ways["P-Best (leak)"] == best["DiffPose"] and ways["J-Best (leak)"] < min(
        value for label, value in ways.items() if label != "J-Best (leak)"
    )
    plain = {label for label in ways if "leak" not in label and label != "mean (P-Agg)"}
    assert {f"{label} (leak: true root)" for label in plain} <= set(ways) and len(plain) == 5
    assert all(ways[label] != ways[f"{label} (leak: true root)"] for label in plain)
    assert error["noise"]["2, independent"] != error["noise"]["2, balanced"]
    table = [dict(zip(COLUMNS, row, strict=True)) for row in rows(found)]
    leaks = {row["label"] for row in table if row["true_root"]}
    assert leaks == {label for label in ways if label.endswith("true root)")}
    without = ablate(data, Weights(tiny_models), replace(settings, only=("encoder",)))
    commands = {entry["label"]: entry["commands"] for entry in without["missing"]}
    assert commands["nothing of the encoder, not trained so"] == [
        "python -m benchmarks.ablations --train mocap17_train.npz"
    ]


def test_a_group_of_which_nothing_but_the_reference_is_at_hand_is_empty(report):
    chain = next(group for group in report["groups"] if group["name"] == "chain")
    assert chain["cells"] == [] and chain["reference"] == "50"


def test_weights_that_lie_beside_are_found(tmp_path, tiny_models, tiny_weights, data):
    encoder = fingerprint(encoder_tensors(tiny_models.encoder))
    config = replace(tiny_models.denoisers["diffpose_standard"].config, diffusion="none", conditioning="none")
    network = Denoiser(config)
    torch.nn.init.zeros_(network.head.linear.weight)
    torch.nn.init.zeros_(network.head.linear.bias)
    record = Record("denoiser", "regression", to_dict(config), {}, "random", "none", 0, {}, "none", encoder)
    save_checkpoint(tmp_path / "regression.safetensors", dict(network.state_dict()), record)
    (tmp_path / "graformer_long.safetensors").write_bytes((tiny_weights / "graformer.safetensors").read_bytes())
    weights = find_weights(tiny_models, [tmp_path / "none", tmp_path])
    has = {name: weights.has(Setting(name)) for name in ("regression", "graformer_long", "regression_deep")}
    assert has == {"regression": True, "graformer_long": True, "regression_deep": False}
    found = cells(ablate(data, weights, replace(SETTINGS, only=("baselines",))), "baselines")
    same = [found[label]["errors"]["all"] for label in ("Graformer", "Graformer, trained twice as long")]
    assert same[0] == same[1]
    # A head of zeros adds nothing to the pose that it starts from.
    untrained = found["regression, the size of g (A)"]["errors"]["all"]["mpjpe_mm"]["value"]
    assert np.isclose(untrained, same[0]["mpjpe_mm"]["value"], rtol=1e-4)
    other = replace(record, encoder_sha256="0" * 64)
    save_checkpoint(tmp_path / "regression.safetensors", dict(network.state_dict()), other)
    with pytest.raises(InvalidInput, match="another context encoder"):
        find_weights(tiny_models, [tmp_path])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"stride": 0}, "stride must be at least 1, found 0"),
        ({"only": ("everything",)}, "groups are diffusion, .*; found everything"),
        ({"clips": range(9)}, "clips must be numbers from 0 to 2"),
    ],
)
def test_settings_out_of_range(data, tiny_models, settings, message):
    with pytest.raises(InvalidInput, match=message):
        ablate(data, Weights(tiny_models), AblationSettings(**settings))
    with pytest.raises(InvalidInput, match="no weights for 'diffpose'"):
        ablate(data, Weights(replace(tiny_models, denoisers={})))


def test_the_command_writes_a_page_that_stands_alone_and_a_table(data, tiny_weights, tmp_path, capsys, monkeypatch):
    words = ["--data", str(data), "--weights", str(tiny_weights), "--only", "chain", "steps", "--clips", "1"]
    monkeypatch.setattr(torch, "set_num_threads", lambda _: None)
    assert command.main([*words, "--stride", "59", "--out", str(tmp_path / "one")]) == 0
    page = (tmp_path / "one" / "report.html").read_text()
    assert "<script src=" not in page and "http-equiv" not in page and str(data.parent) not in page
    for text in (
        "DDIM steps",
        "motions.npz, every 59th frame of 1 clip, four",
        "diffpose train diffpose_k10",
        "8 views",
    ):
        assert text in page
    with (tmp_path / "one" / "ablations.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    stored = json.loads((tmp_path / "one" / "ablations.json").read_text())
    assert tuple(table[0]) == COLUMNS and len(table) == len(rows(stored)) == 6 * 3
    assert table[0]["data"] == "motions.npz" and table[0]["command"].startswith("python -m benchmarks.ablations --data")
    again = ["--from", str(tmp_path / "one" / "ablations.json"), "--out", str(tmp_path / "two")]
    assert command.main(again) == 0
    assert (tmp_path / "two" / "ablations.csv").read_text() == (tmp_path / "one" / "ablations.csv").read_text()
    assert command.main(["--data", str(tmp_path / "none.npz"), "--out", str(tmp_path / "three")]) == 2
    assert "no such file" in capsys.readouterr().err


def test_reports_of_the_same_views_are_joined(data, tiny_weights, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(torch, "set_num_threads", lambda _: None)

    def measure(name, *words):
        out = tmp_path / name
        assert command.main(["--data", str(data), "--weights", str(tiny_weights), *words, "--out", str(out)]) == 0
        return str(out / "ablations.json")

    few = ("--clips", "1", "--stride", "59")
    one, two = measure("one", "--only", "chain", *few), measure("two", "--only", "input", *few)
    assert command.main(["--from", one, two, "--out", str(tmp_path / "both")]) == 0
    both, *parts = (json.loads(Path(path).read_text()) for path in (tmp_path / "both" / "ablations.json", one, two))
    assert [group["name"] for group in both["groups"]] == ["input", "chain"]
    assert all(group in both["groups"] for part in parts for group in part["groups"])
    assert both["missing"] == parts[0]["missing"] + parts[1]["missing"]
    assert both["provenance"]["command"].splitlines() == [part["provenance"]["command"] for part in parts]
    other = measure("other", "--only", "input", "--clips", "1", "--stride", "50")
    assert command.main(["--from", one, other, "--out", str(tmp_path / "none")]) == 2
    assert "stride: 59 and 50" in capsys.readouterr().err and not (tmp_path / "none").exists()
