"""The batched fit of mixtures against scikit-learn's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.throughput.bundled import CLIPS
from benchmarks.throughput.timing import least
from diffpose_core.config import UncertaintyConfig
from diffpose_core.io.clips import load_clip
from diffpose_core.lifting.encode import encode_clip
from diffpose_core.lifting.models import Models
from diffpose_core.lifting.settings import LiftSettings
from diffpose_core.rng import seeded
from diffpose_core.structures import PoseClip2D
from diffpose_core.uncertainty.fit_gmm import fit_gmm, fit_gmm_batch


def mixtures(clip: PoseClip2D, models: Models, seconds: float, seeds: int) -> dict[str, Any]:
    """The batched fit against scikit-learn's on the same samples: time a pose, and mean log-likelihood over seeds and
    four frames of every bundled clip, of the samples and of new draws of the same H_K.
    """
    config = UncertaintyConfig()
    samples = encode_clip(clip, models, list(range(64))).samples_view.flatten(-2)
    bundled = [load_clip(path) for path in sorted(CLIPS.glob("*.npz"))]

    def draws(seed: int) -> Tensor:
        of_clips = (
            encode_clip(c, models, np.linspace(0, len(c) - 1, 4).astype(int), LiftSettings(seed=seed)) for c in bundled
        )
        return torch.cat([ready.samples_view for ready in of_clips]).flatten(-2).double()

    few, unseen = draws(0), draws(1)

    def batched(poses: Tensor, seed: int, iterations: int, tol: float, **how: float) -> Any:
        generator = seeded("cpu", seed)
        return fit_gmm_batch(poses, config.num_components, generator, iterations, tol, config.reg_covar, **how)

    ways: dict[str, Callable[[Tensor, int], Any]] = {
        f"batched, {config.fit_iterations} steps, overrelaxed": lambda x, s: batched(
            x, s, config.fit_iterations, 0.0, overrelaxation=config.overrelaxation
        ),
        f"batched, {config.fit_iterations} plain steps": lambda x, s: batched(x, s, config.fit_iterations, 0.0),
        "batched, to the end": lambda x, s: batched(x, s, 100, 1e-3),
    }
    taken = {name: 1e3 * least(lambda way=way: way(samples, 0), seconds) / len(samples) for name, way in ways.items()}
    taken["scikit-learn"] = 1e3 * least(lambda: fit_gmm(samples[0].cpu().contiguous(), config.num_components), seconds)

    def fits(name: str, seed: int) -> list[Any]:
        if name == "scikit-learn":
            return [fit_gmm(poses, config.num_components, seed).to(few.device) for poses in few]
        return list(ways[name](few.float(), seed).to(dtype=torch.float64))

    report: dict[str, Any] = {}
    for name, milliseconds in taken.items():
        rows = [
            [
                (gmm.log_prob(seen).mean(), gmm.log_prob(other).mean())
                for gmm, seen, other in zip(fits(name, seed), few, unseen, strict=True)
            ]
            for seed in range(seeds)
        ]
        by_seed = torch.tensor(rows).mean(1)
        report[name] = {
            "ms_a_pose": milliseconds,
            "times_as_fast": taken["scikit-learn"] / milliseconds,
            "log_likelihood_nats": float(by_seed[:, 0].mean()),
            "log_likelihood_by_seed": by_seed[:, 0].tolist(),
            "log_likelihood_of_new_draws": float(by_seed[:, 1].mean()),
        }
    return report
