"""Training of the small network that corrects an encoder's poses by the camera's tilt."""

from __future__ import annotations

from pathlib import Path

import lightning.pytorch as pl
import torch
from torch import Tensor, nn

from diffpose_core.config import UprightConfig
from diffpose_core.datasets.training_set import Sampler, make_sampler
from diffpose_core.io.checkpoints import Record, load_encoder, network_tensors
from diffpose_core.models.context import ContextEncoder
from diffpose_core.rng import seeded
from diffpose_core.structures import InvalidInput
from diffpose_core.training.bank import BLOCK_VIEWS
from diffpose_core.training.bank_files import BANK_SEED
from diffpose_core.training.base_task import DrawBatch, Fields
from diffpose_core.training.job import TrainingJob
from diffpose_core.training.run import is_first_process, run_task
from diffpose_core.training.tasks import UprightTask

#: The largest error of the upward directions in training, as the standard deviation of each axis. It is about the error
#: of a direction that is estimated from all frames of a clip.
_MAX_UP_STD = 0.04
_VALIDATION_VIEWS = 2048


@torch.no_grad()
def encoded_poses(encoder: ContextEncoder, sampler: Sampler, views: int, seed: int) -> Fields:
    """The examples that `UprightTask` learns from.

    Args:
        encoder: of single frames.
        sampler: of views with a known upward direction.
        views: number of views, rounded up to whole blocks.
        seed: of all blocks.

    Returns:
        Two rows a view, from the detected and from the reconciled 2D pose: `encoder_pose` and `pose_view` (N, J, 3),
        metres, and `up` (N, 3), unit vectors; all in the view frame.

    Raises:
        InvalidInput: the views have no known upward direction.
    """
    rows: dict[str, list[Tensor]] = {"encoder_pose": [], "pose_view": [], "up": []}
    for block in range(-(-views // BLOCK_VIEWS)):
        batch = sampler.draw(BLOCK_VIEWS, seeded(sampler.device, seed, block))
        if batch.up is None:
            raise InvalidInput("views that say which way is up are needed: motions in Mocap-17 layout")
        detected = encoder.encode(batch.view)
        for context in (detected, encoder.encode_reconciled(batch.view, detected)):
            for name, tensor in (("encoder_pose", context.pose_view), ("pose_view", batch.pose_view), ("up", batch.up)):
                rows[name].append(tensor.cpu())
    return {name: torch.cat(tensors) for name, tensors in rows.items()}


def _draw_from(rows: Fields) -> DrawBatch:
    """Draw rows uniformly, each with an upward direction that is known with an error of its own."""

    def draw(size: int, generator: torch.Generator) -> Fields:
        index = torch.randint(len(rows["up"]), (size,), generator=generator)
        batch = {field: tensor[index] for field, tensor in rows.items()}
        off = _MAX_UP_STD * torch.rand(size, 1, generator=generator) * torch.randn(size, 3, generator=generator)
        batch["known_up"] = nn.functional.normalize(batch["up"] + off, dim=-1)
        return batch

    return draw


def train_upright(network: UprightConfig, encoder_path: Path, job: TrainingJob) -> Record | None:
    """Train the correction of an encoder's poses by the camera's tilt, and write its checkpoint.

    Args:
        network: its configuration.
        encoder_path: checkpoint of an encoder of single frames.
        job: data, recipe and files.

    Returns:
        The checkpoint's record, or None in the further processes of a run on several devices.

    Raises:
        InvalidInput: the encoder is one of video, whose windows tell it the tilt already; or the data has no known
            upward direction.
    """
    encoder, _ = load_encoder(encoder_path)
    if encoder.receptive_field > 1:
        raise InvalidInput(f"{encoder_path}: an encoder of single frames is expected, found {encoder.title}")
    # As many poses an epoch as it has samples, two of each view.
    rows = encoded_poses(encoder, make_sampler(job.data, job.recipe), job.recipe.samples_per_epoch // 2, BANK_SEED)
    validation = make_sampler(job.validation, job.recipe, varied=False)
    held_out = encoded_poses(encoder, validation, _VALIDATION_VIEWS, BANK_SEED + 1)
    pl.seed_everything(job.recipe.seed, verbose=False)
    task = UprightTask(network, job.recipe)
    task.set_data(_draw_from(rows), [held_out])
    task.sources = job.sources(encoder)
    metrics = run_task(task, job.recipe, job.options)
    if not is_first_process():
        return None
    return job.publish(network_tensors(task.network), job.record("upright", network, metrics, task.sources))
