"""Noise that is correlated over the frames of a clip: a first-order autoregressive process."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor


def autoregressive(noise: Tensor, persistence: float) -> Tensor:
    """Turn white noise into a first-order autoregressive process of the same variance.

    Args:
        noise: (B, F, ...), overwritten.
        persistence: correlation of a frame with the next one.
    """
    if noise.shape[1] == 1:
        return noise
    # x_f = persistence x_{f-1} + innovation noise_f, starting at the process's own distribution.
    noise[:, 1:] *= math.sqrt(1.0 - persistence**2)
    from scipy.signal import lfilter  # takes longer to load than the rest of this package

    filtered = lfilter([1.0], [1.0, -persistence], noise.cpu().numpy(), axis=1)
    return torch.from_numpy(filtered.astype(np.float32)).to(noise.device)


class CorrelatedNoise:
    """Noise that is correlated over the frames of a batch of clips: an autoregressive process.

    Args:
        size, frames: B and F.
        persistence: correlation of a frame with the next one.
        generator: decides every draw.
        device: of the draws.
    """

    def __init__(
        self, size: int, frames: int, persistence: float, generator: torch.Generator, device: torch.device
    ) -> None:
        self._axes, self._persistence, self._generator, self._device = (size, frames), persistence, generator, device

    def normal(self, *shape: int) -> Tensor:
        """Unit-variance Gaussian noise (B, F, *shape)."""
        noise = torch.randn(*self._axes, *shape, generator=self._generator, device=self._device)
        return autoregressive(noise, self._persistence)

    def uniform(self, *shape: int) -> Tensor:
        """The same, uniform in [0, 1]."""
        return torch.special.ndtr(self.normal(*shape))
