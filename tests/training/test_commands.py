"""Training through the command line, end to end on small networks."""

from dataclasses import replace

import pytest
import torch

from diffpose_core.cli import main
from diffpose_core.config import to_dict
from diffpose_core.io.checkpoints import load_denoiser, load_encoder
from diffpose_core.presets import PRESETS
from tests.conftest import few_poses
from tests.training.tiny import BRIEF, DENOISER, ENCODER

pytestmark = [
    # Lightning's own remarks about a run that is as short as a test.
    pytest.mark.filterwarnings("ignore:Checkpoint directory"),
    pytest.mark.filterwarnings("ignore:The number of training batches"),
    pytest.mark.filterwarnings("ignore:.*LeafSpec.*"),
]


@pytest.fixture(scope="module", autouse=True)
def small():
    """Presets of the size of a test, and few poses wherever thousands are usual."""
    patch = pytest.MonkeyPatch()
    patch.setitem(PRESETS, "graformer", replace(PRESETS["graformer"], network=ENCODER, training=BRIEF))
    patch.setitem(PRESETS, "diffpose", replace(PRESETS["diffpose"], network=DENOISER, training=BRIEF))
    regression = replace(DENOISER, diffusion="none", conditioning="none")
    patch.setitem(PRESETS, "regression", replace(PRESETS["regression"], network=regression, training=BRIEF))
    few_poses(patch)
    yield
    patch.undo()


@pytest.fixture(scope="module")
def runs(data, tmp_path_factory):
    """A folder in which both commands have been run."""
    folder = tmp_path_factory.mktemp("runs")
    words = ["--data", str(data), "--validation", str(data), "--runs", str(folder), "--accelerator", "cpu", "--quiet"]
    assert main(["train", "graformer", *words]) == 0
    for name in ("diffpose", "regression"):
        assert main(["train", name, *words, "--bank-size", "256"]) == 0
    return folder


def test_the_command_trains_an_encoder_and_writes_everything_about_it(runs, data):
    encoder, record = load_encoder(runs / "graformer.safetensors")
    assert encoder.network.config == ENCODER
    assert record.training == {**to_dict(BRIEF), "seed": 0} and record.seed == 0
    assert record.metrics["val_mpjpe_m"] > 0 and record.metrics["val_hidden_m"] > 0
    assert record.command.startswith("diffpose train graformer --data procedural.npz")
    assert str(runs) not in record.command
    assert bool((encoder.depth.base_var[1:] > 0).all())
    assert "val_mpjpe_m" in (runs / "graformer.md").read_text()
    curves = list((runs / "graformer" / "log").rglob("metrics.csv"))
    assert len(curves) == 1 and "train_mpjpe_m" in curves[0].read_text()


def test_the_command_trains_a_denoiser_on_that_encoder(runs):
    encoder, _ = load_encoder(runs / "graformer.safetensors")
    network, record = load_denoiser(runs / "diffpose.safetensors", encoder)
    assert network.config == DENOISER
    for name in ("val_mpjpe_k1_m", "val_mpjpe_k50_m", "val_encoder_mpjpe_m", "train_loss"):
        assert record.metrics[name] > 0
    assert (runs / "diffpose.md").is_file()


def test_the_command_trains_a_regression_network_and_goes_on_from_it(runs, data, tmp_path):
    encoder, _ = load_encoder(runs / "graformer.safetensors")
    network, record = load_denoiser(runs / "regression.safetensors", encoder)
    assert network.config.diffusion == "none"
    assert record.metrics["val_mpjpe_k1_m"] == record.metrics["val_mpjpe_k50_m"], "it knows of one step only"
    words = ["--data", str(data), "--validation", str(data), "--runs", str(runs), "--accelerator", "cpu", "--quiet"]
    start, out = runs / "regression.safetensors", tmp_path / "on.safetensors"
    assert main(["train", "regression", *words, "--start-from", str(start), "--epochs", "1", "--out", str(out)]) == 0
    assert load_denoiser(out, encoder)[0].config == network.config


def weights(path):
    return load_encoder(path)[0].network.state_dict()


def test_running_a_finished_training_again_changes_nothing(runs, data, tmp_path):
    """Whoever runs the same command twice gets the averaged weights both times."""
    before = weights(runs / "graformer.safetensors")
    out = tmp_path / "again.safetensors"
    words = ["--data", str(data), "--validation", str(data), "--runs", str(runs), "--accelerator", "cpu", "--quiet"]
    assert main(["train", "graformer", *words, "--out", str(out)]) == 0
    after = weights(out)
    assert all(torch.equal(before[name], after[name]) for name in before)
    first, second = (load_encoder(path)[1].metrics for path in (runs / "graformer.safetensors", out))
    assert second["val_mpjpe_m"] == pytest.approx(first["val_mpjpe_m"], rel=1e-3)


def test_a_run_with_other_settings_is_not_resumed(runs, data, capsys):
    words = ["--data", str(data), "--validation", str(data), "--runs", str(runs), "--accelerator", "cpu", "--quiet"]
    assert main(["train", "graformer", *words, "--learning-rate", "0.5"]) == 2
    message = capsys.readouterr().err
    assert "graformer holds a run with learning_rate 0.001, this one has 0.5" in message and "--runs" in message


def test_training_on_human36ms_own_views(h36m_folder, tmp_path, capsys):
    words = [
        "--dataset",
        "h36m",
        "--data",
        str(h36m_folder),
        "--runs",
        str(tmp_path),
        "--accelerator",
        "cpu",
        "--quiet",
    ]
    words += ["--subjects", "S1", "--epochs", "1", "--batch-size", "8", "--samples-per-epoch", "16"]
    assert main(["train", "graformer", *words]) == 0
    assert main(["train", "diffpose", *words, "--bank-size", "256"]) == 0
    encoder, record = load_encoder(tmp_path / "graformer.safetensors")
    assert record.data == "Human3.6M S1 (cpn_ft_h36m_dbb) (validation: Human3.6M S8 (cpn_ft_h36m_dbb))"
    assert str(h36m_folder) not in record.command
    network, _ = load_denoiser(tmp_path / "diffpose.safetensors", encoder)
    assert network.config == DENOISER and "academic use" in record.licence
    assert main(["train", "graformer", *words, "--validation", "S1"]) == 2
    assert "must differ, found S1 in both" in capsys.readouterr().err
    assert main(["train", "graformer", *words, "--validation", "S9"]) == 2
    assert "S9, S11 are for testing" in capsys.readouterr().err
    assert main(["train", "graformer", "--data", "motions.npz"]) == 2
    assert "--validation is needed" in capsys.readouterr().err
