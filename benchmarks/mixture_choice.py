"""The mixture that sums up H_K: one Gaussian, tied covariances and M = 5 full ones, by likelihood and by error.

`python -m benchmarks.mixture_choice --data mocap17_val.npz` draws H_K of validation views twice, fits every mixture to
the first draws and prints the mean log-likelihood of the second ones, which no fit has seen. The error is DiffPose's
with that mixture: the shipped weights, which were trained with the default one. `--json FILE` stores the figures;
`python -m benchmarks.results_tables` puts them into docs/evidence.md.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.results_evidence import mixture_table
from diffpose_core.config import UncertaintyConfig
from diffpose_core.evaluation.bootstrap import interval, resampled_means
from diffpose_core.evaluation.evaluate import weights_provenance
from diffpose_core.evaluation.views import Mocap17Benchmark
from diffpose_core.lifting.encode import EncodedFrames, encode_clip
from diffpose_core.lifting.models import Models, load_models
from diffpose_core.lifting.sampling import sample_hypotheses
from diffpose_core.lifting.settings import LiftSettings
from diffpose_core.rng import seeded
from diffpose_core.uncertainty.fit_gmm import CovarianceType, fit_gmm, fit_gmm_batch
from diffpose_core.uncertainty.pose_gmm import PoseGMM

DEFAULT = "full, M = 5, two overrelaxed steps (the default)"
SETTINGS = LiftSettings(steps=5, hypotheses=5, mixed_precision=False)


def _reference(samples: Tensor, covariance_type: CovarianceType) -> PoseGMM:
    """scikit-learn's fit of every frame: samples (F, N, D)."""
    fits = [fit_gmm(poses, 5, covariance_type=covariance_type) for poses in samples]
    return PoseGMM(*(torch.stack([getattr(f, name) for f in fits]) for name in ("weights", "means", "covariances")))


def _ours(samples: Tensor, n_components: int, max_iter: int, **how: Any) -> PoseGMM:
    """Our fit of every frame: samples (F, N, D)."""
    return fit_gmm_batch(samples, n_components, seeded("cpu", 0), max_iter, shared_seeds=True, **how)


#: A mixture's words and its fit to samples (F, N, D).
MIXTURES: dict[str, Callable[[Tensor], PoseGMM]] = {
    DEFAULT: lambda x: _ours(
        x, 5, UncertaintyConfig().fit_iterations, tol=0.0, overrelaxation=UncertaintyConfig().overrelaxation
    ),
    "full, M = 5, converged": lambda x: _ours(x, 5, 100),
    "full, M = 5, scikit-learn": lambda x: _reference(x, "full"),
    "tied, M = 5, converged": lambda x: _ours(x, 5, 100, covariance_type="tied"),
    "tied, M = 5, scikit-learn": lambda x: _reference(x, "tied"),
    "one Gaussian": lambda x: _ours(x, 1, 1),
}


@dataclass(frozen=True)
class Row:
    """Figures of one mixture, one number a view, (V,).

    Attributes:
        fitted: Mean log-likelihood of the draws that it was fitted to, nats a pose.
        held_out: The same of new draws.
        error: MPJPE of DiffPose with it, millimetres.
    """

    fitted: np.ndarray
    held_out: np.ndarray
    error: np.ndarray


def measure(encoded: EncodedFrames, new_draws: Tensor, models: Models) -> dict[str, Row]:
    """The figures of every mixture on some views. new_draws: (V, N, J, 3), of the same H_K."""
    truth = encoded.truth_view
    assert truth is not None
    drawn, new_draws = (draws.flatten(-2) for draws in (encoded.samples_view, new_draws))
    found = {}
    for words, fit in MIXTURES.items():
        gmm = fit(drawn)
        pose = sample_hypotheses(replace(encoded, gmm=gmm), models.denoisers["diffpose"], SETTINGS).mean(1)
        # The densities of 51 numbers need more than float32.
        exact = gmm.to(dtype=torch.float64)
        likelihoods = (exact.log_prob(draws.double()).mean(-1).numpy() for draws in (drawn, new_draws))
        found[words] = Row(*likelihoods, 1000.0 * (pose - truth).norm(dim=-1).mean(-1).numpy())
    return found


def gather(
    benchmark: Mocap17Benchmark, models: Models, clip_stride: int, stride: int
) -> tuple[dict[str, Row], list[int]]:
    """`measure` on every `stride`-th frame of every `clip_stride`-th clip, four cameras each, and each view's clip."""
    parts, clips = [], []
    for number in range(0, len(benchmark), clip_stride):
        recording = benchmark.recording(number)
        for view in recording.views:
            frames = recording.frames[::stride]
            encoded, again = (encode_clip(view, models, frames, replace(SETTINGS, seed=seed)) for seed in (0, 1))
            parts.append(measure(encoded, again.samples_view, models))
            clips += [number] * len(frames)
        print(f"{benchmark.data}: clip {number} of {len(benchmark)}", flush=True)
    fields = ("fitted", "held_out", "error")
    rows = {
        words: Row(*(np.concatenate([getattr(part[words], name) for part in parts]) for name in fields))
        for words in MIXTURES
    }
    return rows, clips


def report(rows: dict[str, Row], clips: list[int]) -> list[dict[str, Any]]:
    """A row of figures for each mixture, compared with the default; intervals: 95 % bootstrap over clips."""
    _, clip, counts = np.unique(clips, return_inverse=True, return_counts=True)

    def means(values: np.ndarray) -> np.ndarray:
        return resampled_means(np.bincount(clip, weights=values), counts)

    usual = means(rows[DEFAULT].error)
    found: list[dict[str, Any]] = []
    for words, row in rows.items():
        gained = means(row.held_out - rows[DEFAULT].held_out)
        changed = 100.0 * (means(row.error) / usual - 1.0)
        found.append(
            {
                "mixture": words,
                "fitted_nats": float(row.fitted.mean()),
                "held_out_nats": float(row.held_out.mean()),
                "held_out_gain_nats": float(gained[0]),
                "held_out_gain_interval": interval(gained).tolist(),
                "mpjpe_mm": float(row.error.mean()),
                "change_percent": float(changed[0]),
                "change_interval": interval(changed).tolist(),
            }
        )
    return found


def main() -> None:
    """Measure, print and store."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--clip-stride", type=int, default=5)
    parser.add_argument("--stride", type=int, default=90)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    models = load_models()
    rows, clips = gather(Mocap17Benchmark.load(args.data), models, args.clip_stride, args.stride)
    found = {
        "rows": report(rows, clips),
        "default": DEFAULT,
        "said": f"{args.data.name}: {len(clips):,} views of {len(set(clips))} clips, four cameras each, "
        f"{SETTINGS.hypotheses} hypotheses, {SETTINGS.steps} steps. In brackets: 95 % bootstrap intervals over clips.",
        "provenance": weights_provenance(models),
    }
    print(mixture_table(found))
    if args.json:
        args.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
