"""Calibration of a network: the error to expect of each joint, fitted to motions that it was not trained on.

Errors are those of single frames, before bones are given constant lengths, in the view frame (z along the line of
sight).
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from diffpose_core.config import UncertaintyConfig, to_dict
from diffpose_core.datasets.benchmark import Recording
from diffpose_core.evaluation.collect import Progress, collect, map_recordings, no_progress
from diffpose_core.evaluation.views import DETECTOR_SEED, INPUTS, Mocap17Benchmark, chosen_clips
from diffpose_core.lifting.encode import EncodedFrames, context_for
from diffpose_core.lifting.expected_error import limited_m, mixture_std_m
from diffpose_core.lifting.models import Models
from diffpose_core.lifting.provenance import encoder_hash, software, weights_hash
from diffpose_core.lifting.sampling import sample_hypotheses
from diffpose_core.lifting.settings import LiftSettings
from diffpose_core.skeleton import NUM_JOINTS
from diffpose_core.structures import InvalidInput
from diffpose_core.uncertainty.expected_error import (
    LEVELS,
    Calibration,
    fit_expected_error,
    fit_limits,
    fit_radii,
    fit_spread_factor,
    known_of,
)

#: Largest array of hypotheses of all views together.
_MAX_KEPT_BYTES = 1_000_000_000


@dataclass(frozen=True)
class CalibrationSettings:
    """Frames to measure, and how they are lifted.

    Attributes:
        stride: every stride-th frame of each clip.
        steps: DDIM steps.
        hypotheses: poses drawn from H_K, at least two.
        seed: decides every random number.
        clips: numbers of the clips, all by default.
        mixed_precision: bfloat16 inside the diffusion network.

    Raises:
        InvalidInput: where a number is out of range.
    """

    stride: int = 15
    steps: int = 5
    hypotheses: int = 20
    seed: int = 0
    clips: range | None = None
    mixed_precision: bool = False

    def __post_init__(self) -> None:
        if self.stride < 1:
            raise InvalidInput(f"the stride must be at least 1, found {self.stride}")
        if self.hypotheses < 2:
            raise InvalidInput(f"a spread needs at least two hypotheses, found {self.hypotheses}")

    @property
    def lift(self) -> LiftSettings:
        """The settings of every lift."""
        return LiftSettings(
            steps=self.steps,
            hypotheses=self.hypotheses,
            seed=self.seed,
            mixed_precision=self.mixed_precision,
            up=None,
            body=None,
        )


@dataclass(frozen=True)
class Predictions:
    """N views, a network's hypotheses for them, and the truth. Metres, root-relative, view frame.

    Attributes:
        hypotheses: (N, H, J, 3) float32.
        encoder_pose: (N, J, 3), the pose that the network started from.
        mixture_std: (N, J), spread of each joint's 2D mixture.
        limited: (N, 2), the features `LIMITED`.
        truth: (N, J, 3).
        hidden: (N, J) bool.
        clip: (N,), number of the motion clip.
        weight: (N,), of each view in a fit.
    """

    hypotheses: np.ndarray
    encoder_pose: np.ndarray
    mixture_std: np.ndarray
    limited: np.ndarray
    truth: np.ndarray
    hidden: np.ndarray
    clip: np.ndarray
    weight: np.ndarray

    def __len__(self) -> int:
        return len(self.truth)

    def error(self) -> np.ndarray:
        """Distance of the hypotheses' mean from the truth, (N, J)."""
        return np.linalg.norm(self.hypotheses.mean(1) - self.truth, axis=-1)

    def known(self, usual_view: np.ndarray) -> np.ndarray:
        """Features of the expected error, (N, J, 9), see `known_of`."""
        return known_of(self.hypotheses, self.encoder_pose, self.mixture_std, usual_view, self.limited)

    @classmethod
    def joined(cls, parts: Sequence[Predictions]) -> Predictions:
        """The views of several files, with clips numbered on and every file of the same weight in all."""
        first = np.cumsum([0, *(part.clip.max() + 1 for part in parts)])
        views = sum(map(len, parts))
        same = [
            replace(part, clip=part.clip + start, weight=np.full(len(part), views / len(parts) / len(part)))
            for part, start in zip(parts, first, strict=False)
        ]
        return cls(*(np.concatenate([getattr(part, field.name) for part in same]) for field in fields(cls)))


def _read(
    encoded: EncodedFrames, network: str, models: Models, settings: CalibrationSettings
) -> Mapping[str, np.ndarray]:
    """The arrays of `Predictions`, but for the clip's number, of encoded frames."""
    denoiser, truth, hidden = models.denoisers[network], encoded.truth_view, encoded.clip.hidden
    assert truth is not None and hidden is not None
    final = sample_hypotheses(encoded, denoiser, settings.lift)
    return {
        "hypotheses": final.cpu().numpy(),
        "encoder_pose": context_for(encoded, denoiser).pose_view.cpu().numpy(),
        "mixture_std": mixture_std_m(encoded).cpu().numpy(),
        "limited": limited_m(encoded).cpu().numpy(),
        "truth": truth.cpu().numpy(),
        "hidden": hidden[encoded.frames],
    }


def _measure(
    recording: Recording, models: Models, network: str, settings: CalibrationSettings
) -> list[dict[str, np.ndarray]]:
    """Arrays of every camera's view of a recording."""

    def read(encoded: EncodedFrames) -> Mapping[str, np.ndarray]:
        return _read(encoded, network, models, settings)

    frames = recording.frames[:: settings.stride]
    return [collect(clip, models, frames, read, settings.lift) for clip in recording.views]


def collect_predictions(
    data: str | Path,
    models: Models,
    network: str,
    settings: CalibrationSettings,
    progress: Progress = no_progress,
) -> Predictions:
    """Predictions of a network for views of a motion file, predictions by the benchmark's cameras and detector.

    Args:
        data: a file in Mocap-17 layout.
        models: the networks.
        network: name of the denoiser.
        settings: frames to measure and how they are lifted.
        progress: called after each clip.

    Raises:
        InvalidInput: if the file isn't in the layout, a clip's number is out of range, the network is unknown, or
            there are more hypotheses than can be kept.
    """
    if network not in models.denoisers:
        raise InvalidInput(f"no weights for {network!r}; loaded: {', '.join(models.denoisers) or 'none'}")
    benchmark = Mocap17Benchmark.load(data)
    chosen = chosen_clips(benchmark, settings.clips)
    frames = np.diff(benchmark.motions.start)[list(chosen)]
    size = 4 * int((-(-frames // settings.stride) * 4).sum()) * settings.hypotheses * NUM_JOINTS * 3
    if size > _MAX_KEPT_BYTES:
        raise InvalidInput(
            f"{size / 1e9:.1f} GB of hypotheses; the limit is {_MAX_KEPT_BYTES / 1e9:.0f} GB: take a larger stride"
        )
    measure = partial(_measure, network=network, settings=settings)
    parts: list[dict[str, np.ndarray]] = []
    for number, views in map_recordings(measure, benchmark, models, chosen, 1, progress):
        for view in views:
            count = len(view["truth"])
            parts.append({**view, "clip": np.full(count, number), "weight": np.ones(count)})
    return Predictions(**{name: np.concatenate([part[name] for part in parts]) for name in parts[0]})


def fit(predictions: Predictions, network: str, models: Models, provenance: dict[str, Any]) -> Calibration:
    """Fit a calibration to a network's predictions."""
    weight, truth = predictions.weight, predictions.truth
    usual = np.average(predictions.hypotheses.mean(1, dtype=np.float64), axis=0, weights=weight)
    known, error = predictions.known(usual), predictions.error()
    coefficients = fit_expected_error(known, error, weight)
    unscaled = Calibration(
        network,
        weights_hash(models, network),
        encoder_hash(models),
        coefficients,
        usual,
        spread_factor=np.ones(NUM_JOINTS),
        radii=np.zeros((NUM_JOINTS, len(LEVELS))),
        limits=fit_limits(predictions.limited, weight),
        provenance=provenance,
    )
    expected = unscaled.expected_error(known)
    factor = fit_spread_factor(unscaled.widened(predictions.hypotheses, expected), truth, weight)
    return replace(unscaled, spread_factor=factor, radii=fit_radii(expected, error, weight))


def provenance(
    data: Sequence[str | Path], models: Models, settings: CalibrationSettings, predictions: Predictions, seconds: float
) -> dict[str, Any]:
    """Data and settings of a measurement, for a report or a calibration; several files counted alike."""
    return {
        "data": ", ".join(Path(path).name for path in data),
        "clips": len(np.unique(predictions.clip)),
        "views": len(predictions),
        "views_per_clip": 4,
        "stride": settings.stride,
        "setting": models.setting,
        "input": INPUTS["detected"],
        "detector_seed": DETECTOR_SEED,
        "uncertainty": to_dict(UncertaintyConfig()),
        "steps": settings.steps,
        "hypotheses": settings.hypotheses,
        "seed": settings.seed,
        "mixed_precision": settings.mixed_precision,
        "software": software(),
        "seconds": round(seconds, 1),
    }


def calibrate(
    data: Sequence[str | Path],
    models: Models,
    network: str = "diffpose",
    settings: CalibrationSettings | None = None,
    progress: Progress = no_progress,
) -> Calibration:
    """Fit a calibration to motion files that count alike; none may be one that the weights were trained on.

    Raises:
        InvalidInput: as `collect_predictions`.
    """
    settings, started = settings or CalibrationSettings(), time.time()
    predictions = Predictions.joined([collect_predictions(p, models, network, settings, progress) for p in data])
    made_by = provenance(data, models, settings, predictions, time.time() - started)
    return fit(predictions, network, models, made_by)
