"""Lifted frames of a clip, cached by the clip's hash, the frames and the settings."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from app.compute import networks
from app.compute.cache import clip_cached
from app.jobs.lifting import Blocks, Lifted
from app.session import READS, AppSettings, Setting
from diffpose_core.lifting.encode import EncodedFrames, decide_settings, encode_frames
from diffpose_core.lifting.expected_error import expected_error
from diffpose_core.lifting.sampling import reverse_trace
from diffpose_core.lifting.settings import LiftSettings
from diffpose_core.models.layers import root_relative
from diffpose_core.rng import seeded
from diffpose_core.skeleton import NUM_JOINTS
from diffpose_core.structures import PoseClip2D

#: Passes through the network that a view may cost, and the frames that it plays through at least and at most.
PASSES, FEWEST_FRAMES, MOST_FRAMES = 1600, 8, 32

#: The same for numbers over the whole clip.
PASSES_WHOLE, FEWEST_WHOLE, MOST_WHOLE = 12000, 24, 480

#: Passes between two looks at the progress, about half a second, and the most frames among them.
BLOCK_PASSES, MOST_IN_BLOCK = 400, 16

#: Draws of H_K that are shown.
GOAL_SAMPLES = 80


def spaced_frames(clip: PoseClip2D, settings: AppSettings, passes: int, fewest: int, most: int) -> np.ndarray:
    """Evenly spaced frames of a clip, as many as a number of passes through the network leaves time for, (F',)."""
    wanted = passes // (settings.steps * settings.hypotheses)
    count = min(max(wanted, fewest), most, len(clip))
    return np.unique(np.linspace(0, len(clip) - 1, count).round().astype(int))


@clip_cached
def prepared(
    source: str,
    _clip: PoseClip2D,
    frames: tuple[int, ...],
    setting: Setting = "frame",
    tilt_deg: float | None = None,
) -> EncodedFrames:
    """H_K, its fitted mixture and the baseline of some frames.

    Args:
        source: the clip's hash.
        frames: their numbers.
        setting: as in `AppSettings`.
        tilt_deg: as in `AppSettings`.
    """
    models = networks.models(READS[setting])
    return encode_frames(_clip, models, np.array(frames), decided(source, _clip, setting, tilt_deg))


@clip_cached
def decided(source: str, _clip: PoseClip2D, setting: Setting, tilt_deg: float | None) -> LiftSettings:
    """The settings of the encoding, with what the whole clip shows of tilt and body; arguments as in `prepared`."""
    asked = AppSettings(setting=setting, tilt_deg=tilt_deg)
    return decide_settings(LiftSettings(up=asked.up, body=asked.body), _clip, networks.models(READS[setting]))


@clip_cached
def lift(source: str, _clip: PoseClip2D, frames: tuple[int, ...], settings: AppSettings, context: bool) -> Lifted:
    """The reverse process of some frames, with f_ST or without, and the draws that it starts from."""
    asked = settings.lift_settings(context)
    ready = prepared(source, _clip, frames, settings.setting, settings.tilt_deg)
    loaded = networks.models(READS[settings.setting])
    name, network = loaded.pick(asked.context, asked.diffusion, asked.schedule)
    trace = reverse_trace(ready, network, asked)
    calibration = loaded.calibration(name, asked)
    lifted = Lifted(np.array(frames), trace, ready.baseline, mixture_draws(ready), loaded.encoder.title)
    if calibration is None:
        return lifted
    found = expected_error(ready, network, calibration, trace.samples[:, -1])
    return replace(lifted, expected_error=found.error, unlike=found.unlike)


def _block_size(settings: AppSettings) -> int:
    return min(max(BLOCK_PASSES // (settings.steps * settings.hypotheses), 1), MOST_IN_BLOCK)


@clip_cached
def spaced(source: str, _clip: PoseClip2D, settings: AppSettings, context: bool) -> Blocks:
    """The frames that a view plays through, lifted block by block."""
    frames = spaced_frames(_clip, settings, PASSES, FEWEST_FRAMES, MOST_FRAMES)
    return Blocks(frames, _block_size(settings), lambda block: lift(source, _clip, block, settings, context))


@clip_cached
def whole_clip(source: str, _clip: PoseClip2D, settings: AppSettings) -> Blocks:
    """All frames of a clip with f_ST, or evenly spaced ones where all would take minutes."""
    frames = spaced_frames(_clip, settings, PASSES_WHOLE, FEWEST_WHOLE, MOST_WHOLE)
    # In video a block takes the frames around it too: larger ones take a third less time in all.
    size = _block_size(settings) * (2 if settings.setting == "video" else 1)
    return Blocks(frames, size, lambda block: lift(source, _clip, block, settings, True).averaged())


def mixture_draws(ready: EncodedFrames) -> np.ndarray:
    """Poses drawn from each frame's fitted mixture, (F', GOAL_SAMPLES, 17, 3), camera frame, metres."""
    generator = seeded("cpu", 0)
    gmm = ready.gmm
    components = gmm.draw_components(GOAL_SAMPLES, generator, shared=True)
    drawn = gmm.mean_of(components) + gmm.noise(components, generator, shared=True)
    return ready.view.to_cam(root_relative(drawn.unflatten(-1, (NUM_JOINTS, 3)))).numpy()
