"""Runs lose nothing and mix with nothing: saved states, resuming, signals, losses that are not finite."""

import io
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from diffpose_core.cli import main
from diffpose_core.config import GraformerConfig, TrainingConfig
from diffpose_core.datasets.mocap17 import load_mocap17, save_mocap17
from diffpose_core.datasets.procedural import write_procedural_dataset
from diffpose_core.datasets.sampling import PoseSampler, Variation
from diffpose_core.presets import PRESETS
from diffpose_core.rng import seeded
from diffpose_core.structures import InvalidInput
from diffpose_core.training import run_state
from diffpose_core.training.bank_files import BankSource, load_or_build_bank
from diffpose_core.training.run import RunOptions, run_task
from diffpose_core.training.run_state import DAMAGED, LAST, PREVIOUS, find_state, read_state, write_state
from diffpose_core.training.tasks import EncoderTask, encoder_batch
from tests.conftest import few_poses

NETWORK = GraformerConfig(channels=16, num_blocks=1, num_heads=2)
CONFIG = TrainingConfig(
    samples_per_epoch=64, epochs=4, batch_size=32, learning_rate=1e-3, muon_factor=5.0, warmup_steps=2, ema_decay=0.9,
    seed=3,
)  # fmt: skip

pytestmark = [
    pytest.mark.filterwarnings("ignore:Checkpoint directory"),
    pytest.mark.filterwarnings("ignore:The number of training batches"),
    pytest.mark.filterwarnings("ignore:.*LeafSpec.*"),
]


def run(folder, data, config=CONFIG, sources=None, draw=None):
    torch.manual_seed(5)
    sampler = PoseSampler(load_mocap17(data), Variation())
    task = EncoderTask(NETWORK, config)
    task.sources = sources or {}
    fixed = [encoder_batch(sampler.draw(64, seeded("cpu", 1)))]
    task.set_data(draw or (lambda size, generator: encoder_batch(sampler.draw(size, generator))), fixed)
    options = RunOptions(folder, accelerator="cpu", threads=1, progress=False, mixed_precision=False)
    return run_task(task, config, options), task.network


def same(one, other):
    assert set(one) == set(other)
    for name, value in one.items():
        if isinstance(value, dict):
            same(value, other[name])
        elif torch.is_tensor(value):
            assert torch.equal(value, other[name]), name


@pytest.fixture(scope="module")
def whole(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    return (folder, *run(folder, data))


def test_a_resumed_run_is_the_same_bit_by_bit(whole, data, tmp_path):
    folder, metrics, network = whole
    run(tmp_path, data, replace(CONFIG, epochs=2))
    found, resumed = run(tmp_path, data)
    same(network.state_dict(), resumed.state_dict())
    assert all(torch.equal(a, b) for a, b in zip(network.buffers(), resumed.buffers(), strict=True))
    assert found == metrics
    expected, state = read_state(folder / LAST), read_state(tmp_path / LAST)
    for part in ("state_dict", "current_model_state", "averaging_state"):
        same(expected[part], state[part])
    for one, other in zip(expected["optimizer_states"], state["optimizer_states"], strict=True):
        same(one["state"], other["state"])


def test_training_leaves_constants_alone(whole):
    _, _, network = whole
    fresh = type(network)(NETWORK)
    for (name, found), (_, expected) in zip(network.named_buffers(), fresh.named_buffers(), strict=True):
        assert torch.equal(found, expected), name


def test_an_ended_run_gives_the_same_again(whole, data):
    folder, metrics, network = whole
    before = (folder / LAST).read_bytes()
    found, again = run(folder, data)
    same(network.state_dict(), again.state_dict())
    assert found == metrics and (folder / LAST).read_bytes() == before
    with pytest.raises(InvalidInput, match="holds a run of 4 epochs, this one has 2"):
        run(folder, data, replace(CONFIG, epochs=2))


def test_a_damaged_state_is_named_and_the_one_before_it_taken(whole, data, tmp_path, capsys):
    _, _, network = whole
    run(tmp_path, data, replace(CONFIG, epochs=2))
    content = bytearray((tmp_path / LAST).read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / LAST).write_bytes(content)
    _, resumed = run(tmp_path, data)
    assert "last.ckpt: damaged, its content does not match its hash; the state before it is taken" in (
        capsys.readouterr().err
    )
    assert (tmp_path / DAMAGED).read_bytes() == content
    same(network.state_dict(), resumed.state_dict())
    for name in (LAST, PREVIOUS):
        (tmp_path / name).write_bytes(b"PK\x03\x04")
    with pytest.raises(InvalidInput, match=r"last\.ckpt: damaged, or not.*previous\.ckpt: damaged.*to begin again"):
        run(tmp_path, data)


def test_states_hold_no_code(tmp_path):
    class Evil:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "made"),)

    write_state(tmp_path / LAST, {"epoch": 0, "x": Evil()})
    with pytest.raises(InvalidInput, match="not the state of a run"):
        find_state(tmp_path)
    assert not (tmp_path / "made").exists()


def test_a_full_disk_destroys_nothing(tmp_path, monkeypatch):
    write_state(tmp_path / LAST, {"epoch": 0})
    write_state(tmp_path / LAST, {"epoch": 1})

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InvalidInput, match="No space left on device"):
        write_state(tmp_path / LAST, {"epoch": 2})
    assert [read_state(tmp_path / name)["epoch"] for name in (LAST, PREVIOUS)] == [1, 0]
    assert len(os.listdir(tmp_path)) == 2


@pytest.mark.parametrize("role", ["data", "encoder", "bank", "start_from"])
def test_a_run_of_other_content_is_not_resumed(data, tmp_path, role):
    one, other = {role: {"name": "a.npz", "sha256": "12" * 32}}, {role: {"name": "a.npz", "sha256": "34" * 32}}
    brief = replace(CONFIG, epochs=1)
    run(tmp_path, data, brief, one)
    run(tmp_path, data, brief, {role: {**one[role], "name": "moved.npz"}})
    with pytest.raises(
        InvalidInput, match=rf"holds a run with {role} a\.npz \(SHA-256 1212.*this one has a\.npz \(SHA-256 3434"
    ):
        run(tmp_path, data, brief, other)
    with pytest.raises(InvalidInput, match=rf"{role} a\.npz .*this one has none"):
        run(tmp_path, data, brief)


def test_a_loss_that_is_not_finite_stops_the_run_and_keeps_the_last_good_state(data, tmp_path):
    sampler = PoseSampler(load_mocap17(data), Variation())
    run(tmp_path, data, replace(CONFIG, epochs=1))
    before = (tmp_path / LAST).read_bytes()

    def broken(size, generator):
        batch = encoder_batch(sampler.draw(size, generator))
        return {**batch, "pose_view": batch["pose_view"] * float("nan")}

    with pytest.raises(
        InvalidInput, match=r"stopped at step 2 of epoch 2: the loss is nan; data: not named; learning rate: 0\.0"
    ):
        run(tmp_path, data, draw=broken)
    assert (tmp_path / LAST).read_bytes() == before


def words(folder, data, *more):
    return ["train", "graformer", "--data", str(data), "--validation", str(data), "--runs", str(folder),
            "--accelerator", "cpu", "--quiet", *more]  # fmt: skip


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setitem(PRESETS, "graformer", replace(PRESETS["graformer"], network=NETWORK, training=CONFIG))
    few_poses(monkeypatch)


def test_the_same_command_writes_the_same_encoder(small, data, tmp_path):
    assert main(words(tmp_path, data)) == 0
    before = (tmp_path / "graformer.safetensors").read_bytes()
    assert main(words(tmp_path, data)) == 0
    assert (tmp_path / "graformer.safetensors").read_bytes() == before


def test_other_data_under_the_same_name_is_refused(small, data, tmp_path, capsys):
    mine = tmp_path / "mine.npz"
    mine.write_bytes(data.read_bytes())
    assert main(words(tmp_path, mine, "--epochs", "1")) == 0
    write_procedural_dataset(mine, 4, seed=2)
    assert main(words(tmp_path, mine, "--epochs", "1")) == 2
    assert "holds a run with data mine.npz (SHA-256" in capsys.readouterr().err


def test_recipes_and_fields_of_the_command_line(small, data, tmp_path, capsys):
    more = ("--set", "loss=squared", "--set", "learning_rate=2e-3", "--epochs", "1")
    assert main(words(tmp_path, data, *more)) == 0
    from diffpose_core.io.checkpoints import load_encoder

    _, record = load_encoder(tmp_path / "graformer.safetensors")
    assert (record.training["loss"], record.training["learning_rate"]) == ("squared", 2e-3)
    assert record.sources["data"]["name"] == "procedural.npz" and len(record.sources["data"]["sha256"]) == 64
    for bad, message in (
        (("--set", "epochs=0"), "TrainingConfig.epochs must lie between 1 and"),
        (("--set", "batch_size=0"), "batch_size must lie between 1 and"),
        (("--set", "learning_rate=NaN"), "learning_rate must lie between"),
        (("--recipe", "paper"), "has the recipes short"),
    ):
        assert main(words(tmp_path / "other", data, *bad)) == 2
        assert message in capsys.readouterr().err


def test_motions_that_cant_be_are_refused_by_the_command(small, data, tmp_path, capsys):
    motions = load_mocap17(data)
    save_mocap17(replace(motions, root=motions.root * 1000), tmp_path / "mm.npz")
    assert main(words(tmp_path, tmp_path / "mm.npz")) == 2
    assert "mm.npz: clip 0" in capsys.readouterr().err


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_stops_with_a_line_and_a_saved_state(small, data, tmp_path, number, code):
    errors = tmp_path / "errors.txt"

    def train():
        with errors.open("w") as file:
            sys.stderr = file
            code = main(words(tmp_path, data, "--epochs", "10000"))
            file.flush()
            os._exit(code)

    process = multiprocessing.get_context("fork").Process(target=train)
    process.start()
    state, until = tmp_path / "graformer" / LAST, time.monotonic() + 120
    while not state.exists() and time.monotonic() < until:
        time.sleep(0.05)
    os.kill(process.pid, number)
    process.join(60)
    assert process.exitcode == code, errors.read_text()
    text = errors.read_text()
    assert f"stopped by {number.name}; the state after epoch " in text and "the same command goes on from it" in text
    assert read_state(state)["epoch"] >= 0


def test_a_bank_is_found_by_content_and_a_damaged_one_prepared_again(small, data, tmp_path, capsys, monkeypatch):
    from diffpose_core.datasets.training_set import TrainingSet

    assert main(words(tmp_path, data, "--epochs", "1")) == 0
    mine = tmp_path / "mine.npz"
    mine.write_bytes(data.read_bytes())
    source = BankSource(tmp_path / "graformer.safetensors", TrainingSet.of(mine), 256, 1, True, CONFIG)
    bank = load_or_build_bank(source, tmp_path)
    files = sorted(tmp_path.glob("bank-*"))
    assert len(files) == 1
    # The same content under another name, and other content under the same name.
    assert replace(source, data=TrainingSet.of(data)).stem() == source.stem()
    write_procedural_dataset(mine, 4, seed=2)
    assert source.stem() != files[0].stem
    mine.write_bytes(data.read_bytes())
    content = bytearray(files[0].read_bytes())
    content[-64:] = bytes(64)
    files[0].write_bytes(content)
    capsys.readouterr()
    again = load_or_build_bank(source, tmp_path)
    assert "damaged, its content does not match its hash; it is prepared again" in capsys.readouterr().err
    assert again.sha256() == bank.sha256()
    (tmp_path / f"{source.stem()}.part1.safetensors").touch()
    load_or_build_bank(source, tmp_path)
    assert sorted(tmp_path.glob("bank-*")) == files, "a part that a killed process left is gone"


def test_a_file_that_is_no_state_is_refused(tmp_path):
    content = io.BytesIO()
    torch.save({"epoch": 0}, content)
    (tmp_path / LAST).write_bytes(content.getvalue())
    with pytest.raises(InvalidInput, match="damaged, or not the state of a run of this version"):
        run_state.find_state(tmp_path)


def test_the_papers_form_trains_with_the_papers_recipe(small, data, tmp_path, monkeypatch):
    from diffpose_core.io.checkpoints import load_denoiser

    network = replace(PRESETS["diffpose_paper"].network, channels=16, context_channels=16, num_blocks=1, num_heads=2)
    monkeypatch.setitem(PRESETS, "diffpose_paper", replace(PRESETS["diffpose_paper"], network=network))
    assert main(words(tmp_path, data, "--epochs", "1")) == 0
    more = ("--recipe", "paper", "--epochs", "1", "--samples-per-epoch", "64", "--batch-size", "32")
    paper = words(tmp_path, data, "--bank-size", "256", *more)
    assert main([paper[0], "diffpose_paper", *paper[2:]]) == 0
    record = load_denoiser(tmp_path / "diffpose_paper.safetensors")[1]
    assert (record.training["loss"], record.training["learning_rate"]) == ("squared", 1e-4)
    assert (record.training["muon_factor"], record.training["last_step_share"]) == (0.0, 0.0)
    assert set(record.sources) == {"data", "validation", "encoder", "bank"}
    # Another encoder: neither the run nor the weights go together with it.
    assert main(words(tmp_path / "other", data, "--epochs", "1", "--seed", "9")) == 0
    other = ("--encoder", str(tmp_path / "other" / "graformer.safetensors"))
    assert main([paper[0], "diffpose_paper", *paper[2:], *other]) == 2


def test_one_of_two_processes_measures_prints_and_writes(data, tmp_path):
    """Through the command line, as two processes that each run it."""
    code = (
        "import sys; from dataclasses import replace; from tests.training import test_run as t; "
        "from diffpose_core.training import train_encoder as e; measure = e.calibrate_encoder; "
        "e.calibrate_encoder = lambda *a: (print('measured'), measure(*a, 1000))[1]; "
        "t.PRESETS['graformer'] = replace(t.PRESETS['graformer'], network=t.NETWORK, training=t.CONFIG); "
        "sys.exit(t.main(sys.argv[1:]))"
    )
    script = tmp_path / "train.py"
    script.write_text(code)
    command = [sys.executable, str(script), *words(tmp_path / "runs", data, "--devices", "2", "--epochs", "1")]
    root = str(Path(__file__).resolve().parents[2])
    environment = {**os.environ, "PYTHONPATH": root}
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.count("measured") == 1 and done.stdout.count("wrote ") == 1
    assert done.stdout.count("val_mpjpe_m") == 1


def test_threads_and_devices_are_counted_from_one(tmp_path):
    for name in ("devices", "threads"):
        with pytest.raises(InvalidInput, match=f"{name} must be at least 1, found 0"):
            RunOptions(tmp_path, **{name: 0})
