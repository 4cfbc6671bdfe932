"""Lifting, evaluation and training where the networks are on another device than the clips: on a pretended GPU.

Run by `test_devices.py` in a process of its own.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from diffpose_core.config import TrainingConfig, UncertaintyConfig
from diffpose_core.datasets.mocap17 import motion_set
from diffpose_core.datasets.procedural import procedural_motion
from diffpose_core.datasets.sampling import PoseSampler, Variation
from diffpose_core.evaluation.evaluate import EvaluationSettings, clip_poses
from diffpose_core.lifting.encode import as_detected, encode_clip
from diffpose_core.lifting.forward import forward_traces
from diffpose_core.lifting.lift import lift
from diffpose_core.lifting.models import Models
from diffpose_core.lifting.sampling import reverse_traces
from diffpose_core.lifting.settings import LiftSettings
from diffpose_core.rng import seeded
from diffpose_core.structures import PoseClip2D
from diffpose_core.training.bank import build_bank
from diffpose_core.training.bank_sampler import BankSampler
from diffpose_core.training.tasks import DenoiserTask, EncoderTask, encoder_batch
from tests.benchmarks.test_throughput import check_parts
from tests.pretended_gpu import pretended_gpu

FEW = UncertaintyConfig(num_samples=100)
#: Rounding differs with how poses fall into blocks.
CLOSE = {"rtol": 1e-4, "atol": 2e-4}


@pytest.fixture
def gpu() -> Iterator[str]:
    with pretended_gpu() as name:
        yield name


def test_the_pretended_gpu_finds_what_a_real_one_would(gpu: str) -> None:
    here, there = torch.ones(3, 3), torch.ones(3, 3, device=gpu)
    assert there.device.type == gpu and (there @ there).device.type == gpu
    with pytest.raises(RuntimeError, match="expects all tensors on one device"):
        here + there
    with pytest.raises(RuntimeError, match="numpy"):
        there.numpy()
    assert np.array_equal((there + here.to(gpu)).cpu().numpy(), 2 * np.ones((3, 3)))
    layer = torch.nn.Linear(3, 3).to(gpu)
    with pytest.raises(RuntimeError, match="expects all tensors on one device"):
        layer(here)


@pytest.mark.parametrize("setting", ["frame", "video"])
def test_a_seed_means_the_same_poses_on_every_device(
    gpu: str, tiny_models: Models, tiny_video_models: Models, walking_clip: PoseClip2D, setting: str
) -> None:
    models = tiny_models if setting == "frame" else tiny_video_models
    there = models.to(gpu)
    assert there.device.type == gpu and models.device.type == "cpu" and there.to(there.device) is there
    clip = walking_clip.frames(np.arange(12))
    for context, diffusion in ((True, "gmm"), (False, "gmm"), (True, "standard")):
        settings = LiftSettings(eta=0.5, context=context, diffusion=diffusion, mixed_precision=False, uncertainty=FEW)
        here, found = (lift(clip, m, settings) for m in (models, there))
        for name in ("pose3d", "hypotheses", "baseline"):
            assert np.allclose(getattr(found, name), getattr(here, name), **CLOSE), (name, context, diffusion)
        assert (here.provenance["settings"]["device"], found.provenance["settings"]["device"]) == ("cpu", gpu)
        assert here.provenance["weights_sha256"] == found.provenance["weights_sha256"]


def test_every_stage_of_a_clip(gpu: str, shipped_models: Models, walking_clip: PoseClip2D) -> None:
    frames = np.arange(3)

    def all_of_it(models: Models) -> list[np.ndarray]:
        ready = encode_clip(
            walking_clip, models, frames, LiftSettings(uncertainty=FEW, mixed_precision=False, up="estimate")
        )
        wide = as_detected(ready, models)
        found = [ready.baseline, ready.h_samples, wide.h_samples, ready.gmm_cam.means.cpu().numpy()]
        found += [trace.samples for trace in reverse_traces(ready, models).values()]
        for stepwise in (False, True):
            traces = forward_traces(ready, samples=8, stepwise=stepwise)
            found += [trace.samples for trace in traces.values()]
        poses = clip_poses(walking_clip, models, frames, EvaluationSettings(steps=2, hypotheses=3))
        return found + [poses[name] for name in sorted(poses)]

    for here, there in zip(all_of_it(shipped_models), all_of_it(shipped_models.to(gpu)), strict=True):
        assert np.allclose(here, there, **CLOSE)


def test_calibrated_errors(gpu: str, shipped_models: Models, walking_clip: PoseClip2D) -> None:
    clip = walking_clip.frames(np.arange(2))
    here, there = (
        lift(clip, models, LiftSettings(mixed_precision=False)) for models in (shipped_models, shipped_models.to(gpu))
    )
    assert here.expected_error is not None and there.expected_error is not None
    assert np.allclose(here.expected_error, there.expected_error, **CLOSE)


def test_training_steps(gpu: str, shipped_models: Models) -> None:
    motions = motion_set([procedural_motion("walk", 1, 2.0)], 30.0, name=["a"], action=["walk"])
    sampler, config = PoseSampler(motions, Variation()), TrainingConfig()
    losses: dict[str, list[float]] = {}
    encoders = (shipped_models.encoder, shipped_models.encoder.to(gpu))
    bank, there = (build_bank(encoder, sampler.draw, 256, FEW, 1, 0) for encoder in encoders)
    for name in ("x_start", "component_mean", "mixture_std", "reconciled_pose"):
        one, other = (getattr(b, name).float() for b in (bank, there))
        # Kept in half precision; where a draw falls between two components, rounding may decide.
        assert ((one - other).abs() < 2e-3).float().mean() > 0.99, name
    for device in ("cpu", gpu):
        torch.manual_seed(0)
        encoder = EncoderTask(shipped_models.encoder.network.config, config)
        denoiser = DenoiserTask(shipped_models.denoisers["diffpose"].config, config)
        batches = (
            encoder_batch(sampler.draw(8, seeded("cpu", 0))),
            BankSampler(bank, denoiser.network.config)(8, seeded("cpu", 0)),
        )
        for task, batch in zip((encoder, denoiser), batches, strict=True):
            task.log = lambda *_, **__: None
            task.to(device)
            loss = task.training_step(task.transfer_batch_to_device(batch, torch.device(device), 0), 0)
            loss.backward()
            losses.setdefault(type(task).__name__, []).append(float(loss.detach()))
    for here, there in losses.values():
        assert abs(here - there) < 1e-4


def test_the_speed_benchmark(
    gpu: str,
    tiny_models: Models,
    tiny_video_models: Models,
    walking_clip: PoseClip2D,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    check_parts(gpu, tiny_models, tiny_video_models, walking_clip, monkeypatch)
