"""The reverse process of encoded frames with small random networks."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch

from diffpose_core.diffusion import forward
from diffpose_core.diffusion.forward import q_sample
from diffpose_core.diffusion.reverse import to_x_start
from diffpose_core.diffusion.schedule import make_schedule
from diffpose_core.lifting.encode import context_for, encode_clip
from diffpose_core.lifting.lift import lift
from diffpose_core.lifting.sampling import reverse_steps, reverse_trace, reverse_traces
from diffpose_core.lifting.settings import LiftSettings
from diffpose_core.models.denoiser import Denoiser
from diffpose_core.models.fast import denoiser_cache
from diffpose_core.structures import InvalidInput
from tests.lifting.helpers import FEW


def test_more_hypotheses_begin_with_the_same_ones_when_only_few_numbers_are_drawn(clip, tiny_models):
    """The start poses of one frame are draws of its fitted GMM: their mean and spread are the GMM's."""
    encoded = encode_clip(clip, tiny_models, [2], LiftSettings(uncertainty=FEW))
    trace = reverse_trace(encoded, tiny_models.denoisers["diffpose"], LiftSettings(steps=1, hypotheses=200))
    start = torch.from_numpy(trace.samples[0, 0]).flatten(1)
    gmm = encoded.gmm_cam
    std = gmm.covariance[0].diagonal().sqrt()
    error = (start.mean(0) - gmm.mean[0])[3:] / std[3:]
    assert error.abs().max() < 5 / 200**0.5
    assert torch.allclose(start.std(0)[3:], std[3:], rtol=0.3)


def test_a_lifted_pose_is_where_its_trace_ends(clip, tiny_models):
    settings = LiftSettings(steps=4, hypotheses=3, seed=2, eta=0.3, uncertainty=FEW)
    encoded = encode_clip(clip, tiny_models, settings=settings)
    traces = reverse_traces(encoded, tiny_models, settings)
    for label, context in (("context", True), ("no_context", False)):
        result = lift(clip, tiny_models, replace(settings, context=context), trace=True)
        plain = lift(clip, tiny_models, replace(settings, context=context))
        trace = traces[label]
        assert trace.samples.shape == trace.pred_x_start.shape == (6, 5, 3, 17, 3)
        assert list(trace.k) == [50, 38, 25, 13, 0]
        assert np.allclose(result.hypotheses, trace.samples[:, -1], atol=1e-6)
        assert np.allclose(result.trace.samples, trace.samples, atol=1e-6)
        assert np.allclose(plain.hypotheses, result.hypotheses, atol=1e-6)
        assert np.array_equal(trace.samples[:, -1], trace.pred_x_start[:, -1])
    assert np.array_equal(traces["context"].samples[:, 0], traces["no_context"].samples[:, 0]), "the same start"
    assert not np.allclose(traces["context"].samples[:, -1], traces["no_context"].samples[:, -1], atol=1e-4)


def test_eta_adds_noise_on_the_way(clip, tiny_models):
    settings = LiftSettings(steps=5, hypotheses=2, uncertainty=FEW)
    smooth, noisy = (lift(clip, tiny_models, replace(settings, eta=eta), trace=True) for eta in (0.0, 1.0))
    assert np.array_equal(smooth.trace.samples[:, 0], noisy.trace.samples[:, 0])
    assert not np.allclose(smooth.trace.samples[:, 1], noisy.trace.samples[:, 1], atol=1e-4)


def test_a_network_that_predicts_the_previous_step_gives_root_relative_poses_too(clip, tiny_models):
    encoded = encode_clip(clip, tiny_models, [0, 1], LiftSettings(uncertainty=FEW))
    trace = reverse_trace(encoded, tiny_models.denoisers["diffpose_paper"], LiftSettings(steps=50, hypotheses=2))
    assert trace.samples.shape == (2, 51, 2, 17, 3)
    for states in (trace.samples, trace.pred_x_start):
        assert np.isfinite(states).all() and np.abs(states[..., 0, :]).max() < 1e-6


@pytest.mark.parametrize("conditioning", ["none", "gmm+heatmaps"])
def test_a_regression_network_takes_one_step_without_noise(tiny_models, walking_clip, conditioning):
    config = replace(tiny_models.denoisers["diffpose"].config, diffusion="none", conditioning=conditioning)
    network = Denoiser(config).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.normal_(0.0, 0.2, generator=torch.Generator().manual_seed(int(parameter.numel())))
    ready = encode_clip(walking_clip, tiny_models, range(3))
    first, last = reverse_steps(ready, network, LiftSettings(steps=5, hypotheses=4))
    assert (first.k, last.k) == (50, 0) and last.sample.shape == (3, 4, 17, 3)
    assert torch.equal(last.sample, first.pred_x_start)
    assert torch.equal(last.sample, last.sample[:, :1].expand(-1, 4, -1, -1))
    assert torch.equal(first.sample[:, 0], context_for(ready, network).pose_view)
    (_, again) = reverse_steps(ready, network, LiftSettings(steps=1, hypotheses=1, seed=7))
    assert torch.allclose(again.sample[:, 0], last.sample[:, 0])


def test_what_lifting_keeps_for_the_next_time_serves_training_too(clip, tiny_models):
    """Lifting computes in inference mode, whose tensors no gradient may pass; what is kept between calls is none."""
    for kept in (make_schedule, forward._table, denoiser_cache._embedding):
        kept.cache_clear()
    lift(clip, tiny_models, LiftSettings(steps=2))
    x = torch.zeros(1, 17, 3, requires_grad=True)
    noisy = q_sample(x, 50, make_schedule("converging", 50), torch.ones_like(x), torch.zeros_like(x))
    to_x_start(noisy, "noise", noisy, 50, make_schedule("converging", 50), torch.zeros_like(x)).sum().backward()
    assert bool(x.grad.isfinite().all())


def test_flow_starts_as_gmm_diffusion_does_and_adds_no_noise(clip, tiny_models):
    g = tiny_models.denoisers["diffpose"]
    flow = Denoiser(replace(g.config, diffusion="flow")).eval()
    flow.load_state_dict(g.state_dict())
    settings = LiftSettings(steps=3, hypotheses=4, uncertainty=FEW)
    encoded = encode_clip(clip, tiny_models, [0, 2], settings)
    states, other = list(reverse_steps(encoded, flow, settings)), list(reverse_steps(encoded, g, settings))
    assert [s.k for s in states] == [s.k for s in other] and torch.equal(states[0].sample, other[0].sample)
    assert torch.allclose(states[0].pred_x_start, other[0].pred_x_start)
    for before, after in pairwise(states):
        on_the_way = before.pred_x_start + after.k / before.k * (before.sample - before.pred_x_start)
        assert torch.allclose(after.sample, on_the_way, atol=1e-6)
    assert not torch.allclose(states[1].sample, other[1].sample, atol=1e-3)
    with pytest.raises(InvalidInput, match=r"eta must be 0, found 0\.5"):
        next(reverse_steps(encoded, flow, replace(settings, eta=0.5)))


def test_independent_draws_move_the_mean_and_balanced_ones_do_not(clip, tiny_models):
    settings = LiftSettings(steps=1, hypotheses=20, uncertainty=FEW)
    encoded = encode_clip(clip, tiny_models, range(6), settings)
    mean, std = encoded.gmm.mean.unflatten(-1, (17, 3)), encoded.gmm.variance.sqrt().unflatten(-1, (17, 3))
    off = {}
    for balanced in (True, False):
        start, _ = reverse_steps(encoded, tiny_models.denoisers["diffpose"], replace(settings, balanced=balanced))
        off[balanced] = float(((start.sample.mean(1) - mean) / std)[:, 1:].square().mean().sqrt())
    # Of 20 independent draws the mean is off by a standard deviation over the root of 20.
    assert 0.5 < off[False] * 20**0.5 < 2 and off[True] < 0.6 * off[False]
