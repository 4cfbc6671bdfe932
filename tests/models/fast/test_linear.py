"""Layers without gradients, by every library: the same products, gradients and windows."""

import numpy as np
import torch
from torch import nn

from diffpose_core.config import MixSTEConfig
from diffpose_core.models.fast.linear import Linear, linear_without_gradient
from diffpose_core.models.mixste import MixSTE
from tests.models.networks import fill, randn


def test_a_librarys_speed_does_not_change_a_product(library):
    x, weight, bias = randn(40, 17, 32), randn(24, 32, seed=1), randn(24, seed=2)
    with torch.no_grad():
        found = linear_without_gradient(x, weight, bias)
    expected = x.numpy().astype(np.float64) @ weight.numpy().T.astype(np.float64) + bias.numpy()
    assert np.allclose(found.numpy(), expected, atol=1e-4)
    assert linear_without_gradient(x.double(), weight.double()).dtype == torch.float64


def test_gradients_are_those_of_a_plain_layer(library):
    layer, plain = Linear(32, 24), nn.Linear(32, 24)
    plain.load_state_dict(layer.state_dict())
    x, wanted = randn(40, 17, 32), randn(40, 17, 24, seed=1)
    found = []
    for network in (layer, plain):
        conditioning = x.clone().requires_grad_()
        output = network(conditioning)
        (output.sin() * wanted).sum().backward()
        found.append((output, conditioning.grad, network.weight.grad, network.bias.grad))
        network.zero_grad()
        network(x).sum().backward()  # x without a gradient; its own is the same number everywhere
        found[-1] += (network.weight.grad.clone(), network.bias.grad.clone())
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-3, rtol=1e-4)


def test_windows_give_without_gradients_what_they_give_with_them(library):
    network = fill(MixSTE(MixSTEConfig(receptive_field=9, channels=16, num_blocks=2, num_heads=2)))
    x = randn(4 * 9, 17, 2)
    with torch.no_grad():
        found = network(x)
    assert torch.allclose(network(x), found, atol=1e-5)
