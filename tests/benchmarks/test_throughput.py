"""The speed benchmark where there is no quiet machine and no GPU: that it measures what it says, on any device."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from benchmarks import released_form
from benchmarks.released_form import ReleasedForm
from benchmarks.throughput.clips import encoders
from benchmarks.throughput.denoiser import denoiser_shares
from benchmarks.throughput.machine import machine
from benchmarks.throughput.stages import stages, with_sums
from benchmarks.throughput.text import tables
from benchmarks.throughput.timing import MACHINE, peak_flops
from benchmarks.throughput.training import training, training_hours
from diffpose_core.lifting.models import Models
from diffpose_core.presets import PAPER_TRAINING
from diffpose_core.structures import PoseClip2D

TINY_S = 1e-3


def check_parts(
    device: str,
    tiny_models: Models,
    tiny_video_models: Models,
    walking_clip: PoseClip2D,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Measure the parts that are measured on a GPU too, on a device that there is."""
    monkeypatch.setattr(MACHINE, "device", torch.device(device))
    models, video = tiny_models.to(device), tiny_video_models.to(device)
    report = {
        "stages": {"2": with_sums(stages(walking_clip, models, 2, TINY_S))},
        "denoiser": denoiser_shares(models.pick()[1], [3], TINY_S),
        "training": training(models.pick()[1].config, 4, TINY_S),
        "encoders": encoders(walking_clip, models, video, 3, TINY_S),
    }
    assert report["stages"]["2"]["end to end"] > report["stages"]["2"]["encode"] > 0
    assert set(report["denoiser"]) == {"float32", "bfloat16"}
    assert bool(report["denoiser"]["float32"]["time"]) == (device == "cpu")
    text = "\n".join(tables({"machine": machine(1), **report}))
    for words in (
        "poses a second, end to end", "poses a second, released form", "float32, 3 noisy poses",
        "times the released form's", "75,000,000 poses would take hours", "Graformer at batch 64",
        "MixSTE in 8 windows", "a video of 3 frames",
    ):  # fmt: skip
        assert words in text


def test_parts_that_are_measured_on_a_gpu_too(
    tiny_models: Models, tiny_video_models: Models, walking_clip: PoseClip2D, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_parts("cpu", tiny_models, tiny_video_models, walking_clip, monkeypatch)


def test_the_released_form_has_the_multiply_adds_that_it_is_compared_by() -> None:
    channels = released_form.channels_of(20_000_000)
    assert released_form.multiply_adds(channels) == pytest.approx(20_000_000, rel=0.05)
    layer = released_form.Layer(8)
    linear = sum(m.weight.numel() for m in layer.modules() if isinstance(m, nn.Linear)) - layer.step.weight.numel()
    maps = sum(m.maps.numel() for m in layer.modules() if isinstance(m, released_form.Chebyshev))
    assert released_form.multiply_adds(8) == released_form.LAYERS * 17 * (linear + maps)


def test_the_released_form_takes_2d_poses_to_3d_ones_and_reads_the_step() -> None:
    torch.manual_seed(0)
    encoder, denoiser = (ReleasedForm(8, c, out).eval() for c, out in ((2, 3), (5, 5)))
    poses = torch.randn(4, 17, 2)
    assert released_form.lift(encoder, denoiser, poses, 5, 3).shape == (4, 17, 3)
    x = torch.randn(4, 17, 5)
    early, late = (denoiser(x, torch.full((4,), k)) for k in (1, 50))
    assert early.shape == (4, 17, 5) and not torch.allclose(early, late)


def test_shares_of_a_known_cards_peak(monkeypatch: pytest.MonkeyPatch) -> None:
    assert peak_flops("float32") is None, "a processor"
    assert training_hours(1e-6, "bfloat16")["RTX 3090"] is None
    monkeypatch.setattr(MACHINE, "device", torch.device("cuda"))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "NVIDIA A100-SXM4-80GB")
    assert peak_flops("bfloat16") == 312e12
    hours = training_hours(1e-6, "bfloat16")
    poses = PAPER_TRAINING.samples_per_epoch * PAPER_TRAINING.epochs
    assert hours["here"] == pytest.approx(poses * 1e-6 / 3600)
    assert hours["RTX 3090"] == pytest.approx(hours["here"] * 312 / 71)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "Some other card")
    assert peak_flops("float32") is None
