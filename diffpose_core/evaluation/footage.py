"""Evaluation on real footage: N-MPJPE and P-MPJPE of the limb joints, camera by camera.

The truth is triangulated and worth a few centimetres, so errors are given for the twelve limb joints only, on frames in
which the detector follows the person. A figure is the mean of the cameras' means. Intervals are of a bootstrap over
blocks of consecutive frames, the same blocks for every method and camera.

The truth's Hip is the middle of the hips. A network that learnt another definition of the Hip is off by the difference
in N-MPJPE, since poses are relative to their own Hip. "n_mpjpe_hips_mm" moves both poses to the middle of their hips
first, so that the difference doesn't count.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from typing import Any

import numpy as np

from diffpose_core.config import UncertaintyConfig, to_dict
from diffpose_core.datasets.benchmark import Recording
from diffpose_core.datasets.footage import Footage
from diffpose_core.evaluation.bootstrap import interval, resampled_means
from diffpose_core.evaluation.collect import Progress, map_recordings, no_progress
from diffpose_core.evaluation.evaluate import EvaluationSettings, clip_poses, weights_provenance
from diffpose_core.evaluation.gains import REFERENCES
from diffpose_core.evaluation.metrics import n_mpjpe, p_mpjpe
from diffpose_core.lifting.models import Models

#: Shoulders, elbows, wrists, hips, knees and ankles.
LIMB_JOINTS = (1, 2, 3, 4, 5, 6, 11, 12, 13, 14, 15, 16)
METRICS = ("n_mpjpe_mm", "p_mpjpe_mm", "n_mpjpe_hips_mm")
#: Name of the detector's own 3D among the methods; it has a P-MPJPE only, since its frame is its own.
DETECTOR = "detector"
#: Consecutive frames that are drawn together.
BLOCK_FRAMES = 10


def limb_errors(predicted: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """`METRICS` of every frame over the limb joints, (F, 3) mm.

    Args:
        predicted: (F, 17, 3) metres, relative to the Hip.
        truth: (F, 17, 3) metres, relative to the Hip.
    """
    limbs, exact = (pose[:, LIMB_JOINTS] for pose in (predicted, truth))
    moved, exact_moved = (centred(pose)[:, LIMB_JOINTS] for pose in (predicted, truth))
    errors = (n_mpjpe(limbs, exact), p_mpjpe(limbs, exact), n_mpjpe(moved, exact_moved))
    return 1000 * np.stack(errors, axis=-1)


def centred(pose: np.ndarray) -> np.ndarray:
    """A pose (..., 17, 3) relative to the middle of its hips, float64."""
    pose = pose.astype(np.float64)
    return np.asarray(pose - pose[..., [1, 4], :].mean(-2, keepdims=True))


def _measure(recording: Recording, models: Models, settings: EvaluationSettings) -> dict[str, np.ndarray]:
    """The numbers of a camera's frames, and every method's errors on them."""
    (clip,), frames = recording.views, settings.frames(recording)
    assert clip.pose3d_cam is not None and recording.up_cam is not None
    truth = clip.pose3d_cam[frames]
    poses = clip_poses(clip, models, frames, settings, recording.up_cam[0])
    return {"": frames, **{name: limb_errors(pose, truth) for name, pose in poses.items()}}


def evaluate_footage(
    footage: Footage,
    models: Models,
    settings: EvaluationSettings | None = None,
    workers: int = 1,
    progress: Progress = no_progress,
) -> dict[str, Any]:
    """Evaluate every loaded method and the detector's own 3D on real footage.

    Args:
        footage: the data.
        models: the networks.
        settings: frames to measure and how they are lifted.
        workers: processes that share the cameras.
        progress: called after each camera.

    Returns:
        {"methods": {NAME: {METRIC: mm, "intervals": {METRIC: [low, high]}, "cameras": [{METRIC: mm}]}}, "gains":
        {REFERENCE: {NAME: {"n_mpjpe", "p_mpjpe", "n_mpjpe_hips": {"percent", "interval"}}}}, "frames", "provenance"}.

    Raises:
        InvalidInput: if a number is out of range, or the weights can't use the camera's tilt.
    """
    settings, started = settings or EvaluationSettings(stride=1), time.time()
    numbers = range(len(footage))
    measure = partial(_measure, settings=settings)
    found = dict(map_recordings(measure, footage, models, numbers, workers, progress))
    frames = [found[camera].pop("") for camera in numbers]
    for camera in numbers:
        truth = footage.recording(camera).views[0].pose3d_cam
        assert truth is not None
        pose = footage.detector_pose(camera)[frames[camera]]
        found[camera][DETECTOR] = limb_errors(pose, truth[frames[camera]])
        found[camera][DETECTOR][:, [0, 2]] = np.nan
    means = {name: _camera_means([found[camera][name] for camera in numbers], frames) for name in found[0]}
    return {
        "methods": {name: _row(by_camera) for name, by_camera in means.items()},
        "gains": _gains({name: by_camera.mean(1) for name, by_camera in means.items()}),
        "frames": sum(map(len, frames)),
        "provenance": {
            **footage.about,
            "joints": "twelve limb joints",
            "total": "mean of the cameras' means",
            "block_frames": BLOCK_FRAMES,
            **asdict(settings),
            "setting": models.setting,
            "uncertainty": to_dict(UncertaintyConfig()),
            "device": models.device.type,
            **weights_provenance(models),
            "seconds": round(time.time() - started, 1),
        },
    }


def _camera_means(errors: list[np.ndarray], frames: list[np.ndarray]) -> np.ndarray:
    """Mean errors of every camera over all blocks of frames and over resamples of them, (1 + R, C, 3).

    Args:
        errors: of each camera, (F, 3).
        frames: of each camera, (F,), their numbers.
    """
    blocks = 1 + max(int(numbers.max()) for numbers in frames) // BLOCK_FRAMES
    total, count = np.zeros((blocks, len(errors), len(METRICS))), np.zeros((blocks, len(errors), 1))
    for camera, (values, numbers) in enumerate(zip(errors, frames, strict=True)):
        np.add.at(total[:, camera], numbers // BLOCK_FRAMES, values)
        np.add.at(count[:, camera], numbers // BLOCK_FRAMES, 1.0)
    return resampled_means(total, count)


def _row(by_camera: np.ndarray) -> dict[str, Any]:
    """A method's figures, None where it has none. by_camera: (1 + R, C, 3) mm."""
    means = by_camera.mean(1)
    ends = interval(means)

    def known(value: float) -> float | None:
        return None if np.isnan(value) else float(value)

    return {
        **{metric: known(means[0, column]) for column, metric in enumerate(METRICS)},
        "intervals": {metric: [known(end) for end in ends[:, column]] for column, metric in enumerate(METRICS)},
        "cameras": [{metric: known(row[column]) for column, metric in enumerate(METRICS)} for row in by_camera[0]],
    }


def _gains(means: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Percent by which each method's errors are lower than each reference's, with intervals.

    Args:
        means: of each method, (1 + R, 3) mm.
    """
    found: dict[str, dict[str, Any]] = {}
    for reference in (name for name in (*REFERENCES, DETECTOR) if name in means):
        for name in (name for name in means if name != reference):
            percent = 100.0 * (1.0 - means[name] / np.maximum(means[reference], 1e-12))
            ends = interval(percent)
            found.setdefault(reference, {})[name] = {
                metric.removesuffix("_mm"): {
                    "percent": float(percent[0, column]), "interval": ends[:, column].tolist()
                }
                for column, metric in enumerate(METRICS)
                if not np.isnan(percent[0, column])
            }  # fmt: skip
    return found
