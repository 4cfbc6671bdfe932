"""Rates of training steps, and the hours that the supplement's training takes at them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks import released_form
from benchmarks.released_form import ReleasedForm
from benchmarks.throughput.denoiser import multiply_adds, random_conditioning
from benchmarks.throughput.timing import MACHINE, PAPERS_CARD, PRECISIONS, least, matmul_rate, peak_flops
from diffpose_core.config import DenoiserConfig
from diffpose_core.models.denoiser import Denoiser
from diffpose_core.presets import PAPER_TRAINING
from diffpose_core.training.losses import mean_joint_distance


def training(config: DenoiserConfig, batch: int, seconds: float) -> dict[str, Any]:
    """Rates of a training step, in poses a second: of g, and of a network of the released form and g's size.

    Has the hours of the supplement's training at g's rate too; on a GPU also those on the paper's card, by their peaks.
    """
    network = Denoiser(config).to(MACHINE.device).train()
    ours = multiply_adds(network.blocks)
    channels = released_form.channels_of(ours)
    released = ReleasedForm(channels, 3, 3).to(MACHINE.device).train()
    x, conditioning = random_conditioning(network, batch)
    target, k = torch.zeros_like(x), torch.randint(1, 51, (batch,), device=x.device)

    def step(module: nn.Module, forward: Callable[[], Tensor], mixed: bool) -> Callable[[], None]:
        optimizer = torch.optim.Adam(module.parameters(), lr=1e-4)

        def run() -> None:
            optimizer.zero_grad()
            with torch.autocast(x.device.type, torch.bfloat16, enabled=mixed):
                loss = mean_joint_distance(forward().float(), target)
            loss.backward()
            optimizer.step()

        return run

    rate = matmul_rate(torch.float32, seconds / 4)
    taken = {
        "g, float32": least(step(network, lambda: network(x, k, conditioning), False), seconds),
        "g, bfloat16": least(step(network, lambda: network(x, k, conditioning), True), seconds),
        "released form, float32": least(step(released, lambda: released(x, k), False), seconds),
    }
    return {
        "batch": batch,
        "multiply_adds": {"g": ours, "released form": released_form.multiply_adds(channels)},
        "poses_a_second": {name: batch / value for name, value in taken.items()},
        "times_as_fast": {name: taken["released form, float32"] / value for name, value in taken.items()},
        "share_of_matmul_float32": 6 * ours * batch / taken["g, float32"] / rate,
        "hours_of_the_supplement": {
            precision: training_hours(taken[f"g, {precision}"] / batch, precision) for precision in PRECISIONS
        },
    }


def training_hours(seconds_a_pose: float, precision: str) -> dict[str, float | None]:
    """Hours of the supplement's training at a rate, here and on the paper's card at the same share of its peak.

    Args:
        seconds_a_pose: Time of a training step over its batch size, seconds.
        precision: Name of the precision, for the cards' peaks.

    Returns:
        "here" and the paper's card -> hours; None for a card where a peak is not known.
    """
    here = PAPER_TRAINING.samples_per_epoch * PAPER_TRAINING.epochs * seconds_a_pose / 3600
    peak, papers = peak_flops(precision), peak_flops(precision, PAPERS_CARD)
    return {"here": here, PAPERS_CARD: None if peak is None or papers is None else here * peak / papers}
