"""The diffusion network g: what it reads, and what it predicts before it is trained."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from diffpose_core.config import DenoiserConfig
from diffpose_core.models.denoiser import Conditioning, Denoiser, gmm_features
from diffpose_core.models.layers import root_relative
from tests.models.networks import denoiser, inputs


def test_what_a_denoiser_is_told_matters():
    network = denoiser()
    x, k, conditioning = inputs()
    base = network(x, k, conditioning)
    found = [network(x + 0.1, k, conditioning), network(x, torch.full_like(k, 20), conditioning)]
    for name in ("features", "gmm", "heatmaps"):
        found.append(network(x, k, replace(conditioning, **{name: getattr(conditioning, name) + 0.1})))
    for changed in found:
        assert (changed - base).abs().max() > 1e-4


@pytest.mark.parametrize("anchor", ["context", "mixture"])
def test_where_the_head_says_nothing_a_new_denoiser_predicts_its_anchor(anchor):
    network = Denoiser(DenoiserConfig(channels=32, context_channels=16, num_blocks=1, anchor=anchor))
    torch.nn.init.zeros_(network.head.linear.weight)
    torch.nn.init.zeros_(network.head.linear.bias)
    x, k, conditioning = inputs()
    cached = conditioning.pose if anchor == "context" else root_relative(conditioning.gmm[..., 6:9])
    assert torch.allclose(network(x, k, conditioning), cached, atol=1e-6)


def test_one_step_number_serves_a_whole_batch():
    network = denoiser()
    x, _, conditioning = inputs()
    assert torch.allclose(
        network(x, torch.tensor(9), conditioning), network(x, torch.full((4,), 9), conditioning), atol=1e-6
    )


def test_a_denoiser_that_is_given_nothing_reads_h_k_and_k():
    network = denoiser(conditioning="none", anchor="none", use_context=False)
    x, k, _ = inputs()
    with torch.enable_grad():
        slow = network(x, k, Conditioning())
    assert slow.shape == x.shape
    with torch.no_grad():
        each = [network(x[row : row + 1], int(k[row]), Conditioning()) for row in range(len(x))]
        assert torch.allclose(network(x, k, Conditioning()), slow, atol=1e-5)
        assert torch.allclose(torch.cat(each), slow, atol=1e-5)
        assert not torch.allclose(network(x, 9, Conditioning()), slow, atol=1e-2)


def test_without_context_the_context_is_not_read_and_with_it_it_is_needed():
    x, k, conditioning = inputs()
    without = denoiser(use_context=False, anchor="mixture")
    assert torch.equal(without(x, k, replace(conditioning, features=None, pose=None)), without(x, k, conditioning))
    for name in ("features", "pose", "gmm", "heatmaps"):
        with pytest.raises(ValueError, match=f"given {name}"):
            denoiser()(x, k, replace(conditioning, **{name: None}))
    paper = denoiser(conditioning="none", anchor="none")
    assert paper(x, k, Conditioning(conditioning.features)).shape == (4, 17, 3)


def test_the_denoiser_without_context_has_the_size_of_the_one_with():
    def size(network: nn.Module) -> int:
        return sum(p.numel() for p in network.parameters())

    with_context, without = Denoiser(DenoiserConfig()), Denoiser(DenoiserConfig(use_context=False, anchor="mixture"))
    assert abs(size(with_context) / size(without) - 1) < 0.1


def test_gmm_features_are_laid_out_as_described():
    parts = [torch.full((2, 17, 3), float(i)) for i in range(4)]
    found = gmm_features(*parts)
    assert found.shape == (2, 17, 12)
    assert torch.equal(found[0, 0], torch.arange(4.0).repeat_interleave(3))
