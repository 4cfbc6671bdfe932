"""Reverse diffusion around a GMM component's mean: DDIM or another sampler with any number of steps, as a generator.

Everything holds for h~ = h - mu^G, the pose centred at its component's mean, as in Eq. 2 and 3 of the supplement;
with mu^G = 0 it is DDIM as published (Song et al., 2021).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Literal, NamedTuple, Protocol, get_args

from torch import Tensor

from diffpose_core.diffusion.forward import (
    ComponentMean,
    NoiseSource,
    alphas_at,
    centred,
    decentred,
    mixing_weights,
)
from diffpose_core.diffusion.schedule import Schedule, ddim_steps
from diffpose_core.structures import InvalidInput

PredictionType = Literal["x_start", "previous", "noise"]

#: Called with h_k (..., J, 3) and k; returns the output of its prediction type, same shape.
Denoiser = Callable[[Tensor, int], Tensor]


class ReverseStep(NamedTuple):
    """One state of a reverse process.

    Attributes:
        k: its step number.
        sample: h_k, (..., J, 3).
        pred_x_start: the h_0 that the network predicts at this state, same shape; at k = 0 the state itself.
    """

    k: int
    sample: Tensor
    pred_x_start: Tensor


class Sampler(Protocol):
    """The rule of a reverse process's steps: from the states so far to the next one."""

    def __call__(
        self, states: Sequence[ReverseStep], k_prev: int, schedule: Schedule, eta: float, noise: Tensor | None
    ) -> Tensor:
        """The next state.

        Args:
            states: the last states, up to `STATES_KEPT`, this one last; sample and pred_x_start centred at mu^G.
            k_prev: number of the next state, at least 1: the one at 0 is the predicted h_0.
            schedule: the noise schedule.
            eta: 0 for a deterministic path, 1 for ancestral sampling.
            noise: a draw of N(0, Sigma_m), (..., J, 3), where eta > 0.

        Returns:
            h~_{k_prev} = h_{k_prev} - mu^G, (..., J, 3).
        """
        ...


#: States that a sampler may look back at.
STATES_KEPT = 3


def _check_type(prediction_type: str) -> None:
    if prediction_type not in get_args(PredictionType):
        raise InvalidInput(
            f"prediction type must be one of {', '.join(get_args(PredictionType))}, found {prediction_type!r}"
        )


def _previous_weights(k: int | Tensor, schedule: Schedule, like: Tensor) -> tuple[Tensor, Tensor]:
    """The weights of h~_0 and h~_k in h~_{k-1} (see `from_x_start`), float64."""
    alpha, alpha_prev = alphas_at(schedule, k, like, lowest=1), alphas_at(schedule, k - 1, like)
    of_state = ((1.0 - alpha_prev) / (1.0 - alpha)).sqrt()
    return alpha_prev.sqrt() - alpha.sqrt() * of_state, of_state


def from_x_start(
    x_start: Tensor,
    prediction_type: PredictionType,
    sample: Tensor,
    k: int | Tensor,
    schedule: Schedule,
    component_mean: ComponentMean = 0.0,
) -> Tensor:
    """The output of a network of `prediction_type` at the state h_k, when h_0 is x_start: the training target.

    With h~ = h - mu^G, and eps^G = (h~_k - sqrt(alpha_k) h~_0) / sqrt(1 - alpha_k) the noise that leads from h_0 to
    h_k by Eq. 1:
    - "x_start": h_0 itself;
    - "noise": eps^G;
    - "previous": h_{k-1} of the paper's loss || g(h_k) - h_{k-1} ||^2, on the chain of Eq. 1 that keeps its noise:
      h~_{k-1} = sqrt(alpha_{k-1}) h~_0 + sqrt(1 - alpha_{k-1}) eps^G, which is one deterministic DDIM step. The weight
      of h~_0 in it is above 0 at every k, so that it can be undone.

    Args:
        x_start: h_0, (..., J, 3).
        prediction_type: of the network.
        sample: h_k, (..., J, 3).
        k: 1 ... K, an int or an integer tensor over the leading axes.
        schedule: the noise schedule.
        component_mean: mu^G, broadcasts to sample; 0 or None for standard diffusion.

    Returns:
        The target, (..., J, 3).

    Raises:
        InvalidInput: the type is unknown, or k is out of range.

    Source: main paper, section 4 (loss); Eq. 1.
    """
    _check_type(prediction_type)
    if prediction_type == "x_start":
        return x_start
    start, state = centred(x_start, component_mean), centred(sample, component_mean)
    if prediction_type == "noise":
        keep, spread = mixing_weights(schedule, k, sample, lowest=1)
        return (state - keep * start) / spread
    of_start, of_state = _previous_weights(k, schedule, sample)
    return decentred(of_start.to(state.dtype) * start + of_state.to(state.dtype) * state, component_mean)


def to_x_start(
    prediction: Tensor,
    prediction_type: PredictionType,
    sample: Tensor,
    k: int | Tensor,
    schedule: Schedule,
    component_mean: ComponentMean = 0.0,
) -> Tensor:
    """The h_0 that a network's output at the state h_k means; undoes `from_x_start`.

    Args:
        prediction: the output, (..., J, 3).
        prediction_type, sample, k, schedule, component_mean: as for `from_x_start`.

    Returns:
        The predicted h_0, (..., J, 3).

    Raises:
        InvalidInput: the type is unknown, or k is out of range.
    """
    _check_type(prediction_type)
    if prediction_type == "x_start":
        return prediction
    state = centred(sample, component_mean)
    if prediction_type == "noise":
        keep, spread = mixing_weights(schedule, k, sample, lowest=1)
        start = (state - spread * prediction) / keep
    else:
        of_start, of_state = _previous_weights(k, schedule, sample)
        start = (centred(prediction, component_mean) - of_state.to(state.dtype) * state) / of_start.to(state.dtype)
    return decentred(start, component_mean)


def ddim_step(
    prediction: Tensor,
    sample: Tensor,
    k: int,
    k_prev: int,
    schedule: Schedule,
    eta: float = 0.0,
    component_mean: ComponentMean = 0.0,
    noise: Tensor | None = None,
    prediction_type: PredictionType = "x_start",
) -> tuple[Tensor, Tensor]:
    """One DDIM step from h_k to h_{k_prev}, for any k_prev < k.

    | code           | paper                             | where                                              |
    | -------------- | --------------------------------- | -------------------------------------------------- |
    | sample         | h_k                               | supplement, Eq. 1 (hat); main paper, Eq. 7          |
    | prediction     | g(h_k, f_ST, f_D^k)               | main paper, section 4                              |
    | pred_x_start   | h_0 predicted at h_k              | Eq. 1 solved for h_0; DDIM, Eq. 9 and 12, "x_0"    |
    | pred_noise     | eps^G                             | Eq. 1; DDIM, eps_theta                             |
    | component_mean | mu^G                              | Eq. 1                                              |
    | alpha          | alpha_k (a cumulated product)     | supplement, section 3; alphas_cumprod[k]           |
    | alpha_prev     | alpha of k_prev                   | alphas_cumprod[k_prev]; DDIM, alpha_{t-1}          |
    | eta            | eta                               | DDIM, Eq. 16                                       |
    | noise_std      | sigma, in units of Sigma_m^(1/2)  | DDIM, Eq. 16, a standard deviation                 |
    | noise          | a new eps^G ~ N(0, Sigma_m)       | DDIM, Eq. 12, eps_t                                |
    | returned [0]   | h_{k_prev}                        | DDIM, Eq. 12, around mu^G                          |

    h~ = h - mu^G goes from h~_k = sqrt(alpha) h~_0 + sqrt(1 - alpha) eps^G to
    h~_{k_prev} = sqrt(alpha_prev) h~_0 + sqrt(1 - alpha_prev - noise_std^2) pred_noise + noise_std noise,
    which keeps the marginals of Eq. 1 for any eta in [0, 1]: 0 is deterministic, 1 is ancestral (DDPM) sampling.

    prediction, sample, noise: (..., J, 3). noise is needed only where eta > 0 and k_prev > 0.
    Returns (h_{k_prev}, pred_x_start), both (..., J, 3).
    Raises InvalidInput on steps out of order, eta outside [0, 1], an unknown type, or a noise that is missing.
    """
    if not 0 <= k_prev < k <= schedule.num_steps:
        raise InvalidInput(f"steps must satisfy 0 <= k_prev < k <= {schedule.num_steps}, found k {k}, k_prev {k_prev}")
    if not 0.0 <= eta <= 1.0:
        raise InvalidInput(f"eta must lie between 0 and 1, found {eta}")
    pred_x_start = to_x_start(prediction, prediction_type, sample, k, schedule, component_mean)
    if k_prev == 0:
        # alpha_0 = 1: nothing but h_0 is left, to the last bit.
        return pred_x_start, pred_x_start
    pred_noise = from_x_start(pred_x_start, "noise", sample, k, schedule, component_mean)
    alpha, alpha_prev = float(schedule.alphas_cumprod[k]), float(schedule.alphas_cumprod[k_prev])
    noise_std = eta * ((1.0 - alpha_prev) / (1.0 - alpha) * (1.0 - alpha / alpha_prev)) ** 0.5
    # At eta = 1 rounding may leave less than nothing.
    noise_left_std = max(1.0 - alpha_prev - noise_std**2, 0.0) ** 0.5
    state = alpha_prev**0.5 * centred(pred_x_start, component_mean) + noise_left_std * pred_noise
    if eta > 0:
        if noise is None:
            raise InvalidInput(f"eta of {eta} adds noise to every step: a noise source must be given, found None")
        state = state + noise_std * noise
    return decentred(state, component_mean), pred_x_start


def ddim(states: Sequence[ReverseStep], k_prev: int, schedule: Schedule, eta: float, noise: Tensor | None) -> Tensor:
    """DDIM, the sampler of the paper: see `ddim_step`."""
    k, sample, pred_x_start = states[-1]
    return ddim_step(pred_x_start, sample, k, k_prev, schedule, eta, None, noise)[0]


def reverse_process(
    denoise: Denoiser,
    x_K: Tensor,
    schedule: Schedule,
    num_steps: int | Sequence[int],
    eta: float = 0.0,
    component_mean: ComponentMean = 0.0,
    noise_source: NoiseSource | None = None,
    prediction_type: PredictionType = "x_start",
    sampler: Sampler = ddim,
) -> Iterator[ReverseStep]:
    """The reverse process from h_K to h_0, one state at a time.

    Gradients are left as the caller set them.

    Args:
        denoise: called with (h_k, k) once for every state but the last.
        x_K: h_K, (..., J, 3), one draw of H_K per hypothesis.
        schedule: the noise schedule.
        num_steps: 1 ... K, evenly spread, or all k that are visited, from K down to 0.
        eta: 0 for a deterministic path, 1 for ancestral sampling.
        component_mean: mu^G of the component that each x_K was drawn from.
        noise_source: draws of N(0, Sigma_m), needed where eta > 0.
        prediction_type: of the network.
        sampler: the rule of its steps.

    Yields:
        num_steps + 1 states, from k = K to k = 0, each with the h_0 predicted at it.

    Raises:
        InvalidInput: at the first state, a value is out of range.

    Source: main paper, section 4 (inference); DDIM, Eq. 12.
    """
    _check_type(prediction_type)
    if not 0.0 <= eta <= 1.0:
        raise InvalidInput(f"eta must lie between 0 and 1, found {eta}")
    if eta > 0 and noise_source is None:
        raise InvalidInput(f"eta of {eta} adds noise to every step: a noise source must be given, found None")
    sample = x_K
    states: deque[ReverseStep] = deque(maxlen=STATES_KEPT)
    for k, k_prev in pairwise(ddim_steps(schedule.num_steps, num_steps)):
        pred_x_start = to_x_start(denoise(sample, k), prediction_type, sample, k, schedule, component_mean)
        yield ReverseStep(k, sample, pred_x_start)
        if k_prev == 0:
            sample = pred_x_start
            break
        noise = noise_source(sample) if noise_source is not None and eta > 0 else None
        states.append(ReverseStep(k, centred(sample, component_mean), centred(pred_x_start, component_mean)))
        sample = decentred(sampler(states, k_prev, schedule, eta, noise), component_mean)
    yield ReverseStep(0, sample, sample)
