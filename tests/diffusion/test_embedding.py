"""The step embedding against its formula, in plain Python."""

import math

import pytest
import torch

from diffpose_core.diffusion.embedding import step_embedding
from diffpose_core.structures import InvalidInput


@pytest.mark.parametrize("k", [0, 1, 7, 50])
def test_every_value_follows_the_formula(k):
    embedding = step_embedding(k)
    assert embedding.shape == (256,) and embedding.dtype == torch.float32
    for j in range(128):
        angle = k / 10000 ** (2 * j / 256)
        assert math.isclose(float(embedding[2 * j]), math.sin(angle), abs_tol=1e-7)
        assert math.isclose(float(embedding[2 * j + 1]), math.cos(angle), abs_tol=1e-7)


def test_a_tensor_of_steps_gives_a_row_each():
    k = torch.tensor([[1, 2, 3], [10, 20, 50]])
    embedding = step_embedding(k, dim=8)
    assert embedding.shape == (2, 3, 8)
    assert torch.equal(embedding[1, 2], step_embedding(50, dim=8))


@pytest.mark.parametrize("dim", [0, 7])
def test_an_odd_width_is_told(dim):
    with pytest.raises(InvalidInput, match=f"even and at least 2, found {dim}"):
        step_embedding(1, dim=dim)


def test_the_smallest_width_is_one_sine_and_its_cosine():
    assert torch.allclose(step_embedding(1, dim=2), torch.tensor([math.sin(1), math.cos(1)]))
