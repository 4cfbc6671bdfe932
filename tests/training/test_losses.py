"""Training losses: their values, and a gradient everywhere."""

import pytest
import torch

from diffpose_core.config import GraformerConfig, TrainingConfig
from diffpose_core.models.conditions import TOLD_CHANNELS
from diffpose_core.training.losses import mean_joint_distance, mean_squared_distance
from diffpose_core.training.tasks import EncoderTask


def test_the_loss_is_the_mean_distance_and_has_a_gradient_where_it_is_zero():
    target = torch.randn(4, 17, 3, generator=torch.Generator().manual_seed(0))
    predicted = (target + torch.tensor([0.03, 0.0, 0.04])).requires_grad_()
    loss = mean_joint_distance(predicted, target)
    assert float(loss.detach()) == pytest.approx(0.05, rel=1e-4)
    same = target.clone().requires_grad_()
    mean_joint_distance(same, target).backward()
    assert bool(same.grad.isfinite().all())


def test_the_papers_loss_is_the_mean_of_the_squared_distance():
    target = torch.randn(4, 17, 3, generator=torch.Generator().manual_seed(0))
    predicted = target + torch.tensor([0.03, 0.0, 0.04])
    assert float(mean_squared_distance(predicted, target)) == pytest.approx(0.0025, rel=1e-4)


@pytest.mark.parametrize(("name", "loss"), [("distance", mean_joint_distance), ("squared", mean_squared_distance)])
def test_the_recipe_chooses_the_loss(monkeypatch, name, loss):
    task = EncoderTask(GraformerConfig(channels=16, num_blocks=1, num_heads=2), TrainingConfig(loss=name))
    monkeypatch.setattr(task, "log_epoch", lambda *_: None)
    random = torch.Generator().manual_seed(1)
    batch = {"pose_norm": torch.randn(4, 17, 2, generator=random), "pose_view": torch.randn(4, 17, 3, generator=random)}
    batch |= {"told": torch.zeros(4, TOLD_CHANNELS), "up": torch.zeros(4, 3)}
    expected = loss(task.network(batch["pose_norm"]), batch["pose_view"])
    assert float(task.training_step(batch, 0).detach()) == pytest.approx(float(expected.detach()))
