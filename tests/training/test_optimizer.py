"""Muon in float32, where bfloat16 is slow."""

import pytest
import torch

from diffpose_core.config import GraformerConfig, TrainingConfig
from diffpose_core.training import optimizer as module
from diffpose_core.training.optimizer import Float32Muon, MuonAndAdam, orthogonalise
from diffpose_core.training.tasks import EncoderTask

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
