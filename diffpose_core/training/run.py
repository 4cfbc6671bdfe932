"""One run of a training task: Lightning's loop, checkpoints after every epoch, and resuming from the last one.

The weights that are kept are a moving average. Batches depend on the seed and the epoch alone, so a run that was killed
goes on as it would have, and several processes learn what one would.
"""

from __future__ import annotations

import logging
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import EMAWeightAveraging, ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger

from diffpose_core.config import TrainingConfig
from diffpose_core.models.fast.bfloat16 import has_fast_bfloat16
from diffpose_core.structures import InvalidInput
from diffpose_core.training.base_task import TrainingTask


@dataclass(frozen=True)
class RunOptions:
    """Place and hardware of a run. Nothing here changes what is learnt.

    Attributes:
        directory: of checkpoints and loss curves.
        accelerator: Lightning's, such as "cpu" or "gpu".
        devices: number of processes.
        threads: of torch on the CPU; None leaves them as they are.
        mixed_precision: bfloat16 in training; None decides by what the hardware is fast at.
        progress: show a progress bar.
    """

    directory: Path
    accelerator: str = "auto"
    devices: int = 1
    threads: int | None = None
    mixed_precision: bool | None = None
    progress: bool = True

    @property
    def device(self) -> str:
        """The device that a denoiser's bank is prepared on."""
        return "cuda" if self.accelerator != "cpu" and torch.cuda.is_available() else "cpu"

    def hardware(self) -> dict[str, Any]:
        """The arguments of Lightning's Trainer that say where it runs."""
        mixed = has_fast_bfloat16(self.accelerator) if self.mixed_precision is None else self.mixed_precision
        return {
            "accelerator": self.accelerator,
            "devices": self.devices,
            "strategy": "ddp" if self.devices > 1 else "auto",
            "precision": "bf16-mixed" if mixed else "32-true",
            "enable_progress_bar": self.progress,
            "enable_model_summary": False,
            "default_root_dir": self.directory,
        }


def _check_same_run(task: TrainingTask, last: Path) -> None:
    """Raise InvalidInput where a folder's checkpoint belongs to a run with other settings."""
    if not last.is_file():
        return
    # The run's own state, written by this program to a place of the user's choosing: not a file from outside.
    found = torch.load(last, map_location="cpu", weights_only=False, mmap=True).get("settings", {})
    for name, value in task.identity.items():
        if name in found and found[name] != value:
            raise InvalidInput(
                f"{last.parent} holds a run with {name} {found[name]}, this one has {value}: take another folder for "
                "it (--runs), or remove that one"
            )


def _trainer(config: TrainingConfig, options: RunOptions) -> pl.Trainer:
    """Lightning's loop for a recipe."""
    return pl.Trainer(
        **options.hardware(),
        max_epochs=config.epochs,
        gradient_clip_val=config.gradient_clip,
        reload_dataloaders_every_n_epochs=1,
        num_sanity_val_steps=0,
        # A log folder for each start, so that resuming keeps the curves so far.
        logger=CSVLogger(options.directory, name="log"),
        log_every_n_steps=1_000_000,
        callbacks=[
            EMAWeightAveraging(decay=config.ema_decay),
            ModelCheckpoint(
                options.directory, filename="last", save_top_k=1, every_n_epochs=1, enable_version_counter=False
            ),
        ],
    )


def run_task(task: TrainingTask, config: TrainingConfig, options: RunOptions) -> dict[str, float]:
    """Train a task to the end of its epochs, resuming from the folder's last checkpoint if there is one.

    The task's network holds the averaged weights afterwards.

    Returns:
        The last validation figures, metres.

    Raises:
        InvalidInput: the folder holds a run with other settings.
    """
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    options.directory.mkdir(parents=True, exist_ok=True)
    last = options.directory / "last.ckpt"
    _check_same_run(task, last)
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    with warnings.catch_warnings():
        # Lightning advises data-loading workers; here each process draws its own batches.
        warnings.filterwarnings("ignore", message=".*does not have many workers.*")
        warnings.filterwarnings("ignore", message=".*IterableDataset.*__len__.*")
        trainer = _trainer(config, options)
        trainer.fit(task, ckpt_path=str(last) if last.is_file() else None, weights_only=False)
        metrics = trainer.callback_metrics
        if not metrics:
            # The run had ended before. What was loaded are the raw weights; the file's model state holds the average.
            task.load_state_dict(torch.load(last, map_location="cpu", weights_only=False)["state_dict"])
            checker = pl.Trainer(**options.hardware(), logger=False, enable_checkpointing=False)
            checker.validate(task, verbose=False)
            metrics = checker.callback_metrics
    task.eval()
    return {name: float(value) for name, value in metrics.items()}
