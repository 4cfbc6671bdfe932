"""The Graformer as published: its layers against the paper's formulas, and its way through training and files."""

import numpy as np
import pytest
import torch

from diffpose_core.config import PublishedGraformerConfig
from diffpose_core.io.checkpoints import Record, encoder_tensors, load_encoder, save_checkpoint
from diffpose_core.models.context import Context, ContextEncoder
from diffpose_core.models.encoders import ENCODER_KINDS, build_encoder, encoder_kind, takes_conditions
from diffpose_core.models.published_graformer import LearnableGCN, PublishedChebConv, PublishedGraformer
from diffpose_core.presets import PRESETS
from diffpose_core.skeleton import adjacency
from diffpose_core.structures import InvalidInput
from diffpose_core.uncertainty.indeterminate import DepthResidual

SMALL = PublishedGraformerConfig(channels=16, num_blocks=2)


@pytest.fixture
def network():
    torch.manual_seed(0)
    return PublishedGraformer(SMALL).eval()


def test_size_is_that_of_the_released_network():
    """0.65 million parameters are what width 96 and five layers give with seventeen joints."""
    c, blocks, order = 96, 5, 2
    cheb = (order + 1) * c * c + c
    block = 4 * c + 4 * (c * c + c) + 17 * 17 + (2 * c * c + 2 * c) + (2 * c * c + c) + 2 * cheb
    ends = (order + 1) * 2 * c + c + (order + 1) * c * 3 + 3
    built = PublishedGraformer(PublishedGraformerConfig())
    assert sum(p.numel() for p in built.parameters()) == blocks * block + ends


def test_chebyshev_convolution_is_on_the_plain_laplacian():
    graph = adjacency().astype(np.float64) + np.eye(17)
    graph /= graph.sum(1, keepdims=True)
    laplacian = np.eye(17) - graph  # rows sum to 1, so D is the identity
    layer = PublishedChebConv(3, 5, 2)
    x = torch.randn(4, 17, 3, generator=torch.Generator().manual_seed(1))
    weights = layer.linear.weight.detach().double().numpy().reshape(5, 3, 3)
    powers = [np.eye(17), laplacian, 2 * laplacian @ laplacian - np.eye(17)]
    expected = sum(t @ x.double().numpy() @ weights[:, k].T for k, t in enumerate(powers))
    assert np.allclose(layer(x).detach().numpy(), expected + layer.linear.bias.detach().numpy(), atol=1e-5)


def test_learnable_gcn_starts_with_every_joint_alone_and_normalises_what_it_learns():
    layer = LearnableGCN(8)
    x = torch.randn(3, 17, 8, generator=torch.Generator().manual_seed(2))
    alone = layer.narrow(torch.relu(layer.wide(x)))
    assert torch.allclose(layer(x), alone, atol=1e-4)
    with torch.no_grad():
        layer.adjacency.copy_(torch.rand(17, 17, generator=torch.Generator().manual_seed(3)))
        root = layer.adjacency.sum(1).rsqrt()
        mix = root[:, None] * layer.adjacency * root[None]
        expected = layer.narrow(mix @ torch.relu(layer.wide(mix @ x)))
    assert torch.allclose(layer(x), expected, atol=1e-4)
    with torch.no_grad():
        layer.adjacency[3] = -1.0  # a row without a root
    assert torch.isfinite(layer(x)).all()


def test_every_frame_stands_alone_and_the_hip_is_at_the_origin(network):
    pose = torch.randn(6, 17, 2, generator=torch.Generator().manual_seed(4))
    found = network(pose)
    assert found.shape == (6, 17, 3) and not found[:, 0].any()
    assert torch.allclose(network(pose[2:3]), found[2:3], atol=1e-5)
    assert torch.equal(network.features(pose, torch.ones(6, 14)), network.features(pose))


def test_a_checkpoint_comes_back_as_the_same_network(network, tmp_path):
    encoder = ContextEncoder(network, DepthResidual(torch.eye(17), torch.ones(17), torch.ones(17)))
    assert (encoder.name, encoder.title) == ("graformer_published", "Graformer as published")
    config = {"channels": 16, "num_blocks": 2}
    record = Record(encoder.name, encoder.name, config, {}, "random", "none", 0, {}, "Apache-2.0")
    save_checkpoint(tmp_path / "g.safetensors", encoder_tensors(encoder), record)
    again, _ = load_encoder(tmp_path / "g.safetensors")
    pose = torch.randn(2, 17, 2, generator=torch.Generator().manual_seed(5))
    with torch.no_grad():
        assert torch.equal(again.network(pose), network(pose))
    with pytest.raises(InvalidInput, match="without the camera's tilt"):
        again.up(Context(network.features(pose), network(pose)))


def test_kinds_know_their_networks():
    for kind, (config, _) in ENCODER_KINDS.items():
        built = build_encoder(config())
        assert encoder_kind(built) == kind and not takes_conditions(built)
    assert takes_conditions(build_encoder(PRESETS["graformer"].network))
