"""Times of the stages of lifting, beside networks of the released code's form."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from benchmarks import released_form
from benchmarks.released_form import ReleasedForm
from benchmarks.throughput.bundled import HYPOTHESES, STEPS
from benchmarks.throughput.timing import MACHINE, least_of_each
from diffpose_core.config import UncertaintyConfig
from diffpose_core.lifting.encode import encode_clip
from diffpose_core.lifting.models import Models
from diffpose_core.lifting.sampling import reverse_steps
from diffpose_core.lifting.settings import LiftSettings
from diffpose_core.models.fast.bfloat16 import has_fast_bfloat16
from diffpose_core.rng import seeded
from diffpose_core.structures import PoseClip2D
from diffpose_core.uncertainty.indeterminate import sample_indeterminate

RELEASED = "released form, without a fit"


def stages(clip: PoseClip2D, models: Models, frames: int, seconds: float) -> dict[str, float]:
    """Seconds of every stage of lifting `frames` frames together."""
    config, numbers = UncertaintyConfig(), list(range(frames))
    ready = encode_clip(clip, models, numbers, LiftSettings(mixed_precision=False, up=None, body=None))
    encoder, view, network = models.encoder, ready.view, models.pick()[1]

    def reverse(mixed_precision: bool) -> None:
        settings = LiftSettings(steps=STEPS, hypotheses=HYPOTHESES, mixed_precision=mixed_precision)
        for _ in reverse_steps(ready, network, settings):
            pass

    def draw() -> Tensor:
        pose = ready.context.pose_view
        return sample_indeterminate(view, pose, encoder.depth, config.num_samples, seeded("cpu", 0), True)

    released, released_encoder = ReleasedForm(), ReleasedForm(in_channels=2, out_channels=3)
    for module in (released, released_encoder):
        module.to(MACHINE.device).eval()
    place = view.pose_norm
    runs: dict[str, Callable[[], object]] = {
        "encode": lambda: encoder.encode(view),
        "reconcile and encode": lambda: encoder.encode_reconciled(view, ready.context),
        "draw H_K": draw,
        "draw H_K and fit": lambda: encoder.indeterminate(
            view, ready.context, config, seeded("cpu", 0), shared_noise=True
        ),
        "prepare, all of the above": lambda: encode_clip(clip, models, numbers),
        "reverse, float32": lambda: reverse(False),
        "reverse, bfloat16": lambda: reverse(True),
        RELEASED: lambda: released_form.lift(released_encoder, released, place, STEPS, HYPOTHESES),
    }
    return least_of_each(runs, seconds)


def with_sums(found: dict[str, float]) -> dict[str, float]:
    """`stages` with their sums."""
    usual = found["reverse, bfloat16" if has_fast_bfloat16(MACHINE.device.type) else "reverse, float32"]
    whole = found["prepare, all of the above"] + usual
    return {**found, "end to end": whole, "without the fit": whole - found["draw H_K and fit"]}
