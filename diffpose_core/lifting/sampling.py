"""The reverse process of encoded frames: state by state, its end, or the whole trace."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from diffpose_core.diffusion.reverse import ReverseStep, reverse_process
from diffpose_core.diffusion.schedule import ScheduleName, ddim_steps, make_schedule
from diffpose_core.lifting.encode import EncodedFrames, context_for
from diffpose_core.lifting.models import Models
from diffpose_core.lifting.smoothing import smoothed_hypotheses, smoothed_states
from diffpose_core.models.denoiser import Conditioning, Denoiser, gmm_features
from diffpose_core.models.fast.denoiser_cache import fast_denoiser
from diffpose_core.models.layers import root_relative
from diffpose_core.rng import seeded
from diffpose_core.skeleton import NUM_JOINTS
from diffpose_core.structures import DiffusionTrace, InvalidInput
from diffpose_core.uncertainty.pose_gmm import PoseGMM, standard_normal

#: Poses, hypotheses of all frames together, that a reverse process carries along at a time: what g knows of each takes
#: a hundred kilobytes.
_POSES_AT_ONCE = 320
_POSES_AT_ONCE_GPU = 32768
MAX_HYPOTHESES = 200
_START = 2


def check_hypotheses(count: int) -> None:
    if not 1 <= count <= MAX_HYPOTHESES:
        raise InvalidInput(f"hypotheses must lie between 1 and {MAX_HYPOTHESES}, found {count}")


def reverse_steps(
    encoded: EncodedFrames, network: Denoiser, steps: int | Sequence[int], hypotheses: int, eta: float, seed: int
) -> Iterator[ReverseStep]:
    """The reverse process of every encoded frame, state by state, in the view frame: samples (F, H, J, 3).

    Starts from poses drawn from each frame's fitted GMM (standard diffusion: from N(0, I)); hypotheses differ in
    component and noise, drawn so that their mean is not at the mercy of chance (`PoseGMM.noise`, balanced).

    A network without diffusion takes one step, and its hypotheses are all the same.
    In video the last state is smoothed (`smooth_over_time`).
    steps: how many, evenly spread, or all k that are visited, from K down to 0.
    Raises InvalidInput on counts or eta out of range.
    """
    check_hypotheses(hypotheses)
    if encoded.neighbours is not None:
        states = reverse_steps(encoded.neighbours.encoded, network, steps, hypotheses, eta, seed)
        return smoothed_states(states, encoded.neighbours, network)
    if network.config.diffusion == "none":
        return _regression(encoded, network, hypotheses)
    return _diffusion(encoded, network, steps, hypotheses, eta, seed)


@torch.inference_mode()
def _diffusion(
    encoded: EncodedFrames, network: Denoiser, steps: int | Sequence[int], hypotheses: int, eta: float, seed: int
) -> Iterator[ReverseStep]:
    config, count = network.config, len(encoded)
    generator = seeded("cpu", seed, _START)
    if config.diffusion == "gmm":
        gmm = encoded.gmm
    else:
        single = standard_normal(3 * NUM_JOINTS, device=encoded.view.rotation.device)
        gmm = PoseGMM(*(t.expand(count, *t.shape).clone() for t in (single.weights, single.means, single.covariances)))
    pose = (NUM_JOINTS, 3)
    components = gmm.draw_components(hypotheses, generator, shared=True, balanced=True)
    mean = gmm.mean_of(components).unflatten(-1, pose)
    start = mean + gmm.noise(components, generator, shared=True, balanced=True).unflatten(-1, pose)
    variances = gmm.covariances.diagonal(dim1=-2, dim2=-1)
    component_std = variances.gather(1, components[..., None].expand(-1, -1, variances.shape[-1])).sqrt()
    mixture_std = gmm.variance.sqrt()

    def per_hypothesis(tensor: Tensor) -> Tensor:
        return tensor[:, None].expand(-1, hypotheses, *tensor.shape[1:]).flatten(0, 1)

    context = context_for(encoded, network)
    conditioning = Conditioning(
        features=per_hypothesis(context.features),
        pose=per_hypothesis(context.pose_view),
        gmm=gmm_features(
            mean.flatten(0, 1),
            component_std.unflatten(-1, pose).flatten(0, 1),
            per_hypothesis(gmm.mean.unflatten(-1, pose)),
            per_hypothesis(mixture_std.unflatten(-1, pose)),
        ),
        heatmaps=per_hypothesis(encoded.view.heatmap_features()),
    )

    g = fast_denoiser(network, encoded.mixed_precision)
    visited = ddim_steps(config.num_steps, steps)
    cached = g.cache_conditioning(conditioning, visited[:-1])

    def denoise(sample: Tensor, k: int) -> Tensor:
        return g.predict(sample.flatten(0, 1), k, cached).unflatten(0, (count, hypotheses))

    def shared_noise(like: Tensor) -> Tensor:
        # The same white noise for every frame: what a frame becomes depends on no other frame.
        return gmm.noise(components, generator, shared=True).reshape(like.shape)

    schedule = make_schedule(config.schedule, config.num_steps)
    yield from reverse_process(denoise, start, schedule, visited, eta, mean, shared_noise, config.prediction_type)


@torch.inference_mode()
def _regression(encoded: EncodedFrames, network: Denoiser, hypotheses: int) -> Iterator[ReverseStep]:
    """What a network without diffusion makes of encoded frames, as a process of one step."""
    context, gmm = context_for(encoded, network), encoded.gmm
    mean, std = (tensor.unflatten(-1, (NUM_JOINTS, 3)) for tensor in (gmm.mean, gmm.variance.sqrt()))
    heatmaps = encoded.view.heatmap_features()
    conditioning = Conditioning(context.features, context.pose_view, gmm_features(mean, std, mean, std), heatmaps)
    last = network.config.num_steps
    with torch.autocast(context.pose_view.device.type, torch.bfloat16, enabled=encoded.mixed_precision):
        pose = network(context.pose_view, last, conditioning)
    start, found = (tensor[:, None].expand(-1, hypotheses, -1, -1) for tensor in (context.pose_view, pose))
    yield ReverseStep(last, start, found)
    yield ReverseStep(0, found, found)


def _chunks(encoded: EncodedFrames, hypotheses: int) -> list[EncodedFrames]:
    """EncodedFrames frames, in video all that they take, as many at a time as a reverse process carries along."""
    check_hypotheses(hypotheses)
    every = encoded if encoded.neighbours is None else encoded.neighbours.encoded
    poses = _POSES_AT_ONCE if every.view.rotation.device.type == "cpu" else _POSES_AT_ONCE_GPU
    size = max(1, poses // hypotheses)
    return [every] if len(every) <= size else [every[begin : begin + size] for begin in range(0, len(every), size)]


def sample_hypotheses(
    encoded: EncodedFrames,
    network: Denoiser,
    steps: int | Sequence[int] = 5,
    hypotheses: int = 5,
    eta: float = 0.0,
    seed: int = 0,
    progress: Callable[[float], None] | None = None,
) -> Tensor:
    """What the process of `reverse_steps` ends at, (F, H, J, 3) metres, root-relative, view frame.

    A few frames are worked on at a time: memory does not grow with their number but for what is returned. progress:
    called with the share of the work that is done, after every step. Raises InvalidInput as `reverse_steps`.
    """
    parts, ends = _chunks(encoded, hypotheses), []
    for number, part in enumerate(parts):
        for state in reverse_steps(part, network, steps, hypotheses, eta, seed):
            if progress is not None:
                progress((number + 1 - state.k / network.config.num_steps) / len(parts))
        # A network that predicts noise or h_{k-1} leaves some noise at the hip.
        ends.append(root_relative(state.sample))
    final = torch.cat(ends)
    return final if encoded.neighbours is None else smoothed_hypotheses(final, encoded.neighbours, network)


def _concatenated(states: Sequence[ReverseStep]) -> ReverseStep:
    """The state of all frames, from those of some frames each."""
    sample, pred_x_start = (torch.cat(column) for column in list(zip(*states, strict=True))[1:])
    return ReverseStep(states[0].k, sample, pred_x_start)


def reverse_trace(
    encoded: EncodedFrames, network: Denoiser, steps: int = 5, hypotheses: int = 5, eta: float = 0.0, seed: int = 0
) -> DiffusionTrace:
    """The whole reverse process of every encoded frame, camera frame."""
    of_parts = (reverse_steps(part, network, steps, hypotheses, eta, seed) for part in _chunks(encoded, hypotheses))
    states = [_concatenated(of_step) for of_step in zip(*map(list, of_parts), strict=True)]
    if encoded.neighbours is not None:
        states = list(smoothed_states(iter(states), encoded.neighbours, network))
    samples = torch.stack([state.sample for state in states], dim=1)
    predicted = torch.stack([state.pred_x_start for state in states], dim=1)
    # The hip of a noisy state carries noise of its own; a pose is shown with its hip at the origin.
    return DiffusionTrace(
        np.array([state.k for state in states]),
        encoded.view.to_cam(root_relative(samples)).cpu().numpy(),
        encoded.view.to_cam(root_relative(predicted)).cpu().numpy(),
    )


def reverse_traces(
    encoded: EncodedFrames,
    models: Models,
    steps: int = 5,
    hypotheses: int = 5,
    eta: float = 0.0,
    seed: int = 0,
    schedule: ScheduleName = "converging",
) -> dict[str, DiffusionTrace]:
    """The reverse process with ("context") and without ("no_context") f_ST, from the same start and the same noise."""
    return {
        label: reverse_trace(encoded, models.pick(context, "gmm", schedule)[1], steps, hypotheses, eta, seed)
        for label, context in (("context", True), ("no_context", False))
    }
