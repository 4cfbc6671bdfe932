"""Training of the diffusion network g on a frozen encoder."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import lightning.pytorch as pl

from diffpose_core.config import DenoiserConfig
from diffpose_core.io.checkpoints import Record, load_denoiser, load_encoder, network_tensors
from diffpose_core.structures import InvalidInput
from diffpose_core.training.bank import ConditionBank
from diffpose_core.training.bank_files import BankSource, load_or_build_bank
from diffpose_core.training.bank_sampler import BankSampler
from diffpose_core.training.job import TrainingJob
from diffpose_core.training.run import is_first_process, run_task
from diffpose_core.training.tasks import DenoiserTask

#: Views that a denoiser is validated on, and of them in a batch.
_VALIDATION_VIEWS, _VALIDATION_BATCH = 4096, 1024


@dataclass(frozen=True)
class BankOptions:
    """Size of the bank of training views, and how it is prepared.

    Attributes:
        size: views.
        draws: of a component and a noise a view.
        workers: processes that prepare it.

    Raises:
        InvalidInput: a number is below 1.
    """

    size: int = 262_144
    draws: int = 4
    workers: int = 1

    def __post_init__(self) -> None:
        for name in ("size", "draws", "workers"):
            if getattr(self, name) < 1:
                raise InvalidInput(f"a bank's {name} must be at least 1, found {getattr(self, name)}")


def _banks(encoder: Path, job: TrainingJob, bank: BankOptions) -> tuple[ConditionBank, ConditionBank]:
    """The banks to train on and to validate on."""
    directory, device = job.options.directory.parent, job.options.device
    source = BankSource(encoder, job.data, bank.size, bank.draws, True, job.recipe, device)
    held_out = BankSource(encoder, job.validation, _VALIDATION_VIEWS, 1, False, job.recipe, device)
    return (
        load_or_build_bank(source, directory, bank.workers),
        load_or_build_bank(held_out, directory, bank.workers),
    )


def _load_start(task: DenoiserTask, path: Path) -> None:
    """Copy a checkpoint's weights into a task's network, also those of a network on another encoder."""
    start, _ = load_denoiser(path)
    # A network that can't be told anything is a good start for one that can: conditions begin without effect.
    wanted = task.network.config
    if start.config != wanted and replace(start.config, conditions=True) != wanted:
        raise InvalidInput(f"{path}: its network is not the preset's, found {start.config}")
    task.network.load_state_dict(start.state_dict(), strict=start.config == wanted)


def train_denoiser(network: DenoiserConfig, encoder_path: Path, job: TrainingJob, bank: BankOptions) -> Record | None:
    """Train a diffusion network g on a frozen encoder and write its checkpoint.

    Args:
        network: its configuration.
        encoder_path: checkpoint of the encoder.
        job: `start_from` may be a checkpoint of the same network, on this encoder or another one.
        bank: size of the bank that is prepared.

    Returns:
        The checkpoint's record, or None in the further processes of a run on several devices.

    Raises:
        InvalidInput: the encoder or `start_from` doesn't fit the network.
    """
    encoder, _ = load_encoder(encoder_path)
    if encoder.network.config.channels != network.context_channels:
        raise InvalidInput(
            f"the encoder's f_ST is {encoder.network.config.channels} wide, "
            f"the denoiser expects {network.context_channels}"
        )
    prepared, held_out = _banks(encoder_path, job, bank)
    pl.seed_everything(job.recipe.seed, verbose=False)
    task = DenoiserTask(network, job.recipe)
    draw = BankSampler(prepared, network, job.recipe.last_step_share, job.recipe.own_state_share)
    if job.start_from is not None:
        _load_start(task, job.start_from)
    validation = BankSampler(held_out, network).validation_batches(_VALIDATION_VIEWS, _VALIDATION_BATCH)
    task.set_data(draw, list(validation))
    task.sources = job.sources(encoder, bank=("bank", prepared.sha256()))
    metrics = run_task(task, job.recipe, job.options)
    if not is_first_process():
        return None
    error = (held_out.encoder_pose.float() - held_out.x_start.float()).norm(dim=-1)
    metrics["val_encoder_mpjpe_m"] = float(error.mean())
    metrics["val_encoder_hidden_m"] = float(error[held_out.hidden].mean())
    return job.publish(network_tensors(task.network), job.record("denoiser", network, metrics, task.sources))
