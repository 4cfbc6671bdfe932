"""Agreement of the fast paths with the plain ones."""

from __future__ import annotations

from dataclasses import replace
from unittest import mock

import torch
from torch import Tensor

from benchmarks.throughput.bundled import HYPOTHESES
from diffpose_core.lifting.encode import EncodedFrames, encode_clip
from diffpose_core.lifting.models import Models
from diffpose_core.lifting.sampling import reverse_steps
from diffpose_core.lifting.settings import LiftSettings
from diffpose_core.models.denoiser import Conditioning
from diffpose_core.models.fast.denoiser_cache import FastDenoiser
from diffpose_core.structures import PoseClip2D
from diffpose_core.uncertainty.reconcile import centred_and_scaled

#: How far an answer of a fast path may be from the plain one's, metres (f_ST: of its own unit).
TOLERANCE = 1e-4


def exactness(clip: PoseClip2D, models: Models, frames: int) -> dict[str, float]:
    """The largest difference between the answers of the fast paths and those of the plain ones, which training takes.

    g over 50 steps of the frames' own reverse process, and the context encoder; in float32, and for comparison g in
    bfloat16, which is not held to the tolerance.
    """
    ready = encode_clip(clip, models, list(range(frames)), LiftSettings(mixed_precision=False, up=None, body=None))
    network, encoder = models.pick()[1], models.encoder.network

    def conditioning_itself(_: FastDenoiser, conditioning: Conditioning, steps: object = ()) -> Conditioning:
        return conditioning

    def forward(_: FastDenoiser, x: Tensor, k: Tensor | int, conditioning: Conditioning) -> Tensor:
        # With gradients the networks take the plain path.
        with torch.enable_grad():
            return network(x, k, conditioning).detach()

    def plain(encoded: EncodedFrames) -> list[Tensor]:
        with mock.patch.multiple(FastDenoiser, cache_conditioning=conditioning_itself, predict=forward):
            return fast(encoded)

    def fast(encoded: EncodedFrames) -> list[Tensor]:
        return [
            state.pred_x_start
            for state in reverse_steps(encoded, network, LiftSettings(steps=50, hypotheses=HYPOTHESES))
        ]

    def apart(found: list[Tensor], right: list[Tensor]) -> float:
        return max(float((a - b).abs().max()) for a, b in zip(found, right, strict=True))

    right = plain(ready)
    place = centred_and_scaled(ready.view.pose_norm, ready.view.size, encoder.receptive_field)
    with torch.enable_grad():
        features = encoder.features(place).detach()
        pose = encoder.pose(features).detach()
    found = {
        "g, float32, 50 steps": apart(fast(ready), right),
        "context encoder's pose": apart([ready.context.pose_view], [pose]),
        "f_ST": apart([ready.context.features], [features]),
    }
    worst = max(found, key=lambda name: found[name])
    if not found[worst] <= TOLERANCE:
        raise SystemExit(f"{worst}: {found[worst]:.2g} from the plain path's answer, the limit is {TOLERANCE}")
    mixed = replace(ready, settings=replace(ready.settings, mixed_precision=True))
    found["g, bfloat16, 50 steps"] = apart(fast(mixed), right)
    return found
