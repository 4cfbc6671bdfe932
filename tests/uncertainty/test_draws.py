"""Random numbers that are drawn once give what drawing them every time gives."""

from __future__ import annotations

import torch

from diffpose_core.rng import seeded
from diffpose_core.uncertainty.draws import drawn_once
from diffpose_core.uncertainty.fit_gmm import fit_gmm_batch


def test_it_draws_once_and_leaves_the_generator_where_drawing_does():
    calls = 0

    def draw(generator, count):
        nonlocal calls
        calls += 1
        return (torch.randn(count, generator=generator), torch.rand(2, generator=generator))

    for times in range(1, 4):
        kept, drawn = seeded("cpu", 5), seeded("cpu", 5)
        for got, expected in zip(drawn_once(draw, kept, 6), draw(drawn, 6), strict=True):
            assert torch.equal(got, expected)
        assert torch.equal(kept.get_state(), drawn.get_state())
        assert calls == times + 1  # by itself each time, for what is kept once
    assert len(drawn_once(draw, seeded("cpu", 5), 7)[0]) == 7
    assert not torch.equal(drawn_once(draw, seeded("cpu", 6), 6)[0], drawn_once(draw, seeded("cpu", 5), 6)[0])


def test_seeds_that_frames_share_are_the_generators():
    samples = torch.randn(1, 60, 3, generator=seeded("cpu", 1))
    for _ in range(2):  # the second time from what was kept
        kept, drawn = seeded("cpu", 2), seeded("cpu", 2)
        shared = fit_gmm_batch(samples, 3, kept, shared_seeds=True)
        assert torch.equal(shared.means, fit_gmm_batch(samples, 3, drawn).means)
        assert torch.equal(kept.get_state(), drawn.get_state())


def test_what_is_kept_serves_training():
    with torch.inference_mode():
        (numbers,) = drawn_once(lambda generator: (torch.rand(3, generator=generator),), seeded("cpu", 3))
    weight = torch.ones(3, requires_grad=True)
    (weight * numbers).sum().backward()
    assert torch.equal(weight.grad, numbers)
