"""The pose GMM against scipy, and its errors for bad parameters."""

import numpy as np
import pytest
import torch
from scipy.special import logsumexp
from scipy.stats import multivariate_normal

from diffpose_core.structures import InvalidInput
from diffpose_core.uncertainty.pose_gmm import PoseGMM, component_noise, standard_normal


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def random_gmm(batch=(), m=3, d=4, seed=0, dtype=torch.float64) -> PoseGMM:
    generator = seeded(seed)
    weights = (torch.rand(*batch, m, generator=generator, dtype=torch.float64) + 0.2).to(dtype)
    factor = torch.randn(*batch, m, d, d, generator=generator, dtype=torch.float64).to(dtype)
    means = 3 * torch.randn(*batch, m, d, generator=generator, dtype=torch.float64).to(dtype)
    return PoseGMM(weights / weights.sum(-1, keepdim=True), means, factor @ factor.mT + 0.2 * torch.eye(d, dtype=dtype))


def test_log_prob_is_scipys():
    gmm = random_gmm((2,))
    x = 3 * torch.randn(2, 50, 4, generator=seeded(1), dtype=torch.float64)
    for b in range(2):
        terms = [
            np.log(float(gmm.weights[b, m]))
            + multivariate_normal(gmm.means[b, m].numpy(), gmm.covariances[b, m].numpy()).logpdf(x[b].numpy())
            for m in range(3)
        ]
        np.testing.assert_allclose(gmm.log_prob(x)[b], logsumexp(terms, axis=0), rtol=1e-10)


@pytest.mark.parametrize("draw", ["sample", "noise"])
def test_draws_have_the_mixtures_mean_and_covariance(draw):
    gmm, n = random_gmm((2,), seed=2), 40_000
    if draw == "sample":
        x, components = gmm.sample(n, seeded(3))
        assert x.shape == (2, n, 4) and components.shape == (2, n) and components.dtype == torch.int64
        mean, cov = gmm.mean, gmm.covariance
        torch.testing.assert_close(gmm.variance, cov.diagonal(dim1=-2, dim2=-1))
        shares = torch.stack([(components == m).double().mean(-1) for m in range(3)], dim=-1)
        # Six standard errors of a share of n draws; of a mean and a covariance further down.
        assert ((shares - gmm.weights).abs() < 6 * (gmm.weights * (1 - gmm.weights) / n).sqrt()).all()
    else:
        x = gmm.noise(torch.full((2, n), 1), seeded(3))
        mean, cov = torch.zeros(2, 4, dtype=torch.float64), gmm.covariances[:, 1]
    variances = cov.diagonal(dim1=-2, dim2=-1)
    assert ((x.mean(1) - mean).abs() < 6 * (variances / n).sqrt()).all()
    for b in range(2):
        # The products' own spread, as a mixture's fourth moments aren't a Gaussian's.
        products = (x[b] - mean[b])[:, :, None] * (x[b] - mean[b])[:, None, :]
        assert ((products.mean(0) - cov[b]).abs() < 6 * products.std(0) / n**0.5).all()


def test_few_and_many_draws_colour_alike():
    gmm = random_gmm((2,), seed=4)
    components = torch.tensor([[0, 1, 2, 1], [2, 2, 0, 1]])
    white = torch.randn(2, 4, 4, generator=seeded(5), dtype=torch.float64)
    many = gmm.noise(components, seeded(5))
    for b in range(2):
        for i in range(4):
            torch.testing.assert_close(many[b, i], gmm.cholesky[b, components[b, i]] @ white[b, i])
    few = gmm.noise(components[:, :2], seeded(6))
    white = torch.randn(2, 2, 4, generator=seeded(6), dtype=torch.float64)
    torch.testing.assert_close(few[1, 0], gmm.cholesky[1, 2] @ white[1, 0])


def test_means_of_components_and_the_noise_source():
    gmm = random_gmm((2,), d=6, seed=7)
    components = torch.tensor([[0, 2], [1, 1]])
    means = gmm.mean_of(components)
    assert torch.equal(means[0, 1], gmm.means[0, 2]) and torch.equal(means[1, 0], gmm.means[1, 1])
    draw = component_noise(gmm, components, seeded(8))
    like = torch.zeros(2, 2, 2, 3, dtype=torch.float64)
    first, second = draw(like), draw(like)
    assert first.shape == like.shape and not torch.equal(first, second)
    assert torch.equal(first.reshape(2, 2, 6), gmm.noise(components, seeded(8)))


def test_a_component_of_weight_0_is_never_drawn():
    gmm = PoseGMM(torch.tensor([0.0, 0.5, 0.5, 0.0]), torch.zeros(4, 2), torch.eye(2).expand(4, 2, 2))
    assert set(gmm.draw_components(2000, seeded(9)).tolist()) == {1, 2}
    assert torch.isfinite(gmm.log_prob(torch.zeros(3, 2))).all()


def test_standard_normal_draws_are_the_plain_ones():
    gmm = standard_normal(51)
    noise = gmm.noise(torch.zeros(7, dtype=torch.long), seeded(10))
    assert torch.equal(noise, torch.randn(7, 51, generator=seeded(10)))
    assert torch.equal(gmm.mean, torch.zeros(51)) and torch.equal(gmm.covariance, torch.eye(51))


def test_seeds_repeat():
    gmm = random_gmm()
    assert torch.equal(gmm.sample(5, seeded(1))[0], gmm.sample(5, seeded(1))[0])
    assert not torch.equal(gmm.sample(5, seeded(1))[0], gmm.sample(5, seeded(2))[0])


def test_picking_frames_and_types():
    gmm = random_gmm((3,))
    for name in ("weights", "means", "covariances", "cholesky"):
        assert torch.equal(getattr(gmm[1:], name), getattr(gmm, name)[1:])
    assert gmm[0].batch_shape == () and gmm.batch_shape == (3,)
    assert gmm.to(dtype=torch.float32).cholesky.dtype == torch.float32
    with pytest.raises(InvalidInput, match="no leading axis"):
        gmm[0][0]


W, MU, COV = torch.tensor([0.4, 0.6]), torch.zeros(2, 3), torch.eye(3).expand(2, 3, 3)


@pytest.mark.parametrize(
    ("weights", "means", "covariances", "message"),
    [
        (W.long(), MU, COV, r"'weights' should be a floating-point tensor, but got torch\.int64"),
        (W.numpy(), MU, COV, "'weights' should be a floating-point tensor, but got ndarray"),
        (W, MU.double(), COV, r"'means' should be torch\.float32 on cpu like the weights, but got torch\.float64"),
        (W, MU[:1], COV, r"'means' should have the shape of \(2, 'D'\), but got \(1, 3\)"),
        (W, MU, COV[:, :2], r"'covariances' should have the shape of \(2, 3, 3\), but got \(2, 2, 3\)"),
        (W * torch.tensor([-1.0, 1.0]), MU, COV, r"range \[0, 1\], but got max value 0\.60000, min value -0\.40000"),
        (W * 0.5, MU, COV, r"normalized, but got sum\(weights\) = 0\.50000"),
        (W, MU * torch.nan, COV, "'means' should hold finite numbers"),
        (W, MU, COV + torch.tensor([[0.0, 0.5, 0.0], [0.0] * 3, [0.0] * 3]), "symmetric, but got entries .* 0.5"),
        (W, MU, COV * torch.tensor([1.0, -2.0])[:, None, None], r"positive definite, .* -2 at component \(1,\)"),
    ],
)
def test_bad_parameters_are_told(weights, means, covariances, message):
    with pytest.raises(InvalidInput, match=message):
        PoseGMM(weights, means, covariances)


def test_bad_queries_are_told():
    gmm = random_gmm((2,))
    with pytest.raises(InvalidInput, match=r"shape of \(2, 'n', 4\), got \(2, 5, 3\)"):
        gmm.log_prob(torch.zeros(2, 5, 3))
    with pytest.raises(InvalidInput, match="from 0 to 2, but got values from 0 to 3"):
        gmm.mean_of(torch.tensor([[0, 1], [2, 3]]))
    with pytest.raises(InvalidInput, match="not be negative, but got -1"):
        gmm.sample(-1, seeded())


def test_balanced_draws_spread_over_the_components_and_their_noise_has_no_mean():
    generator = torch.Generator().manual_seed(3)
    root = torch.randn(2, 3, 6, 6, generator=generator)
    weights = torch.tensor([[0.5, 0.3, 0.2], [0.2, 0.2, 0.6]])
    gmm = PoseGMM(weights, torch.randn(2, 3, 6, generator=generator), root @ root.mT + 0.1 * torch.eye(6))
    for _ in range(20):
        components = gmm.draw_components(10, generator, balanced=True)
        counts = torch.stack([torch.bincount(row, minlength=3) for row in components])
        assert bool(((counts - 10 * weights).abs() <= 1).all())
    single = PoseGMM(weights[:, :1] / weights[:, :1], gmm.means[:, :1], gmm.covariances[:, :1])
    zeros = torch.zeros(2, 5, dtype=torch.long)
    draws = torch.stack([single.noise(zeros, generator, balanced=True) for _ in range(4000)])
    assert draws.mean(-2).abs().max() < 1e-4
    each = draws[:, 0, 2]
    error = (each.T @ each) / len(each) - single.covariances[0, 0]
    assert error.abs().max() < 0.15 * single.covariances[0, 0].diagonal().max()


def test_one_balanced_draw_is_a_plain_one():
    gmm = PoseGMM(torch.ones(1), torch.zeros(1, 3), torch.eye(3)[None])
    plain, balanced = (
        gmm.noise(torch.zeros(1, dtype=torch.long), torch.Generator().manual_seed(1), balanced=balanced)
        for balanced in (False, True)
    )
    assert torch.equal(plain, balanced)
