"""Poses that are prepared once for training a denoiser."""

from dataclasses import replace

import pytest
import torch

from diffpose_core.config import UncertaintyConfig
from diffpose_core.datasets.mocap17 import load_mocap17
from diffpose_core.datasets.sampling import PoseSampler, Variation
from diffpose_core.datasets.training_set import TrainingSet
from diffpose_core.io.checkpoints import load_encoder
from diffpose_core.structures import InvalidInput
from diffpose_core.training.bank import ConditionBank, build_bank
from diffpose_core.training.job import TrainingJob
from diffpose_core.training.run import RunOptions
from diffpose_core.training.train_denoiser import BankOptions, train_denoiser
from tests.training.tiny import BRIEF, DENOISER


def test_a_bank_does_not_depend_on_how_its_work_was_shared(tiny_weights, data, tmp_path):
    encoder, _ = load_encoder(tiny_weights / "graformer.safetensors")
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


def test_an_encoder_of_another_width_is_refused(tiny_weights, data, tmp_path):
    wider = replace(DENOISER, context_channels=24)
    with pytest.raises(InvalidInput, match="f_ST is 16 wide, the denoiser expects 24"):
        options = RunOptions(tmp_path / "x")
        job = TrainingJob(
            "diffpose", TrainingSet.of(data), TrainingSet.of(data), BRIEF, options, tmp_path / "x.safetensors"
        )
        train_denoiser(wider, tiny_weights / "graformer.safetensors", job, BankOptions())
