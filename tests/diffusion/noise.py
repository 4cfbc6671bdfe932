"""Noise of standard diffusion for tests."""

import torch


def standard_noise(generator):
    """A noise source of draws of N(0, I)."""
    return lambda like: torch.randn(like.shape, generator=generator, dtype=like.dtype)
