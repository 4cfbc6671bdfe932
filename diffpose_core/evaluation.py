"""Measure every method on a benchmark: what its cameras saw, errors by action, gains with intervals."""

from __future__ import annotations

import math
import multiprocessing
import platform
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import NormalDist
from typing import Any, Literal

import numpy as np
import torch

from diffpose_core.bootstrap import interval, resampled_means
from diffpose_core.camera import Camera, evaluation_cameras
from diffpose_core.config import UncertaintyConfig, to_dict
from diffpose_core.datasets.benchmark import Benchmark, Recording
from diffpose_core.datasets.detector import DetectorConfig, autoregressive, detect_motion
from diffpose_core.datasets.mocap17 import MotionSet, load_mocap17
from diffpose_core.io.checkpoints import encoder_tensors, fingerprint
from diffpose_core.lifting.encode import encode_clip
from diffpose_core.lifting.models import ENCODERS, Models
from diffpose_core.lifting.provenance import version
from diffpose_core.lifting.sampling import sample_hypotheses
from diffpose_core.lifting.tilt import Up, estimate_up
from diffpose_core.metrics import (
    PCK_JOINTS,
    PCK_THRESHOLD,
    auc_shares,
    bone_length_spread,
    joint_errors,
    procrustes_align,
    scale_align,
    velocity_errors,
)
from diffpose_core.rng import seeded
from diffpose_core.structures import InvalidInput, PoseClip2D, PoseMixture
from diffpose_core.uncertainty.gaps import fill_gaps
from diffpose_core.uncertainty.mixtures import exact_mixture

#: The detector's seed of clip c and camera v is drawn from (DETECTOR_SEED, c, v): the same 2D for every method and
#: machine.
DETECTOR_SEED = 17
#: The stream that decides which joints are missing.
_GAPS = 1
#: What is reported, with the factor from metres or shares to the unit in its name.
METRICS: Mapping[str, float] = {
    "mpjpe_mm": 1000.0, "p_mpjpe_mm": 1000.0, "n_mpjpe_mm": 1000.0, "pck_percent": 100.0, "auc_percent": 100.0,
    "mpjve_mm": 1000.0, "bone_spread_percent": 100.0,
}  # fmt: skip
#: How many of them, the first ones, each joint of each frame has for itself, and how many have gains.
_BY_JOINT, _WITH_GAINS = 5, 2
#: What is known of the 2D poses, in words: the detector's heatmaps, the exact places, what files of other detectors
#: say (a confidence for each joint, and that of the joints that were found), or heatmaps that somebody who knows the
#: truth has mended: what better knowledge of the picture could bring at most.
Input2D = Literal["detected", "exact", "confidences", "gaps", "right-modes", "hidden-exact"]
INPUTS: Mapping[Input2D, str] = {
    "detected": "detected 2D of the simulated detector",
    "exact": "exact 2D",
    "confidences": "detected 2D of the simulated detector, confidences in place of heatmaps",
    "gaps": "detected 2D of the simulated detector, confidences in place of heatmaps, a tenth of the joints missing",
    "right-modes": "detected 2D of the simulated detector, of each heatmap the mode nearest to the truth",
    "hidden-exact": "detected 2D of the simulated detector, exact where a joint is hidden",
}
#: Share of the joints that are missing in "gaps", and how long they tend to be, seconds.
_GAP_SHARE, _GAP_S = 0.1, 0.5
#: Methods that the others' gains are measured against.
_REFERENCES = (
    *(f"{encoder}{suffix}" for encoder in ENCODERS.values() for suffix in ("", "_reconciled")),
    *(f"diffpose{setting}{form}" for setting in ("", "_video") for form in ("_no_context", "_standard")),
)


def evaluation_clips(
    motions: MotionSet, clip: int, detector: DetectorConfig | None = None, input_2d: Input2D = "detected"
) -> list[PoseClip2D]:
    """One motion clip as the benchmark's four cameras and its detector see it, whole, with the exact 3D.

    input_2d: what is known of it, see `INPUTS`; an exact joint has one mode at its place. Which ones are hidden is said
    all the same.
    """
    joints_world = motions.clip_world(clip)
    fps = float(motions.fps[clip])
    clips = []
    for view, camera in enumerate(evaluation_cameras(joints_world[:, 0])):
        name = f"{motions.name[clip]} camera {view}"
        generator = seeded("cpu", DETECTOR_SEED, clip, view)
        seen, detection = detect_motion(name, joints_world, camera, fps, generator, detector)
        provenance = {"action": str(motions.action[clip]), "swapped": int(detection.swapped.sum())}
        if input_2d == "exact":
            exact_px = _exact_px(camera, joints_world)
            seen = replace(seen, keypoints_px=exact_px, mixture=exact_mixture(exact_px))
            seen = replace(seen, confidence=np.ones_like(seen.confidence))
            provenance["swapped"] = 0
        elif input_2d == "confidences":
            seen = replace(seen, mixture=None)
        elif input_2d == "gaps":
            seen = _with_gaps(seen, seeded("cpu", DETECTOR_SEED, clip, view, _GAPS))
        elif input_2d in ("right-modes", "hidden-exact"):
            seen = _mended(seen, _exact_px(camera, joints_world), input_2d == "hidden-exact")
        clips.append(replace(seen, provenance=provenance))
    return clips


def _exact_px(camera: Camera, joints_world: np.ndarray) -> np.ndarray:
    return camera.project(camera.to_cam(joints_world.astype(np.float64)))


def _mended(clip: PoseClip2D, exact_px: np.ndarray, hidden_exact: bool) -> PoseClip2D:
    """The clip as somebody who knows the truth, (F, J, 2) px, would mend it: of each joint's modes only the nearest to
    the truth; or, `hidden_exact`, hidden joints moved to the truth and all others as they were.
    """
    mixture, hidden = clip.mixture, clip.hidden
    assert mixture is not None and hidden is not None
    away = np.linalg.norm(mixture.means_px - exact_px[:, :, None], axis=-1)
    nearest = np.where(mixture.weights > 0, away, np.inf).argmin(-1)
    weights = np.eye(mixture.weights.shape[-1], dtype=mixture.weights.dtype)[nearest]
    means_px = mixture.means_px
    if hidden_exact:
        weights = np.where(hidden[..., None], weights, mixture.weights)
        means_px = np.where(hidden[..., None, None], exact_px[:, :, None], means_px).astype(means_px.dtype)
    mended = PoseMixture(weights, means_px, mixture.variances_px2)
    return replace(clip, keypoints_px=mended.argmax_px, mixture=mended)


def _with_gaps(clip: PoseClip2D, generator: torch.Generator) -> PoseClip2D:
    """The clip as a file with missing joints brings it: every joint but the hip is gone for a while now and then."""
    white = torch.randn(1, *clip.confidence.shape, generator=generator)
    noise = autoregressive(white, math.exp(-1.0 / (clip.fps * _GAP_S)))[0].numpy()
    lost = noise < NormalDist().inv_cdf(_GAP_SHARE)
    lost[:, 0] = False
    confidence = np.where(lost, 0.0, clip.confidence)
    keypoints_px, mixture = fill_gaps(clip.keypoints_px, confidence, clip.fps)
    return replace(clip, keypoints_px=keypoints_px, confidence=confidence, mixture=mixture)


@dataclass(frozen=True)
class Mocap17Benchmark:
    """Mocap-17 as a `Benchmark`. data: the file's name. motions: what it holds. input_2d: as in `evaluation_clips`."""

    data: str
    motions: MotionSet
    input_2d: Input2D = "detected"

    @classmethod
    def load(cls, path: str | Path, input_2d: Input2D = "detected") -> Mocap17Benchmark:
        """Raises InvalidInput if the file isn't in the layout."""
        return cls(Path(path).name, load_mocap17(path), input_2d)

    def __len__(self) -> int:
        return len(self.motions)

    def recording(self, number: int) -> Recording:
        """One clip, all frames of it, from the four cameras."""
        views = evaluation_clips(self.motions, number, input_2d=self.input_2d)
        return Recording(str(self.motions.action[number]), tuple(views), np.arange(len(views[0])))

    @property
    def about(self) -> dict[str, Any]:
        """What a report says of the data."""
        detected = {"detector": to_dict(DetectorConfig()), "detector_seed": DETECTOR_SEED}
        return {
            "dataset": "mocap17",
            "data": self.data,
            "views_per_clip": 4,
            "input": INPUTS[self.input_2d],
            **({} if self.input_2d == "exact" else detected),
        }


@dataclass
class Sums:
    """Running sums of what `METRICS` lists, (metrics, 3): of all joints, of hidden and of visible ones, and how many
    numbers each is the sum of. Metres and shares.
    """

    total: np.ndarray
    count: np.ndarray

    @classmethod
    def empty(cls) -> Sums:
        return cls(np.zeros((len(METRICS), 3)), np.zeros((len(METRICS), 3)))

    @classmethod
    def of(cls, predicted: np.ndarray, truth: np.ndarray, frames: np.ndarray, hidden: np.ndarray | None) -> Sums:
        """Sums over a camera's frames. predicted, truth: (F, J, 3) metres. frames: (F,) their numbers, which say what
        is next to what. hidden: (F, J) where it is known; the hip is no part of hidden or visible: it is never wrong.
        """
        sums = cls.empty()
        masks = [np.ones(truth.shape[:2], dtype=bool)]
        if hidden is not None:
            apart = np.zeros_like(hidden)
            apart[:, 1:] = True
            masks += [hidden & apart, ~hidden & apart]
        counted = np.zeros(truth.shape[1], dtype=bool)
        counted[list(PCK_JOINTS)] = True
        for row, errors in enumerate(joint_scores(predicted, truth)):
            for column, mask in enumerate(masks):
                used = mask if row < 3 else mask & counted
                sums.total[row, column], sums.count[row, column] = errors[used].sum(), used.sum()
        if len(frames) > 1:
            steps = velocity_errors(predicted, truth)[np.diff(frames) == 1]
            spread = bone_length_spread(predicted)
            for row, values in ((_BY_JOINT, steps), (_BY_JOINT + 1, spread)):
                sums.total[row, 0], sums.count[row, 0] = values.sum(), values.size
        return sums

    def add(self, other: Sums) -> None:
        self.total += other.total
        self.count += other.count

    def report(self, column: int) -> dict[str, float | None]:
        """Means of one column (0 all, 1 hidden, 2 visible) in the metrics' units; None where nothing was counted."""
        rows = list(METRICS.items())[: len(METRICS) if column == 0 else _BY_JOINT]
        return {
            name: float(factor * self.total[row, column] / self.count[row, column]) if self.count[row, column] else None
            for row, (name, factor) in enumerate(rows)
        }


def protocol_errors(predicted: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Joint errors of Protocol 1 (as they are) and Protocol 2 (after Procrustes alignment), (2, F, J), metres."""
    return np.stack((joint_errors(predicted, truth), joint_errors(procrustes_align(predicted, truth), truth)))


def joint_scores(predicted: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """What each joint of each frame adds to the metrics by joint, (5, F, J): its error as it is, after Procrustes
    alignment and after scaling, metres, whether it is within 150 mm, and for how much of the AUC's thresholds it is.
    """
    errors = protocol_errors(predicted, truth)
    scaled = joint_errors(scale_align(predicted, truth), truth)
    return np.stack((*errors, scaled, errors[0] <= PCK_THRESHOLD, auc_shares(errors[0])))


#: A method: its name and what it predicts, camera frame, (F, J, 3).
Predictions = Mapping[str, np.ndarray]


def predictions(
    clip: PoseClip2D,
    models: Models,
    frames: np.ndarray,
    steps: int,
    hypotheses: int,
    seed: int,
    mixed_precision: bool = False,
    up: Up | None = None,
) -> Predictions:
    """What every method makes of frames of a clip, (F, J, 3) metres, root-relative, camera frame.

    up: see `encode_clip`; every method is given it.

    The context encoder alone, "graformer" or "mixste"; "graformer_reconciled" or "mixste_reconciled", the same network
    on the 2D pose that it and the whole heatmaps agree on, which is what better 2D alone brings, without any diffusion;
    and every loaded denoiser by its preset's name.
    `NAME_1_step` is the prediction of DDIM with a single step, which ends at the h_0 predicted at k = K,
    `NAME_best` the hypothesis nearest to the truth, which needs the truth, `NAME_1_hypothesis` the first one.
    """
    encoded = encode_clip(clip, models, frames, seed=seed, mixed_precision=mixed_precision, up=up)
    truth = encoded.truth_view
    assert truth is not None
    encoder = models.encoder.name
    found = {encoder: encoded.context.pose_view, f"{encoder}_reconciled": encoded.reconciled.pose_view}
    for name, network in models.denoisers.items():
        final = sample_hypotheses(encoded, network, steps, hypotheses, 0.0, seed)
        found[name] = final.mean(1)
        found[f"{name}_1_step"] = sample_hypotheses(encoded, network, 1, hypotheses, 0.0, seed).mean(1)
        found[f"{name}_1_hypothesis"] = final[:, 0]
        error = (final - truth[:, None]).norm(dim=-1).mean(-1)
        found[f"{name}_best"] = final[torch.arange(len(final)), error.argmin(1)]
    return {name: encoded.view.to_cam(pose).cpu().numpy() for name, pose in found.items()}


def chosen_clips(benchmark: Benchmark | MotionSet, clips: range | None) -> range:
    """Numbers of the clips to measure, all by default. Raises InvalidInput where one is out of range, or none is."""
    chosen = range(len(benchmark)) if clips is None else clips
    if len(chosen) == 0 or min(chosen) < 0 or max(chosen) >= len(benchmark):
        raise InvalidInput(f"clips must be numbers from 0 to {len(benchmark) - 1}, found {chosen}")
    return chosen


@dataclass(frozen=True)
class _Settings:
    stride: int
    consecutive: int
    steps: int
    hypotheses: int
    seed: int
    mixed_precision: bool
    fixed_camera: bool


#: Sums by method and action; the action "" is all of them.
_SumsOf = dict[tuple[str, str], Sums]


def _clip_predictions(clip: PoseClip2D, frames: np.ndarray, models: Models, settings: _Settings) -> Predictions:
    """Every method's poses of a clip's frames, block by block so that memory stays bounded."""
    found: dict[str, list[np.ndarray]] = {}
    up = estimate_up(clip, models) if settings.fixed_camera else None
    for begin in range(0, len(frames), models.block_frames):
        block = frames[begin : begin + models.block_frames]
        s = settings
        of_block = predictions(clip, models, block, s.steps, s.hypotheses, s.seed, s.mixed_precision, up)
        for name, predicted in of_block.items():
            found.setdefault(name, []).append(predicted)
    return {name: np.concatenate(parts) for name, parts in found.items()}


def _measure_clip(benchmark: Benchmark, number: int, models: Models, settings: _Settings) -> tuple[int, _SumsOf, int]:
    """The recording's number, every method's errors on it from all cameras, and how many frames and views that were."""
    sums: _SumsOf = {}
    frames_seen = 0
    recording = benchmark.recording(number)
    places = np.arange(len(recording.frames))
    frames = recording.frames[places % (settings.stride * settings.consecutive) < settings.consecutive]
    for clip in recording.views:
        assert clip.pose3d_cam is not None
        truth = clip.pose3d_cam[frames]
        hidden = None if clip.hidden is None else clip.hidden[frames]
        for name, predicted in _clip_predictions(clip, frames, models, settings).items():
            of_view = Sums.of(predicted, truth, frames, hidden)
            for action in ("", recording.action):
                sums.setdefault((name, action), Sums.empty()).add(of_view)
        frames_seen += len(frames)
    return number, sums, frames_seen


@dataclass
class _Gathered:
    """Sums by method and then by action ("" is all), each clip's own sums by its number and method, and frames."""

    sums: dict[str, dict[str, Sums]]
    of_clips: dict[int, dict[str, Sums]]
    frames: int


def _gather(
    measured: Iterable[tuple[int, _SumsOf, int]], total: int, progress: Callable[[int, int], None]
) -> _Gathered:
    """Put the clips' sums together, in whatever order they come."""
    gathered = _Gathered({}, {}, 0)
    for done, (number, of_clip, frames) in enumerate(measured):
        for (name, action), values in of_clip.items():
            gathered.sums.setdefault(name, {}).setdefault(action, Sums.empty()).add(values)
            if not action:
                gathered.of_clips.setdefault(number, {})[name] = values
        gathered.frames += frames
        progress(done + 1, total)
    return gathered


def _gains(of_clips: Mapping[int, Mapping[str, Sums]]) -> dict[str, dict[str, dict[str, Any]]]:
    """How much lower than each reference's the methods' errors are, in percent, with 95 % bootstrap intervals.

    Clips are drawn with replacement, the same ones for every method.
    """
    clips = [of_clips[number] for number in sorted(of_clips)]

    def mean_error(name: str) -> np.ndarray:
        return resampled_means(
            np.stack([clip[name].total[:_WITH_GAINS] for clip in clips]),
            np.stack([clip[name].count[:_WITH_GAINS] for clip in clips]),
        )

    errors = {name: mean_error(name) for name in clips[0]}
    gains: dict[str, dict[str, dict[str, Any]]] = {}
    for reference in (name for name in _REFERENCES if name in errors):
        for name in errors:
            percent = 100.0 * (1.0 - errors[name] / np.maximum(errors[reference], 1e-12))
            ends = interval(percent)
            if name != reference:
                gains.setdefault(reference, {})[name] = {
                    kind + metric.removesuffix("_mm"): {
                        "percent": float(percent[0, row, column]), "interval": ends[:, row, column].tolist()
                    }
                    for column, kind in ((0, ""), (1, "hidden_"))
                    for row, metric in enumerate(list(METRICS)[:_WITH_GAINS])
                }  # fmt: skip
    return gains


_worker: tuple[Benchmark, Models, _Settings] | None = None


def _start_worker(benchmark: Benchmark, models: Models, device: torch.device, settings: _Settings) -> None:
    global _worker
    torch.set_num_threads(1)
    _worker = (benchmark, models.to(device), settings)


def _worker_clip(number: int) -> tuple[int, _SumsOf, int]:
    assert _worker is not None
    benchmark, models, settings = _worker
    return _measure_clip(benchmark, number, models, settings)


def _method_report(by_action: Mapping[str, Sums]) -> dict[str, Any]:
    """A method's row: means over all frames, over hidden and visible joints, over each action's own frames, and the
    mean of the actions' means, which is what tables of Human3.6M call the average.
    """
    actions = {action: sums.report(0) for action, sums in sorted(by_action.items()) if action}
    of_actions: dict[str, float | None] = {}
    for metric in METRICS:
        values = [row[metric] for row in actions.values()]
        known = [value for value in values if value is not None]
        of_actions[metric] = sum(known) / len(known) if len(known) == len(values) else None
    whole = by_action[""]
    return {
        **whole.report(0),
        "hidden": whole.report(1),
        "visible": whole.report(2),
        "action_mean": of_actions,
        "actions": actions,
    }


def evaluate(
    data: str | Path | Benchmark,
    models: Models,
    stride: int = 5,
    steps: int = 5,
    hypotheses: int = 5,
    seed: int = 0,
    clips: range | None = None,
    mixed_precision: bool = False,
    workers: int = 1,
    progress: Callable[[int, int], None] = lambda done, total: None,
    consecutive: int = 1,
    fixed_camera: bool = False,
) -> dict[str, Any]:
    """Evaluate every loaded method on a benchmark, or on a file in Mocap-17 layout with detected 2D; in the frame or
    the video setting, as the models are.

    stride: every stride-th frame of each recording. consecutive: frames that are taken one after another wherever some
    are, at as many times fewer places, so that there are velocities to measure. clips: numbers of the recordings, all
    by default. mixed_precision: bfloat16 inside the diffusion networks. workers: processes that share the recordings.
    fixed_camera: every method is told which way is up, as the whole clip says it (`estimate_up`).

    Returns {"methods": {NAME: {METRIC, "hidden", "visible", "action_mean", "actions"}}, "gains", "frames",
    "provenance"} with the metrics of `METRICS`: MPJPE (Protocol 1), P-MPJPE (Protocol 2), N-MPJPE, PCK at 150 mm and
    AUC over `PCK_JOINTS`, MPJVE in mm a frame over pairs of consecutive frames that were both evaluated (None where
    there are none), and the bones' lengths' standard deviation over their mean within each camera's clip. Totals
    are means over all frames; per-action figures over the action's own frames. gains: {REFERENCE: {NAME: {"mpjpe",
    "p_mpjpe", "hidden_mpjpe", "hidden_p_mpjpe": {"percent", "interval"}}}}, how much lower than a reference's a
    method's error is, with 95 % bootstrap intervals over recordings. Raises InvalidInput if the file isn't in the
    layout or a number is out of range.
    """
    if stride < 1:
        raise InvalidInput(f"the stride must be at least 1, found {stride}")
    if consecutive < 1:
        raise InvalidInput(f"at least one frame in a row must be evaluated, found {consecutive}")
    if workers < 1:
        raise InvalidInput(f"the number of workers must be at least 1, found {workers}")
    started = time.time()
    benchmark = Mocap17Benchmark.load(data) if isinstance(data, (str, Path)) else data
    chosen = chosen_clips(benchmark, clips)
    settings = _Settings(stride, consecutive, steps, hypotheses, seed, mixed_precision, fixed_camera)
    if workers == 1:
        measured = (_measure_clip(benchmark, number, models, settings) for number in chosen)
        gathered = _gather(measured, len(chosen), progress)
    else:
        # Processes of one thread each: small products gain little from sharing one among threads.
        context = multiprocessing.get_context("spawn")
        given = (benchmark, models.to("cpu"), models.device, settings)
        with ProcessPoolExecutor(workers, context, _start_worker, given) as pool:
            measured = (done.result() for done in as_completed([pool.submit(_worker_clip, n) for n in chosen]))
            gathered = _gather(measured, len(chosen), progress)
    return {
        "methods": {name: _method_report(by_action) for name, by_action in gathered.sums.items()},
        "gains": _gains(gathered.of_clips),
        "frames": gathered.frames,
        "provenance": {
            **benchmark.about,
            "clips": len(chosen),
            "stride": stride,
            "consecutive": consecutive,
            "setting": next(setting for setting, name in ENCODERS.items() if name == models.encoder.name),
            "uncertainty": to_dict(UncertaintyConfig()),
            "steps": steps,
            "hypotheses": hypotheses,
            "seed": seed,
            "mixed_precision": mixed_precision,
            "device": models.device.type,
            "fixed_camera": fixed_camera,
            "total": "mean over all frames and views; hidden and visible leave out the hip",
            "encoder_sha256": fingerprint(encoder_tensors(models.encoder)),
            "upright_sha256": None if models.upright is None else fingerprint(dict(models.upright.state_dict())),
            "weights_sha256": {name: fingerprint(dict(net.state_dict())) for name, net in models.denoisers.items()},
            "software": f"diffpose-studio {version()}, torch {torch.__version__}, {platform.machine()}",
            "seconds": round(time.time() - started, 1),
        },
    }


def detector_statistics(data: str | Path, clips: range | None = None) -> dict[str, Any]:
    """What the simulated detector does on a motion file: errors in px of visible and hidden joints, swaps, two-mode
    joints.
    """
    motions = load_mocap17(data)
    error_sum, counts = np.zeros(2), np.zeros(2)
    two_modes, limb_frames, swaps, joints, lag_products, lag_squares = 0, 0, 0, 0, 0.0, 0.0
    errors_seen: list[list[np.ndarray]] = [[], []]
    chosen = chosen_clips(motions, clips)
    for number in chosen:
        joints_world = motions.clip_world(number)
        cameras = evaluation_cameras(joints_world[:, 0])
        for clip, camera in zip(evaluation_clips(motions, number), cameras, strict=True):
            assert clip.mixture is not None and clip.hidden is not None
            exact_px = camera.project(camera.to_cam(joints_world.astype(np.float64)))
            offset = clip.keypoints_px - exact_px
            error = np.linalg.norm(offset, axis=-1)
            for column, mask in enumerate((~clip.hidden, clip.hidden)):
                error_sum[column] += error[mask].sum()
                counts[column] += mask.sum()
                errors_seen[column].append(error[mask].astype(np.float32))
            two_modes += int(((clip.mixture.weights > 0).sum(-1) > 1).sum())
            swaps += int(clip.provenance["swapped"])
            limb_frames += 4 * len(clip)
            joints += error.size
            visible_pair = ~clip.hidden[1:] & ~clip.hidden[:-1]
            lag_products += float((offset[1:] * offset[:-1]).sum(-1)[visible_pair].sum())
            lag_squares += float(np.square(offset[1:]).sum(-1)[visible_pair].sum())
    mean = error_sum / np.maximum(counts, 1)
    median = [float(np.median(np.concatenate(e))) if e else float("nan") for e in errors_seen]
    return {
        "data": Path(data).name,
        "clips": len(chosen),
        "views_per_clip": 4,
        "joints": joints,
        "visible_error_px": {"mean": float(mean[0]), "median": median[0]},
        "hidden_error_px": {"mean": float(mean[1]), "median": median[1]},
        "hidden_share": float(counts[1] / joints),
        "swapped_share_of_limb_ends": swaps / limb_frames,
        "two_mode_share": two_modes / joints,
        "visible_error_correlation_one_frame_apart": lag_products / max(lag_squares, 1e-9),
    }
