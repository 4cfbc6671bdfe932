"""Training end to end on small networks: through the command line, after a kill, and what exactly is learnt."""

from dataclasses import replace

import pytest
import torch

from diffpose_core.cli import main
from diffpose_core.config import (
    DenoiserConfig,
    GraformerConfig,
    TrainingConfig,
    UncertaintyConfig,
    override,
    to_dict,
)
from diffpose_core.datasets.mocap17 import load_mocap17
from diffpose_core.datasets.sampling import PoseSampler, Variation
from diffpose_core.datasets.training_set import TrainingSet
from diffpose_core.diffusion.forward import q_sample
from diffpose_core.diffusion.reverse import from_x_start
from diffpose_core.diffusion.schedule import make_schedule
from diffpose_core.io.checkpoints import load_denoiser, load_encoder
from diffpose_core.presets import PRESETS
from diffpose_core.rng import seeded
from diffpose_core.structures import InvalidInput
from diffpose_core.training.bank import ConditionBank, build_bank
from diffpose_core.training.bank_sampler import BankSampler
from diffpose_core.training.job import TrainingJob
from diffpose_core.training.run import RunOptions, run_task
from diffpose_core.training.tasks import DenoiserTask, EncoderTask, encoder_batch
from diffpose_core.training.train_denoiser import BankOptions, train_denoiser
from tests.conftest import few_poses

ENCODER = GraformerConfig(channels=16, num_blocks=1, num_heads=2, joint_embedding=True)
DENOISER = DenoiserConfig(channels=32, context_channels=16, num_blocks=1, num_heads=2)
BRIEF = TrainingConfig(
    samples_per_epoch=64,
    epochs=2,
    batch_size=32,
    learning_rate=1e-3,
    muon_factor=5.0,
    warmup_steps=2,
    ema_decay=0.9,
    seed=3,
)

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


@pytest.mark.parametrize("conditioning", ["none", "gmm+heatmaps"])
def test_a_regression_network_sees_neither_noise_nor_the_truth(bank, conditioning):
    config = DenoiserConfig(diffusion="none", conditioning=conditioning, context_channels=16, channels=32, num_heads=2)
    draw = BankSampler(bank, config)
    batch = draw(8, seeded("cpu", 0))
    assert "noise" not in batch
    task = DenoiserTask(config, BRIEF)
    torch.nn.init.normal_(task.network.head.linear.weight)
    output, target, predicted = task.predict(batch, batch["k"])
    assert torch.equal(target, batch["x_start"]) and torch.equal(predicted, output)
    moved = {**batch, "x_start": batch["x_start"] + 1.0, "k": torch.ones_like(batch["k"])}
    assert torch.equal(task.predict(moved, moved["k"])[0], output)
    with pytest.raises(InvalidInput, match="no states of its own"):
        BankSampler(bank, config, own_state_share=0.5)


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


class Killed(Exception):
    pass


def test_a_run_that_was_killed_goes_on_as_it_would_have(data, tmp_path, monkeypatch):
    config = override(BRIEF, epochs=3)

    def run(folder, kill_in_epoch=None):
        torch.manual_seed(5)
        sampler = PoseSampler(load_mocap17(data), Variation())
        task = EncoderTask(ENCODER, config)

        def draw(size, generator):
            if kill_in_epoch is not None and task.current_epoch == kill_in_epoch:
                raise Killed
            return encoder_batch(sampler.draw(size, generator))

        fixed = [encoder_batch(sampler.draw(64, seeded("cpu", 1)))]
        task.set_data(draw, fixed)
        metrics = run_task(task, config, RunOptions(folder, accelerator="cpu", progress=False, mixed_precision=False))
        return task.network.state_dict(), metrics

    expected, figures = run(tmp_path / "whole")
    for kill_in_epoch in (1, 2):
        folder = tmp_path / f"killed-{kill_in_epoch}"
        with pytest.raises(Killed):
            run(folder, kill_in_epoch)
        found, found_figures = run(folder)
        for name in expected:
            assert torch.equal(found[name], expected[name]), name
        assert found_figures["val_mpjpe_m"] == pytest.approx(figures["val_mpjpe_m"], rel=1e-4)


def test_training_ends_with_the_moving_average_of_the_weights(data, tmp_path):
    """Against an average that is kept by hand, step by step."""
    seen = []

    class Watched(EncoderTask):
        def on_train_batch_end(self, *_):
            seen.append({n: p.detach().clone() for n, p in self.network.named_parameters()})

    torch.manual_seed(5)
    sampler = PoseSampler(load_mocap17(data), Variation())
    task = Watched(ENCODER, BRIEF)
    fixed = [encoder_batch(sampler.draw(64, seeded("cpu", 1)))]
    task.set_data(lambda size, generator: encoder_batch(sampler.draw(size, generator)), fixed)
    run_task(task, BRIEF, RunOptions(tmp_path, accelerator="cpu", progress=False, mixed_precision=False))
    assert len(seen) == 4
    average = seen[0]
    for state in seen[1:]:
        average = {name: 0.9 * average[name] + 0.1 * state[name] for name in average}
    for name, parameter in task.network.named_parameters():
        assert torch.allclose(parameter, average[name], atol=1e-6), name
    assert not torch.allclose(task.network.head.linear.weight, seen[-1]["head.linear.weight"])


@pytest.fixture(scope="module")
def bank(runs, data):
    encoder, _ = load_encoder(runs / "graformer.safetensors")
    sampler = PoseSampler(load_mocap17(data), Variation())
    config = UncertaintyConfig(num_samples=200)
    return build_bank(encoder, sampler.draw, 256, config, 2, 7)


@pytest.mark.parametrize("prediction_type", ["x_start", "previous", "noise"])
@pytest.mark.parametrize("diffusion", ["gmm", "standard"])
def test_what_a_denoiser_is_trained_on_is_the_librarys_forward_diffusion(bank, prediction_type, diffusion):
    anchor = "context" if prediction_type == "x_start" else "none"
    config = replace(DENOISER, prediction_type=prediction_type, diffusion=diffusion, anchor=anchor)
    task = DenoiserTask(config, BRIEF).eval()
    heard = {}

    def listen(module, arguments):
        heard["x"], heard["k"], heard["given"] = arguments

    task.network.register_forward_pre_hook(listen)
    batch = BankSampler(bank, config)(20, seeded("cpu", 1))
    output, target, predicted = task.predict(batch, batch["k"])
    schedule = make_schedule("converging", 50)
    for row in range(20):
        k = int(batch["k"][row])
        assert 1 <= k <= 50
        h_k = q_sample(batch["x_start"][row], k, schedule, batch["noise"][row], batch["component_mean"][row])
        assert torch.allclose(heard["x"][row], h_k, atol=1e-6)
        wanted = from_x_start(batch["x_start"][row], prediction_type, h_k, k, schedule, batch["component_mean"][row])
        assert torch.allclose(target[row], wanted, atol=1e-5)
    assert output.shape == target.shape == predicted.shape == (20, 17, 3)
    if diffusion == "standard":
        assert bool((batch["component_mean"] == 0).all()) and bool((batch["component_std"] == 1).all())
        assert 0.9 < float(batch["noise"].std()) < 1.1
    else:
        assert torch.equal(heard["given"].gmm[..., :3], batch["component_mean"])
        assert heard["given"].heatmaps.shape == (20, 17, 12)


def test_a_bank_does_not_depend_on_how_its_work_was_shared(runs, data, tmp_path):
    encoder, _ = load_encoder(runs / "graformer.safetensors")
    sampler = PoseSampler(load_mocap17(data), Variation())
    config = UncertaintyConfig(num_samples=60, num_components=2)
    whole = build_bank(encoder, sampler.draw, 512, config, 1, 7)
    second = build_bank(encoder, sampler.draw, 512, config, 1, 7, part=(1, 2))
    assert len(whole) == 512 and len(second) == 256
    assert torch.equal(whole.x_start[256:], second.x_start)
    whole.save(tmp_path / "bank.safetensors")
    read = ConditionBank.load(tmp_path / "bank.safetensors")
    assert torch.equal(read.noise, whole.noise) and torch.equal(read.hidden, whole.hidden)


def test_the_noise_of_a_bank_has_the_spread_of_its_component(bank):
    ratio = bank.noise.float() / bank.component_std.float()
    assert abs(float(ratio[:, :, 1:].mean())) < 0.05
    assert 0.9 < float(ratio[:, :, 1:].std()) < 1.1
    assert bank.context.dtype == torch.bfloat16 and bank.hidden.dtype == torch.bool


def test_an_encoder_of_another_width_is_refused(runs, data, tmp_path):
    wider = replace(DENOISER, context_channels=24)
    with pytest.raises(InvalidInput, match="f_ST is 16 wide, the denoiser expects 24"):
        options = RunOptions(tmp_path / "x")
        job = TrainingJob(
            "diffpose", TrainingSet.of(data), TrainingSet.of(data), BRIEF, options, tmp_path / "x.safetensors"
        )
        train_denoiser(wider, runs / "graformer.safetensors", job, BankOptions())


def test_a_share_of_training_is_spent_where_inference_starts(bank):
    drawn = BankSampler(bank, DENOISER, last_step_share=0.5)(4000, seeded("cpu", 2))["k"]
    assert int(drawn.min()) >= 1 and int(drawn.max()) == 50
    assert float((drawn == 50).float().mean()) == pytest.approx(0.51, abs=0.03)
    evenly = BankSampler(bank, DENOISER)(4000, seeded("cpu", 2))["k"]
    assert float((evenly == 50).float().mean()) == pytest.approx(0.02, abs=0.01)


def test_states_of_its_own_come_from_the_networks_prediction_and_the_target_stays_the_truth(bank):
    config = replace(DENOISER, anchor="context")
    task = DenoiserTask(config, BRIEF).train()
    batch = BankSampler(bank, config, own_state_share=0.5)(40, seeded("cpu", 3))
    own = batch["own"]
    assert 8 < int(own.sum()) < 32
    heard = []
    task.network.register_forward_pre_hook(lambda module, arguments: heard.append(arguments))
    output, target, _ = task.predict(batch, batch["k"])
    (start, last, _), (state, k, _) = heard
    assert torch.equal(start, batch["component_mean"] + batch["noise"]) and bool((last == 50).all())
    schedule = make_schedule("converging", 50)
    with torch.no_grad():
        predicted = task.network(start, last, task.conditioning(batch))
    for seen, rows in ((predicted, own), (batch["x_start"], ~own)):
        expected = q_sample(seen, k, schedule, batch["noise"], batch["component_mean"])
        assert torch.allclose(state[rows], expected[rows], atol=1e-6)
    assert torch.equal(target, batch["x_start"]) and output.requires_grad
    # Validation measures the forward process alone.
    heard.clear()
    task.eval().predict(batch, batch["k"])
    assert len(heard) == 1


def test_flow_is_trained_on_the_line_from_the_pose_to_a_draw_of_h_k(bank):
    config = replace(DENOISER, diffusion="flow")
    task = DenoiserTask(config, BRIEF).train()
    batch = BankSampler(bank, config)(40, seeded("cpu", 3))
    heard = []
    task.network.register_forward_pre_hook(lambda module, arguments: heard.append(arguments))
    output, target, predicted = task.predict(batch, batch["k"])
    ((state, k, _),) = heard
    share = (k / 50)[:, None, None]
    end = batch["component_mean"] + batch["noise"]
    assert torch.allclose(state, (1 - share) * batch["x_start"] + share * end, atol=1e-6)
    assert torch.equal(target, batch["x_start"]) and output is predicted
    with pytest.raises(InvalidInput, match="a flow network predicts x_start, found 'noise'"):
        replace(config, prediction_type="noise", anchor="none")


def test_states_of_its_own_need_a_network_that_predicts_x_start(bank):
    paper = replace(DENOISER, anchor="none", prediction_type="previous")
    with pytest.raises(InvalidInput, match="predicts x_start, found 'previous'"):
        BankSampler(bank, paper, own_state_share=0.1)


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
