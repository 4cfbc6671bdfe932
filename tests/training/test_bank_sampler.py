"""The batches that a denoiser is trained on: noise, steps, states and targets."""

from dataclasses import replace

import pytest
import torch

from diffpose_core.config import DenoiserConfig
from diffpose_core.diffusion.forward import q_sample
from diffpose_core.diffusion.reverse import from_x_start
from diffpose_core.diffusion.schedule import make_schedule
from diffpose_core.rng import seeded
from diffpose_core.structures import InvalidInput
from diffpose_core.training.bank_sampler import BankSampler
from diffpose_core.training.tasks import DenoiserTask
from tests.training.tiny import BRIEF, DENOISER


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
        assert bool((batch["component_mean"] == 0).all())
        assert 0.9 < float(batch["noise"].std()) < 1.1
        # g is told the pose's own mixture, as with GMM diffusion; no component of it is drawn.
        assert torch.equal(heard["given"].gmm[..., :6], heard["given"].gmm[..., 6:])
        assert (heard["given"].gmm[..., :3] - batch["x_start"]).norm(dim=-1).mean() < 1.0
        assert bool((heard["given"].gmm[..., :3] != 0).any())
    else:
        assert torch.equal(heard["given"].gmm[..., :3], batch["component_mean"])
    assert heard["given"].heatmaps.shape == (20, 17, 12)


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
