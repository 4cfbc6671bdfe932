"""Forward diffusion: Eq. 1 against Eq. 2, Eq. 3, and standard diffusion as a special case."""

import numpy as np
import pytest
import torch

from diffpose_core.diffusion.forward import alphas_at, forward_chain, q_sample, q_step
from diffpose_core.diffusion.schedule import make_schedule
from diffpose_core.structures import InvalidInput
from diffpose_core.uncertainty.pose_gmm import PoseGMM, component_noise, standard_normal
from tests.diffusion.noise import standard_noise

NAMES = ("supplement", "converging")


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def small_gmm(seed: int = 0, joints: int = 2, components: int = 2) -> PoseGMM:
    """Two well separated components with correlated coordinates, float64."""
    generator = seeded(seed)
    d = 3 * joints
    factor = torch.randn(components, d, d, generator=generator, dtype=torch.float64)
    covariances = factor @ factor.mT / d + 0.1 * torch.eye(d, dtype=torch.float64)
    means = 2.0 * torch.randn(components, d, generator=generator, dtype=torch.float64)
    return PoseGMM(torch.tensor([0.3, 0.7], dtype=torch.float64), means, covariances)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("component", [0, 1])
def test_stepwise_chains_and_the_closed_form_agree_in_mean_and_covariance(name, component):
    schedule, gmm, n, d = make_schedule(name), small_gmm(), 20_000, 6
    generator = seeded(1)
    components = torch.full((n,), component)
    x_start = torch.linspace(-1, 1, d, dtype=torch.float64)
    mean = gmm.means[component]
    start, mu = x_start.reshape(1, 2, 3).expand(n, 2, 3), mean.reshape(2, 3)
    source = component_noise(gmm, components, generator)
    chain = forward_chain(start, schedule, source, mu, stepwise=True).reshape(51, n, d)
    for k in (1, 10, 25, 50):
        alpha = schedule.alphas_cumprod[k]
        closed = q_sample(start, k, schedule, source(start), mu).reshape(n, d)
        exact_mean = mean + alpha**0.5 * (x_start - mean)
        exact_cov = (1 - alpha) * gmm.covariances[component]
        variances = exact_cov.diagonal()
        # Standard errors of a mean and of a covariance of n draws; six of them, as there are some 400 comparisons.
        mean_limit = 6 * (variances / n).sqrt()
        cov_limit = 6 * ((variances[:, None] * variances + exact_cov**2) / n).sqrt()
        for states in (chain[k], closed):
            assert ((states.mean(0) - exact_mean).abs() < mean_limit).all()
            assert ((torch.cov(states.T) - exact_cov).abs() < cov_limit).all()


@pytest.mark.parametrize("name", NAMES)
def test_eq_3_steps_with_known_noises_compose_to_the_closed_form(name):
    schedule, generator = make_schedule(name), seeded(2)
    shape = (4, 17, 3)
    x_start = torch.randn(shape, generator=generator, dtype=torch.float64)
    mean = torch.randn(shape, generator=generator, dtype=torch.float64)
    state, composed = x_start, torch.zeros(shape, dtype=torch.float64)
    for k in range(1, 51):
        noise = torch.randn(shape, generator=generator, dtype=torch.float64)
        ratio = schedule.alphas_cumprod[k] / schedule.alphas_cumprod[k - 1]
        # The one noise of unit variance that the noises so far amount to.
        total = schedule.alphas_cumprod[k]
        previous = 1 - schedule.alphas_cumprod[k - 1]
        composed = (np.sqrt(ratio * previous) * composed + np.sqrt(1 - ratio) * noise) / np.sqrt(1 - total)
        state = q_step(state, k, schedule, noise, mean)
        torch.testing.assert_close(state, q_sample(x_start, k, schedule, composed, mean), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("stepwise", [False, True])
def test_mean_0_and_covariance_I_are_standard_diffusion_exactly(stepwise):
    schedule = make_schedule("supplement")
    x_start = torch.randn(8, 17, 3, generator=seeded(3))
    gmm = standard_normal(51)
    components = torch.zeros(8, dtype=torch.long)
    ours = forward_chain(
        x_start, schedule, component_noise(gmm, components, seeded(4)), gmm.means[0].reshape(17, 3), stepwise
    )
    standard = forward_chain(x_start, schedule, standard_noise(seeded(4)), None, stepwise)
    assert torch.equal(ours, standard)
    assert torch.equal(ours, forward_chain(x_start, schedule, standard_noise(seeded(4)), 0.0, stepwise))


def test_the_supplement_does_not_reach_the_mixture_but_converging_does():
    gmm, n = small_gmm(), 4000
    _, components = gmm.sample(n, seeded(5))
    mean = gmm.mean_of(components).reshape(n, 2, 3)
    x_start = torch.full((n, 2, 3), 3.0, dtype=torch.float64)
    gaps = {}
    for name in NAMES:
        schedule = make_schedule(name)
        noise = component_noise(gmm, components, seeded(6))(x_start)
        last = q_sample(x_start, 50, schedule, noise, mean).reshape(n, 6)
        gaps[name] = float((last.mean(0) - gmm.mean).norm())
    assert gaps["converging"] < 0.1 * gaps["supplement"]


def test_the_chain_keeps_its_noise_or_draws_it_anew():
    schedule, x_start = make_schedule("converging"), torch.zeros(5, 17, 3)
    kept = forward_chain(x_start, schedule, standard_noise(seeded(7)))
    assert kept.shape == (51, 5, 17, 3)
    assert torch.equal(kept[0], x_start)
    scaled = kept[1:] / torch.from_numpy(np.sqrt(1 - schedule.alphas_cumprod[1:])).float().reshape(-1, 1, 1, 1)
    torch.testing.assert_close(scaled, scaled[:1].expand_as(scaled))
    anew = forward_chain(x_start, schedule, standard_noise(seeded(7)), stepwise=True)
    assert not torch.allclose(anew[50] / anew[50].norm(), anew[1] / anew[1].norm(), atol=1e-2)
    assert torch.equal(kept, forward_chain(x_start, schedule, standard_noise(seeded(7))))


@pytest.mark.parametrize("name", NAMES)
def test_a_k_for_every_sample_is_that_k_on_its_own(name):
    schedule, generator = make_schedule(name), seeded(8)
    x, noise, mean = (torch.randn(4, 3, 17, 3, generator=generator) for _ in range(3))
    k = torch.tensor([1, 7, 30, 50])
    rows = torch.stack([q_sample(x[i], int(k[i]), schedule, noise[i], mean[i]) for i in range(4)])
    assert torch.equal(q_sample(x, k, schedule, noise, mean), rows)
    both = torch.tensor([[1, 2, 3]] * 4)
    assert torch.equal(
        q_step(x, both, schedule, noise, mean)[:, 1], q_step(x[:, 1], 2, schedule, noise[:, 1], mean[:, 1])
    )
    assert alphas_at(schedule, k, x).shape == (4, 1, 1, 1)


def test_k_0_is_the_pose_itself():
    x = torch.randn(2, 17, 3, generator=seeded(9))
    assert torch.equal(q_sample(x, 0, make_schedule("supplement"), torch.ones_like(x)), x)


def test_bad_steps_are_told():
    schedule, x = make_schedule("supplement"), torch.zeros(4, 17, 3)
    with pytest.raises(InvalidInput, match="between 0 and 50, found 51"):
        q_sample(x, 51, schedule, x)
    with pytest.raises(InvalidInput, match="between 1 and 50, found 0"):
        q_step(x, 0, schedule, x)
    with pytest.raises(InvalidInput, match="found values from -1 to 3"):
        q_sample(x, torch.tensor([-1, 3, 3, 3]), schedule, x)
    with pytest.raises(InvalidInput, match=r"leading axes of the poses \(4, 17, 3\), found shape \(5,\)"):
        q_sample(x, torch.arange(5), schedule, x)
    with pytest.raises(InvalidInput, match=r"integer tensor, found dtype torch\.float32"):
        q_sample(x, torch.ones(4), schedule, x)


def test_steps_of_every_shape_that_fits_the_poses():
    schedule, like = make_schedule("converging"), torch.zeros(5, 17, 3)
    assert alphas_at(schedule, torch.empty(0, dtype=torch.long), torch.zeros(0, 17, 3)).shape == (0, 1, 1)
    shared = alphas_at(schedule, torch.tensor([7]), like)
    assert shared.shape == (1, 1, 1) and float(shared) == schedule.alphas_cumprod[7]
    every = torch.full((5, 17, 3), 7)
    assert torch.equal(alphas_at(schedule, every, like), shared.expand(5, 17, 3))
    with pytest.raises(InvalidInput, match="between 0 and 50, found 51"):
        alphas_at(schedule, torch.tensor([51]), like)
