"""Noise schedules of the diffusion process, computed in float64 (supplement, section 3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Literal, get_args

import numpy as np

from diffpose_core.structures import InvalidInput

ScheduleName = Literal["supplement", "converging"]

#: (beta_1, beta_K) of every named schedule; the betas between them are linear in k.
BETA_RANGES: dict[ScheduleName, tuple[float, float]] = {
    "supplement": (1e-4, 2e-3),
    "converging": (1e-4, 0.2),
}


@dataclass(frozen=True, eq=False)
class Schedule:
    """Share of h_0 that is left after k steps of diffusion.

    Attributes:
        name: of the schedule.
        betas: (K,) float64 in (0, 1), read-only; betas[k - 1] is beta_k of the paper.
        alphas_cumprod: (K + 1,) float64, read-only; [k] is the paper's alpha_k = prod_{i<=k}(1 - beta_i), and [0] is 1,
            so that k itself is the index.

    Raises:
        InvalidInput: wrong shapes, betas outside (0, 1), or an alphas_cumprod that isn't their product.
    """

    name: str
    betas: np.ndarray
    alphas_cumprod: np.ndarray

    def __post_init__(self) -> None:
        betas = np.array(self.betas, dtype=np.float64)
        alphas = np.array(self.alphas_cumprod, dtype=np.float64)
        if betas.ndim != 1 or betas.size == 0:
            raise InvalidInput(f"betas must be (K,) with K of at least 1, found shape {betas.shape}")
        if not ((betas > 0) & (betas < 1)).all():
            raise InvalidInput(f"betas must lie between 0 and 1, found values from {betas.min()} to {betas.max()}")
        if alphas.shape != (betas.size + 1,):
            raise InvalidInput(f"alphas_cumprod must be {(betas.size + 1,)}, found shape {alphas.shape}")
        if not np.allclose(alphas, np.concatenate([[1.0], np.cumprod(1.0 - betas)]), rtol=1e-9, atol=0):
            raise InvalidInput("alphas_cumprod must be 1 followed by the cumulated product of 1 - betas")
        betas.setflags(write=False)
        alphas.setflags(write=False)
        object.__setattr__(self, "betas", betas)
        object.__setattr__(self, "alphas_cumprod", alphas)

    @property
    def num_steps(self) -> int:
        """K, the number of diffusion steps."""
        return int(self.betas.size)


@lru_cache(maxsize=32)
def make_schedule(name: ScheduleName = "supplement", num_steps: int = 50) -> Schedule:
    """A named schedule with linear betas.

    "supplement" is the paper's (beta from 1e-4 to 2e-3, K = 50): alpha_K is about 0.949, so that h_K is still mostly
    h_0 and does not converge to the fitted GMM. "converging" (beta from 1e-4 to 0.2) ends with alpha_50 of about 0.005,
    so that h_K does. Either range is meant for K = 50.

    Args:
        name: of the schedule.
        num_steps: K.

    Raises:
        InvalidInput: the name is unknown, or there is less than one step.

    Source: supplement, section 3.
    """
    if name not in BETA_RANGES:
        raise InvalidInput(f"schedule must be one of {', '.join(get_args(ScheduleName))}, found {name!r}")
    if num_steps < 1:
        raise InvalidInput(f"num_steps must be at least 1, found {num_steps}")
    betas = np.linspace(*BETA_RANGES[name], num_steps, dtype=np.float64)
    return Schedule(name, betas, np.concatenate([[1.0], np.cumprod(1.0 - betas)]))


def ddim_steps(num_train_steps: int, num_steps: int | Sequence[int]) -> tuple[int, ...]:
    """All step numbers k that a reverse process visits, from K down to 0.

    Args:
        num_train_steps: K.
        num_steps: network calls, 1 to K, which are spread evenly; or all step numbers themselves.

    Returns:
        Descending step numbers, one more than there are network calls.

    Raises:
        InvalidInput: the count is out of range, or the numbers don't run from K down to 0.
    """
    if isinstance(num_steps, int | np.integer):
        count = int(num_steps)
        if not 1 <= count <= num_train_steps:
            raise InvalidInput(f"num_steps must lie between 1 and {num_train_steps}, found {count}")
        # Whole numbers only (round half up), so that the same steps come out on every machine.
        return tuple((2 * num_train_steps * left + count) // (2 * count) for left in range(count, -1, -1))
    given = tuple(int(k) for k in num_steps)
    descending = all(later < earlier for earlier, later in pairwise(given))
    if len(given) < 2 or (given[0], given[-1]) != (num_train_steps, 0) or not descending:
        raise InvalidInput(f"the steps must run from {num_train_steps} down to 0, found {given}")
    return given
