"""One run of a training task: Lightning's loop, a saved state after every epoch, and resuming from the last one.

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
from lightning.pytorch.utilities import rank_zero_only

from diffpose_core.config import TrainingConfig
from diffpose_core.models.fast.bfloat16 import has_fast_bfloat16
from diffpose_core.structures import InvalidInput
from diffpose_core.training import interrupt
from diffpose_core.training.base_task import TrainingTask
from diffpose_core.training.run_state import LAST, RunStateIO, done_epochs, find_state


@dataclass(frozen=True)
class RunOptions:
    """Place and hardware of a run. Nothing here changes the learnt weights.

    Attributes:
        directory: of saved states and loss curves.
        accelerator: Lightning's, such as "cpu" or "gpu".
        devices: number of processes.
        threads: of torch on the CPU; None leaves them as they are.
        mixed_precision: bfloat16 in training; None decides by the hardware's speed.
        progress: show a progress bar.

    Raises:
        InvalidInput: a number is below 1.
    """

    directory: Path
    accelerator: str = "auto"
    devices: int = 1
    threads: int | None = None
    mixed_precision: bool | None = None
    progress: bool = True

    def __post_init__(self) -> None:
        for name in ("devices", "threads"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise InvalidInput(f"{name} must be at least 1, found {value}")

    @property
    def device(self) -> str:
        """The device that a denoiser's bank is prepared on."""
        return "cuda" if self.accelerator != "cpu" and torch.cuda.is_available() else "cpu"

    def hardware(self) -> dict[str, Any]:
        """The arguments of Lightning's Trainer for its place and hardware."""
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


def is_first_process() -> bool:
    """True but in the further processes of a run on several devices, which must neither print nor write."""
    return getattr(rank_zero_only, "rank", 0) == 0


class _Resume(pl.Callback):
    """Goes on with the loss curves where a run resumes, and lets the signals of `interrupt` through.

    A kill may come after an epoch's state is saved and before its figures are logged: they are logged again.

    Args:
        state: that the run resumes from, or None.
    """

    def __init__(self, state: dict[str, Any] | None) -> None:
        self.state = state
        self.listening = interrupt.is_listening()

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self.listening:
            # Lightning has taken SIGTERM for itself.
            interrupt.listen()
        if self.state is not None and trainer.logger is not None:
            step = int(self.state["global_step"]) - 1
            trainer.logger.log_metrics({**self.state["figures"], "epoch": int(self.state["epoch"])}, step)

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        launcher: Any = trainer.strategy.launcher
        if isinstance(exception, interrupt.Interrupted) and hasattr(launcher, "kill"):
            launcher.kill(exception.signal)


def _check_same_run(task: TrainingTask, directory: Path, state: dict[str, Any]) -> None:
    """Raise InvalidInput where a folder's state belongs to a run with other settings, data or weights."""
    advice = "take another folder for it (--runs), or remove that one"
    found = state.get("settings", {})
    for name, value in task.identity.items():
        if name in found and found[name] != value:
            raise InvalidInput(f"{directory} holds a run with {name} {found[name]}, this one has {value}: {advice}")
    before, now = state.get("sources", {}), task.sources
    for role in sorted({*before, *now}):
        ours, theirs = (sources.get(role, {"name": "none", "sha256": ""}) for sources in (now, before))
        if ours["sha256"] != theirs["sha256"]:
            described = [f"{s['name']} (SHA-256 {s['sha256'][:12] or '-'})" for s in (theirs, ours)]
            raise InvalidInput(
                f"{directory} holds a run with {role} {described[0]}, this one has {described[1]}: {advice}"
            )
    if done_epochs(state) > task.config.epochs:
        raise InvalidInput(
            f"{directory} holds a run of {done_epochs(state)} epochs, this one has {task.config.epochs}: {advice}"
        )


def _trainer(config: TrainingConfig, options: RunOptions, state: dict[str, Any] | None) -> pl.Trainer:
    """Lightning's loop for a recipe, from a state if there is one."""
    return pl.Trainer(
        **options.hardware(),
        max_epochs=config.epochs,
        gradient_clip_val=config.gradient_clip,
        reload_dataloaders_every_n_epochs=1,
        num_sanity_val_steps=0,
        # A log folder for each start, so that resuming keeps the curves so far.
        logger=CSVLogger(options.directory, name="log"),
        log_every_n_steps=1_000_000,
        plugins=[RunStateIO()],
        callbacks=[
            # Buffers are constants: averaging them would move them by rounding errors.
            EMAWeightAveraging(decay=config.ema_decay, use_buffers=False),
            ModelCheckpoint(
                options.directory,
                filename=Path(LAST).stem,
                save_top_k=1,
                every_n_epochs=1,
                enable_version_counter=False,
            ),
            _Resume(state),
        ],
    )


def run_task(task: TrainingTask, config: TrainingConfig, options: RunOptions) -> dict[str, float]:
    """Train a task to the end of its epochs, resuming from the folder's last state if there is one.

    The task's network holds the averaged weights afterwards.

    Returns:
        The last validation figures, metres.

    Raises:
        InvalidInput: the folder holds a run with other settings, data or weights; or the loss is not finite.
    """
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    try:
        options.directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidInput(f"{options.directory}: can't be made ({error.strerror})") from error
    found = find_state(options.directory)
    if found is not None:
        _check_same_run(task, options.directory, found[1])
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    with warnings.catch_warnings():
        # Lightning advises data-loading workers; here each process draws its own batches.
        warnings.filterwarnings("ignore", message=".*does not have many workers.*")
        warnings.filterwarnings("ignore", message=".*IterableDataset.*__len__.*")
        if found is not None and done_epochs(found[1]) == config.epochs:
            # Nothing is left to train. The state holds the averaged weights, and their figures.
            task.load_state_dict(found[1]["state_dict"])
            metrics = dict(found[1]["figures"])
        else:
            trainer = _trainer(config, options, found[1] if found else None)
            trainer.fit(task, ckpt_path=str(found[0]) if found else None, weights_only=True)
            metrics = {name: float(value) for name, value in trainer.callback_metrics.items()}
    task.eval()
    return metrics
