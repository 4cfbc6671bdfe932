"""Rows without the encoder: what is taken away is gone, and what should stay is untouched."""

from dataclasses import replace

import pytest
import torch

from diffpose_core.config import UncertaintyConfig
from diffpose_core.datasets.mocap17 import motion_set
from diffpose_core.datasets.procedural import procedural_motion
from diffpose_core.datasets.sampling import PoseSampler
from diffpose_core.evaluation.population import measure_population
from diffpose_core.lifting.encode import encode_clip
from diffpose_core.lifting.sampling import sample_hypotheses
from diffpose_core.lifting.settings import LiftSettings
from diffpose_core.rng import seeded

SETTINGS = LiftSettings(steps=2, hypotheses=3, mixed_precision=False, uncertainty=UncertaintyConfig(num_samples=200))


@pytest.fixture(scope="module")
def sampler():
    motions = [procedural_motion("walk", seed, 2.0) for seed in (1, 2)]
    return PoseSampler(motion_set(motions, 30.0, name=["a", "b"], action=["walk"] * 2))


@pytest.fixture(scope="module")
def population(tiny_models, sampler):
    return measure_population(tiny_models.encoder, sampler, 1000)


@pytest.fixture(scope="module")
def encoded(walking_clip, tiny_models):
    return encode_clip(walking_clip, tiny_models, [0, 30, 60], SETTINGS)


def other_encoder(encoded):
    """The frames as another encoder would have read them."""
    change = lambda context: replace(context, features=context.features + 1, pose_view=context.pose_view + 0.1)  # noqa: E731
    gmm = replace(encoded.gmm, means=encoded.gmm.means + 0.05)
    return replace(encoded, context=change(encoded.context), reconciled=change(encoded.reconciled), gmm=gmm)


def test_averages_are_those_of_training_views(population, sampler, tiny_models):
    batch = sampler.draw(4000, seeded("cpu", 5))
    assert torch.allclose(population.depth_m, batch.pose_view[..., 2].mean(0), atol=0.03)
    radius = batch.pose_view[..., :2].square().sum((1, 2)).sqrt() / batch.view.pose_norm.square().sum((1, 2)).sqrt()
    assert abs(population.scale_m - float(radius.mean())) < 0.02
    std = batch.pose_view[..., 2].std(0)[1:]
    guessed = population.depth.std(population.scale_m * batch.view.joint_std_norm).square().mean(0).sqrt()[1:]
    assert torch.allclose(guessed, std, rtol=0.25)
    assert population.features.shape == (17, tiny_models.encoder.network.config.channels)


def test_without_f_st_the_pose_and_h_k_stay(encoded, population, tiny_models):
    without = population.without_f_st(encoded)
    assert torch.equal(without.reconciled.pose_view, encoded.reconciled.pose_view) and without.gmm is encoded.gmm
    network = tiny_models.denoisers["diffpose"]
    found = sample_hypotheses(without, network)
    assert not torch.allclose(found, sample_hypotheses(encoded, network))
    changed = replace(encoded, reconciled=replace(encoded.reconciled, features=encoded.reconciled.features + 1))
    assert torch.equal(sample_hypotheses(population.without_f_st(changed), network), found)
    moved = replace(encoded, reconciled=replace(encoded.reconciled, pose_view=encoded.reconciled.pose_view + 0.1))
    assert not torch.allclose(sample_hypotheses(population.without_f_st(moved), network), found)


@pytest.mark.parametrize("name", ["diffpose", "diffpose_no_context"])
def test_without_the_encoder_nothing_that_it_says_matters(encoded, population, tiny_models, name):
    network, encoder = tiny_models.denoisers[name], tiny_models.encoder
    found = sample_hypotheses(population.without_encoder(encoded, encoder), network)
    again = sample_hypotheses(population.without_encoder(other_encoder(encoded), encoder), network)
    assert torch.equal(found, again)
    assert not torch.allclose(found, sample_hypotheses(encoded, network))


def test_without_the_encoder_h_k_has_the_average_depth(encoded, population, tiny_models):
    without = population.without_encoder(encoded, tiny_models.encoder)
    depth = without.samples_view[..., 2]
    assert torch.allclose(depth.mean(1), population.depth_m.expand(3, -1), atol=0.1)
    assert torch.allclose(without.context.pose_view[..., :2], population.scale_m * encoded.view.pose_norm)
