"""Stage data of the uncertainty view: one joint that gets less sure, and mixtures of any size."""

from __future__ import annotations

import numpy as np
import torch

from app.compute import networks
from app.compute.cache import clip_cached
from app.figures.joint_study import JointStudy, joint_study
from app.figures.mixture import mixture
from app.session import AppSettings
from diffpose_core.config import UncertaintyConfig
from diffpose_core.lifting.encode import as_detected, encode_clip
from diffpose_core.lifting.sampling import reverse_trace
from diffpose_core.lifting.settings import LiftSettings
from diffpose_core.rng import seeded
from diffpose_core.structures import PoseClip2D
from diffpose_core.uncertainty.fit_gmm import fit_gmm_batch
from diffpose_core.uncertainty.mixtures import falling_confidence, less_sure

#: Levels of a joint's confidence, the detected one and "hidden" among them.
LEVELS = 8
MOST_COMPONENTS = 10
DRAWS = (200, 500, 1000, 2000)
#: The curve over M fits each mixture from this many starts and keeps the best, with this many steps of EM.
_STARTS, _ITERATIONS = 2, 15
_CURVE = 4  # a stream of random numbers of its own


@clip_cached
def joint_stage(
    source: str, _clip: PoseClip2D, frame: int, settings: AppSettings, joint: int, components: int, draws: int
) -> bytes:
    """Packed data of a frame whose joint gets less and less sure."""
    levels = falling_confidence(float(_clip.confidence[frame, joint]), LEVELS)
    clip = less_sure(_clip.frames(np.full(LEVELS, frame)), joint, levels)
    loaded = networks.models("frame")
    config = UncertaintyConfig(draws, components)
    ready = encode_clip(clip, loaded, settings=LiftSettings(uncertainty=config, up=None, body=None))
    # The cloud is as wide as the detector says; the network is told of it relative to the other joints.
    shown = as_detected(ready, loaded)
    _, network = loaded.pick(True, "gmm", settings.trained_on)
    trace = reverse_trace(ready, network, settings.lift_settings())
    study = JointStudy(
        clip, joint, shown.h_samples, shown.gmm_cam, trace.samples[:, -1], ready.baseline[0], frame, source
    )
    return joint_study(study)


@clip_cached
def _draws_twice(source: str, _clip: PoseClip2D, frame: int, draws: int) -> tuple[np.ndarray, np.ndarray]:
    """Draws of one frame's H_K to fit mixtures to, as everywhere else, and as many new ones, (N, 51)."""
    config = UncertaintyConfig(draws, 1, 1)
    fit, fresh = (
        encode_clip(
            _clip, networks.models("frame"), [frame], LiftSettings(seed=seed, uncertainty=config, up=None, body=None)
        ).h_samples[0]
        for seed in (0, 1)
    )
    return fit.reshape(draws, -1), fresh.reshape(draws, -1)


@clip_cached
def mixture_score(
    source: str, _clip: PoseClip2D, frame: int, draws: int, components: int
) -> tuple[float, float, float]:
    """Score of a mixture fitted to one frame's H_K.

    Returns the mean log-likelihood of the draws that it was fitted to and of new ones, nats a pose, and BIC.
    """
    fit, fresh = (torch.from_numpy(d) for d in _draws_twice(source, _clip, frame, draws))
    starts = fit.expand(_STARTS, -1, -1)
    gmm = fit_gmm_batch(starts, components, seeded("cpu", 0, _CURVE, components), max_iter=_ITERATIONS)
    of_start = gmm.log_prob(starts).mean(-1)
    best = gmm[int(of_start.argmax())]
    own = float(of_start.max())
    numbers = int((fit != fit[:1]).any(0).sum())  # the hip never moves: no numbers to fit
    free = components * (numbers + numbers * (numbers + 1) // 2) + components - 1
    return own, float(best.log_prob(fresh).mean()), float(free * np.log(draws) - 2 * draws * own)


@clip_cached
def mixture_stage(
    source: str,
    _clip: PoseClip2D,
    frame: int,
    components: int,
    draws: int,
    scores: tuple[tuple[float, float, float], ...] | None,
) -> bytes:
    """Packed data of the mixture fitted to one frame's H_K. scores: `mixture_score` of M = 1, 2, ..., or None."""
    ready = encode_clip(
        _clip,
        networks.models("frame"),
        [frame],
        LiftSettings(uncertainty=UncertaintyConfig(draws, components), up=None, body=None),
    )
    truth = _clip.pose3d_cam
    reference = ready.baseline[0] if truth is None else truth[frame]
    curve = None if scores is None else np.array(scores)
    return mixture(ready.h_samples[0], ready.gmm_cam[0], curve, reference, source, _clip.name, frame)
