"""Forward diffusion of one encoded frame, for looking at it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from diffpose_core.diffusion.forward import NoiseSource, forward_chain
from diffpose_core.diffusion.schedule import ScheduleName, make_schedule
from diffpose_core.lifting.encode import EncodedFrames
from diffpose_core.lifting.settings import FORWARD_STREAM
from diffpose_core.models.layers import root_relative
from diffpose_core.rng import seeded
from diffpose_core.skeleton import NUM_JOINTS
from diffpose_core.structures import DiffusionTrace, InvalidInput
from diffpose_core.uncertainty.pose_gmm import PoseGMM, component_noise, standard_normal

#: Most chains of one frame.
MAX_FORWARD_SAMPLES = 10_000


@dataclass(frozen=True)
class ForwardParts:
    """The terms of Eq. 1 for one frame: every state h_k follows from these and alpha_k alone.

    Metres, root-relative, camera frame.

    Attributes:
        h_0: (J, 3).
        mean: (H, J, 3), mu^G of every sample.
        noise: (H, J, 3), eps^G of every sample.
    """

    h_0: np.ndarray
    mean: np.ndarray
    noise: np.ndarray

    def trace(self, schedule: ScheduleName) -> DiffusionTrace:
        """The states under a schedule, F axis of length 1."""
        h_0, mean, noise = (torch.from_numpy(part) for part in (self.h_0, self.mean, self.noise))
        noise_schedule = make_schedule(schedule)
        chain = forward_chain(h_0.expand_as(mean), noise_schedule, lambda like: noise, mean)
        return DiffusionTrace(np.arange(noise_schedule.num_steps + 1), chain[None].numpy())


def forward_parts(encoded: EncodedFrames, index: int = 0, samples: int = 200, seed: int = 0) -> dict[str, ForwardParts]:
    """The terms of Eq. 1 of standard and GMM diffusion, whatever the schedule.

    Args:
        encoded: F frames.
        index: the frame, 0 to F - 1. h_0 is the exact pose where the clip has it, else the encoder's.
        samples: chains.
        seed: of the noise.

    Returns:
        Terms of "standard" and "gmm", from the same h_0 and the same white noise.

    Raises:
        InvalidInput: the index or the number of samples is out of range.
    """
    parts = {}
    for label, x_start, mean, noise_source in _forward_sources(encoded, index, samples, seed):
        # Turning and moving the hip are linear: it makes no difference whether they come before the mixing or after it.
        in_view = torch.stack([x_start, mean, noise_source(x_start)], dim=1)
        start, means, noise = encoded.view[index : index + 1].to_cam(root_relative(in_view))[0].cpu().numpy()
        parts[label] = ForwardParts(start[0], means, noise)
    return parts


def forward_traces(
    encoded: EncodedFrames,
    index: int = 0,
    schedule: ScheduleName = "supplement",
    samples: int = 200,
    seed: int = 0,
    stepwise: bool = False,
) -> dict[str, DiffusionTrace]:
    """Forward diffusion of one encoded frame.

    Args:
        encoded: F frames.
        index: as for `forward_parts`.
        schedule: the noise schedule.
        samples: chains.
        seed: of the noise.
        stepwise: new noise at every step (Eq. 2) instead of one kept noise (Eq. 1).

    Returns:
        Traces of "standard" and "gmm", from the same h_0 and the same white noise, F axis of length 1.

    Raises:
        InvalidInput: the index or the number of samples is out of range.
    """
    if not stepwise:
        return {label: parts.trace(schedule) for label, parts in forward_parts(encoded, index, samples, seed).items()}
    noise_schedule = make_schedule(schedule)
    traces = {}
    for label, x_start, mean, noise_source in _forward_sources(encoded, index, samples, seed):
        chain = forward_chain(x_start, noise_schedule, noise_source, mean, stepwise)
        in_cam = encoded.view[index : index + 1].to_cam(root_relative(chain).transpose(0, 1))
        traces[label] = DiffusionTrace(np.arange(noise_schedule.num_steps + 1), in_cam.cpu().numpy())
    return traces


def _forward_sources(
    encoded: EncodedFrames, index: int, samples: int, seed: int
) -> Iterator[tuple[str, Tensor, Tensor, NoiseSource]]:
    """Label, h_0 (1, H, J, 3), mu^G and source of eps^G of standard and GMM diffusion, view frame."""
    if not 0 <= index < len(encoded):
        raise InvalidInput(f"index must lie between 0 and {len(encoded) - 1}, found {index}")
    if not 1 <= samples <= MAX_FORWARD_SAMPLES:
        raise InvalidInput(f"samples must lie between 1 and {MAX_FORWARD_SAMPLES}, found {samples}")
    truth = encoded.truth_view
    start = (encoded.context.pose_view if truth is None else truth)[index]
    single = standard_normal(3 * NUM_JOINTS, device=start.device)
    mixtures = {
        "standard": PoseGMM(single.weights[None], single.means[None], single.covariances[None]),
        "gmm": encoded.gmm[index : index + 1],
    }
    for label, gmm in mixtures.items():
        # The generators start alike for both: the white noise that Sigma colours is the same.
        components = gmm.draw_components(samples, seeded("cpu", seed, FORWARD_STREAM))
        noise_source = component_noise(gmm, components, seeded("cpu", seed, FORWARD_STREAM, 1))
        mean = gmm.mean_of(components).unflatten(-1, (NUM_JOINTS, 3))
        yield label, start.expand(1, samples, NUM_JOINTS, 3), mean, noise_source
