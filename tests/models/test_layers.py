"""The layers of the networks, against loops."""

import numpy as np
import pytest
import torch

from diffpose_core.models.fast import attention
from diffpose_core.models.layers import (
    ChebConv,
    GraphConv,
    SelfAttention,
    chebyshev_basis,
    normalised_adjacency,
    root_relative,
)
from diffpose_core.skeleton import BONES, adjacency
from tests.models.networks import fill, randn


def test_chebyshev_basis_is_numpys_polynomial_of_the_laplacian():
    matrix = adjacency().astype(np.float64)
    degree = matrix.sum(1)
    laplacian = np.eye(17) - matrix / np.sqrt(np.outer(degree, degree))
    values, vectors = np.linalg.eigh(laplacian)
    rescaled = 2 * values / values.max() - 1
    basis = chebyshev_basis(4).numpy()
    for order in range(5):
        polynomial = np.polynomial.Chebyshev.basis(order)
        expected = vectors @ np.diag(polynomial(rescaled)) @ vectors.T
        assert np.allclose(basis[order], expected, atol=1e-6)


def test_normalised_adjacency_by_hand():
    expected = np.eye(17)
    for a, b in BONES:
        expected[a, b] = expected[b, a] = 1
    degree = expected.sum(1)
    expected = expected / np.sqrt(np.outer(degree, degree))
    assert np.allclose(normalised_adjacency().numpy(), expected, atol=1e-6)


def test_cheb_conv_is_the_sum_over_orders_and_joints():
    layer, x = fill(ChebConv(3, 5, order=3)), randn(2, 17, 3)
    basis, weight, bias = chebyshev_basis(3).numpy(), layer.linear.weight.detach().numpy(), layer.linear.bias
    expected = np.zeros((2, 17, 5))
    for b in range(2):
        for j in range(17):
            expected[b, j] = bias.detach().numpy()
            for order in range(4):
                mixed = sum(basis[order, j, i] * x[b, i].numpy() for i in range(17))
                expected[b, j] += weight[:, 3 * order : 3 * order + 3] @ mixed
    assert np.allclose(layer(x).detach().numpy(), expected, atol=1e-5)


@pytest.mark.parametrize(("channels_in", "channels_out"), [(3, 6), (6, 3), (4, 4)])
def test_graph_conv_mixes_joints_by_its_adjacency_and_channels_by_its_weight(channels_in, channels_out):
    layer, x = fill(GraphConv(channels_in, channels_out)), randn(2, 17, channels_in)
    mixing, weight = layer.adjacency.detach().numpy(), layer.linear.weight.detach().numpy()
    expected = np.zeros((2, 17, channels_out))
    for b in range(2):
        for j in range(17):
            mixed = sum(mixing[j, i] * x[b, i].numpy() for i in range(17))
            expected[b, j] = weight @ mixed + layer.linear.bias.detach().numpy()
    assert np.allclose(layer(x).detach().numpy(), expected, atol=1e-5)


def test_graph_conv_starts_at_the_skeleton():
    assert torch.equal(GraphConv(3, 4).adjacency.detach(), normalised_adjacency())


@pytest.mark.parametrize("amx", [True, False])
@pytest.mark.parametrize("sequences", [3, 40])
def test_attention_that_trains_is_attention_that_predicts(sequences, amx, monkeypatch):
    monkeypatch.setattr(attention, "has_amx", lambda: amx)
    layer, x = fill(SelfAttention(16, 4)), randn(sequences, 17, 16)
    with torch.no_grad():
        fused = layer(x)
    assert torch.allclose(layer(x), fused, atol=1e-6)
    # ... and all are the published formula, head by head.
    query, key, value = layer.qkv(x).chunk(3, dim=-1)
    heads = []
    for h in range(4):
        part = slice(4 * h, 4 * h + 4)
        scores = query[..., part] @ key[..., part].mT / 4**0.5
        heads.append(scores.softmax(-1) @ value[..., part])
    assert torch.allclose(layer.out(torch.cat(heads, -1)), fused, atol=1e-6)


def test_attention_needs_heads_that_divide_its_channels():
    with pytest.raises(ValueError, match="multiple of num_heads"):
        SelfAttention(10, 4)


def test_root_relative_reads_nothing_that_was_overwritten():
    pose = randn(5, 4, 17, 3)
    kept = pose.clone()
    moved = root_relative(pose)
    assert torch.equal(pose, kept)
    expected = np.stack([[p - p[0] for p in clip] for clip in kept.numpy()])
    assert np.array_equal(moved.numpy(), expected)
