"""The reverse process of encoded frames: state by state, its final hypotheses, or the whole trace."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from diffpose_core.diffusion.flow import flow_process
from diffpose_core.diffusion.reverse import ReverseStep, reverse_process
from diffpose_core.diffusion.samplers import DDIM, sampler_named
from diffpose_core.diffusion.schedule import make_schedule
from diffpose_core.lifting.encode import EncodedFrames, context_for
from diffpose_core.lifting.models import Models
from diffpose_core.lifting.settings import START_STREAM, LiftSettings
from diffpose_core.lifting.smoothing import smoothed_hypotheses, smoothed_states
from diffpose_core.models.denoiser import Conditioning, Denoiser, gmm_features
from diffpose_core.models.fast.denoiser_cache import fast_denoiser
from diffpose_core.models.layers import root_relative
from diffpose_core.rng import seeded
from diffpose_core.skeleton import NUM_JOINTS
from diffpose_core.structures import DiffusionTrace, InvalidInput
from diffpose_core.uncertainty.pose_gmm import PoseGMM, standard_normal

#: Poses, all frames' hypotheses together, of one reverse process: the cached conditioning of each takes 100 kB.
_POSES_AT_ONCE = 320
_POSES_AT_ONCE_GPU = 32768


def reverse_steps(
    encoded: EncodedFrames, network: Denoiser, settings: LiftSettings | None = None
) -> Iterator[ReverseStep]:
    """The reverse process of every encoded frame, state by state, view frame.

    It starts from draws of each frame's fitted GMM, or of N(0, I) for standard diffusion. Hypotheses differ in
    component and noise; balanced draws keep their mean near the GMM's. A network without diffusion takes one step,
    and its hypotheses are all the same. In video the last state is smoothed over time.

    Args:
        encoded: F frames.
        network: the denoiser.
        settings: steps, hypotheses, eta, seed and precision; by default those of the encoding.

    Yields:
        States from k = K to k = 0, samples (F, H, J, 3) metres.

    Raises:
        InvalidInput: the number of steps is out of range, or eta is above 0 for a flow.
    """
    settings = settings or encoded.settings
    if encoded.neighbours is not None:
        states = reverse_steps(encoded.neighbours.encoded, network, settings)
        return smoothed_states(states, encoded.neighbours, network)
    if network.config.diffusion == "none":
        return _regression(encoded, network, settings)
    return _diffusion(encoded, network, settings)


@torch.inference_mode()
def _diffusion(encoded: EncodedFrames, network: Denoiser, settings: LiftSettings) -> Iterator[ReverseStep]:
    """The chosen sampler around each component's mean, or the flow from the component's draws."""
    config, shape = network.config, (len(encoded), settings.hypotheses)
    generator = seeded("cpu", settings.seed, START_STREAM)
    if config.diffusion == "flow" and settings.eta > 0:
        raise InvalidInput(f"rectified flow adds no noise on the way: eta must be 0, found {settings.eta}")
    if config.diffusion == "flow" and settings.sampler != DDIM:
        raise InvalidInput(f"rectified flow takes Euler steps: leave out the sampler, found {settings.sampler!r}")
    gmm = _standard_normals(encoded) if config.diffusion == "standard" else encoded.gmm
    components = gmm.draw_components(settings.hypotheses, generator, shared=True, balanced=settings.balanced)
    mean = _poses(gmm.mean_of(components))
    start = mean + _poses(gmm.noise(components, generator, shared=True, balanced=settings.balanced))
    g = fast_denoiser(network, _mixed_precision(encoded, settings))
    visited = settings.timesteps(config.num_steps)
    cached = g.cache_conditioning(_conditioning(encoded, network, components), visited[:-1])

    def denoise(sample: Tensor, k: int) -> Tensor:
        return g.predict(sample.flatten(0, 1), k, cached).unflatten(0, shape)

    def shared_noise(like: Tensor) -> Tensor:
        # The same white noise for every frame: a frame's result depends on no other frame.
        return gmm.noise(components, generator, shared=True).reshape(like.shape)

    if config.diffusion == "flow":
        yield from flow_process(denoise, start, config.num_steps, visited)
        return
    schedule = make_schedule(config.schedule, config.num_steps)
    yield from reverse_process(
        denoise, start, schedule, visited, settings.eta, mean, shared_noise, config.prediction_type,
        sampler_named(settings.sampler),
    )  # fmt: skip


def _poses(flat: Tensor) -> Tensor:
    """(..., 51) as (..., J, 3)."""
    return flat.unflatten(-1, (NUM_JOINTS, 3))


def _standard_normals(encoded: EncodedFrames) -> PoseGMM:
    """N(0, I) for every frame."""
    single = standard_normal(3 * NUM_JOINTS, device=encoded.view.rotation.device)
    parts = (single.weights, single.means, single.covariances)
    return PoseGMM(*(part.expand(len(encoded), *part.shape).clone() for part in parts))


def _mixed_precision(encoded: EncodedFrames, settings: LiftSettings) -> bool:
    """Whether g computes in bfloat16: as the settings say, else as decided when the frames were encoded."""
    asked = settings.mixed_precision
    return bool(encoded.settings.mixed_precision if asked is None else asked)


def _conditioning(encoded: EncodedFrames, network: Denoiser, components: Tensor) -> Conditioning:
    """Inputs of g beside the state, for every hypothesis: leading axis F * H. components: (F, H), of the noise.

    Standard diffusion draws no component of the pose's GMM: the whole mixture takes its place.
    """
    hypotheses = components.shape[1]

    def per_hypothesis(tensor: Tensor) -> Tensor:
        return tensor[:, None].expand(-1, hypotheses, *tensor.shape[1:]).flatten(0, 1)

    gmm, context = encoded.gmm, context_for(encoded, network)
    mean, std = (per_hypothesis(_poses(part)) for part in (gmm.mean, gmm.variance.sqrt()))
    component_mean, component_std = mean, std
    if network.config.diffusion != "standard":
        variances = gmm.covariances.diagonal(dim1=-2, dim2=-1)
        of_component = variances.gather(1, components[..., None].expand(-1, -1, variances.shape[-1])).sqrt()
        component_mean, component_std = (_poses(part).flatten(0, 1) for part in (gmm.mean_of(components), of_component))
    return Conditioning(
        features=per_hypothesis(context.features),
        pose=per_hypothesis(context.pose_view),
        gmm=gmm_features(component_mean, component_std, mean, std),
        heatmaps=per_hypothesis(encoded.view.heatmap_features()),
        told=None if encoded.told is None else per_hypothesis(encoded.told),
    )


@torch.inference_mode()
def _regression(encoded: EncodedFrames, network: Denoiser, settings: LiftSettings) -> Iterator[ReverseStep]:
    """Poses of a network without diffusion, as a process of one step."""
    context, gmm = context_for(encoded, network), encoded.gmm
    mean, std = _poses(gmm.mean), _poses(gmm.variance.sqrt())
    heatmaps = encoded.view.heatmap_features()
    features = gmm_features(mean, std, mean, std)
    conditioning = Conditioning(context.features, context.pose_view, features, heatmaps, encoded.told)
    last, mixed = network.config.num_steps, _mixed_precision(encoded, settings)
    with torch.autocast(context.pose_view.device.type, torch.bfloat16, enabled=mixed):
        pose = network(context.pose_view, last, conditioning)
    start, found = (p[:, None].expand(-1, settings.hypotheses, -1, -1) for p in (context.pose_view, pose))
    yield ReverseStep(last, start, found)
    yield ReverseStep(0, found, found)


def _chunks(encoded: EncodedFrames, settings: LiftSettings) -> list[EncodedFrames]:
    """The frames to sample, in video with all neighbours, as many at a time as memory is meant for."""
    every = encoded if encoded.neighbours is None else encoded.neighbours.encoded
    poses = _POSES_AT_ONCE if every.view.rotation.device.type == "cpu" else _POSES_AT_ONCE_GPU
    size = max(1, poses // settings.hypotheses)
    return [every] if len(every) <= size else [every[begin : begin + size] for begin in range(0, len(every), size)]


def sample_hypotheses(
    encoded: EncodedFrames,
    network: Denoiser,
    settings: LiftSettings | None = None,
    progress: Callable[[float], None] | None = None,
) -> Tensor:
    """Final hypotheses of encoded frames, without the states on the way.

    A few frames are sampled at a time: memory grows with their number only by the result.

    Args:
        encoded: F frames.
        network: the denoiser.
        settings: as for `reverse_steps`.
        progress: called after every step with the share that is done, from 0 to 1.

    Returns:
        (F, H, J, 3) metres, root-relative, view frame.

    Raises:
        InvalidInput: the number of steps is out of range.
    """
    settings = settings or encoded.settings
    chunks, ends = _chunks(encoded, settings), []
    for number, chunk in enumerate(chunks):
        for state in reverse_steps(chunk, network, settings):
            if progress is not None:
                progress((number + 1 - state.k / network.config.num_steps) / len(chunks))
        # A network that predicts noise or h_{k-1} leaves some noise at the hip.
        ends.append(root_relative(state.sample))
    final = torch.cat(ends)
    return final if encoded.neighbours is None else smoothed_hypotheses(final, encoded.neighbours, network)


def reverse_trace(encoded: EncodedFrames, network: Denoiser, settings: LiftSettings | None = None) -> DiffusionTrace:
    """The whole reverse process of every encoded frame, camera frame.

    Args:
        encoded: F frames.
        network: the denoiser.
        settings: as for `reverse_steps`.
    """
    settings = settings or encoded.settings
    of_chunks = (reverse_steps(chunk, network, settings) for chunk in _chunks(encoded, settings))
    states = [_concatenated(of_step) for of_step in zip(*map(list, of_chunks), strict=True)]
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


def _concatenated(states: Sequence[ReverseStep]) -> ReverseStep:
    """The state of all frames, from those of some frames each."""
    sample, pred_x_start = (torch.cat(column) for column in list(zip(*states, strict=True))[1:])
    return ReverseStep(states[0].k, sample, pred_x_start)


def reverse_traces(
    encoded: EncodedFrames, models: Models, settings: LiftSettings | None = None
) -> dict[str, DiffusionTrace]:
    """Traces of GMM diffusion with f_ST ("context") and without ("no_context"), from the same start and noise.

    Args:
        encoded: F frames.
        models: with both denoisers.
        settings: as for `reverse_steps`, and the schedule that the denoisers were trained with.
    """
    settings = settings or encoded.settings
    return {
        label: reverse_trace(encoded, models.pick(context, "gmm", settings.schedule)[1], settings)
        for label, context in (("context", True), ("no_context", False))
    }
