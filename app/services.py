"""What the pages ask of the core: cached by the clip's content and the settings, so that no run is computed twice."""

from __future__ import annotations

import gc
import hashlib
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st
import torch
from threadpoolctl import threadpool_limits

from app.figures import compare, forward, overview, reverse
from app.figures.compare import Compared
from app.figures.forward import ForwardRun
from app.figures.scenes import ClipFrames
from app.lifting import Blocks, Lifted
from app.state import READS, ScheduleName, Setting, Settings
from diffpose_core import pipeline
from diffpose_core.diffusion.schedule import make_schedule
from diffpose_core.io.clips import load_clip
from diffpose_core.models.layers import root_relative
from diffpose_core.rng import seeded
from diffpose_core.skeleton import JOINT_NAMES, NUM_JOINTS
from diffpose_core.structures import InvalidInput, PoseClip2D

if TYPE_CHECKING:
    import pandas as pd

# The matrices here are small: more threads than one make numpy slower, above all where a machine is shared.
threadpool_limits(1, user_api="blas")
# The browser often runs beside the server, and draws while the rest of a clip is computed: half of the cores are its.
torch.set_num_threads(max(1, (os.cpu_count() or 2) // 2))

ROOT = Path(__file__).resolve().parent.parent
CLIPS = Path(os.environ.get("DIFFPOSE_CLIPS", ROOT / "assets" / "clips"))
#: The clip that is open when nobody has chosen: seen from the side, one half of the body hides the other.
FIRST_CLIP = "walk-from-the-side"
#: Passes through the network that a view may cost, and the frames that it plays through at least and at most.
PASSES, FEWEST_FRAMES, MOST_FRAMES = 1600, 8, 32
#: The same for numbers over the whole clip.
PASSES_WHOLE, FEWEST_WHOLE, MOST_WHOLE = 12000, 24, 480
#: Passes between two looks at the progress, about half a second, and the most frames among them.
BLOCK_PASSES, MOST_IN_BLOCK = 400, 16
#: Draws of H_K that are shown.
GOAL_SAMPLES = 80


def bundled_clips() -> dict[str, Path]:
    """Name -> file of the clips that come with the app."""
    return {path.stem: path for path in sorted(CLIPS.glob("*.npz"))}


@st.cache_data(max_entries=32, show_spinner=False)
def open_bundled(path: str, changed: float) -> PoseClip2D:
    """A bundled clip; changed is the file's time stamp."""
    return load_clip(path)


def clip_hash(clip: PoseClip2D) -> str:
    """A short hash of everything in a clip that the views depend on: the detected 2D, and the exact 3D."""
    digest = hashlib.sha256(f"{clip.name} {pipeline.clip_hash(clip)}".encode())
    for part in (clip.pose3d_cam, clip.hidden):
        digest.update(b"-" if part is None else np.ascontiguousarray(part).tobytes())
    return digest.hexdigest()[:16]


def spaced_frames(clip: PoseClip2D, settings: Settings, passes: int, fewest: int, most: int) -> np.ndarray:
    """Evenly spaced frames of a clip, as many as a number of passes through the network leaves time for, (F',)."""
    wanted = passes // (settings.steps * settings.hypotheses)
    count = min(max(wanted, fewest), most, len(clip))
    return np.unique(np.linspace(0, len(clip) - 1, count).round().astype(int))


@st.cache_resource(show_spinner=False)
def models(setting: pipeline.Setting) -> pipeline.Models:
    """The trained networks that read single frames or video: the bundled ones, or those in the folder that
    DIFFPOSE_CHECKPOINTS names.
    """
    # No default: Streamlit takes a call without the argument for another one, and would load everything twice.
    loaded = pipeline.load_models(os.environ.get("DIFFPOSE_CHECKPOINTS") or None, setting)
    # Streamlit collects garbage after every run, and holds back what it has to send meanwhile: a tenth of a second over
    # all that the libraries have loaded. What is there now stays, and need not be looked through again.
    gc.collect()
    gc.freeze()
    return loaded


@st.cache_resource(max_entries=32, show_spinner=False)
def prepared(source: str, _clip: PoseClip2D, frames: tuple[int, ...], setting: Setting = "frame") -> pipeline.Prepared:
    """H_K, its fitted mixture and the baseline of some frames. source: the clip's hash."""
    up = way_up(source, _clip) if setting == "fixed" else None
    return pipeline.prepare(_clip, models(READS[setting]), np.array(frames), up=up)


@st.cache_data(max_entries=32, show_spinner=False)
def way_up(source: str, _clip: PoseClip2D) -> np.ndarray:
    """Which way is up for a camera that stands still, (3,) in its frame, as the whole clip says it."""
    return pipeline.estimate_up(_clip, models("frame"))


def trained_settings() -> list[Setting]:
    """The settings that there are weights for, the one of single frames first."""
    folder = Path(os.environ.get("DIFFPOSE_CHECKPOINTS") or pipeline.CHECKPOINTS)
    needed: dict[Setting, tuple[str, ...]] = {
        "frame": (pipeline.ENCODERS["frame"],),
        "fixed": (pipeline.ENCODERS["frame"], pipeline.UPRIGHT),
        "video": (pipeline.ENCODERS["video"],),
    }
    return [setting for setting, names in needed.items() if all((folder / f"{n}.safetensors").is_file() for n in names)]


def trained_schedules(setting: pipeline.Setting) -> list[ScheduleName]:
    """The schedules that there are weights for, with f_ST and without, the shipped one first."""
    found: list[ScheduleName] = []
    for schedule in ("converging", "supplement"):
        try:
            for context in (True, False):
                models(setting).pick(context, "gmm", schedule)
        except InvalidInput:
            continue
        found.append(schedule)
    return found


@st.cache_resource(max_entries=64, show_spinner=False)
def lift(source: str, _clip: PoseClip2D, frames: tuple[int, ...], settings: Settings, context: bool) -> Lifted:
    """The reverse process of some frames, with f_ST or without, and what it starts from."""
    s = settings
    ready, loaded = prepared(source, _clip, frames, s.setting), models(READS[s.setting])
    name, network = loaded.pick(context, "gmm", s.trained_on)
    trace = pipeline.reverse_trace(ready, network, s.steps, s.hypotheses, s.eta, s.seed)
    calibration = loaded.calibration(name, s.hypotheses, ready.up_cam)
    expected = None
    if calibration is not None:
        expected = pipeline.expected_error(ready, network, calibration, trace.samples[:, -1])
    return Lifted(np.array(frames), trace, ready.baseline, mixture_draws(ready), loaded.encoder.title, expected)


def _block_size(settings: Settings) -> int:
    return min(max(BLOCK_PASSES // (settings.steps * settings.hypotheses), 1), MOST_IN_BLOCK)


@st.cache_resource(max_entries=8, show_spinner=False)
def spaced(source: str, _clip: PoseClip2D, settings: Settings, context: bool) -> Blocks:
    """The frames that a view plays through: begun once, kept with what is done of them."""
    frames = spaced_frames(_clip, settings, PASSES, FEWEST_FRAMES, MOST_FRAMES)
    return Blocks(frames, _block_size(settings), lambda block: lift(source, _clip, block, settings, context))


@st.cache_resource(max_entries=8, show_spinner=False)
def whole_clip(source: str, _clip: PoseClip2D, settings: Settings) -> Blocks:
    """All frames of a clip, or evenly spaced ones where that would take minutes, with f_ST: for its error over time."""
    frames = spaced_frames(_clip, settings, PASSES_WHOLE, FEWEST_WHOLE, MOST_WHOLE)
    # In video a block takes the frames around it too: larger ones take a third less time in all.
    size = _block_size(settings) * (2 if settings.setting == "video" else 1)
    return Blocks(frames, size, lambda block: lift(source, _clip, block, settings, True).averaged())


def mixture_draws(ready: pipeline.Prepared) -> np.ndarray:
    """Poses drawn from each frame's fitted mixture, (F', GOAL_SAMPLES, 17, 3), camera frame: what H_K looks like."""
    generator = seeded("cpu", 0)
    gmm = ready.gmm
    components = gmm.draw_components(GOAL_SAMPLES, generator, shared=True)
    drawn = gmm.mean_of(components) + gmm.noise(components, generator, shared=True)
    return ready.view.to_cam(root_relative(drawn.unflatten(-1, (NUM_JOINTS, 3)))).numpy()


#: Of one clip with the same settings, complete blocks hold the same.
_COMPLETE: dict[Any, Callable[[Any], object]] = {Blocks: lambda blocks: blocks.complete}


def _joined(
    source: str, clip: PoseClip2D, frame: int, blocks: Blocks | None, lift_one: Callable[[], Lifted]
) -> tuple[ClipFrames, Lifted]:
    """The picked frame, which is computed first, and with it all frames of the blocks once they are there."""
    lifted = Lifted.with_frame(frame, [] if blocks is None else blocks.parts, lift_one)
    current = int(np.searchsorted(lifted.frames, frame))
    return ClipFrames(clip, lifted.frames, lifted.baseline_cam, current, source, lifted.baseline), lifted


@st.cache_data(max_entries=8, show_spinner=False, hash_funcs=_COMPLETE)
def overview_stage(
    source: str, _clip: PoseClip2D, frame: int, settings: Settings, views: tuple[str, ...], blocks: Blocks | None = None
) -> bytes:
    """Packed data of the overview: the picked frame alone, or all of the blocks. views: those that it may lead to."""
    view, lifted = _joined(source, _clip, frame, blocks, lambda: lift(source, _clip, (frame,), settings, True))
    return overview.overview(view, lifted.trace, lifted.goal_cam, views)


@st.cache_data(max_entries=16, show_spinner=False)
def forward_stage(source: str, _clip: PoseClip2D, frame: int, settings: Settings) -> bytes:
    """Packed data of the forward view."""
    other: ScheduleName = "converging" if settings.schedule == "supplement" else "supplement"
    ready = prepared(source, _clip, (frame,))
    view = ClipFrames(_clip, np.array([frame]), ready.baseline, 0, source)

    s = settings
    if s.stepwise:
        chosen, compared = (
            ForwardRun(name, pipeline.forward_traces(ready, 0, name, s.samples, s.seed, stepwise=True))
            for name in (s.schedule, other)
        )
    else:
        parts = pipeline.forward_parts(ready, 0, s.samples, s.seed)
        chosen, compared = ForwardRun.mixed(s.schedule, parts), ForwardRun.mixed(other, {"gmm": parts["gmm"]})
    return forward.forward(view, chosen, compared, ready.gmm_cam[0], mixture_draws(ready)[0])


@st.cache_data(max_entries=8, show_spinner=False, hash_funcs=_COMPLETE)
def reverse_stage(
    source: str,
    _clip: PoseClip2D,
    frame: int,
    settings: Settings,
    with_context: Blocks | None = None,
    without: Blocks | None = None,
) -> bytes:
    """Packed data of the reverse view: the picked frame alone, or all frames of the lifted blocks."""
    traces = {}
    for name, context, blocks in (("context", True, with_context), ("no_context", False, without)):
        one = partial(lift, source, _clip, (frame,), settings, context)
        view, lifted = _joined(source, _clip, frame, blocks, one)
        traces[name] = lifted.trace
    return reverse.reverse(view, traces)


@st.cache_data(max_entries=12, show_spinner=False, hash_funcs=_COMPLETE)
def compare_stage(
    source: str, _clip: PoseClip2D, frame: int, settings: Settings, overlaid: bool, blocks: Blocks | None = None
) -> bytes:
    """Packed data of the comparison: the picked frame alone, or the whole clip, which the blocks hold."""
    view, lifted = _joined(
        source, _clip, frame, blocks, lambda: lift(source, _clip, (frame,), settings, True).averaged()
    )
    both = Compared.of(view, lifted.trace, lifted.expected_error)
    return compare.compare(view, both, settings.hypotheses, overlaid, blocks is not None)


@st.cache_data(max_entries=12, show_spinner=False, hash_funcs=_COMPLETE)
def joint_table(source: str, _clip: PoseClip2D, settings: Settings, blocks: Blocks) -> pd.DataFrame | None:
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


def predicts(settings: Settings) -> str:
    """What the network's output means: "x_start", "previous" or "noise"."""
    return models(READS[settings.setting]).pick(True, "gmm", settings.trained_on)[1].config.prediction_type


def alpha_end(schedule: ScheduleName) -> float:
    """alpha_K of a schedule: the share of h_0's variance that is left at the last step."""
    return float(make_schedule(schedule).alphas_cumprod[-1])
