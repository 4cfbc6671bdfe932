"""Forward diffusion of one encoded frame."""

from dataclasses import replace

import numpy as np
import pytest

from diffpose_core.diffusion.forward import forward_chain
from diffpose_core.diffusion.schedule import make_schedule
from diffpose_core.lifting.encode import encode_clip
from diffpose_core.lifting.forward import forward_parts, forward_traces
from diffpose_core.lifting.settings import FORWARD_STREAM, LiftSettings
from diffpose_core.rng import seeded
from diffpose_core.structures import InvalidInput
from diffpose_core.uncertainty.pose_gmm import component_noise, standard_normal
from tests.lifting.helpers import FEW


@pytest.mark.parametrize("schedule", ["supplement", "converging"])
@pytest.mark.parametrize("stepwise", [False, True])
def test_forward_traces_start_at_the_pose_and_end_where_the_schedule_leads(clip, tiny_models, schedule, stepwise):
    encoded = encode_clip(clip, tiny_models, [0, 3])
    count = 1500
    traces = forward_traces(encoded, 1, schedule, samples=count, seed=1, stepwise=stepwise)
    assert set(traces) == {"standard", "gmm"}
    keep = float(make_schedule(schedule).alphas_cumprod[-1])
    start = clip.pose3d_cam[3]
    single = standard_normal(51)
    gmms = {"gmm": (encoded.gmm_cam.mean[1], encoded.gmm_cam), "standard": (single.means[0], single)}
    for label, trace in traces.items():
        assert list(trace.k) == list(range(51)) and trace.pred_x_start is None
        assert trace.samples.shape == (1, 51, count, 17, 3)
        assert np.allclose(trace.samples[0, 0], start, atol=1e-5), "every chain starts at h_0"
        # E h_K = mu + sqrt(alpha_K) (h_0 - mu), the hip moved back to the origin.
        mean = gmms[label][0].numpy().reshape(17, 3)
        expected = keep**0.5 * start + (1 - keep**0.5) * (mean - mean[0])
        end = trace.samples[0, -1]
        limit = 6 * end.std(0).max() / count**0.5
        assert np.abs(end.mean(0) - expected).max() < limit
    # Standard diffusion: the hip's own noise is taken off every joint, so variances add.
    spread = np.sqrt(traces["standard"].samples[0, -1][:, 1:].var(0).mean())
    assert np.isclose(spread, (2 * (1 - keep)) ** 0.5, rtol=0.05)
    total = traces["gmm"].samples[0, -1].var(0)[1:].sum()
    full = float(encoded.gmm_cam.covariance[1].diagonal()[3:].sum())
    if schedule == "converging":
        assert np.isclose(total, full, rtol=0.15), "h_K is a draw of the fitted GMM"
    else:
        assert total < 0.3 * full, "the supplement's schedule stays near h_0"


def test_forward_traces_of_both_kinds_share_their_white_noise(clip, tiny_models):
    """With the mean and covariance of N(0, I) in place of the fitted GMM the two chains are one."""
    encoded = encode_clip(clip, tiny_models, [2], LiftSettings(uncertainty=FEW))
    single = standard_normal(51)
    plain = type(single)(single.weights[None], single.means[None], single.covariances[None])
    traces = forward_traces(replace(encoded, gmm=plain), samples=7, seed=3)
    assert np.array_equal(traces["gmm"].samples, traces["standard"].samples)


@pytest.mark.parametrize("schedule", ["supplement", "converging"])
def test_forward_parts_mix_to_the_chain_of_the_view_frame(clip, tiny_models, schedule):
    """Eq. 1 over parts in the camera's frame is the forward process that training runs in the view frame."""
    encoded = encode_clip(clip, tiny_models, [0, 3], LiftSettings(uncertainty=FEW))
    parts = forward_parts(encoded, 1, samples=9, seed=4)
    assert set(parts) == {"standard", "gmm"}
    alphas = make_schedule(schedule).alphas_cumprod[:, None, None, None]
    for label, (gmm, part) in {"gmm": (encoded.gmm[1:], parts["gmm"]), "standard": (None, parts["standard"])}.items():
        assert part.h_0.shape == (17, 3) and part.mean.shape == part.noise.shape == (9, 17, 3)
        mixed = part.mean + np.sqrt(alphas) * (part.h_0 - part.mean) + np.sqrt(1 - alphas) * part.noise
        assert np.allclose(part.trace(schedule).samples[0], mixed, atol=2e-6)
        assert np.array_equal(forward_traces(encoded, 1, schedule, 9, 4)[label].samples, part.trace(schedule).samples)
        if gmm is None:
            assert not part.mean.any()
            continue
        # The same draws as the module makes them, in the view frame and with the hip's own noise still in them.
        components = gmm.draw_components(9, seeded("cpu", 4, FORWARD_STREAM))
        noise = component_noise(gmm, components, seeded("cpu", 4, FORWARD_STREAM, 1))
        start = encoded.truth_view[1].expand(1, 9, 17, 3)
        mean = gmm.mean_of(components).unflatten(-1, (17, 3))
        chain = forward_chain(start, make_schedule(schedule), noise, mean)
        turned = encoded.view[1:].to_cam((chain - chain[..., :1, :]).transpose(0, 1))
        assert np.allclose(turned[0].numpy(), part.trace(schedule).samples[0], atol=5e-6)


def test_forward_traces_without_the_truth_start_at_the_encoders_pose(clip, tiny_models):
    encoded = encode_clip(replace(clip, pose3d_cam=None), tiny_models, [2], LiftSettings(uncertainty=FEW))
    trace = forward_traces(encoded, samples=2)["gmm"]
    assert np.allclose(trace.samples[0, 0], encoded.baseline[0], atol=1e-5)


@pytest.mark.parametrize("settings", [dict(index=1), dict(index=-1), dict(samples=0), dict(samples=10**9)])
def test_forward_traces_out_of_range(clip, tiny_models, settings):
    encoded = encode_clip(clip, tiny_models, [2], LiftSettings(uncertainty=FEW))
    with pytest.raises(InvalidInput, match=r"must lie between .* found"):
        forward_traces(encoded, **settings)
