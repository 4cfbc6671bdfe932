"""Packed stage data of the views, cached."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from app.compute.cache import clip_cached
from app.compute.lifting import lift, mixture_draws, prepared
from app.figures import compare, forward, overview, reverse
from app.figures.compare import Compared
from app.figures.forward import ForwardRun
from app.figures.scenes import ClipFrames
from app.jobs.lifting import Blocks, Lifted
from app.session import AppSettings
from diffpose_core.diffusion.schedule import ScheduleName
from diffpose_core.lifting.forward import forward_parts, forward_traces
from diffpose_core.skeleton import JOINT_NAMES
from diffpose_core.structures import PoseClip2D

if TYPE_CHECKING:
    import pandas as pd


def _joined(
    source: str, clip: PoseClip2D, frame: int, blocks: Blocks | None, lift_one: Callable[[], Lifted]
) -> tuple[ClipFrames, Lifted]:
    """The picked frame, which is computed first, and with it all frames of the blocks once they are there."""
    lifted = Lifted.with_frame(frame, [] if blocks is None else blocks.parts, lift_one)
    current = int(np.searchsorted(lifted.frames, frame))
    return ClipFrames(clip, lifted.frames, lifted.baseline_cam, current, source, lifted.baseline), lifted


@clip_cached
def overview_stage(
    source: str,
    _clip: PoseClip2D,
    frame: int,
    settings: AppSettings,
    views: tuple[str, ...],
    blocks: Blocks | None = None,
) -> bytes:
    """Packed data of the overview: the picked frame alone, or all of the blocks. views: those that it may lead to."""
    view, lifted = _joined(source, _clip, frame, blocks, lambda: lift(source, _clip, (frame,), settings, True))
    return overview.overview(view, lifted.trace, lifted.goal_cam, views, lifted.known_error)


@clip_cached
def forward_stage(source: str, _clip: PoseClip2D, frame: int, settings: AppSettings) -> bytes:
    """Packed data of the forward view."""
    other: ScheduleName = "converging" if settings.schedule == "supplement" else "supplement"
    ready = prepared(source, _clip, (frame,))
    view = ClipFrames(_clip, np.array([frame]), ready.baseline, 0, source)

    s = settings
    if s.stepwise:
        chosen, compared = (
            ForwardRun(name, forward_traces(ready, 0, name, s.samples, s.seed, stepwise=True))
            for name in (s.schedule, other)
        )
    else:
        parts = forward_parts(ready, 0, s.samples, s.seed)
        chosen, compared = ForwardRun.mixed(s.schedule, parts), ForwardRun.mixed(other, {"gmm": parts["gmm"]})
    return forward.forward(view, chosen, compared, ready.gmm_cam[0], mixture_draws(ready)[0])


@clip_cached
def reverse_stage(
    source: str,
    _clip: PoseClip2D,
    frame: int,
    settings: AppSettings,
    with_context: Blocks | None = None,
    without: Blocks | None = None,
) -> bytes:
    """Packed data of the reverse view: the picked frame alone, or all frames of the lifted blocks."""
    lifted: dict[str, Lifted] = {}
    for name, context, blocks in (("context", True, with_context), ("no_context", False, without)):
        one = partial(lift, source, _clip, (frame,), settings, context)
        view, lifted[name] = _joined(source, _clip, frame, blocks, one)
    return reverse.reverse(view, {name: one.trace for name, one in lifted.items()}, lifted["context"].known_error)


@clip_cached
def compare_stage(
    source: str, _clip: PoseClip2D, frame: int, settings: AppSettings, overlaid: bool, blocks: Blocks | None = None
) -> bytes:
    """Packed data of the comparison: the picked frame alone, or the whole clip, which the blocks hold."""
    view, lifted = _joined(
        source, _clip, frame, blocks, lambda: lift(source, _clip, (frame,), settings, True).averaged()
    )
    both = Compared.of(view, lifted.trace, lifted.known_error)
    return compare.compare(view, both, settings.hypotheses, overlaid, blocks is not None)


@clip_cached
def joint_table(source: str, _clip: PoseClip2D, settings: AppSettings, blocks: Blocks) -> pd.DataFrame | None:
    """Mean error of every joint over the lifted clip, millimetres, by method; None where the truth is unknown."""
    lifted = Lifted.merged(blocks.parts)
    view = ClipFrames(_clip, lifted.frames, lifted.baseline_cam, 0, source, lifted.baseline)
    means = Compared.of(view, lifted.trace).joint_means_mm()
    if not means:
        return None
    import pandas as pd  # takes a third of a second to load, and only tables need it

    table = pd.DataFrame({"Joint": JOINT_NAMES, **means})
    table["Gain"] = table[lifted.baseline] - table["DiffPose"]
    if _clip.hidden is not None:
        table["Hidden"] = _clip.hidden.mean(0) * 100.0
    return table
