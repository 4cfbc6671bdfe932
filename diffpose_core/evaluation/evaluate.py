"""Evaluation of every loaded method on a benchmark: errors by action, gains with intervals."""

from __future__ import annotations

import platform
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from diffpose_core.config import UncertaintyConfig, to_dict
from diffpose_core.datasets.benchmark import Benchmark, Recording
from diffpose_core.diffusion.samplers import DDIM, sampler_named
from diffpose_core.evaluation.collect import Known, Progress, body_for, collect, map_recordings, no_progress, up_for
from diffpose_core.evaluation.gains import gains, method_report
from diffpose_core.evaluation.methods import MethodPoses, method_poses
from diffpose_core.evaluation.scores import MetricSums
from diffpose_core.evaluation.views import Mocap17Benchmark, chosen_clips
from diffpose_core.lifting.encode import EncodedFrames, decide_settings
from diffpose_core.lifting.mirror import averaged, mirrored_clip, mirrored_settings
from diffpose_core.lifting.models import Models
from diffpose_core.lifting.provenance import encoder_hash, software, weights_hash
from diffpose_core.lifting.settings import LiftSettings
from diffpose_core.structures import InvalidInput, PoseClip2D


@dataclass(frozen=True)
class EvaluationSettings:
    """Frames to measure, and how they are lifted.

    Attributes:
        stride: every stride-th frame of each recording.
        consecutive: frames that are taken one after another wherever some are, at as many times fewer places, so that
            there are velocities to measure.
        steps: DDIM steps.
        hypotheses: poses drawn from H_K.
        seed: decides every random number.
        mixed_precision: bfloat16 inside the diffusion networks.
        tilt: the way every method knows the camera's tilt.
        body: the way every method knows the body's proportions.
        sampler: rule of the reverse steps, a name in `diffusion.samplers.SAMPLERS`.
        mirror: average every method's pose with that of the mirrored clip.

    Raises:
        InvalidInput: where a number is out of range.
    """

    stride: int = 5
    consecutive: int = 1
    steps: int = 5
    hypotheses: int = 5
    seed: int = 0
    mixed_precision: bool = False
    tilt: Known = "unknown"
    body: Known = "unknown"
    sampler: str = DDIM
    mirror: bool = False

    def __post_init__(self) -> None:
        if self.stride < 1:
            raise InvalidInput(f"the stride must be at least 1, found {self.stride}")
        if self.consecutive < 1:
            raise InvalidInput(f"at least one frame in a row must be evaluated, found {self.consecutive}")
        sampler_named(self.sampler)

    @property
    def lift(self) -> LiftSettings:
        """The settings of every lift, but for the direction that is up and the body."""
        return LiftSettings(
            steps=self.steps, hypotheses=self.hypotheses, seed=self.seed, mixed_precision=self.mixed_precision,
            sampler=self.sampler,
        )  # fmt: skip

    def frames(self, recording: Recording) -> np.ndarray:
        """Numbers of a recording's frames that are measured."""
        places = np.arange(len(recording.frames))
        return recording.frames[places % (self.stride * self.consecutive) < self.consecutive]


def clip_poses(
    clip: PoseClip2D,
    models: Models,
    frames: np.ndarray,
    settings: EvaluationSettings,
    up_cam: np.ndarray | None = None,
) -> MethodPoses:
    """Every method's poses of a clip's frames, (F, J, 3) metres, root-relative, camera frame.

    Args:
        clip: one camera's clip, with the truth.
        models: the networks.
        frames: (F,) numbers of the frames.
        settings: how they are lifted.
        up_cam: (3,), the direction that is up, for settings with a given tilt.
    """

    def read(encoded: EncodedFrames) -> MethodPoses:
        return method_poses(encoded, models, settings.lift)

    known = replace(settings.lift, up=up_for(clip, settings.tilt, up_cam), body=body_for(clip, settings.body))
    known = decide_settings(known, clip, models)
    found = collect(clip, models, frames, read, known)
    if not settings.mirror:
        return found
    other = collect(mirrored_clip(clip), models, frames, read, mirrored_settings(known))
    return {name: averaged(pose, other[name]) for name, pose in found.items()}


@dataclass(frozen=True)
class _RecordingSums:
    """Every method's errors on one recording from all cameras, its action, and how many frames and views it has."""

    sums: dict[str, MetricSums]
    action: str
    frames: int


def _measure(recording: Recording, models: Models, settings: EvaluationSettings) -> _RecordingSums:
    sums: dict[str, MetricSums] = {}
    frames = settings.frames(recording)
    for clip, up_cam in zip(recording.views, recording.up_cam or [None] * len(recording.views), strict=True):
        assert clip.pose3d_cam is not None
        truth = clip.pose3d_cam[frames]
        hidden = None if clip.hidden is None else clip.hidden[frames]
        for name, predicted in clip_poses(clip, models, frames, settings, up_cam).items():
            of_view = MetricSums.of(predicted, truth, frames, hidden)
            sums.setdefault(name, MetricSums.empty()).add(of_view)
    return _RecordingSums(sums, recording.action, len(frames) * len(recording.views))


@dataclass
class _Gathered:
    """Sums of all recordings: by method and action ("" is all), each recording's own, and the count of frames."""

    sums: dict[str, dict[str, MetricSums]] = field(default_factory=dict)
    of_clips: dict[int, dict[str, MetricSums]] = field(default_factory=dict)
    frames: int = 0

    @classmethod
    def of(cls, measured: Iterable[tuple[int, _RecordingSums]]) -> _Gathered:
        """Sums of recordings in whatever order they come."""
        gathered = cls()
        for number, found in measured:
            for name, values in found.sums.items():
                for action in ("", found.action):
                    gathered.sums.setdefault(name, {}).setdefault(action, MetricSums.empty()).add(values)
            gathered.of_clips[number] = found.sums
            gathered.frames += found.frames
        return gathered


def evaluate(
    data: str | Path | Benchmark,
    models: Models,
    settings: EvaluationSettings | None = None,
    clips: range | None = None,
    workers: int = 1,
    progress: Progress = no_progress,
) -> dict[str, Any]:
    """Evaluate every loaded method on a benchmark, in the frame or the video setting, as the models are.

    Args:
        data: a benchmark, or a file in Mocap-17 layout, which is measured with detected 2D.
        models: the networks.
        settings: frames to measure and how they are lifted.
        clips: numbers of the recordings, all by default.
        workers: processes that share the recordings.
        progress: called after each recording.

    Returns:
        {"methods": {NAME: {METRIC, "hidden", "visible", "action_mean", "actions"}}, "gains", "frames", "provenance"}.
        Metrics are those of `METRICS`: MPJPE (Protocol 1), P-MPJPE (Protocol 2), N-MPJPE, PCK at 150 mm and AUC over
        `PCK_JOINTS`. MPJVE is in mm a frame over pairs of consecutive frames, None where there are none. Bones have
        their standard deviation over their mean within a camera's clip. Totals are means over all frames.
        "gains" are those of `gains`, with 95 % bootstrap intervals over recordings.

    Raises:
        InvalidInput: if the file isn't in the layout or a number is out of range.
    """
    settings = settings or EvaluationSettings()
    if workers < 1:
        raise InvalidInput(f"the number of workers must be at least 1, found {workers}")
    started = time.time()
    benchmark = Mocap17Benchmark.load(data) if isinstance(data, (str, Path)) else data
    chosen = chosen_clips(benchmark, clips)
    measure = partial(_measure, settings=settings)
    gathered = _Gathered.of(map_recordings(measure, benchmark, models, chosen, workers, progress))
    return {
        "methods": {name: method_report(by_action) for name, by_action in gathered.sums.items()},
        "gains": gains(gathered.of_clips),
        "frames": gathered.frames,
        "provenance": {
            **benchmark.about,
            "clips": len(chosen),
            **asdict(settings),
            "setting": models.setting,
            "uncertainty": to_dict(UncertaintyConfig()),
            "device": models.device.type,
            "total": "mean over all frames and views; hidden and visible leave out the hip",
            **weights_provenance(models),
            "seconds": round(time.time() - started, 1),
        },
    }


def weights_provenance(models: Models) -> dict[str, Any]:
    """Fingerprints of the networks, and the software, for a report's provenance."""
    return {
        "encoder_sha256": encoder_hash(models),
        "weights_sha256": {name: weights_hash(models, name) for name in models.denoisers},
        "software": f"{software()}, {platform.machine()}",
    }
