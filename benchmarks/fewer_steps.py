"""Fewer steps for the same error: where DDIM's steps lie, and how hypotheses become one pose, on validation views.

`python -m benchmarks.fewer_steps --data mocap17_val.npz --fit mocap17_train.npz` runs the shipped DiffPose and prints a
table, with 95 % bootstrap intervals over clips. Weights of the hypotheses and corrections are fitted to
clips of the training split, which the networks have learnt from, seen by the benchmark's four cameras. The networks
were trained for cameras at any tilt, so that a gain may be no more than knowing these four. Two rows correct the
encoder's pose and the hypotheses' mean by a network that sees nothing but that pose. One row turns the encoder's pose
to the right tilt. The correction is measured on views of other cameras too. `--json FILE` stores the figures;
`python benchmarks/results_tables.py` puts them into docs/speed.md.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.results_tables import fewer_steps_table
from diffpose_core.datasets.mocap17 import load_mocap17
from diffpose_core.datasets.sampling import PoseSampler
from diffpose_core.evaluation.bootstrap import interval, resampled_means
from diffpose_core.evaluation.evaluate import weights_provenance
from diffpose_core.evaluation.views import Mocap17Benchmark
from diffpose_core.lifting.encode import encode_clip
from diffpose_core.lifting.models import Models, load_models
from diffpose_core.lifting.sampling import sample_hypotheses
from diffpose_core.lifting.settings import LiftSettings
from diffpose_core.models.context import ContextEncoder
from diffpose_core.rng import seeded
from diffpose_core.skeleton import NUM_JOINTS

HYPOTHESES = 5
_OTHER_VIEWS = 4000
#: Reference of all rows: the setting that everything else here has by default.
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
    """V views in the view frame, metres, root-relative.

    clip: (V,) which one they are of. truth: (V, J, 3). encoder, reconciled: (V, J, 3), the encoder's pose of the
    detected 2D pose and of the reconciled one, where g starts. means: of a row of PLACEMENTS, (V, J, 3), the mean of
    its hypotheses. hypotheses: (V, H, J, 3), those of the reference.
    """

    clip: Tensor
    truth: Tensor
    encoder: Tensor
    reconciled: Tensor
    means: dict[str, Tensor]
    hypotheses: Tensor


def gather(benchmark: Mocap17Benchmark, models: Models, clip_stride: int, stride: int) -> Views:
    """Run every placement on every `stride`-th frame of every `clip_stride`-th clip, four cameras each."""
    network = models.denoisers["diffpose"]
    parts: list[Views] = []
    for number in range(0, len(benchmark), clip_stride):
        recording = benchmark.recording(number)
        for view in recording.views:
            encoded = encode_clip(
                view, models, recording.frames[::stride], LiftSettings(mixed_precision=False, up=None, body=None)
            )
            truth = encoded.truth_view
            assert truth is not None
            ends: dict[str, Tensor] = {}
            for words, steps in PLACEMENTS.items():
                ends[words] = sample_hypotheses(encoded, network, LiftSettings(steps=steps, hypotheses=HYPOTHESES))
            means = {words: end.mean(1) for words, end in ends.items()}
            clip = torch.full((len(truth),), number)
            encoder, reconciled = encoded.context.pose_view, encoded.reconciled.pose_view
            parts.append(Views(clip, truth, encoder, reconciled, means, ends[REFERENCE]))
        print(f"{benchmark.data}: clip {number} of {len(benchmark)}", flush=True)
    clip, truth, encoder, reconciled, hypotheses = (
        torch.cat([getattr(part, name) for part in parts])
        for name in ("clip", "truth", "encoder", "reconciled", "hypotheses")
    )
    means = {words: torch.cat([part.means[words] for part in parts]) for words in PLACEMENTS}
    return Views(clip, truth, encoder, reconciled, means, hypotheses)


def geometric_median(hypotheses: Tensor, rounds: int = 30) -> Tensor:
    """The point of least mean distance to the hypotheses, joint by joint, (V, H, J, 3) -> (V, J, 3); Weiszfeld 1937."""
    found = hypotheses.mean(1)
    for _ in range(rounds):
        weight = 1.0 / (hypotheses - found[:, None]).norm(dim=-1, keepdim=True).clamp_min(1e-5)
        found = (weight * hypotheses).sum(1) / weight.sum(1)
    return found


def tilted(pose: Tensor, truth: Tensor) -> Tensor:
    """Poses turned about the view's horizontal axis by the angle that brings each nearest to its truth in least
    squares, (V, J, 3) both.
    """
    (y, z), (to_y, to_z) = (poses[..., 1:].unbind(-1) for poses in (pose, truth))
    angle = torch.atan2((y * to_z - z * to_y).sum(-1), (y * to_y + z * to_z).sum(-1))[:, None]
    return torch.stack((pose[..., 0], y * angle.cos() - z * angle.sin(), y * angle.sin() + z * angle.cos()), dim=-1)


def _from_zero(inputs: int, outputs: int) -> nn.Sequential:
    """Two layers whose answer is 0 at first."""
    last = nn.Linear(128, outputs)
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    return nn.Sequential(nn.Linear(inputs, 128), nn.GELU(), last)


class Corrected(nn.Module):
    """A pose with a correction by a network that sees this pose alone. of: picks the pose, (V, J, 3)."""

    def __init__(self, of: Callable[[Views], Tensor]) -> None:
        super().__init__()
        self.of = of
        self.network = _from_zero(3 * NUM_JOINTS, 3 * NUM_JOINTS)

    def forward(self, views: Views) -> Tensor:
        pose = self.of(views)
        return pose + 0.1 * self.network(pose.flatten(1) / 0.3).view_as(pose)


class LearnedWeights(nn.Module):
    """The hypotheses' mean with a weight for each of their joints, from a network that sees one of them, its distance
    from their mean and g's result for the encoder's pose.
    """

    def __init__(self) -> None:
        super().__init__()
        self.network = _from_zero(6 * NUM_JOINTS, NUM_JOINTS)

    def forward(self, views: Views) -> Tensor:
        found = views.hypotheses
        seen = torch.cat((found - found.mean(1, keepdim=True), found - views.reconciled[:, None]), dim=-1).flatten(2)
        return (self.network(seen / 0.1).softmax(1)[..., None] * found).sum(1)


def fitted(module: Corrected | LearnedWeights, views: Views, rounds: int = 300) -> Corrected | LearnedWeights:
    """The module with its numbers fitted to the truth of these views."""
    optimizer = torch.optim.Adam(module.parameters(), 3e-3)
    for _ in range(rounds):
        loss = (module(views) - views.truth).norm(dim=-1).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return module.requires_grad_(False)


def report(views: Views, to_fit: Views) -> list[dict[str, Any]]:
    """MPJPE of every way on `views`, millimetres, and its change against the reference, percent."""
    torch.manual_seed(0)
    answers = {
        **views.means,
        "5 steps, geometric median": geometric_median(views.hypotheses),
        "5 steps, learned weights (fitted)": fitted(LearnedWeights(), to_fit)(views),
        "5 steps, mean corrected (fitted)": fitted(Corrected(lambda v: v.means[REFERENCE]), to_fit)(views),
        "Graformer": views.encoder,
        "Graformer, corrected (fitted)": fitted(Corrected(lambda v: v.encoder), to_fit)(views),
        "Graformer, each view at the right tilt (needs the truth)": tilted(views.encoder, views.truth),
    }
    _, clip, counts = views.clip.unique(return_inverse=True, return_counts=True)
    resampled: dict[str, np.ndarray] = {}
    for words, answer in answers.items():
        error = 1000.0 * (answer - views.truth).norm(dim=-1).mean(-1)
        resampled[words] = resampled_means(np.bincount(clip, weights=error), counts.numpy())
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


def of_other_cameras(sampler: PoseSampler, encoder: ContextEncoder, to_fit: Views, count: int) -> dict[str, float]:
    """MPJPE of the encoder and of its correction, millimetres, on views that random cameras see as in training."""
    torch.manual_seed(0)
    batch = sampler.draw(count, seeded("cpu", 0))
    pose = encoder.encode(batch.view).pose_view
    views = Views(torch.arange(count), batch.pose_view, pose, pose, {}, pose[:, None])
    answers = {"encoder_mm": pose, "corrected_mm": fitted(Corrected(lambda v: v.encoder), to_fit)(views)}
    found = {name: 1000.0 * float((answer - views.truth).norm(dim=-1).mean()) for name, answer in answers.items()}
    return {"views": count, **found}


def main() -> None:
    """Measure, print and store."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--fit", type=Path, required=True, help="the training split")
    parser.add_argument("--clip-stride", type=int, default=1)
    parser.add_argument("--fit-clip-stride", type=int, default=8)
    parser.add_argument("--stride", type=int, default=60)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    models = load_models()
    views = gather(Mocap17Benchmark.load(args.data), models, args.clip_stride, args.stride)
    to_fit = gather(Mocap17Benchmark.load(args.fit), models, args.fit_clip_stride, args.stride)
    found = {
        "rows": report(views, to_fit),
        "reference": REFERENCE,
        "other_cameras": of_other_cameras(PoseSampler(load_mocap17(args.data)), models.encoder, to_fit, _OTHER_VIEWS),
        "said": f"Millimetres, {args.data.name}: {len(views.clip):,} views of {len(views.clip.unique())} clips, "
        f"{HYPOTHESES} hypotheses. What is fitted: on {len(to_fit.clip):,} views of {args.fit.name}. In brackets: 95 % "
        "bootstrap intervals over clips.",
        "provenance": weights_provenance(models),
    }
    print(fewer_steps_table(found))
    if args.json:
        args.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
