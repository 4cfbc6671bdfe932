"""Hypotheses as a distribution: proper scores, calibration, and how much of their spread is one rotation.

`python -m benchmarks.hypotheses --data mocap17_test.npz --json benchmarks/results/hypotheses_test.json` measures every
way to draw five hypotheses on the same views: the denoisers, the same widened by DiffPose's calibration, and single
poses that are turned by fixed angles, which know nothing. Lower is better for all scores but the best of five's.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from diffpose_core.evaluation.bootstrap import interval, resampled_means
from diffpose_core.evaluation.collect import collect, map_recordings
from diffpose_core.evaluation.evaluate import weights_provenance
from diffpose_core.evaluation.proper_scores import crps, energy_score, expected_calibration_error, rigid_share, within
from diffpose_core.evaluation.turned import turned
from diffpose_core.evaluation.views import INPUTS, Input2D, Mocap17Benchmark, chosen_clips
from diffpose_core.lifting.encode import EncodedFrames
from diffpose_core.lifting.expected_error import expected_error
from diffpose_core.lifting.models import Models, load_models
from diffpose_core.lifting.sampling import sample_hypotheses
from diffpose_core.lifting.settings import LiftSettings
from diffpose_core.uncertainty.expected_error import place_in_student, spread

#: Denoisers and their names in the table.
DENOISERS = {
    "diffpose": "DiffPose",
    "diffpose_no_context": "DiffPose without f_ST",
    "diffpose_standard": "standard diffusion",
}
REFERENCE = "DiffPose"
#: Scores by name, with the words of the table and the factor to its unit.
SCORES: Mapping[str, tuple[str, float]] = {
    "mean_mm": ("MPJPE of the mean", 1000.0),
    "best_mm": ("MPJPE, best of 5", 1000.0),
    "energy_mm": ("energy score", 1000.0),
    "crps_mm": ("CRPS", 1000.0),
    "hidden_crps_mm": ("CRPS, hidden joints", 1000.0),
    "spread_mm": ("spread", 1000.0),
    "rigid_percent": ("of the squared spread: one rotation", 100.0),
    "calibration_percent": ("calibration error", 100.0),
}


def hypotheses_of(encoded: EncodedFrames, models: Models, settings: LiftSettings) -> dict[str, np.ndarray]:
    """Hypotheses of every way, (F, N, J, 3) metres, root-relative, camera frame."""
    to_cam = encoded.view.to_cam
    found: dict[str, np.ndarray] = {}
    for name, title in DENOISERS.items():
        if name in models.denoisers:
            found[title] = to_cam(sample_hypotheses(encoded, models.denoisers[name], settings)).cpu().numpy()
    calibration = models.calibration("diffpose", settings)
    if calibration is not None:
        own = found[REFERENCE]
        expected = expected_error(encoded, models.denoisers["diffpose"], calibration, own).error
        found["DiffPose, widened by its calibration"] = calibration.widened(own, expected)
    singles = {
        f"{models.encoder.title}, turned": to_cam(encoded.context.pose_view).cpu().numpy(),
        f"{models.encoder.title} on reconciled 2D, turned": to_cam(encoded.reconciled.pose_view).cpu().numpy(),
        "DiffPose's mean, turned": found[REFERENCE].mean(1),
    }
    return found | {name: turned(pose, settings.hypotheses) for name, pose in singles.items()}


def sums_of(hypotheses: np.ndarray, truth: np.ndarray, hidden: np.ndarray) -> dict[str, np.ndarray]:
    """Sums of a clip's scores, with their counts last: (2,), or (10,) for the calibration's nine levels.

    Args:
        hypotheses: (F, N, J, 3) metres.
        truth: (F, J, 3) metres.
        hidden: (F, J) bool.
    """
    errors = np.linalg.norm(hypotheses - truth[:, None], axis=-1).mean(-1)
    mean = np.linalg.norm(hypotheses.mean(1) - truth, axis=-1)
    by_joint, apart = crps(hypotheses, truth)[:, 1:], hidden[:, 1:]
    whole, rest = rigid_share(hypotheses)
    inside = within(place_in_student(hypotheses, truth)[:, 1:])

    def of(values: np.ndarray) -> np.ndarray:
        return np.array([values.sum(), values.size])

    return {
        "mean_mm": of(mean),
        "best_mm": of(errors.min(1)),
        "energy_mm": of(energy_score(hypotheses, truth)),
        "crps_mm": of(by_joint),
        "hidden_crps_mm": of(by_joint[apart]),
        "spread_mm": of(spread(hypotheses)[:, 1:]),
        "rigid_percent": 1e6 * np.array([(whole - rest).sum(), whole.sum()]),  # square millimetres
        "calibration_percent": np.array([*inside.sum((0, 1, 2)), inside[..., 0].size]),
    }


def _measure(recording: Any, models: Models, stride: int, settings: LiftSettings) -> tuple[Any, int]:
    sums: dict[str, dict[str, np.ndarray]] = {}
    frames = recording.frames[::stride]
    for clip in recording.views:
        found = collect(clip, models, frames, lambda encoded: hypotheses_of(encoded, models, settings), settings)
        for name, hypotheses in found.items():
            of_view = sums_of(hypotheses.astype(np.float64), clip.pose3d_cam[frames].astype(np.float64),
                              clip.hidden[frames])  # fmt: skip
            known = sums.setdefault(name, {})
            for score, values in of_view.items():
                known[score] = known.get(score, 0.0) + values
    return sums, len(frames) * len(recording.views)


def _resampled(parts: np.ndarray) -> np.ndarray:
    """Means of a score over clips and resamples of them, (1 + R,): parts (C, 2) or (C, 10), counts last."""
    means = resampled_means(parts[:, :-1], parts[:, -1:])
    return means[:, 0] if means.shape[1] == 1 else expected_calibration_error(means)


def report(of_clips: list[dict[str, dict[str, np.ndarray]]]) -> list[dict[str, Any]]:
    """A row of scores for every way, with 95 % bootstrap intervals over clips, and the change against DiffPose."""
    rows = []
    for name in of_clips[0]:
        row: dict[str, Any] = {"hypotheses": name}
        for score, (_, factor) in SCORES.items():
            own, usual = (_resampled(np.stack([clip[way][score] for clip in of_clips])) for way in (name, REFERENCE))
            change = 100.0 * (own / np.maximum(usual, 1e-12) - 1.0)
            row[score] = {
                "value": float(factor * own[0]),
                "interval": (factor * interval(own)).tolist(),
                "change_percent": float(change[0]),
                "change_interval": interval(change).tolist(),
            }
        rows.append(row)
    return rows


def measure(data: Path, models: Models, settings: LiftSettings, stride: int, clip_stride: int,
            input_2d: Input2D = "detected") -> dict[str, Any]:  # fmt: skip
    """The whole report."""
    started = time.time()
    benchmark = Mocap17Benchmark.load(data, input_2d)
    numbers = range(0, len(chosen_clips(benchmark, None)), clip_stride)
    of_clips, views = [], 0

    def of_recording(recording: Any, loaded: Models) -> tuple[Any, int]:
        return _measure(recording, loaded, stride, settings)

    for number, (sums, count) in map_recordings(of_recording, benchmark, models, numbers):
        of_clips.append(sums)
        views += count
        print(f"\rclip {number} of {len(benchmark)}", end="", flush=True)
    return {
        "scores": report(of_clips),
        "reference": REFERENCE,
        "views": views,
        "provenance": {
            "data": data.name, "clips": len(of_clips), "stride": stride, "input": INPUTS[input_2d],
            "hypotheses": settings.hypotheses, "steps": settings.steps, "seed": settings.seed,
            **weights_provenance(models), "seconds": round(time.time() - started, 1),
            "command": f"python -m benchmarks.hypotheses --data {data.name} --stride {stride} "
            f"--clip-stride {clip_stride} --input {input_2d} --hypotheses {settings.hypotheses} "
            f"--steps {settings.steps}",
        },
    }  # fmt: skip


def main() -> None:
    """Measure, print and store."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--stride", type=int, default=50)
    parser.add_argument("--clip-stride", type=int, default=1)
    parser.add_argument("--input", default="detected", choices=INPUTS)
    parser.add_argument("--hypotheses", type=int, default=5)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(1)
    settings = replace(LiftSettings(up=None, body=None), hypotheses=args.hypotheses, steps=args.steps)
    found = measure(args.data, load_models(), settings, args.stride, args.clip_stride, args.input)
    for row in found["scores"]:
        print(f"\n{row['hypotheses']:42s}" + " ".join(f"{row[score]['value']:8.2f}" for score in SCORES), end="")
    print()
    if args.json:
        args.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
