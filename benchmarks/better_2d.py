"""Gain of better 2D poses: the error of both context encoders where the truth corrects the heatmaps.

`python -m benchmarks.better_2d --data mocap17_test.npz` measures the Graformer and MixSTE on four inputs: the simulated
detector's 2D poses, the right mode of each heatmap, hidden joints at their exact places, and exact 2D poses. DiffPose,
which reads the heatmaps, is measured on the same views. The second and third input are upper bounds of the gain that
better reading of heatmaps could give these encoders. `--json FILE` stores the figures;
`python benchmarks/results_tables.py` puts them into docs/evidence.md.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.results_evidence import better_2d_table
from diffpose_core.datasets.mocap17 import MotionSet, load_mocap17
from diffpose_core.evaluation.bootstrap import interval, resampled_means
from diffpose_core.evaluation.evaluate import EvaluationSettings, clip_poses, weights_provenance
from diffpose_core.evaluation.scores import MetricSums
from diffpose_core.evaluation.views import Input2D, evaluation_clips
from diffpose_core.lifting.models import ENCODERS, Models, load_models

#: A row's words by the knowledge of the 2D poses, and by the method where that is not the encoder alone.
KNOWN: dict[tuple[Input2D, str], str] = {
    ("detected", ""): "detected 2D",
    ("detected", "_reconciled"): "2D reconciled with the heatmaps",
    ("detected", "diffpose"): "DiffPose, which knows the heatmaps",
    ("right-modes", ""): "of each heatmap the right mode",
    ("hidden-exact", ""): "exact places of hidden joints",
    ("exact", ""): "exact places of all joints",
}
#: P-MPJPE is `MetricSums`' second row; its columns are all and hidden joints, and further parts.
_ROWS, _COLUMNS = 2, 2


def measure(motions: MotionSet, models: Models, clip_stride: int, stride: int) -> dict[str, list[MetricSums]]:
    """Every row's sums, clip by clip, on every `stride`-th frame of every `clip_stride`-th clip, four cameras each."""
    name, diffpose = models.encoder.name, models.pick()[0]
    alone = replace(models, denoisers={})
    found: dict[str, list[MetricSums]] = {}
    for number in range(0, len(motions), clip_stride):
        for kind in dict.fromkeys(kind for kind, _ in KNOWN):
            using = replace(models, denoisers={diffpose: models.denoisers[diffpose]}) if kind == "detected" else alone
            rows = {words: method for (of_kind, method), words in KNOWN.items() if of_kind == kind}
            sums = {words: MetricSums.empty() for words in rows}
            for clip in evaluation_clips(motions, number, input_2d=kind):
                frames = np.arange(0, len(clip), stride)
                poses = clip_poses(clip, using, frames, EvaluationSettings())
                assert clip.pose3d_cam is not None and clip.hidden is not None
                truth, hidden = clip.pose3d_cam[frames], clip.hidden[frames]
                for words, method in rows.items():
                    pose = poses[diffpose if method == "diffpose" else name + method]
                    sums[words].add(MetricSums.of(pose, truth, frames, hidden))
            for words, values in sums.items():
                found.setdefault(words, []).append(values)
        print(f"{models.encoder.title}: clip {number} of {len(motions)}", flush=True)
    return found


def report(found: dict[str, list[MetricSums]]) -> list[dict[str, Any]]:
    """Errors in millimetres, of all and of hidden joints, and the change against the first row, percent."""
    resampled = {
        words: 1000.0
        * resampled_means(
            np.stack([s.total[:_ROWS, :_COLUMNS] for s in sums]), np.stack([s.count[:_ROWS, :_COLUMNS] for s in sums])
        )
        for words, sums in found.items()
    }
    reference = next(iter(resampled.values()))
    rows = []
    for words, errors in resampled.items():
        change = 100.0 * (errors[:, 0, 0] / reference[:, 0, 0] - 1.0)
        rows.append(
            {
                "known": words,
                "mpjpe_mm": float(errors[0, 0, 0]),
                "p_mpjpe_mm": float(errors[0, 1, 0]),
                "hidden_mpjpe_mm": float(errors[0, 0, 1]),
                "change_percent": float(change[0]),
                "interval": interval(change).tolist(),
            }
        )
    return rows


def main() -> None:
    """Measure, print and store."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--clip-stride", type=int, default=2)
    parser.add_argument("--stride", type=int, default=50)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    motions = load_mocap17(args.data)
    encoders, provenance = {}, {}
    for setting in ENCODERS:
        models = load_models(setting=setting)
        provenance[setting] = weights_provenance(models)
        encoders[models.encoder.title] = report(measure(motions, models, args.clip_stride, args.stride))
    clips = range(0, len(motions), args.clip_stride)
    views = 4 * sum(-(-len(motions.clip_world(number)) // args.stride) for number in clips)
    found = {
        "encoders": encoders,
        "said": f"Millimetres, {args.data.name}: {views:,} views (every {args.stride}th frame of {len(clips)} clips, "
        "four cameras each). In brackets: 95 % bootstrap intervals over clips.",
        "provenance": provenance,
    }
    print(better_2d_table(found))
    if args.json:
        args.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
