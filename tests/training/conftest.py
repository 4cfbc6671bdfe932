"""Fixtures of training."""

import pytest

from diffpose_core.config import UncertaintyConfig
from diffpose_core.datasets.mocap17 import load_mocap17
from diffpose_core.datasets.procedural.motion import write_procedural_dataset
from diffpose_core.datasets.sampling import PoseSampler, Variation
from diffpose_core.training.bank import build_bank


@pytest.fixture(scope="session")
def bank(tiny_models, tmp_path_factory):
    """Poses prepared for training a denoiser, with an encoder of random weights."""
    path = tmp_path_factory.mktemp("bank") / "procedural.npz"
    write_procedural_dataset(path, 4, seed=1)
    sampler = PoseSampler(load_mocap17(path), Variation())
    return build_bank(tiny_models.encoder, sampler.draw, 256, UncertaintyConfig(num_samples=200), 2, 7)
