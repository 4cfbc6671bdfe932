"""Facts that networks are told: encoded as documented, with errors as large as the spread that is told."""

import math

import pytest
import torch

from diffpose_core.config import GraformerConfig, MixSTEConfig
from diffpose_core.datasets.bodies import BodyRanges, draw_bodies
from diffpose_core.models.conditions import (
    TILT_CHANNELS,
    TOLD_CHANNELS,
    USUAL_PROPORTIONS,
    certainty,
    tell,
    tell_at_random,
)
from diffpose_core.models.graformer import Graformer
from diffpose_core.models.mixste import MixSTE

LEVEL = torch.tensor([[0.0, -1.0, 0.0]])


def generator(seed):
    return torch.Generator().manual_seed(seed)


def test_a_level_camera_and_a_usual_body_are_zeros_beside_their_certainty():
    told = tell(LEVEL, torch.tensor([USUAL_PROPORTIONS]) * 1.7, 0.05, 0.05)
    expected = torch.zeros(1, TOLD_CHANNELS)
    expected[0, TILT_CHANNELS - 1] = expected[0, -1] = 0.5
    assert torch.allclose(told, expected, atol=1e-2)


def test_usual_proportions_are_those_of_drawn_people():
    people = draw_bodies(20_000, BodyRanges(children_share=0.0), generator(0))
    mean = (people / people[:, 1:4].sum(-1, keepdim=True)).mean(0)
    assert torch.allclose(mean, torch.tensor(USUAL_PROPORTIONS), rtol=0.03)


def test_what_is_not_told_is_zero():
    assert not tell(up_view=LEVEL)[:, TILT_CHANNELS:].any()
    assert not tell(measures=torch.ones(1, 9))[:, :TILT_CHANNELS].any()


def test_only_proportions_of_a_body_count():
    body = draw_bodies(5, BodyRanges(), generator(1))
    assert torch.allclose(tell(measures=body), tell(measures=3.0 * body), atol=1e-5)


def test_certainty_falls_with_the_spread():
    assert certainty(torch.tensor(0.0)) == 1.0
    assert certainty(torch.tensor(0.05)) == pytest.approx(0.5)
    assert certainty(torch.tensor(0.2)) < 0.1


def test_training_tells_half_with_errors_of_the_spread_that_is_told():
    clips, frames = 4000, 3
    up = torch.nn.functional.normalize(LEVEL + torch.tensor([0.0, 0.0, 0.2]), dim=-1)
    told = tell_at_random(up.expand(clips * frames, 3), torch.ones(clips * frames, 9), frames, generator(2))
    told = told.unflatten(0, (clips, frames))
    assert torch.equal(told, told[:, :1].expand_as(told))  # a clip is told one thing
    tilt, body = told[:, 0, TILT_CHANNELS - 1], told[:, 0, -1]
    for known in (tilt, body):
        assert 0.47 < (known > 0).float().mean() < 0.53
    both = ((tilt > 0) & (body > 0)).float().mean()
    assert 0.22 < both < 0.28
    sure, unsure = tilt > 0.9, (tilt > 0) & (tilt < 0.1)
    x_error = 0.2 * told[:, 0, 0]  # up has no x: what is told of it is error
    assert x_error[sure].std() < 0.02
    assert x_error[unsure].std() > 0.12


@pytest.mark.parametrize(
    "network",
    [Graformer(GraformerConfig(conditions=True)), MixSTE(MixSTEConfig(receptive_field=3, conditions=True))],
    ids=["graformer", "mixste"],
)
def test_networks_take_conditions_and_find_up(network):
    pose = torch.randn(6, 17, 2, generator=generator(3))
    told = tell(LEVEL.expand(6, 3), torch.ones(6, 9))
    spatial = getattr(network, "spatial", network)
    plain = network(pose)
    assert torch.allclose(network(pose, told), plain)  # conditions begin without effect
    torch.nn.init.normal_(spatial.told.weight, std=0.5)
    assert not torch.allclose(network(pose, told), plain, atol=1e-3)
    assert torch.allclose(network(pose, torch.zeros_like(told)), plain, atol=1e-6)  # nothing told: as without
    up, std = network.up(network.features(pose))
    assert torch.allclose(up, LEVEL.expand(6, 3)) and torch.allclose(std, torch.full((6,), 0.1))
    torch.nn.init.normal_(spatial.tilt.weight, std=1.0)
    up, std = network.up(network.features(pose))
    assert torch.allclose(up.norm(dim=-1), torch.ones(6), atol=1e-5)
    assert 0.1 * math.exp(-3) * 0.99 < std.min() and std.max() < 0.1 * math.exp(2) * 1.01


def test_networks_without_conditions_ignore_them():
    network = Graformer(GraformerConfig())
    pose = torch.randn(4, 17, 2, generator=generator(4))
    assert torch.equal(network(pose, torch.ones(4, TOLD_CHANNELS)), network(pose))
    assert not [name for name in network.state_dict() if name.startswith(("told", "tilt"))]
