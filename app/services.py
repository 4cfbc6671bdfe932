"""What the pages ask of the core: cached by the clip's content and the settings, so that no run is computed twice."""

from __future__ import annotations

import hashlib
import io
import os
from pathlib import Path

import numpy as np
import streamlit as st

from app.figures import scenes
from app.figures.scenes import ClipFrames
from app.state import ScheduleName, Settings
from diffpose_core import pipeline
from diffpose_core.diffusion.schedule import make_schedule
from diffpose_core.io.clips import load_clip
from diffpose_core.structures import DiffusionTrace, InvalidInput, PoseClip2D

ROOT = Path(__file__).resolve().parent.parent
CLIPS = Path(os.environ.get("DIFFPOSE_CLIPS", ROOT / "assets" / "clips"))
#: At most this many frames of a clip go through the reverse process for the views; longer clips are thinned out.
MAX_FRAMES = 48


def bundled_clips() -> dict[str, Path]:
    """Name -> file of the clips that come with the app."""
    return {path.stem: path for path in sorted(CLIPS.glob("*.npz"))}


@st.cache_data(max_entries=32, show_spinner=False)
def open_bundled(path: str, changed: float) -> PoseClip2D:
    """A bundled clip; changed is the file's time stamp."""
    return load_clip(path)


def open_upload(content: bytes, name: str) -> PoseClip2D:
    """A clip from an uploaded file of ours. Raises InvalidInput with the reason."""
    file = io.BytesIO(content)
    file.name = name
    return load_clip(file)


def clip_hash(clip: PoseClip2D) -> str:
    """A short hash of everything in a clip that the views depend on: the detected 2D, and the exact 3D."""
    digest = hashlib.sha256(f"{clip.name} {pipeline.clip_hash(clip)}".encode())
    for part in (clip.pose3d_cam, clip.hidden):
        digest.update(b"-" if part is None else np.ascontiguousarray(part).tobytes())
    return digest.hexdigest()[:16]


def shown_frames(clip: PoseClip2D) -> np.ndarray:
    """The frames of a clip that the views show: all of a short one, evenly spaced ones of a long one."""
    stride = -(-len(clip) // MAX_FRAMES)
    return np.arange(0, len(clip), stride)


@st.cache_resource(show_spinner=False)
def models() -> pipeline.Models:
    """The trained networks."""
    return pipeline.load_models()


@st.cache_resource(max_entries=4, show_spinner=False)
def prepared(source: str, _clip: PoseClip2D) -> pipeline.Prepared:
    """H_K, its fitted mixture and the baseline of the shown frames. source: the clip's hash."""
    return pipeline.prepare(_clip, models(), frames=shown_frames(_clip))


def trained_schedules() -> list[ScheduleName]:
    """The schedules that there are weights for, with f_ST and without, the shipped one first."""
    found: list[ScheduleName] = []
    for schedule in ("converging", "supplement"):
        try:
            for context in (True, False):
                models().pick(context, "gmm", schedule)
        except InvalidInput:
            continue
        found.append(schedule)
    return found


@st.cache_resource(max_entries=8, show_spinner=False)
def reverse_traces(
    source: str, _clip: PoseClip2D, steps: int, hypotheses: int, eta: float, seed: int, schedule: ScheduleName
) -> dict[str, DiffusionTrace]:
    """Reverse processes with and without f_ST of the shown frames."""
    return pipeline.reverse_traces(
        prepared(source, _clip), models(), steps=steps, hypotheses=hypotheses, eta=eta, seed=seed, schedule=schedule
    )


@st.cache_resource(max_entries=16, show_spinner=False)
def forward_traces(
    source: str, _clip: PoseClip2D, index: int, schedule: ScheduleName, samples: int, seed: int
) -> dict[str, DiffusionTrace]:
    """Forward processes of one shown frame, standard and GMM."""
    return pipeline.forward_traces(prepared(source, _clip), index, schedule, samples=samples, seed=seed)


def clip_frames(source: str, clip: PoseClip2D, frame: int) -> ClipFrames:
    """The shown frames with the one nearest to `frame` as the current one."""
    frames = shown_frames(clip)
    current = int(np.abs(frames - frame).argmin())
    return ClipFrames(clip, frames, prepared(source, clip).baseline, current, source)


def _traces(source: str, clip: PoseClip2D, s: Settings) -> dict[str, DiffusionTrace]:
    return reverse_traces(source, clip, s.steps, s.hypotheses, s.eta, s.seed, s.trained_on)


@st.cache_data(max_entries=8, show_spinner=False)
def overview_stage(source: str, _clip: PoseClip2D, frame: int, settings: Settings) -> bytes:
    """Packed data of the overview."""
    return scenes.overview(clip_frames(source, _clip, frame), _traces(source, _clip, settings)["context"])


@st.cache_data(max_entries=16, show_spinner=False)
def forward_stage(source: str, _clip: PoseClip2D, frame: int, settings: Settings) -> bytes:
    """Packed data of the forward view."""
    view = clip_frames(source, _clip, frame)
    other: ScheduleName = "converging" if settings.schedule == "supplement" else "supplement"
    s = settings
    traces = forward_traces(source, _clip, view.current, s.schedule, s.samples, s.seed)
    reference = forward_traces(source, _clip, view.current, other, s.samples, s.seed)["gmm"]
    gmm = prepared(source, _clip).gmm_cam[view.current]
    return scenes.forward(view, traces, gmm.mean.numpy(), gmm.covariance.numpy(), (f"{other} schedule", reference))


@st.cache_data(max_entries=8, show_spinner=False)
def reverse_stage(source: str, _clip: PoseClip2D, frame: int, settings: Settings) -> bytes:
    """Packed data of the reverse view."""
    return scenes.reverse(clip_frames(source, _clip, frame), _traces(source, _clip, settings))


@st.cache_data(max_entries=8, show_spinner=False)
def compare_stage(source: str, _clip: PoseClip2D, frame: int, settings: Settings) -> bytes:
    """Packed data of the comparison."""
    return scenes.compare(clip_frames(source, _clip, frame), _traces(source, _clip, settings)["context"])


def alpha_end(schedule: ScheduleName) -> float:
    """alpha_K of a schedule: the share of h_0's variance that is left at the last step."""
    return float(make_schedule(schedule).alphas_cumprod[-1])
