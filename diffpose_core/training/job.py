"""One training from data to a published checkpoint: its settings, and the files that it writes at the end."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lightning.pytorch.utilities import rank_zero_only
from torch import Tensor

from diffpose_core.config import TrainingConfig, to_dict
from diffpose_core.datasets.training_set import TrainingData
from diffpose_core.io.cards import write_card
from diffpose_core.io.checkpoints import Record, encoder_tensors, fingerprint, save_checkpoint
from diffpose_core.models.context import ContextEncoder
from diffpose_core.training.run import RunOptions


@dataclass(frozen=True)
class TrainingJob:
    """The settings of one training.

    Attributes:
        name: of the preset, for the record.
        data: to train on.
        validation: to choose by.
        recipe: how the network is trained.
        options: place and hardware of the run.
        out: checkpoint to write.
        command: for the record.
        licence: of the weights.
        start_from: a checkpoint to go on from, instead of new weights.
    """

    name: str
    data: TrainingData
    validation: TrainingData
    recipe: TrainingConfig
    options: RunOptions
    out: Path
    command: str = ""
    licence: str = ""
    start_from: Path | None = None

    def record(
        self, kind: str, network: Any, metrics: dict[str, float], encoder: ContextEncoder | None = None
    ) -> Record:
        """The record of the checkpoint.

        Args:
            kind: of network.
            network: its configuration.
            metrics: validation figures.
            encoder: the encoder that it was trained on, if any.
        """
        return Record(
            kind=kind,
            name=self.name,
            config=to_dict(network),
            training=to_dict(self.recipe),
            data=f"{self.data.name} (validation: {self.validation.name})",
            command=self.command,
            seed=self.recipe.seed,
            metrics=metrics,
            licence=self.licence,
            encoder_sha256=None if encoder is None else fingerprint(encoder_tensors(encoder)),
        )

    def publish(self, tensors: dict[str, Tensor], record: Record) -> Record:
        """Write the checkpoint and its card, from the first process only."""
        if getattr(rank_zero_only, "rank", 0) == 0:
            self.out.parent.mkdir(parents=True, exist_ok=True)
            save_checkpoint(self.out, tensors, record)
            write_card(self.out, record)
        return record
