"""The speed benchmark where there is no quiet machine and no GPU: that it measures what it says, on any device."""

from __future__ import annotations

import pytest
import torch

from benchmarks import throughput
from diffpose_core.config import PAPER_TRAINING
from diffpose_core.pipeline import Models
from diffpose_core.structures import PoseClip2D

TINY_S = 1e-3


def check_parts(device: str, tiny_models: Models, walking_clip: PoseClip2D, monkeypatch: pytest.MonkeyPatch) -> None:
    """Measure the parts that are measured on a GPU too, on a device that there is."""
    monkeypatch.setattr(throughput, "DEVICES", [torch.device(device)])
    monkeypatch.setattr(throughput, "load_models", lambda: tiny_models)
    models = tiny_models.to(device)
    report = {
        "stages": {"2": throughput.stages(walking_clip, models, 2, TINY_S)},
        "denoiser": throughput.denoiser_shares(models.pick()[1], [3], TINY_S),
        "training": throughput.training(4, TINY_S),
    }
    assert report["stages"]["2"]["end to end"] > report["stages"]["2"]["encode"] > 0
    assert set(report["denoiser"]) == {"float32", "bfloat16"}
    assert bool(report["denoiser"]["float32"]["time"]) == (device == "cpu")
    text = "\n".join(throughput.tables({"machine": throughput.machine(1), **report}))
    for words in ("poses a second, end to end", "float32, 3 noisy poses", "75,000,000 poses would take hours"):
        assert words in text


def test_parts_that_are_measured_on_a_gpu_too(
    tiny_models: Models, walking_clip: PoseClip2D, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_parts("cpu", tiny_models, walking_clip, monkeypatch)


def test_shares_of_a_known_cards_peak(monkeypatch: pytest.MonkeyPatch) -> None:
    assert throughput.peak_flops("float32") is None, "a processor"
    assert throughput._hours(1e-6, "bfloat16")["RTX 3090"] is None
    monkeypatch.setattr(throughput, "DEVICES", [torch.device("cuda")])
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "NVIDIA A100-SXM4-80GB")
    assert throughput.peak_flops("bfloat16") == 312e12
    hours = throughput._hours(1e-6, "bfloat16")
    poses = PAPER_TRAINING.samples_per_epoch * PAPER_TRAINING.epochs
    assert hours["here"] == pytest.approx(poses * 1e-6 / 3600)
    assert hours["RTX 3090"] == pytest.approx(hours["here"] * 312 / 71)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "Some other card")
    assert throughput.peak_flops("float32") is None
