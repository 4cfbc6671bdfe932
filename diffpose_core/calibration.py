"""Do the hypotheses cover the truth as often as their spread says, and what error is to be expected of each joint?

`fit` measures a network's errors on motions that it was not trained on and makes a `Calibration`; `report` says on
other motions how far hypotheses can be trusted without it and with it. Errors are those of single frames, before bones
are given constant lengths, in the view frame (z along the line of sight).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from diffpose_core.bootstrap import interval, resampled_means
from diffpose_core.config import UncertaintyConfig, to_dict
from diffpose_core.datasets.mocap17 import load_mocap17
from diffpose_core.evaluation import DETECTOR_SEED, chosen_clips, evaluation_clips
from diffpose_core.io.checkpoints import encoder_tensors, fingerprint
from diffpose_core.lifting.encode import context_for, encode_clip
from diffpose_core.lifting.expected_error import mixture_std_m
from diffpose_core.lifting.models import ENCODERS, Models
from diffpose_core.lifting.provenance import version
from diffpose_core.lifting.sampling import sample_hypotheses
from diffpose_core.skeleton import JOINT_NAMES, NUM_JOINTS
from diffpose_core.structures import InvalidInput
from diffpose_core.uncertainty.expected_error import (
    LEVELS,
    Calibration,
    fit_expected_error,
    fit_radii,
    fit_spread_factor,
    known_of,
    place_in_student,
    spread,
)

#: Central probabilities of the reliability curve.
NOMINAL = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
_AXES = ("across", "down", "depth")
_PIT_BINS = 20
_DECILES = 10
#: What varies less is constant but for rounding: it correlates with nothing.
_CONSTANT_M = 1e-6
#: Hypotheses that are kept of all views together.
_MAX_KEPT_BYTES = 1_000_000_000


@dataclass(frozen=True)
class Settings:
    """What is looked at, and how. stride: every stride-th frame. steps, hypotheses, seed, mixed_precision: as in
    `evaluate`. clips: numbers of the clips, all by default.
    """

    stride: int = 15
    steps: int = 5
    hypotheses: int = 20
    seed: int = 0
    clips: range | None = None
    mixed_precision: bool = False


@dataclass(frozen=True)
class Seen:
    """N views and what a network made of them. Metres, root-relative, view frame.

    hypotheses: (N, H, J, 3) float32. encoder_pose: (N, J, 3), what the network started from. mixture_std: (N, J).
    truth: (N, J, 3). hidden: (N, J) bool. clip: (N,), number of the motion clip.
    """

    hypotheses: np.ndarray
    encoder_pose: np.ndarray
    mixture_std: np.ndarray
    truth: np.ndarray
    hidden: np.ndarray
    clip: np.ndarray

    def __len__(self) -> int:
        return len(self.truth)

    def error(self) -> np.ndarray:
        """Distance of the hypotheses' mean from the truth, (N, J)."""
        return np.linalg.norm(self.hypotheses.mean(1) - self.truth, axis=-1)

    def known(self, usual_view: np.ndarray) -> np.ndarray:
        """`known_of` these views, (N, J, 7)."""
        return known_of(self.hypotheses, self.encoder_pose, self.mixture_std, usual_view)


def look(
    data: str | Path,
    models: Models,
    network: str,
    settings: Settings,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Seen:
    """Let a network lift views of a motion file in Mocap-17 layout, seen by the benchmark's cameras and detector.

    Raises InvalidInput if the file isn't in the layout, on settings out of range, an unknown network, or more
    hypotheses than can be kept.
    """
    if settings.stride < 1:
        raise InvalidInput(f"the stride must be at least 1, found {settings.stride}")
    if settings.hypotheses < 2:
        raise InvalidInput(f"a spread needs at least two hypotheses, found {settings.hypotheses}")
    if network not in models.denoisers:
        raise InvalidInput(f"no weights for {network!r}; loaded: {', '.join(models.denoisers) or 'none'}")
    motions = load_mocap17(data)
    chosen = chosen_clips(motions, settings.clips)
    frames = np.diff(motions.start)[list(chosen)]
    size = 4 * int((-(-frames // settings.stride) * 4).sum()) * settings.hypotheses * NUM_JOINTS * 3
    if size > _MAX_KEPT_BYTES:
        raise InvalidInput(
            f"{size / 1e9:.1f} GB of hypotheses; the limit is {_MAX_KEPT_BYTES / 1e9:.0f} GB: take a larger stride"
        )
    denoiser = models.denoisers[network]
    parts: list[tuple[np.ndarray, ...]] = []
    for done, number in enumerate(chosen):
        for clip in evaluation_clips(motions, number):
            numbers = np.arange(0, len(clip), settings.stride)
            for begin in range(0, len(numbers), models.block_frames):
                block = numbers[begin : begin + models.block_frames]
                ready = encode_clip(clip, models, block, seed=settings.seed, mixed_precision=settings.mixed_precision)
                assert ready.truth_view is not None and clip.hidden is not None
                tensors = (
                    sample_hypotheses(ready, denoiser, settings.steps, settings.hypotheses, 0.0, settings.seed),
                    context_for(ready, denoiser).pose_view,
                    mixture_std_m(ready),
                    ready.truth_view,
                )
                parts.append((*(t.cpu().numpy() for t in tensors), clip.hidden[block], np.full(len(block), number)))
        progress(done + 1, len(chosen))
    return Seen(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def fit(seen: Seen, network: str, models: Models, provenance: dict[str, Any]) -> Calibration:
    """Fit a calibration to what a network made of views with the truth at hand."""
    usual = seen.hypotheses.mean((0, 1)).astype(np.float64)
    known, error = seen.known(usual), seen.error()
    coefficients = fit_expected_error(known, error)
    unscaled = Calibration(
        network,
        fingerprint(dict(models.denoisers[network].state_dict())),
        fingerprint(encoder_tensors(models.encoder)),
        coefficients, usual, np.ones(NUM_JOINTS), np.zeros((NUM_JOINTS, len(LEVELS))), provenance,
    )  # fmt: skip
    expected = unscaled.expected_error(known)
    factor = fit_spread_factor(unscaled.widened(seen.hypotheses, expected), seen.truth)
    return replace(unscaled, spread_factor=factor, radii=fit_radii(expected, error))


class _OverClips:
    """Means over views with intervals over clips."""

    def __init__(self, clip: np.ndarray) -> None:
        self.numbers, self.row = np.unique(clip, return_inverse=True)

    def means(self, values: np.ndarray, mask: np.ndarray | None = None) -> np.ndarray:
        """Means of values (N, ..., J) over views and joints, (1 + R, ...): see `resampled_means`. mask: (N, J)."""
        counted = np.ones((len(values), values.shape[-1]), dtype=bool) if mask is None else mask
        lead = (slice(None), *(None,) * (values.ndim - 2))
        total = np.zeros((len(self.numbers), *values.shape[1:-1]))
        count = np.zeros(len(self.numbers))
        np.add.at(total, self.row, np.where(counted[lead], values, 0.0).sum(-1))
        np.add.at(count, self.row, counted.sum(-1))
        return resampled_means(total, count.reshape(-1, *(1,) * (values.ndim - 2)))


def _energy_score(hypotheses: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Energy score of each joint, (N, J) metres: mean distance of the hypotheses from the truth less half their mean
    distance from each other; lower is better. Source: Gneiting and Raftery (2007), Eq. 22, its unbiased form.
    """
    count = hypotheses.shape[1]
    to_truth = np.linalg.norm(hypotheses - truth[:, None], axis=-1).mean(1)
    apart = np.zeros_like(to_truth)
    for shift in range(1, count):
        apart += np.linalg.norm(hypotheses - np.roll(hypotheses, shift, axis=1), axis=-1).mean(1)
    return to_truth - 0.5 * apart / (count - 1)


def _reliability(hypotheses: np.ndarray, truth: np.ndarray, over: _OverClips) -> dict[str, Any]:
    """How often the hypotheses' own distribution covers the truth, how sharp it is, and its energy score."""
    place = place_in_student(hypotheses, truth)[:, 1:]
    # A central interval of probability p reaches p / 2 to both sides of the median.
    inside = 2.0 * np.abs(place - 0.5) <= np.array(NOMINAL)[:, None, None, None]
    by_axis = inside.mean((1, 2))
    pooled = over.means(inside.mean(-1).swapaxes(0, 1))
    ranks = (hypotheses[:, :, 1:] < truth[:, None, 1:]).sum(1)
    score = over.means(_energy_score(hypotheses, truth)[:, 1:])
    return {
        "coverage": pooled[0].tolist(),
        "interval": interval(pooled).T.tolist(),
        "by_axis": {name: by_axis[:, axis].tolist() for axis, name in enumerate(_AXES)},
        "by_joint": dict(zip(JOINT_NAMES[1:], inside.mean((1, 3)).T.tolist(), strict=True)),
        "pit": (np.histogram(place, _PIT_BINS, (0.0, 1.0))[0] / place.size).tolist(),
        "ranks": (np.bincount(ranks.ravel(), minlength=hypotheses.shape[1] + 1) / ranks.size).tolist(),
        "spread_mm": float(1000 * np.sqrt(np.square(spread(hypotheses)[:, 1:]).mean())),
        "energy_score_mm": {"mean": float(1000 * score[0]), "interval": (1000 * interval(score)).tolist()},
    }


def _expected(expected: np.ndarray, seen: Seen, over: _OverClips) -> dict[str, Any]:
    """Expected beside observed errors: means, correlations, deciles, and how often the regions hold the truth."""
    predicted, observed, hidden = expected[:, 1:], seen.error()[:, 1:], seen.hidden[:, 1:]

    def means(mask: np.ndarray | None = None) -> dict[str, Any]:
        both = 1000 * over.means(np.stack((predicted, observed), axis=1), mask)
        return {
            "expected_mm": float(both[0, 0]),
            "observed_mm": float(both[0, 1]),
            "interval": interval(both[:, 1]).tolist(),
        }

    def correlation(a: np.ndarray, b: np.ndarray) -> float | None:
        return float(np.corrcoef(a, b)[0, 1]) if min(a.std(), b.std()) > _CONSTANT_M else None

    edges = np.quantile(predicted, np.linspace(0, 1, _DECILES + 1)[1:-1])
    tenth = np.searchsorted(edges, predicted)
    within = [correlation(predicted[:, j], observed[:, j]) for j in range(NUM_JOINTS - 1)]
    known = [value for value in within if value is not None]
    return {
        **means(),
        "hidden": means(hidden),
        "visible": means(~hidden),
        "by_joint": {
            name: {
                "expected_mm": float(1000 * predicted[:, j].mean()),
                "observed_mm": float(1000 * observed[:, j].mean()),
                "correlation": within[j],
            }
            for j, name in enumerate(JOINT_NAMES[1:])
        },
        "correlation": {
            "all": correlation(predicted.ravel(), observed.ravel()),
            "within_a_joint": float(np.mean(known)) if known else None,
            "of_poses": correlation(predicted.mean(1), observed.mean(1)),
        },
        "deciles": [means(tenth == number) for number in range(_DECILES)],
    }


def _regions(calibration: Calibration, expected: np.ndarray, seen: Seen, over: _OverClips) -> dict[str, Any]:
    """How often the calibrated regions hold the truth, and how large they are."""
    observed, hidden = seen.error()[:, 1:], seen.hidden[:, 1:]
    radius = np.stack([calibration.region(expected, level)[:, 1:] for level in LEVELS], axis=1)
    inside = observed[:, None] <= radius
    found = over.means(inside)
    return {
        "levels": list(LEVELS),
        "coverage": found[0].tolist(),
        "interval": interval(found).T.tolist(),
        "hidden": over.means(inside, hidden)[0].tolist(),
        "visible": over.means(inside, ~hidden)[0].tolist(),
        "by_joint": dict(zip(JOINT_NAMES[1:], inside.mean(0).T.tolist(), strict=True)),
        "radius_mm": (1000 * radius.mean((0, 2))).tolist(),
    }


def report(calibration: Calibration, seen: Seen) -> dict[str, Any]:
    """How far hypotheses and expected errors can be trusted on views that the calibration was not fitted to.

    Returns {"reliability": {"before", "after": {...}}, "expected_error", "regions", "same_for_every_frame", "views",
    "clips"}: shares of truths inside central intervals of probability NOMINAL of each joint's and axis' distribution,
    of the hypotheses as they are drawn and widened; mm elsewhere; 95 % intervals are of a bootstrap over clips. The hip
    counts nowhere. same_for_every_frame: correlations of an expected error that knows nothing but the joint.
    """
    over = _OverClips(seen.clip)
    expected = calibration.expected_error(seen.known(calibration.usual_view))
    mean_error = seen.error().mean(0, keepdims=True)
    constant = _expected(np.repeat(mean_error, len(seen), axis=0), seen, over)
    return {
        "nominal": list(NOMINAL),
        "reliability": {
            "before": _reliability(seen.hypotheses, seen.truth, over),
            "after": _reliability(calibration.widened(seen.hypotheses, expected), seen.truth, over),
        },
        "expected_error": _expected(expected, seen, over),
        "same_for_every_frame": constant["correlation"],
        "regions": _regions(calibration, expected, seen, over),
        "views": len(seen),
        "clips": len(over.numbers),
    }


def provenance(data: str | Path, models: Models, settings: Settings, seen: Seen, seconds: float) -> dict[str, Any]:
    """On what and how something was measured, for a report or a calibration."""
    return {
        "data": Path(data).name,
        "clips": len(np.unique(seen.clip)),
        "views": len(seen),
        "views_per_clip": 4,
        "stride": settings.stride,
        "setting": next(setting for setting, name in ENCODERS.items() if name == models.encoder.name),
        "input": "detected 2D of the simulated detector",
        "detector_seed": DETECTOR_SEED,
        "uncertainty": to_dict(UncertaintyConfig()),
        "steps": settings.steps,
        "hypotheses": settings.hypotheses,
        "seed": settings.seed,
        "mixed_precision": settings.mixed_precision,
        "software": f"diffpose-studio {version()}, torch {torch.__version__}",
        "seconds": round(seconds, 1),
    }


def calibrate(
    data: str | Path,
    models: Models,
    network: str = "diffpose",
    settings: Settings | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Calibration:
    """`look` at a motion file and `fit` a calibration to it. The file must not be one that weights were trained on."""
    settings, started = settings or Settings(), time.time()
    seen = look(data, models, network, settings, progress)
    return fit(seen, network, models, provenance(data, models, settings, seen, time.time() - started))
