"""Training of the context encoder, which is also the baseline."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import lightning.pytorch as pl
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from diffpose_core.config import EncoderConfig
from diffpose_core.datasets.training_set import Sampler, make_sampler
from diffpose_core.io.atomic import write_whole
from diffpose_core.io.checkpoints import Record, encoder_tensors, fingerprint, load_encoder, network_tensors
from diffpose_core.models.context import ContextEncoder
from diffpose_core.models.encoders import EncoderNetwork
from diffpose_core.models.graformer import Graformer
from diffpose_core.models.mixste import MixSTE
from diffpose_core.models.published_graformer import PublishedGraformer
from diffpose_core.rng import seeded
from diffpose_core.structures import InvalidInput
from diffpose_core.training.base_task import Fields
from diffpose_core.training.job import TrainingJob
from diffpose_core.training.run import is_first_process, run_task
from diffpose_core.training.tasks import EncoderTask, encoder_batch
from diffpose_core.uncertainty.indeterminate import DepthResidual, fit_depth_residual, metric_scale

_VALIDATION_SEED = 20_000
_CALIBRATION_SEED = 30_000
#: Poses that are drawn at a time, in whole windows.
_BLOCK_POSES = 1000


def calibrate_encoder(network: EncoderNetwork, sampler: Sampler, num_poses: int = 20_000) -> ContextEncoder:
    """Measure the depth error of a trained network on training views, which H_K's depth is drawn from.

    Args:
        network: trained.
        sampler: of training views.
        num_poses: poses to measure on.
    """
    network.eval().requires_grad_(False)
    residuals, spreads = [], []
    windows = max(1, _BLOCK_POSES // network.receptive_field)
    for block in range(num_poses // _BLOCK_POSES):
        batch = sampler.draw(windows, seeded(sampler.device, _CALIBRATION_SEED, block))
        pose = network(encoder_batch(batch, network.receptive_field)["pose_norm"])
        scale, _ = metric_scale(batch.view, pose)
        residuals.append((batch.pose_view - pose)[..., 2].cpu())
        spreads.append((batch.view.joint_std_norm * scale[:, None]).cpu())
    return ContextEncoder(network, fit_depth_residual(torch.cat(residuals), torch.cat(spreads)))


def _load_start(network: EncoderNetwork, path: Path, name: str) -> None:
    """Copy a checkpoint's weights into a network, or a Graformer's into the spatial half of MixSTE."""
    start = load_encoder(path)[0].network
    part = network.spatial if isinstance(network, MixSTE) and isinstance(start, Graformer) else network
    # A network that can't be told anything is a good start for one that can: conditions begin without effect.
    told = start.config if isinstance(start, PublishedGraformer) else replace(start.config, conditions=True)
    if part.config not in (start.config, told):
        raise InvalidInput(f"{path}: its network doesn't fit {name}, found {start.config}")
    part.load_state_dict(start.state_dict(), strict=start.config == part.config)


def train_encoder(network: EncoderConfig, job: TrainingJob) -> Record | None:
    """Train a context encoder and write its checkpoint.

    Args:
        network: its configuration.
        job: `start_from` may be a checkpoint of the same network, or for MixSTE of a Graformer, which becomes its
            spatial half.

    Returns:
        The checkpoint's record, or None in the further processes of a run on several devices.

    Raises:
        InvalidInput: `start_from` holds another network.
    """
    pl.seed_everything(job.recipe.seed, verbose=False)
    task = EncoderTask(network, job.recipe)
    if job.start_from is not None:
        _load_start(task.network, job.start_from, job.name)
    frames = task.network.receptive_field
    sampler = make_sampler(job.data, job.recipe, frames=frames)
    held_out = make_sampler(job.validation, job.recipe, varied=False, frames=frames)
    windows = max(1, _BLOCK_POSES // frames)
    fixed = [encoder_batch(held_out.draw(windows, seeded("cpu", _VALIDATION_SEED, i)), frames) for i in range(4)]

    def draw(size: int, generator: torch.Generator) -> Fields:
        return encoder_batch(sampler.draw(size, generator), frames, generator)

    task.set_data(draw, fixed)
    task.sources = job.sources()
    metrics = run_task(task, job.recipe, job.options)
    if not is_first_process():
        return None
    encoder = _calibrated(task.network, sampler, job.options.directory / "calibration.safetensors")
    return job.publish(encoder_tensors(encoder), job.record(encoder.name, network, metrics, task.sources))


def _calibrated(network: EncoderNetwork, sampler: Sampler, kept: Path) -> ContextEncoder:
    """A trained network with its depth error. It is measured once for the same weights and then kept.

    Measuring again on another machine would give other numbers by rounding, and so another encoder.
    """
    weights = fingerprint(network_tensors(network))
    try:
        with safe_open(kept, framework="pt") as archive:
            if (archive.metadata() or {}).get("weights") == weights:
                tensors = {name: archive.get_tensor(name) for name in archive.keys()}  # noqa: SIM118
                return ContextEncoder(network.eval().requires_grad_(False), DepthResidual(**tensors))
    except (OSError, SafetensorError, TypeError):
        # Not measured yet, or damaged.
        pass
    encoder = calibrate_encoder(network, sampler)
    found = {f.name: getattr(encoder.depth, f.name).contiguous() for f in fields(DepthResidual)}
    write_whole(kept, save(found, {"weights": weights}))
    return encoder
