"""Promises of all networks about poses, and stored outputs."""

import copy

import numpy as np
import pytest
import torch

from diffpose_core.config import GraformerConfig
from diffpose_core.models.context import ContextEncoder
from diffpose_core.models.graformer import Graformer
from diffpose_core.skeleton import JOINT_NAMES
from diffpose_core.uncertainty.indeterminate import DepthResidual
from diffpose_core.uncertainty.view import normalise_view
from tests.models.networks import DENOISERS, denoiser, graformer, inputs, randn, rows


def test_every_pose_that_comes_out_is_root_relative():
    assert graformer()(randn(4, 17, 2))[:, 0].abs().max() < 1e-6
    for changes in DENOISERS.values():
        assert denoiser(**changes)(*inputs())[:, 0].abs().max() < 1e-6
    noise = denoiser(prediction_type="noise", anchor="none")(*inputs())
    assert noise[:, 0].abs().max() > 1e-3, "noise is not a pose: the hip has some too"


@pytest.mark.parametrize("changes", DENOISERS.values(), ids=DENOISERS)
def test_a_denoisers_result_does_not_depend_on_the_rest_of_the_batch(changes):
    network = denoiser(**changes).double()
    x, k, conditioning = inputs(dtype=torch.float64)
    whole = network(x, k, conditioning)
    for i in range(4):
        row = slice(i, i + 1)
        # The output is float32 whatever the weights are.
        alone = network(x[row], k[row], rows(conditioning, row))
        assert torch.allclose(whole[row], alone, atol=1e-6)


def test_the_encoders_result_does_not_depend_on_the_rest_of_the_batch():
    network, x = graformer(), randn(4, 17, 2)
    whole = network(x)
    for i in range(4):
        assert torch.allclose(whole[i : i + 1], network(x[i : i + 1]), atol=1e-5)


@pytest.mark.parametrize("changes", DENOISERS.values(), ids=DENOISERS)
def test_nothing_that_goes_in_is_modified(changes):
    arguments = inputs()
    kept = copy.deepcopy(arguments)
    denoiser(**changes)(*arguments)
    assert all(torch.equal(a, b) for a, b in zip(arguments[:2], kept[:2], strict=True))
    for name in ("features", "pose", "gmm", "heatmaps"):
        assert torch.equal(getattr(arguments[2], name), getattr(kept[2], name))
    x = randn(4, 17, 2)
    kept_x = x.clone()
    graformer()(x)
    assert torch.equal(x, kept_x)


def test_a_joint_embedding_tells_joints_apart_that_stand_alike():
    # Of a new network the graph alone says where a joint is, and left is as right there.
    left, right = (JOINT_NAMES.index(f"{side}Foot") for side in "LR")
    for embedding in (False, True):
        torch.manual_seed(0)
        network = Graformer(GraformerConfig(channels=16, num_blocks=1, num_heads=2, joint_embedding=embedding))
        features = network.features(torch.zeros(1, 17, 2))[0]
        assert torch.allclose(features[left], features[right], atol=1e-5) != embedding


def test_a_frozen_encoder_gives_its_feature_its_pose_and_h_k():
    network = graformer().requires_grad_(False)
    depth = DepthResidual(torch.eye(17), torch.full((17,), 0.01), torch.zeros(17))
    means = 500 + 100 * randn(3, 17, 1, 2)
    view = normalise_view(torch.ones(3, 17, 1), means, torch.full_like(means, 9.0), None)
    context = ContextEncoder(network, depth).encode(view)
    assert context.features.shape == (3, 17, 16)
    assert torch.allclose(context.pose_view, network(view.pose_norm), atol=1e-6)
    assert torch.equal(context[1:].pose_view, context.pose_view[1:])
    assert not context.features.requires_grad


#: What the seeded networks below gave in float64 when they were first tested: a change of any layer changes these.
GOLDEN = {
    "graformer": [[0.15629, -0.035157, -0.082879], [0.171447, -0.047225, -0.125114], [0.194536, 0.038633, -0.260247]],
    "denoiser": [[-0.083576, 2.05485, -2.704697], [-0.128935, 2.04911, -0.078623], [-0.310152, 2.542636, -0.258819]],
    "no_context": [
        [-0.112156, -2.269735, 0.236832],
        [-0.917029, -1.526904, 0.330284],
        [-0.358015, -0.258654, -1.643933],
    ],
    "paper": [[-0.097595, 0.014539, 0.122916], [-0.176786, -0.087831, 0.233949], [-0.117692, -0.143348, 0.352301]],
}


@pytest.mark.parametrize("name", ["graformer", "denoiser", "no_context", "paper"])
def test_stored_outputs(name):
    if name == "graformer":
        output = graformer().double()(randn(1, 17, 2, seed=4, dtype=torch.float64))
    else:
        output = denoiser(**DENOISERS.get(name, {})).double()(*inputs(1, torch.float64))
    found = output[0, [3, 10, 16]].detach().numpy()
    assert np.allclose(found, GOLDEN[name], atol=1e-5), found.round(6).tolist()
