"""Fits of pose GMMs against scikit-learn, and their errors for bad parameters."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from sklearn.mixture import GaussianMixture

from diffpose_core import onednn
from diffpose_core.config import UncertaintyConfig
from diffpose_core.models.fast.bfloat16 import PackedLinear
from diffpose_core.structures import InvalidInput
from diffpose_core.uncertainty.fit_gmm import fit_gmm, fit_gmm_batch
from diffpose_core.uncertainty.pose_gmm import PoseGMM
from tests.uncertainty.test_pose_gmm import random_gmm, seeded

#: What lifting and training ask for.
FIT = {
    "max_iter": UncertaintyConfig().fit_iterations,
    "overrelaxation": UncertaintyConfig().overrelaxation,
    "tol": 0.0,
}


def samples_like_H_K(frames: int, n: int, seed: int = 0) -> torch.Tensor:
    """Poses as H_K gives them: x and y of some joints with a second mode, z correlated, the root at 0. (F, n, 51)."""
    generator = seeded(seed)

    def rand(*shape):
        return torch.rand(*shape, generator=generator)

    def randn(*shape):
        return torch.randn(*shape, generator=generator)

    pose, second = 0.3 * randn(frames, 1, 17, 2), 0.25 * randn(frames, 1, 17, 2)
    two_modes = rand(frames, 1, 17, 1) < 0.15
    other = (rand(frames, n, 17, 1) < 0.2 + 0.3 * rand(frames, 1, 17, 1)) & two_modes
    std = (0.005 + 0.02 * rand(frames, 1, 17, 1)) * (1 + 1.5 * two_modes)
    xy = pose + torch.where(other, second, torch.zeros(())) + std * randn(frames, n, 17, 2)
    mixing = 0.015 * randn(frames, 17, 17) + 0.04 * torch.eye(17)
    z = randn(frames, n, 17) @ mixing.mT + 0.2 * randn(frames, 1, 17)
    poses = torch.cat([xy, z[..., None]], dim=-1)
    poses[:, :, 0] = 0.0
    return poses.reshape(frames, n, 51)


# --- the mixture itself


# --- the fits


def test_the_reference_fit_is_scikit_learns():
    samples, _ = random_gmm(m=2, seed=11).sample(600, seeded(12))
    ours = fit_gmm(samples, 2, seed=0)
    theirs = GaussianMixture(2, random_state=0, reg_covar=1e-6).fit(samples.numpy())
    np.testing.assert_allclose(ours.log_prob(samples), theirs.score_samples(samples.numpy()), rtol=1e-8)
    assert ours.means.dtype == torch.float64
    assert fit_gmm(samples.float().numpy(), 2).means.dtype == torch.float32


def test_the_fast_fit_finds_what_was_drawn():
    truth = random_gmm((3,), m=2, d=6, seed=13, dtype=torch.float32)
    truth = PoseGMM(torch.tensor([[0.3, 0.7]] * 3), truth.means * 3, truth.covariances)
    samples, _ = truth.sample(4000, seeded(14))
    fit = fit_gmm_batch(samples, 2, seeded(15), max_iter=50, tol=1e-5)
    order = fit.weights.argsort(-1)
    for b in range(3):
        torch.testing.assert_close(fit.weights[b, order[b]], truth.weights[b], atol=0.05, rtol=0)
        torch.testing.assert_close(fit.means[b, order[b]], truth.means[b], atol=0.5, rtol=0)
    assert (fit.log_prob(samples).mean(-1) > truth.log_prob(samples).mean(-1) - 1e-3).all()


@pytest.mark.parametrize("settings", [FIT, {"max_iter": 20, "tol": 1e-3}], ids=["lifting", "to the end"])
def test_the_fast_fit_is_as_likely_as_the_reference(settings):
    samples = samples_like_H_K(8, 1000)
    fits = [fit_gmm_batch(samples, 5, seeded(seed), **settings).to(dtype=torch.float64) for seed in range(3)]
    # Float64: the density of the root, whose std is that of reg_covar, needs it.
    found = torch.stack([fit.log_prob(samples.double()).mean(-1) for fit in fits]).mean(0)
    reference = [float(fit_gmm(frame.double(), 5).log_prob(frame.double()).mean()) for frame in samples]
    gaps = [float(ours) / theirs - 1 for ours, theirs in zip(found, reference, strict=True)]
    # EM ends in one of many near-equal optima: scikit-learn's own seeds differ by half a percent in a frame.
    assert np.mean(gaps) > -1e-3 and min(gaps) > -0.01, gaps


def test_more_steps_never_make_the_fast_fit_less_likely():
    samples = samples_like_H_K(2, 400, seed=1).double()
    scores = [
        fit_gmm_batch(samples, 3, seeded(), max_iter=n, tol=0).log_prob(samples).mean(-1) for n in (1, 2, 4, 8, 16)
    ]
    for before, after in pairwise(scores):
        assert (after > before - 1e-3).all()


def test_overrelaxation_makes_the_first_steps_longer():
    samples = samples_like_H_K(2, 600, seed=2)

    def likelihood(steps, overrelaxation):
        fit = fit_gmm_batch(samples, 5, seeded(), max_iter=steps, tol=0, overrelaxation=overrelaxation)
        return float(fit.to(dtype=torch.float64).log_prob(samples.double()).mean())

    rows = [likelihood(3, overrelaxation) for overrelaxation in (1.0, 2.0, 5.0)]
    assert rows == sorted(rows) and rows[2] > rows[0] + 0.02
    assert likelihood(2, 100.0) > rows[0], "one long E-step does what two of EM's do"
    assert likelihood(60, 2.0) == pytest.approx(likelihood(60, 1.0), abs=0.05), "up to 2 it comes to rest where EM does"


def test_the_fit_is_the_same_whichever_library_multiplies(monkeypatch):
    if not PackedLinear.available():
        pytest.skip("this torch or this processor has no fused layers")
    samples, fits = samples_like_H_K(3, 400), []
    for faster in (True, False):
        monkeypatch.setattr(onednn, "is_faster", lambda faster=faster: faster)
        fits.append(fit_gmm_batch(samples, 5, seeded(), **FIT))
    for name in ("weights", "means", "covariances", "cholesky"):
        torch.testing.assert_close(*(getattr(fit, name) for fit in fits), atol=1e-5, rtol=1e-3)


def test_frames_dont_touch_each_other_and_seeds_repeat():
    samples = samples_like_H_K(11, 150, seed=2)
    whole = fit_gmm_batch(samples, 3, seeded(1), max_iter=3, tol=0)
    again = fit_gmm_batch(samples, 3, seeded(1), max_iter=3, tol=0)
    assert torch.equal(whole.means, again.means)
    changed = samples.clone()
    changed[0] += 1.0
    other = fit_gmm_batch(changed, 3, seeded(1), max_iter=3, tol=0)
    torch.testing.assert_close(other.means[1:], whole.means[1:])
    default = fit_gmm_batch(samples, 3, max_iter=3, tol=0)
    assert torch.equal(default.means, fit_gmm_batch(samples, 3, max_iter=3, tol=0).means)


def test_the_fast_fit_leaves_its_input_alone_and_keeps_the_samples_mean():
    samples = samples_like_H_K(2, 300, seed=3)
    kept = samples.clone()
    fit = fit_gmm_batch(samples, 4, seeded())
    assert torch.equal(samples, kept)
    # After an M-step the mixture's mean and covariance are the samples' (and reg_covar).
    torch.testing.assert_close(fit.mean, samples.mean(1), atol=1e-5, rtol=1e-4)
    expected = torch.stack([torch.cov(s.T, correction=0) for s in samples]) + 1e-6 * torch.eye(51)
    torch.testing.assert_close(fit.covariance, expected, atol=1e-5, rtol=1e-3)


def test_coordinates_that_never_change_have_reg_covar_alone():
    samples = samples_like_H_K(2, 200, seed=4)
    samples[..., 7] = torch.tensor([[0.5], [-2.0]])
    fit = fit_gmm_batch(samples, 3, seeded(), reg_covar=1e-5)
    still = torch.tensor([0, 1, 2, 7])
    moving = torch.tensor([d for d in range(51) if d not in still])
    alone = fit_gmm_batch(samples[..., moving], 3, seeded(), reg_covar=1e-5)
    assert torch.equal(fit.means[..., moving], alone.means)
    assert torch.equal(fit.covariances[..., moving[:, None], moving], alone.covariances)
    assert torch.equal(fit.means[..., still], samples[:, :1, still].expand(2, 3, 4))
    torch.testing.assert_close(fit.covariances[..., still, :], 1e-5 * torch.eye(51)[still].expand(2, 3, 4, 51))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_samples_that_leave_components_empty_still_fit(dtype):
    points = torch.tensor([[0.0, 0.0, 1.0], [1.0, 2.0, 1.0]], dtype=dtype)
    samples = points[torch.arange(40) % 2].expand(2, 40, 3)
    fit = fit_gmm_batch(samples, 5, seeded(), max_iter=10)
    assert torch.isfinite(fit.log_prob(samples)).all()
    same = fit_gmm_batch(torch.ones(1, 40, 3, dtype=dtype), 5, seeded())
    torch.testing.assert_close(same.mean, torch.ones(1, 3, dtype=dtype), atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("samples", "settings", "message"),
    [
        (torch.zeros(5, 3), {}, r"shape of \(B, N, D\), but got \(5, 3\)"),
        (torch.zeros(1, 5, 3).int(), {}, r"float32 or float64, but got torch\.int32"),
        (torch.zeros(1, 4, 3), {}, "at least 5 samples for 5 components, but got 4"),
        (torch.full((1, 9, 3), torch.nan), {}, "finite numbers, but got NaN"),
        (torch.zeros(1, 9, 3), {"n_components": 0}, "n_components should be at least 1, but got 0"),
        (torch.zeros(1, 9, 3), {"max_iter": 0}, "max_iter should be at least 1, but got 0"),
        (torch.zeros(1, 9, 3), {"reg_covar": -1.0}, r"reg_covar should be a number not below 0, but got -1\.0"),
        (torch.zeros(1, 9, 3), {"tol": -1.0}, r"tol should not be negative, but got -1\.0"),
        (torch.zeros(1, 9, 3), {"init_iter": 0}, "init_iter should be at least 1, but got 0"),
        (torch.zeros(1, 9, 3), {"overrelaxation": 0.5}, "overrelaxation should be from 1 to 1000, but got 0.5"),
    ],
)
def test_bad_samples_and_settings_are_told(samples, settings, message):
    with pytest.raises(InvalidInput, match=message):
        fit_gmm_batch(samples, **settings)


def test_the_reference_fit_tells_too():
    with pytest.raises(InvalidInput, match=r"shape of \(N, D\), but got \(2, 9, 3\)"):
        fit_gmm(np.zeros((2, 9, 3)))
    with pytest.raises(InvalidInput, match="finite numbers"):
        fit_gmm(np.full((9, 3), np.inf))


@pytest.mark.parametrize("batch", [False, True])
def test_a_tied_covariance_is_the_components_common_one(batch):
    samples, _ = random_gmm(m=2, d=6, seed=17).sample(3000, seeded(18))
    fit = fit_gmm_batch if batch else fit_gmm
    found = fit(samples[None] if batch else samples, 2, max_iter=100, tol=1e-6, covariance_type="tied")
    found = found[0] if batch else found
    assert torch.equal(found.covariances[0], found.covariances[1])
    theirs = GaussianMixture(2, covariance_type="tied", tol=1e-6, random_state=0).fit(samples.numpy())
    assert float(found.log_prob(samples).mean()) == pytest.approx(theirs.score(samples.numpy()), abs=1e-3)
    torch.testing.assert_close(found.covariances[0], torch.from_numpy(theirs.covariances_), atol=0.05, rtol=0.02)


@pytest.mark.parametrize("moving", [[0, 1, 2, 3, 4], [2, 3, 4], [0, 3, 4]])
def test_what_a_fit_says_without_being_checked_would_pass_the_checks(moving):
    samples = torch.full((9, 80, 5), 0.3)
    samples[..., moving] = torch.randn(9, 80, len(moving), generator=seeded(3))
    fit = fit_gmm_batch(samples, 3, seeded(4), max_iter=3, tol=0.0)
    checked = PoseGMM(fit.weights, fit.means, fit.covariances)
    assert torch.allclose(fit.cholesky, checked.cholesky, atol=1e-5)
    part = fit[torch.tensor([7, 2])]
    assert torch.equal(part.cholesky, fit.cholesky[[7, 2]]) and torch.equal(part.means, fit.means[[7, 2]])


def test_samples_that_change_by_little_keep_their_seeds():
    """Seeds are picked among samples: picks on a knife's edge would make two fits of what is the same but for rounding.

    A search among cumulated squared distances changes 12 of these 1000 fits.
    """
    samples = torch.randn(1000, 500, 3, generator=seeded(0))
    stretch = 1 + 3e-4 * torch.randn(1000, 1, 3, generator=seeded(5))
    first, again = (
        fit_gmm_batch(s, 5, seeded(1), max_iter=1, tol=0.0, init_iter=1, shared_seeds=True).means
        for s in (samples, samples * stretch)
    )
    change = (first - again).abs().amax((1, 2))
    # Another seed moves a mean by far more than a sample that changes sides.
    assert change.median() < 1e-3 and (change > 0.1).sum() <= 1
