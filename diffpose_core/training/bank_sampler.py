"""Training and validation batches for a denoiser, from a prepared bank of views."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from diffpose_core.config import DenoiserConfig
from diffpose_core.models.denoiser import gmm_features
from diffpose_core.rng import seeded
from diffpose_core.structures import InvalidInput
from diffpose_core.training.bank import ConditionBank
from diffpose_core.training.base_task import Fields

_VALIDATION_SEED = 20_000


class BankSampler:
    """Draws batches for `DenoiserTask` from a bank.

    Args:
        bank: the prepared views.
        network: the denoiser, which decides the fields that are read.
        last_step_share: see `TrainingConfig`.
        own_state_share: see `TrainingConfig`.

    Raises:
        InvalidInput: `own_state_share` is set for a network that has no such states.
    """

    def __init__(
        self, bank: ConditionBank, network: DenoiserConfig, last_step_share: float = 0.0, own_state_share: float = 0.0
    ) -> None:
        if own_state_share > 0 and network.prediction_type != "x_start":
            raise InvalidInput(
                f"states of its own need a network that predicts x_start, found {network.prediction_type!r}"
            )
        if own_state_share > 0 and network.diffusion == "none":
            raise InvalidInput("a regression network has no states of its own")
        self.bank, self.network = bank, network
        self.last_step_share, self.own_state_share = last_step_share, own_state_share

    def __call__(self, size: int, generator: torch.Generator) -> Fields:
        """One batch of views, draws and steps, all drawn uniformly but for the share of the last step."""
        bank = self.bank
        row = torch.randint(len(bank), (size,), generator=generator)
        draw = torch.randint(bank.noise.shape[1], (size,), generator=generator)
        k = torch.randint(1, self.network.num_steps + 1, (size,), generator=generator)
        last = torch.rand(size, generator=generator) < self.last_step_share
        k = torch.where(last, self.network.num_steps, k)
        fields = self.batch(row, draw, k, generator)
        if self.own_state_share > 0:
            fields["own"] = torch.rand(size, generator=generator) < self.own_state_share
        return fields

    def batch(self, row: Tensor, draw: Tensor, k: Tensor, generator: torch.Generator) -> Fields:
        """The batch of given rows and draws of the bank.

        Args:
            row: (B,), rows of the bank.
            draw: (B,), draws of these rows.
            k: (B,), steps.
            generator: of the noise of standard diffusion.
        """
        bank, reconciled = self.bank, self.network.context_input == "reconciled"
        fields = {
            "x_start": bank.x_start[row].float(),
            "hidden": bank.hidden[row],
            "heatmaps": bank.heatmaps[row].float(),
            "told": bank.told[row].float(),
            "encoder_pose": (bank.reconciled_pose if reconciled else bank.encoder_pose)[row].float(),
            "k": k,
        }
        if self.network.use_context:
            fields["context"] = (bank.reconciled if reconciled else bank.context)[row]
        return fields | self._noise_fields(row, draw, fields["x_start"], generator)

    def _noise_fields(self, row: Tensor, draw: Tensor, x_start: Tensor, generator: torch.Generator) -> Fields:
        """The noise, and the mixture that g is told: a component beside the whole, or the whole alone."""
        bank = self.bank
        mean, std = bank.mixture_mean[row].float(), bank.mixture_std[row].float()
        if self.network.diffusion in ("standard", "none"):
            # No component is drawn: the whole mixture takes its place.
            told = {"gmm": gmm_features(mean, std, mean, std)}
            if self.network.diffusion == "none":
                return told
            noise = torch.randn(x_start.shape, generator=generator)
            return {"component_mean": torch.zeros_like(x_start), "noise": noise, **told}
        component_mean = bank.component_mean[row, draw].float()
        component_std = bank.component_std[row, draw].float()
        return {
            "component_mean": component_mean,
            "noise": bank.noise[row, draw].float(),
            "gmm": gmm_features(component_mean, component_std, mean, std),
        }

    def validation_batches(self, size: int, batch_size: int) -> Iterator[Fields]:
        """The first `size` rows of the bank in order, with the first draw of each."""
        generator = seeded("cpu", _VALIDATION_SEED)
        for rows in torch.arange(min(size, len(self.bank))).split(batch_size):
            yield self.batch(rows, torch.zeros_like(rows), torch.ones_like(rows), generator)
