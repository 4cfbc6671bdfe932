"""One training from data to a published checkpoint: its settings, and the files that it writes at the end."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from diffpose_core.config import TrainingConfig, to_dict
from diffpose_core.datasets.training_set import TrainingData, data_sha256, file_sha256
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

    def sources(self, encoder: ContextEncoder | None = None, **more: tuple[str, str]) -> dict[str, dict[str, str]]:
        """The content that the weights are made of.

        Args:
            encoder: that it is trained on, if any.
            more: role -> name and SHA-256 of anything else.

        Returns:
            Role -> name and SHA-256.
        """
        found = {
            "data": (self.data.name, data_sha256(self.data)),
            "validation": (self.validation.name, data_sha256(self.validation)),
            **more,
        }
        if encoder is not None:
            found["encoder"] = (encoder.title, fingerprint(encoder_tensors(encoder)))
        if self.start_from is not None:
            found["start_from"] = (self.start_from.name, file_sha256(self.start_from))
        return {role: {"name": name, "sha256": sha256} for role, (name, sha256) in found.items()}

    def record(self, kind: str, network: Any, metrics: dict[str, float], sources: dict[str, dict[str, str]]) -> Record:
        """The record of the checkpoint.

        Args:
            kind: of network.
            network: its configuration.
            metrics: validation figures.
            sources: the content that it was made of.
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
            encoder_sha256=sources.get("encoder", {}).get("sha256"),
            sources=sources,
        )

    def publish(self, tensors: dict[str, Tensor], record: Record) -> Record:
        """Write the checkpoint and its card."""
        self.out.parent.mkdir(parents=True, exist_ok=True)
        save_checkpoint(self.out, tensors, record)
        write_card(self.out, record)
        return record
