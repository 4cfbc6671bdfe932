"""Reverse diffusion: conversions between prediction types, DDIM, and what a perfect denoiser must give."""

import pytest
import torch

from diffpose_core.diffusion.forward import q_sample
from diffpose_core.diffusion.reverse import ddim_step, from_x_start, reverse_process, to_x_start
from diffpose_core.diffusion.samplers import sampler_named
from diffpose_core.diffusion.schedule import ddim_steps, make_schedule
from diffpose_core.structures import InvalidInput
from tests.diffusion.noise import standard_noise

NAMES = ("supplement", "converging")
TYPES = ("x_start", "previous", "noise")


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def draws(count: int, shape=(3, 17, 3), seed: int = 0, dtype=torch.float64) -> list[torch.Tensor]:
    generator = seeded(seed)
    return [torch.randn(shape, generator=generator, dtype=dtype) for _ in range(count)]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("prediction_type", TYPES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_conversions_undo_each_other_at_every_step(name, prediction_type, dtype):
    schedule = make_schedule(name)
    x_start, sample, mean = draws(3, dtype=dtype)
    limit = 1e-4 if dtype == torch.float32 else 1e-11
    for k in range(1, 51):
        said = from_x_start(x_start, prediction_type, sample, k, schedule, mean)
        back = to_x_start(said, prediction_type, sample, k, schedule, mean)
        # "noise" divides by sqrt(alpha_k), and "previous" by the share of h_0 in one step, so errors grow by that.
        torch.testing.assert_close(back, x_start, rtol=limit, atol=10 * limit)


@pytest.mark.parametrize("name", NAMES)
def test_the_targets_are_the_papers_quantities(name):
    schedule = make_schedule(name)
    x_start, noise, mean = draws(3)
    for k in range(1, 51):
        sample = q_sample(x_start, k, schedule, noise, mean)
        previous = q_sample(x_start, k - 1, schedule, noise, mean)
        assert torch.equal(from_x_start(x_start, "x_start", sample, k, schedule, mean), x_start)
        torch.testing.assert_close(from_x_start(x_start, "noise", sample, k, schedule, mean), noise)
        torch.testing.assert_close(from_x_start(x_start, "previous", sample, k, schedule, mean), previous)


@pytest.mark.parametrize("prediction_type", TYPES)
def test_a_k_for_every_sample_converts_like_that_k_on_its_own(prediction_type):
    schedule = make_schedule("converging")
    x_start, sample, mean = draws(3)
    k = torch.tensor([1, 20, 50])
    together = from_x_start(x_start, prediction_type, sample, k, schedule, mean)
    for i in range(3):
        alone = from_x_start(x_start[i], prediction_type, sample[i], int(k[i]), schedule, mean[i])
        assert torch.equal(together[i], alone)
    torch.testing.assert_close(to_x_start(together, prediction_type, sample, k, schedule, mean), x_start)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("prediction_type", TYPES)
@pytest.mark.parametrize("num_steps", [1, 2, 5, 10, 50])
def test_a_perfect_denoiser_ends_at_h_0(name, prediction_type, num_steps):
    schedule = make_schedule(name)
    x_start, start, mean = draws(3)

    def denoise(sample, k):
        return from_x_start(x_start, prediction_type, sample, k, schedule, mean)

    states = list(
        reverse_process(denoise, start, schedule, num_steps, component_mean=mean, prediction_type=prediction_type)
    )
    assert [s.k for s in states] == list(ddim_steps(50, num_steps))
    assert torch.equal(states[0].sample, start)
    for state in states:
        torch.testing.assert_close(state.pred_x_start, x_start, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(states[-1].sample, x_start, rtol=1e-9, atol=1e-9)
    assert torch.equal(states[-1].sample, states[-1].pred_x_start)


@pytest.mark.parametrize("name", NAMES)
def test_all_prediction_types_walk_the_same_path(name):
    schedule = make_schedule(name)
    start, mean, weights = draws(3)

    def guess(sample, k):
        return torch.tanh(sample * weights) + 0.01 * k

    paths = []
    for prediction_type in TYPES:

        def denoise(sample, k, prediction_type=prediction_type):
            return from_x_start(guess(sample, k), prediction_type, sample, k, schedule, mean)

        steps = reverse_process(denoise, start, schedule, 10, component_mean=mean, prediction_type=prediction_type)
        paths.append(torch.stack([s.sample for s in steps]))
    torch.testing.assert_close(paths[1], paths[0], rtol=1e-8, atol=1e-8)
    torch.testing.assert_close(paths[2], paths[0], rtol=1e-8, atol=1e-8)


def test_without_noise_the_path_follows_eq_1_with_its_noise_kept():
    schedule = make_schedule("converging")
    x_start, noise, mean = draws(3)
    start = q_sample(x_start, 50, schedule, noise, mean)
    for state in reverse_process(lambda h, k: x_start, start, schedule, 50, component_mean=mean):
        torch.testing.assert_close(state.sample, q_sample(x_start, state.k, schedule, noise, mean))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
def test_any_eta_keeps_the_marginals_of_eq_1(name, eta):
    schedule, n = make_schedule(name), 20_000
    generator = seeded(1)
    # Correlated noise, as a component's Sigma_m has: a variance in place of a standard deviation would show.
    factor = torch.tensor([[0.5, 0.0, 0.0], [0.3, 0.2, 0.0], [-0.1, 0.1, 0.8]], dtype=torch.float64)
    covariance = factor @ factor.T
    mean, x_start = (torch.tensor(v, dtype=torch.float64) for v in ([[1.0, -2.0, 0.5]], [[0.2, 0.1, -0.4]]))

    def noise_source(like):
        return torch.randn(like.shape, generator=generator, dtype=like.dtype) @ factor.T

    start = q_sample(x_start.expand(n, 1, 3), 50, schedule, noise_source(torch.zeros(n, 1, 3).double()), mean)
    for state in reverse_process(
        lambda h, k: x_start.expand_as(h), start, schedule, 10, eta, component_mean=mean, noise_source=noise_source
    ):
        alpha = schedule.alphas_cumprod[state.k]
        expected_mean = (mean + alpha**0.5 * (x_start - mean))[0]
        expected = (1 - alpha) * covariance
        variances = expected.diagonal()
        found = state.sample[:, 0]
        # Six standard errors of n independent draws.
        assert ((found.mean(0) - expected_mean).abs() <= 6 * (variances / n).sqrt() + 1e-12).all()
        limit = 6 * ((variances[:, None] * variances + expected**2) / n).sqrt() + 1e-12
        assert ((torch.cov(found.T) - expected).abs() <= limit).all()


def test_hypotheses_differ_and_seeds_repeat():
    schedule = make_schedule("converging")
    start = torch.randn(5, 17, 3, generator=seeded(2))

    def run(eta, seed, start=start):
        source = standard_noise(seeded(seed))
        return list(reverse_process(lambda h, k: 0.5 * h, start, schedule, 5, eta, noise_source=source))[-1].sample

    result = run(0.0, 0)
    distances = torch.cdist(result.flatten(1), result.flatten(1)) + torch.eye(5)
    assert distances.min() > 1e-2
    same_start = start[:1].expand_as(start)
    noisy = run(1.0, 0, same_start)
    assert (torch.cdist(noisy.flatten(1), noisy.flatten(1)) + torch.eye(5)).min() > 1e-2
    assert torch.equal(run(1.0, 3), run(1.0, 3))
    assert not torch.equal(run(1.0, 3), run(1.0, 4))
    assert torch.equal(run(0.0, 3), run(0.0, 4))


def test_the_network_is_called_once_a_step_and_gradients_pass():
    schedule, calls = make_schedule("supplement"), []
    start = torch.ones(1, 17, 3, requires_grad=True)

    def denoise(sample, k):
        calls.append(k)
        return 0.9 * sample

    last = list(reverse_process(denoise, start, schedule, 3))[-1]
    assert calls == list(ddim_steps(50, 3))[:-1]
    last.sample.sum().backward()
    assert start.grad is not None and bool((start.grad > 0).all())


def test_the_steps_may_be_given():
    schedule = make_schedule("supplement")
    start = torch.ones(1, 17, 3)
    states = list(reverse_process(lambda h, k: 0.9 * h, start, schedule, (50, 7, 0)))
    assert [state.k for state in states] == [50, 7, 0]
    evenly = list(reverse_process(lambda h, k: 0.9 * h, start, schedule, 5))
    given = list(reverse_process(lambda h, k: 0.9 * h, start, schedule, ddim_steps(50, 5)))
    assert torch.equal(evenly[-1].sample, given[-1].sample)
    for steps in ((), (0,), (49, 7, 0), (50, 7), (50, 7, 9, 0), (50, 7, 7, 0)):
        with pytest.raises(InvalidInput, match="must run from 50 down to 0"):
            next(reverse_process(lambda h, k: h, start, schedule, steps))


def test_bad_settings_are_told():
    schedule, x = make_schedule("supplement"), torch.zeros(2, 17, 3)
    with pytest.raises(InvalidInput, match=r"eta must lie between 0 and 1, found 1\.5"):
        next(reverse_process(lambda h, k: h, x, schedule, 5, eta=1.5))
    with pytest.raises(InvalidInput, match="a noise source must be given, found None"):
        next(reverse_process(lambda h, k: h, x, schedule, 5, eta=0.5))
    with pytest.raises(InvalidInput, match="one of x_start, previous, noise, found 'v'"):
        next(reverse_process(lambda h, k: h, x, schedule, 5, prediction_type="v"))  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match="between 1 and 50, found 60"):
        next(reverse_process(lambda h, k: h, x, schedule, 60))
    with pytest.raises(InvalidInput, match="found k 10, k_prev 10"):
        ddim_step(x, x, 10, 10, schedule)
    with pytest.raises(InvalidInput, match="between 1 and 50, found 0"):
        to_x_start(x, "noise", x, 0, schedule)


def test_the_step_function_opens_with_its_table_of_symbols():
    text = ddim_step.__doc__ or ""
    assert text.index("| code") < text.index("prediction, sample, noise")
    for symbol in ("pred_x_start", "mu^G", "alpha_prev", "eta", "Eq. 1", "h_k"):
        assert symbol in text


def test_a_sampler_sees_the_last_states_around_the_components_mean():
    schedule, mean = make_schedule("converging"), torch.full((3,), 2.0)
    start, seen = torch.ones(2, 17, 3), []

    def sampler(states, k_prev, schedule, eta, noise):
        seen.append(([state.k for state in states], k_prev, float(states[-1].sample.mean()), noise))
        return 0.5 * states[-1].sample

    states = list(
        reverse_process(lambda h, k: torch.zeros_like(h), start, schedule, 5, component_mean=mean, sampler=sampler)
    )
    assert [(ks, k_prev) for ks, k_prev, _, _ in seen] == [
        ([50], 40), ([50, 40], 30), ([50, 40, 30], 20), ([40, 30, 20], 10)
    ]  # fmt: skip
    assert [mean for _, _, mean, _ in seen] == [-1.0, -0.5, -0.25, -0.125] and seen[0][3] is None
    assert float(states[1].sample.mean()) == 1.5 and torch.equal(states[-1].sample, torch.zeros_like(start))


def test_an_unknown_sampler_is_refused_with_those_that_there_are():
    with pytest.raises(InvalidInput, match="sampler must be one of ddim, found 'euler'"):
        sampler_named("euler")
