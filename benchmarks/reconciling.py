"""Errors with and without reconciling, view by view: `python -m benchmarks.reconciling --data mocap17_test.npz`.

Prints the views in which the reconciled 2D pose costs the Graformer most, and the means over all views.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch

from diffpose_core.evaluation.metrics import p_mpjpe
from diffpose_core.evaluation.views import Mocap17Benchmark, chosen_clips
from diffpose_core.lifting.contexts import encode_contexts
from diffpose_core.lifting.models import load_models


def errors(benchmark: Mocap17Benchmark, numbers: range, stride: int) -> list[tuple[str, float, float]]:
    """Each view's words, and its P-MPJPE from the detected and from the reconciled 2D pose, mm."""
    encoder, found = load_models().encoder, []
    for number in numbers:
        recording = benchmark.recording(number)
        for camera, clip in enumerate(recording.views):
            frames = recording.frames[::stride]
            assert clip.pose3d_cam is not None
            encoded = encode_contexts(clip, encoder, frames)
            detected, reconciled = (
                1000 * p_mpjpe(encoded.view.to_cam(context.pose_view).numpy(), clip.pose3d_cam[frames])
                for context in (encoded.context, encoded.reconciled)
            )
            words = [f"clip {number} ({recording.action}), camera {camera}, frame {frame}" for frame in frames]
            found += zip(words, detected.tolist(), reconciled.tolist(), strict=True)
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--stride", type=int, default=60)
    parser.add_argument("--clip-stride", type=int, default=3)
    parser.add_argument("--action", help="only clips of this action")
    args = parser.parse_args()
    torch.set_num_threads(1)
    benchmark = Mocap17Benchmark.load(args.data)
    numbers = range(0, len(chosen_clips(benchmark, None)), args.clip_stride)
    if args.action:
        (number,) = np.flatnonzero(benchmark.motions.action == args.action)
        numbers = range(number, number + 1)
    rows = sorted(errors(benchmark, numbers, args.stride), key=lambda row: row[2] - row[1])
    for words, before, after in rows[-5:]:
        print(f"{words}: {before:.1f} mm, reconciled {after:.1f} mm")
    before, after = (np.array([row[column] for row in rows]) for column in (1, 2))
    print(f"{len(rows)} views: {before.mean():.1f} mm, reconciled {after.mean():.1f} mm; "
          f"worse by more than 10 mm: {int((after - before > 10).sum())}")  # fmt: skip


if __name__ == "__main__":
    main()
