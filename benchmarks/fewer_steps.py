"""Fewer steps for the same error: where DDIM's steps lie, and how hypotheses become one pose, on validation views.

`python -m benchmarks.fewer_steps --data mocap17_val.npz` runs the shipped DiffPose and prints a table. What is fitted
(a correction of the mean, weights of the hypotheses) is fitted to every other clip; all rows are measured on the
others, with 95 % bootstrap intervals over clips. `--json FILE` stores the figures, `--docs PAGE` puts the table between
the page's markers.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from diffpose_core.bootstrap import interval, resampled_means
from diffpose_core.evaluation import Mocap17Benchmark
from diffpose_core.models.layers import root_relative
from diffpose_core.pipeline import Models, load_models, prepare, reverse_steps
from diffpose_core.skeleton import NUM_JOINTS

HYPOTHESES = 5
BEGIN, END = "<!-- fewer-steps:begin -->", "<!-- fewer-steps:end -->"
#: What rows are compared with: the setting that everything else here has by default.
REFERENCE = "5 steps, evenly, mean"
#: A row's words and its steps: how many, evenly spread, or all k that are visited.
PLACEMENTS: dict[str, int | tuple[int, ...]] = {
    REFERENCE: 5,
    "5 steps, more of them early: k = 50, 47, 43, 36, 24": (50, 47, 43, 36, 24, 0),
    "5 steps, more of them late: k = 50, 25, 12, 6, 3": (50, 25, 12, 6, 3, 0),
    "2 steps: k = 50, 40": (50, 40, 0),
    "2 steps, evenly": 2,
    "2 steps: k = 50, 10": (50, 10, 0),
    "1 step": 1,
}


@dataclass(frozen=True)
class Views:
    """V views in the view frame, metres, root-relative. clip: (V,) which one they are of. truth: (V, J, 3). reconciled:
    (V, J, 3), the encoder's pose of the reconciled 2D pose, where g starts. means: of a row of PLACEMENTS, (V, J, 3),
    the mean of its hypotheses. hypotheses: (V, H, J, 3), those of the reference.
    """

    clip: Tensor
    truth: Tensor
    reconciled: Tensor
    means: dict[str, Tensor]
    hypotheses: Tensor


def gather(benchmark: Mocap17Benchmark, models: Models, clip_stride: int, stride: int) -> Views:
    """Run every placement on every `stride`-th frame of every `clip_stride`-th clip, four cameras each."""
    network = models.denoisers["diffpose"]
    parts: list[tuple[Tensor, Tensor, Tensor, dict[str, Tensor], Tensor]] = []
    for number in range(0, len(benchmark), clip_stride):
        recording = benchmark.recording(number)
        for view in recording.views:
            prepared = prepare(view, models, recording.frames[::stride], mixed_precision=False)
            truth = prepared.truth_view
            assert truth is not None
            ends: dict[str, Tensor] = {}
            for words, steps in PLACEMENTS.items():
                *_, last = reverse_steps(prepared, network, steps, HYPOTHESES, 0.0, 0)
                ends[words] = root_relative(last.sample)
            means = {words: end.mean(1) for words, end in ends.items()}
            parts.append(
                (torch.full((len(truth),), number), truth, prepared.reconciled.pose_view, means, ends[REFERENCE])
            )
        print(f"clip {number} of {len(benchmark)}", flush=True)
    clip, truth, reconciled = (torch.cat([part[i] for part in parts]) for i in range(3))  # type: ignore[misc]
    means = {words: torch.cat([part[3][words] for part in parts]) for words in PLACEMENTS}
    return Views(clip, truth, reconciled, means, torch.cat([part[4] for part in parts]))


def geometric_median(hypotheses: Tensor, rounds: int = 30) -> Tensor:
    """The point of least mean distance to the hypotheses, joint by joint, (V, H, J, 3) -> (V, J, 3); Weiszfeld 1937."""
    found = hypotheses.mean(1)
    for _ in range(rounds):
        weight = 1.0 / (hypotheses - found[:, None]).norm(dim=-1, keepdim=True).clamp_min(1e-5)
        found = (weight * hypotheses).sum(1) / weight.sum(1)
    return found


def _fitted(module: nn.Module, answer: Callable[[], Tensor], truth: Tensor, rows: Tensor, rounds: int) -> Tensor:
    optimizer = torch.optim.Adam(module.parameters(), 3e-3)
    for _ in range(rounds):
        loss = (answer() - truth)[rows].norm(dim=-1).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return answer().detach()


def corrected_mean(views: Views, rows: Tensor) -> Tensor:
    """The mean moved along the way from the encoder's pose and towards one step's answer, by two factors a joint that
    are fitted to `rows`.
    """
    mean = views.means[REFERENCE]
    ways = torch.stack((mean - views.reconciled, views.means["1 step"] - mean), dim=-1)
    factors = nn.Linear(2, NUM_JOINTS, bias=False)
    nn.init.zeros_(factors.weight)
    return _fitted(factors, lambda: mean + (ways * factors.weight[:, None]).sum(-1), views.truth, rows, 400)


def learned_weights(views: Views, rows: Tensor) -> Tensor:
    """The hypotheses' mean with a weight for each of their joints, from a network that sees all of them, fitted to
    `rows`.
    """
    torch.manual_seed(0)
    mean = views.hypotheses.mean(1, keepdim=True)
    seen = torch.cat((views.hypotheses - mean, views.hypotheses - views.reconciled[:, None]), dim=-1).flatten(2) / 0.1
    last = nn.Linear(128, NUM_JOINTS)
    nn.init.zeros_(last.weight)  # begins as the plain mean
    network = nn.Sequential(nn.Linear(seen.shape[-1], 128), nn.GELU(), last)
    return _fitted(
        network, lambda: (network(seen).softmax(1)[..., None] * views.hypotheses).sum(1), views.truth, rows, 300
    )


def report(views: Views) -> list[dict[str, Any]]:
    """MPJPE of every way, millimetres, and its change against the reference, percent, on the clips not fitted to."""
    clips = views.clip.unique()
    fitted = torch.isin(views.clip, clips[::2])
    answers = {
        **views.means,
        "5 steps, geometric median": geometric_median(views.hypotheses),
        "5 steps, corrected mean (fitted)": corrected_mean(views, fitted),
        "5 steps, learned weights (fitted)": learned_weights(views, fitted),
    }
    held_out = clips[1::2]
    counts = np.array([int((views.clip == clip).sum()) for clip in held_out])
    resampled: dict[str, np.ndarray] = {}
    for words, answer in answers.items():
        error = 1000.0 * (answer - views.truth).norm(dim=-1).mean(-1)
        sums = np.array([float(error[views.clip == clip].sum()) for clip in held_out])
        resampled[words] = resampled_means(sums, counts)
    reference = resampled[REFERENCE]
    return [
        {
            "way": words,
            "mpjpe_mm": float(found[0]),
            "change_percent": float(100.0 * (found[0] / reference[0] - 1.0)),
            "interval": interval(100.0 * (found / reference - 1.0)).tolist(),
        }
        for words, found in resampled.items()
    ]


def table(rows: Sequence[dict[str, Any]], said: str) -> str:
    """The rows as Markdown, with a sentence on what they were measured on."""
    lines = ["| way | MPJPE | against five steps |", "| --- | ---: | ---: |"]
    for row in rows:
        low, high = row["interval"]
        change = "" if row["way"] == REFERENCE else f"{row['change_percent']:+.1f} % [{low:+.1f}, {high:+.1f}]"
        lines.append(f"| {row['way']} | {row['mpjpe_mm']:.2f} | {change} |")
    return "\n".join([*lines, "", said])


def main() -> None:
    """Measure, print and store."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--clip-stride", type=int, default=1)
    parser.add_argument("--stride", type=int, default=60)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--docs", type=Path)
    args = parser.parse_args()
    views = gather(Mocap17Benchmark.load(args.data), load_models(), args.clip_stride, args.stride)
    rows = report(views)
    measured = int((~torch.isin(views.clip, views.clip.unique()[::2])).sum())
    said = (
        f"Millimetres, {args.data.name}: {measured} views of {len(views.clip.unique()[1::2])} clips, {HYPOTHESES} "
        f"hypotheses; as many clips again for what is fitted. In brackets: 95 % bootstrap intervals over clips."
    )
    print(table(rows, said))
    if args.json:
        args.json.write_text(json.dumps({"rows": rows, "said": said}, indent=1) + "\n")
    if args.docs:
        head, rest = args.docs.read_text().split(BEGIN, 1)
        args.docs.write_text(f"{head}{BEGIN}\n{table(rows, said)}\n{END}{rest.split(END, 1)[1]}")


if __name__ == "__main__":
    main()
