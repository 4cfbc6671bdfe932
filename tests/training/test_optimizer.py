"""The optimizer of a run: Adam and Muon, their rates, and Muon in float32 where bfloat16 is slow."""

import pytest
import torch

from diffpose_core.config import GraformerConfig, MixSTEConfig, TrainingConfig
from diffpose_core.training import optimizer as module
from diffpose_core.training.optimizer import Float32Muon, MuonAndAdam, orthogonalise
from diffpose_core.training.tasks import EncoderTask

ENCODER = GraformerConfig(channels=16, num_blocks=1, num_heads=2, joint_embedding=True)
SHAPES = [(128, 128), (384, 128), (16, 48)]


@pytest.mark.parametrize("shape", SHAPES)
def test_float32_goes_the_way_of_bfloat16(shape):
    """The same direction, to the precision of bfloat16."""
    start, ours = torch.zeros(shape), torch.zeros(shape)
    steps = [torch.randn(shape, generator=torch.Generator().manual_seed(n)) for n in range(3)]
    one, other = torch.nn.Parameter(start), torch.nn.Parameter(ours)
    theirs = torch.optim.Muon([one], lr=0.02, weight_decay=0.0, adjust_lr_fn="match_rms_adamw")
    mine = Float32Muon([other], lr=0.02, weight_decay=0.0, adjust_lr_fn="match_rms_adamw")
    for gradient in steps:
        one.grad, other.grad = gradient.clone(), gradient.clone()
        theirs.step()
        mine.step()
    cosine = torch.nn.functional.cosine_similarity(one.detach().flatten(), other.detach().flatten(), dim=0)
    assert float(cosine) > 0.999
    assert float(other.detach().norm()) == pytest.approx(float(one.detach().norm()), rel=0.01)


@pytest.mark.parametrize("shape", SHAPES)
def test_singular_values_come_near_one(shape):
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    found = orthogonalise(matrix, (3.4445, -4.7750, 2.0315), 5, 1e-7, torch.float32)
    values = torch.linalg.svdvals(found)
    assert found.shape == matrix.shape and float(values.max()) < 1.3
    assert float(values.median()) > 0.65 and float((values > 0.6).float().mean()) > 0.95


@pytest.mark.parametrize("fast", [True, False])
def test_the_hardware_decides(monkeypatch, fast):
    monkeypatch.setattr(module, "has_fast_bfloat16", lambda device: fast)
    task = EncoderTask(GraformerConfig(channels=16, num_blocks=1, num_heads=2), TrainingConfig(muon_factor=1.0))
    found = task.configure_optimizers()["optimizer"]
    assert isinstance(found, MuonAndAdam)
    assert isinstance(found._parts[0], Float32Muon) is not fast
    before = {name: p.detach().clone() for name, p in task.named_parameters()}
    task.network(torch.linspace(-1, 1, 68).view(2, 17, 2)).square().sum().backward()
    found.step()
    assert all(not torch.equal(before[name], p) for name, p in task.named_parameters() if name.endswith("qkv.weight"))


def test_the_rate_warms_up_and_decays():
    task = EncoderTask(ENCODER, TrainingConfig(
        samples_per_epoch=64, batch_size=32, learning_rate=1.0, learning_rate_decay=0.5, decay_every_epochs=2,
        warmup_steps=4,
    ))  # fmt: skip
    found = task.configure_optimizers()
    optimizer, scheduler = found["optimizer"], found["lr_scheduler"]["scheduler"]
    rates = []
    for _ in range(9):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    # Two steps an epoch, halved every two epochs.
    assert rates == pytest.approx([0.25, 0.5, 0.75, 1.0, 0.5, 0.5, 0.5, 0.5, 0.25])


def test_matrices_inside_the_blocks_are_muons_and_all_else_adams(monkeypatch):
    # torch's own Muon iterates in bfloat16.
    monkeypatch.setattr(module, "has_fast_bfloat16", lambda device: True)
    rate = 1e-2
    config = TrainingConfig(learning_rate=rate, muon_factor=3.0, warmup_steps=0)
    ours, theirs = EncoderTask(ENCODER, config), EncoderTask(ENCODER, config)
    theirs.load_state_dict(ours.state_dict())
    optimizer = ours.configure_optimizers()["optimizer"]
    named = dict(theirs.named_parameters())
    matrices = {name for name in named if "blocks" in name and name.endswith("weight") and named[name].ndim == 2}
    assert len(matrices) == 4 * ENCODER.num_blocks
    adam = torch.optim.Adam([named[name] for name in named if name not in matrices], lr=rate)
    muon = torch.optim.Muon(
        [named[name] for name in matrices], lr=3 * rate, weight_decay=0.0, adjust_lr_fn="match_rms_adamw"
    )
    for step in range(4):
        if step == 2:  # goes on as it was from what a checkpoint holds
            state = optimizer.state_dict()
            optimizer = ours.configure_optimizers()["optimizer"]
            optimizer.load_state_dict(state)
        for task in (ours, theirs):
            task.zero_grad()
            task.network(torch.linspace(-1, 1, 68).view(2, 17, 2)).square().sum().backward()
        for one in (optimizer, adam, muon):
            one.step()
    for name, parameter in ours.named_parameters():
        torch.testing.assert_close(parameter, named[name])


def test_a_spatial_half_can_be_left_to_adam():
    network = MixSTEConfig(channels=16, num_blocks=1, num_heads=2, receptive_field=3)
    task = EncoderTask(network, TrainingConfig(muon_factor=3.0, muon_blocks="temporal"))
    muons, adams = task.configure_optimizers()["optimizer"].param_groups
    temporal = {id(p) for p in task.network.temporal.parameters() if p.ndim == 2}
    assert {id(p) for p in muons["params"]} == temporal
    assert {id(p) for p in adams["params"]} == {id(p) for p in task.parameters()} - temporal
