"""Single frames against video on short and on sparse clips: `python -m benchmarks.short_clips mocap17_val.npz ...`.

Every clip of the validation sets is cut to a few consecutive frames, thinned out, or stopped at one frame, and lifted
whole in both settings. The figures decide from how many frames, what rate and what movement on `--setting auto` reads a
clip as video (`lifting.model_shelf`). `--json FILE` stores them, `--docs docs/video.md` writes the table.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.report_files import write_report
from benchmarks.results_cells import signed
from diffpose_core.datasets.mocap17 import load_mocap17
from diffpose_core.evaluation.bootstrap import interval, resampled_means
from diffpose_core.evaluation.metrics import n_mpjpe, p_mpjpe
from diffpose_core.evaluation.views import evaluation_clips
from diffpose_core.lifting.lift import lift
from diffpose_core.lifting.model_shelf import ModelShelf
from diffpose_core.structures import PoseClip2D

#: Frames of the clips, and the step between them in frames of the recording; 0 is one frame over and over.
CUTS = ((3, 1), (5, 1), (9, 1), (13, 1), (27, 1), (54, 1), (27, 2), (27, 3), (27, 5), (27, 0))
SETTINGS = ("frame", "video")


def cut(clip: PoseClip2D, frames: int, every: int, rng: np.random.Generator) -> PoseClip2D | None:
    """A part of a clip that begins anywhere, thinned out; None where the clip is too short."""
    spare = len(clip) - max(frames * every, 1)
    if spare < 0:
        return None
    part = clip.frames(int(rng.integers(0, spare + 1)) + every * np.arange(frames))
    return replace(part, fps=clip.fps / max(every, 1))


def errors(clip: PoseClip2D, shelf: ModelShelf) -> np.ndarray:
    """N-MPJPE and P-MPJPE of DiffPose in both settings, (2 settings, 2) mm."""
    assert clip.pose3d_cam is not None
    found = []
    for setting in SETTINGS:
        pose = lift(clip, shelf.of(setting), keep_hypotheses=False).pose3d
        found.append([1000 * float(metric(pose, clip.pose3d_cam).mean()) for metric in (n_mpjpe, p_mpjpe)])
    return np.array(found)


def measure(paths: list[Path], clip_stride: int) -> dict[str, Any]:
    """The report: a row for each of `CUTS`.

    Args:
        paths: data sets in the Mocap-17 layout.
        clip_stride: every how many-th clip of each is taken; it is seen by one of its cameras, in turn.
    """
    shelf, rng = ModelShelf(), np.random.default_rng(0)
    found: dict[tuple[int, int], list[np.ndarray]] = {key: [] for key in CUTS}
    for path in paths:
        data = load_mocap17(path)
        for count, number in enumerate(range(0, len(data), clip_stride)):
            views = evaluation_clips(data, number)
            for key, values in found.items():
                part = cut(views[count % len(views)], *key, rng)
                if part is not None:
                    values.append(errors(part, shelf))
    rows = []
    for (frames, every), values in found.items():
        if values:
            means = resampled_means(np.array(values), np.ones((len(values), 1, 1)))
            change = 100 * (means[:, 1] / means[:, 0] - 1)
            rows.append({
                "frames": frames, "every": every, "clips": len(values), "mm": means[0].round(1).tolist(),
                "change_percent": change[0].round(2).tolist(), "intervals": interval(change).T.round(2).tolist(),
            })  # fmt: skip
    return {"data": [path.name for path in paths], "clip_stride": clip_stride, "rows": rows}


def table(report: dict[str, Any]) -> str:
    """The report as a table, with a sentence on its data."""
    lines = [
        "| frames | of them a second | clips | single frames, N / P | video, N / P | change of N | of P |",
        "| ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for row in report["rows"]:
        frame, video = (f"{n:.1f} / {p:.1f}" for n, p in row["mm"])
        n, p = (signed(c, i) for c, i in zip(row["change_percent"], row["intervals"], strict=True))
        rate = round(30 / row["every"]) if row["every"] else "one, repeated"
        lines.append(f"| {row['frames']} | {rate} | {row['clips']} | {frame} | {video} | {n} | {p} |")
    return "\n".join([
        *lines, "",
        f"N-MPJPE and P-MPJPE of DiffPose, mm, on parts of the clips of {' and '.join(report['data'])},",
        f"clip stride {report['clip_stride']}, one camera each. Tilt and body are estimated where a part allows it.",
    ])  # fmt: skip


def main() -> None:
    """Run from the command line."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("data", type=Path, nargs="+", help="validation sets in the Mocap-17 layout")
    words.add_argument("--clip-stride", type=int, default=1)
    words.add_argument("--json", type=Path)
    words.add_argument("--docs", type=Path, help="page whose table is written")
    args = words.parse_args()
    report = measure(args.data, args.clip_stride)
    print(table(report))
    write_report(report, table(report), "short", args.json, args.docs)


if __name__ == "__main__":
    main()
