"""Fast inference gives what the plain networks give."""

import copy
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from diffpose_core.models.fast import attention
from diffpose_core.models.fast.bfloat16 import PackedLinear
from diffpose_core.models.fast.denoiser_cache import _BLOCK_POSES, fast_denoiser
from tests.models.networks import DENOISERS, denoiser, graformer, inputs, randn


@pytest.mark.parametrize("form", DENOISERS)
def test_inference_gives_what_training_would(form, library, monkeypatch):
    """Without gradients other kernels run, in blocks, and the conditions are looked at once: the answers stay."""
    monkeypatch.setitem(_BLOCK_POSES, torch.float32, 32)
    network = denoiser(**DENOISERS[form])
    x, _, conditioning = inputs(70)
    steps = torch.arange(70) % 50 + 1
    with torch.enable_grad():
        slow, slow_at_9 = network(x, steps, conditioning), network(x, torch.full((70,), 9), conditioning)
    with torch.no_grad():
        fast = fast_denoiser(network)
        cached = fast.cache_conditioning(conditioning)
        assert torch.allclose(network(x, steps, conditioning), slow, atol=1e-5)
        assert torch.allclose(fast.predict(x, steps, cached), slow, atol=1e-5)
        assert torch.allclose(fast.predict(x, 9, cached), slow_at_9, atol=1e-5)
        # Announced steps have a way of their own; others, and a row of steps, still have the usual one.
        announced = fast.cache_conditioning(conditioning, steps=(50, 9, 3))
        assert announced.first_block is not None
        assert torch.allclose(fast.predict(x, 9, announced), slow_at_9, atol=1e-5)
        assert torch.allclose(fast.predict(x, steps, announced), slow, atol=1e-5)
        not_announced = fast.predict(x, 10, announced)
        assert torch.equal(not_announced, fast.predict(x, 10, cached)) and not torch.equal(not_announced, slow_at_9)


@pytest.mark.parametrize("amx", [True, False])
@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize("form", DENOISERS)
def test_bfloat16_moves_poses_by_little(form, fused, amx, monkeypatch):
    if fused and not PackedLinear.available():
        pytest.skip("this torch or this processor has no fused bfloat16 layers")
    monkeypatch.setattr(PackedLinear, "available", lambda: fused)
    monkeypatch.setattr(attention, "has_amx", lambda: amx)
    monkeypatch.setitem(_BLOCK_POSES, torch.bfloat16, 32)
    network = denoiser(**DENOISERS[form])
    x, _, conditioning = inputs(70)
    with torch.no_grad():
        exact, fast = network(x, 9, conditioning), fast_denoiser(network, bfloat16=True)
        answers = (
            fast.predict(x, 9, fast.cache_conditioning(conditioning)),
            fast.predict(x, 9, fast.cache_conditioning(conditioning, steps=(50, 9))),
        )
    assert all(isinstance(block.project, PackedLinear) == fused for block in fast.blocks)
    # bfloat16 keeps 8 bits: a few of its roundings add up in what the blocks say.
    said = exact - (network.anchor_pose(conditioning) if network.config.anchor != "none" else 0.0)
    for rounded in answers:
        error = (rounded - exact).square().mean().sqrt() / said.square().mean().sqrt()
        assert 0 < error < 0.02


def test_inference_follows_the_weights_also_those_of_a_copy():
    network, x = graformer(), randn(4, 17, 2)
    with torch.no_grad():
        before = network(x)
        copied = copy.deepcopy(network)
        for weight in copied.parameters():
            weight.mul_(0.5)
        changed = copied(x)
        assert torch.equal(network(x), before) and not torch.allclose(changed, before)
        network.load_state_dict(copied.state_dict())
        assert torch.equal(network(x), changed)
    assert torch.allclose(network(x), changed, atol=1e-5)
    # ... and a denoiser's, of a kept sum of what goes into its first block too.
    g, (x, _, conditioning) = denoiser(), inputs(40)
    with torch.no_grad():
        fast_denoiser(g).predict(x, 9, fast_denoiser(g).cache_conditioning(conditioning, steps=(9, 5)))
        for weight in g.parameters():
            weight.mul_(0.5)
        changed = fast_denoiser(g).predict(x, 9, fast_denoiser(g).cache_conditioning(conditioning, steps=(9, 5)))
    assert torch.allclose(g(x, 9, conditioning), changed, atol=1e-5)


def test_threads_share_a_network_with_different_numbers_of_poses():
    """Buffers that a layer keeps for a number of poses never reach a thread with another number."""
    network = graformer()
    batches = [randn(count, 17, 2, seed=count) for count in (1, 2, 3, 5)]
    with torch.no_grad():
        right = [network(x) for x in batches]

    def many(number):
        with torch.no_grad():
            return all(torch.allclose(network(batches[number]), right[number], atol=1e-5) for _ in range(200))

    with ThreadPoolExecutor(len(batches)) as pool:
        assert all(pool.map(many, range(len(batches))))


@pytest.mark.parametrize("rounded", [False, True])
def test_a_denoiser_that_knows_its_steps_gives_a_clip_the_same_whatever_else_is_in_it(rounded):
    fast = fast_denoiser(denoiser(), rounded)
    x, _, conditioning = inputs(40)
    with torch.no_grad():
        cached = fast.cache_conditioning(conditioning, steps=(20, 9))
        whole, part = fast.predict(x, 9, cached), fast.predict(x[8:30], 9, cached[8:30])
    assert cached.first_block is not None
    assert torch.allclose(whole[8:30], part, atol=2e-2 if rounded else 1e-5)


def test_the_bfloat16_copies_are_made_once_and_follow_the_weights():
    network, (x, _, conditioning) = denoiser(), inputs()

    def predicted():
        fast = fast_denoiser(network, bfloat16=True)
        return fast.predict(x, 9, fast.cache_conditioning(conditioning))

    blocks, before = fast_denoiser(network, bfloat16=True).blocks, predicted()
    assert fast_denoiser(network, bfloat16=True).blocks is blocks
    assert fast_denoiser(denoiser(), bfloat16=True).blocks is not blocks
    with torch.no_grad():
        network.blocks[-1].graph_out.linear.weight *= 2
    assert not torch.equal(predicted(), before)
    assert torch.allclose(predicted(), network(x, 9, conditioning), atol=0.05)
    assert all(p.dtype == torch.float32 for p in network.parameters())
