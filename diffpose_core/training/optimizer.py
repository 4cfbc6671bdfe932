"""The optimizer of a run: Adam, or Muon for the matrices inside the blocks and Adam for the rest."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from diffpose_core.config import TrainingConfig
from diffpose_core.models.blocks import GraphAttentionBlock
from diffpose_core.models.fast.bfloat16 import has_fast_bfloat16
from diffpose_core.models.mixste import TemporalBlock
from diffpose_core.models.published_graformer import PublishedBlock


def inner_matrices(module: nn.Module, temporal_only: bool = False) -> list[Tensor]:
    """Weights of the linear layers inside a network's blocks, those that map features to features.

    Args:
        module: the network, or a module that holds it.
        temporal_only: leave out the spatial blocks.

    Returns:
        The weights, (out, in) each.
    """
    kinds = (TemporalBlock,) if temporal_only else (GraphAttentionBlock, TemporalBlock, PublishedBlock)
    blocks = (block for block in module.modules() if isinstance(block, kinds))
    return [layer.weight for block in blocks for layer in block.modules() if isinstance(layer, nn.Linear)]


def orthogonalise(
    matrix: Tensor, coefficients: tuple[float, float, float], steps: int, eps: float, dtype: torch.dtype
) -> Tensor:
    """The nearest semi-orthogonal matrix, roughly: all singular values come near 1.

    Args:
        matrix: (out, in).
        coefficients: of the quintic Newton-Schulz iteration.
        steps: iterations.
        eps: smallest norm that the matrix is divided by.
        dtype: that the iterations are computed in.

    Returns:
        (out, in), in `dtype`.

    Source: Jordan et al., 2024, Muon; torch.optim.Muon does the same in bfloat16.
    """
    a, b, c = coefficients
    tall = matrix.shape[0] > matrix.shape[1]
    x = (matrix.T if tall else matrix).to(dtype)
    x = x / x.norm().clamp(min=eps)
    for _ in range(steps):
        gram = x @ x.T
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.T if tall else x


class Float32Muon(torch.optim.Muon):
    """torch's Muon with iterations in float32, for hardware that is slow in bfloat16: ten times faster there."""

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        loss = None if closure is None else torch.enable_grad()(closure)()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._update(parameter, group)
        return loss

    def _update(self, parameter: Tensor, group: dict[str, Any]) -> None:
        """Make one step of one matrix: momentum with Nesterov's look ahead, then the orthogonal direction."""
        gradient, state = parameter.grad, self.state[parameter]
        assert gradient is not None
        if "momentum_buffer" not in state:
            state["momentum_buffer"] = torch.zeros_like(gradient)
        average = state["momentum_buffer"].lerp_(gradient, 1.0 - group["momentum"])
        ahead = gradient.lerp(average, group["momentum"])
        direction = orthogonalise(ahead, group["ns_coefficients"], group["ns_steps"], group["eps"], torch.float32)
        # "match_rms_adamw": the length that Adam's steps have.
        length = 0.2 * math.sqrt(max(parameter.shape))
        parameter.add_(direction.to(parameter.dtype), alpha=-group["lr"] * length)


class MuonAndAdam(torch.optim.Optimizer):
    """Muon for some parameters and Adam for the others, as one optimizer.

    Args:
        matrices: parameters of Muon, (out, in) each.
        rate: learning rate of Muon. Its steps are scaled to the length of Adam's (`match_rms_adamw`).
        adam: the optimizer of all other parameters.
    """

    def __init__(self, matrices: list[Tensor], rate: float, adam: torch.optim.Optimizer) -> None:
        kind = torch.optim.Muon if has_fast_bfloat16(matrices[0].device.type) else Float32Muon
        muon = kind(matrices, lr=rate, weight_decay=0.0, adjust_lr_fn="match_rms_adamw")
        self._parts = (muon, adam)
        super().__init__([*muon.param_groups, *adam.param_groups], {})

    def step(self, closure: Any = None) -> Any:
        loss = None if closure is None else torch.enable_grad()(closure)()
        for part, group in zip(self._parts, self.param_groups, strict=True):
            # Loading a state replaces the groups and the state, so both are handed on before each step.
            part.param_groups, part.state = [group], self.state
            part.step()
        return loss


def make_optimizer(module: nn.Module, config: TrainingConfig) -> torch.optim.Optimizer:
    """The optimizer of a module's parameters, after its training recipe."""
    matrices = inner_matrices(module, config.muon_blocks == "temporal") if config.muon_factor else []
    of_muon = {id(matrix) for matrix in matrices}
    others = [p for p in module.parameters() if id(p) not in of_muon]
    adam = torch.optim.Adam(others, lr=config.learning_rate, weight_decay=config.weight_decay)
    if not matrices:
        return adam
    return MuonAndAdam(matrices, config.muon_factor * config.learning_rate, adam)


def make_scheduler(optimizer: torch.optim.Optimizer, config: TrainingConfig) -> torch.optim.lr_scheduler.LambdaLR:
    """The learning rate's schedule: a linear warm-up, then a decay every few epochs."""
    steps_per_epoch = max(1, config.samples_per_epoch // config.batch_size)

    def factor(step: int) -> float:
        warm = min(1.0, (step + 1) / max(1, config.warmup_steps))
        return warm * config.learning_rate_decay ** (step // (steps_per_epoch * config.decay_every_epochs))

    return torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
