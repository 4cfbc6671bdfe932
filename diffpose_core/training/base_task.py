"""The base of all training tasks: batches, optimizer and logging."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import lightning.pytorch as pl
import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset

from diffpose_core.config import TrainingConfig, to_dict
from diffpose_core.rng import seeded
from diffpose_core.structures import InvalidInput
from diffpose_core.training.losses import LOSSES
from diffpose_core.training.optimizer import make_optimizer, make_scheduler

#: Fields of one batch by name, (B, ...) each.
Fields = dict[str, Tensor]
#: (batch size, generator) -> one batch.
DrawBatch = Callable[[int, torch.Generator], Fields]


class EpochStream(IterableDataset[Fields]):
    """The batches of one epoch, of which each process takes its part.

    They depend on the seed and the epoch alone, so that a resumed run gets the batches that it would have had.

    Args:
        draw: makes one batch.
        config: batch size, samples an epoch and seed.
        epoch: number of the epoch.
        rank: number of this process.
        world_size: number of processes.

    Raises:
        InvalidInput: the processes can't share a batch evenly.
    """

    def __init__(self, draw: DrawBatch, config: TrainingConfig, epoch: int, rank: int, world_size: int) -> None:
        if config.batch_size % world_size:
            raise InvalidInput(f"a batch of {config.batch_size} can't be shared evenly by {world_size} processes")
        self.draw, self.config, self.epoch, self.rank, self.world_size = draw, config, epoch, rank, world_size

    def __len__(self) -> int:
        return max(1, self.config.samples_per_epoch // self.config.batch_size)

    def __iter__(self) -> Iterator[Fields]:
        generator = seeded("cpu", self.config.seed, self.epoch, 0)
        for _ in range(len(self)):
            # Drawing is cheap beside training. Each process draws the whole batch, so their number changes nothing.
            batch = self.draw(self.config.batch_size, generator)
            yield {name: tensor.chunk(self.world_size)[self.rank] for name, tensor in batch.items()}


class TrainingTask(pl.LightningModule):
    """A network with its loss, data and optimizer, for Lightning to train. Subclasses set `network`.

    Args:
        config: the training recipe.
    """

    def __init__(self, config: TrainingConfig) -> None:
        super().__init__()
        self.config = config
        self.loss = LOSSES[config.loss]
        # Lists, so that the data does not become part of the module's state.
        self._draw: list[DrawBatch] = []
        self._validation: list[Fields] = []
        #: Role -> name and SHA-256 of the content that the run is made of, such as its data.
        self.sources: dict[str, dict[str, str]] = {}

    @property
    def identity(self) -> dict[str, Any]:
        """The settings that a run is resumed with: all but the number of epochs, which may change."""
        network: Any = self.get_submodule("network")
        settings = {**to_dict(network.config), **to_dict(self.config)}
        del settings["epochs"]
        return settings

    def on_before_backward(self, loss: Tensor) -> None:
        if not bool(loss.detach().isfinite()):
            self._stop_diverged(f"the loss is {float(loss.detach())}")

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        for name, parameter in self.named_parameters():
            if not bool(parameter.detach().isfinite().all()):
                self._stop_diverged(f"{name} holds values that are not finite")
        checkpoint["settings"], checkpoint["sources"] = self.identity, self.sources
        checkpoint["figures"] = {name: float(value) for name, value in self.trainer.callback_metrics.items()}

    def _stop_diverged(self, reason: str) -> None:
        """Raise InvalidInput: training can't go on. The state of the last good epoch stays as it is."""
        rate = self.trainer.optimizers[0].param_groups[-1]["lr"]
        data = self.sources.get("data", {}).get("name", "not named")
        raise InvalidInput(
            f"training was stopped at step {self.global_step} of epoch {self.current_epoch + 1}: {reason}; data: "
            f"{data}; learning rate: {rate:.3g}. The state of the last good epoch is kept. Try a lower rate, or look "
            "for wrong values in the data"
        )

    def set_data(self, draw: DrawBatch, validation: list[Fields]) -> None:
        """Set the data.

        Args:
            draw: makes one training batch.
            validation: fixed batches.
        """
        self._draw, self._validation = [draw], validation

    def __deepcopy__(self, memo: dict[int, Any]) -> TrainingTask:
        # The moving average copies the module; the data must not be copied with it.
        draw, validation = self._draw, self._validation
        self._draw, self._validation = [], []
        try:
            copied = self.__class__.__new__(self.__class__)
            memo[id(self)] = copied
            copied.__dict__.update(
                {k: copy.deepcopy(v, memo) for k, v in self.__dict__.items() if k not in ("_trainer", "_fabric")}
            )
            copied._trainer, copied._fabric = None, None
            return copied
        finally:
            self._draw, self._validation = draw, validation

    def train_dataloader(self) -> DataLoader[Any]:
        stream = EpochStream(self._draw[0], self.config, self.current_epoch, self.global_rank, self.trainer.world_size)
        return DataLoader(stream, batch_size=None, num_workers=0)

    def val_dataloader(self) -> DataLoader[Any]:
        return DataLoader(self._validation, batch_size=None, num_workers=0)  # type: ignore[arg-type]

    def transfer_batch_to_device(self, batch: Fields, device: torch.device, dataloader_idx: int) -> Fields:
        return {name: tensor.to(device, non_blocking=True) for name, tensor in batch.items()}

    def configure_optimizers(self) -> Any:
        optimizer = make_optimizer(self, self.config)
        scheduler = make_scheduler(optimizer, self.config)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def log_epoch(self, name: str, value: Tensor, size: int) -> None:
        """Log the mean of a figure over the epoch, weighted by the number of values it stands for."""
        self.log(name, value, prog_bar=True, on_step=False, on_epoch=True, batch_size=size, sync_dist=True)
