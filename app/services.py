"""What the pages ask of the core: cached by the clip's content and the settings, so that no run is computed twice."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Callable
from dataclasses import dataclass
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
#: The clip that is open when nobody has chosen: seen from the side, one half of the body hides the other.
FIRST_CLIP = "walk-from-the-side"
#: Passes through the network that a view may cost: decides how many frames of a clip go through the reverse process.
PASSES = 1600
FEWEST_FRAMES, MOST_FRAMES = 8, 32


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


def spaced_frames(clip: PoseClip2D, settings: Settings) -> tuple[int, ...]:
    """Evenly spaced frames of a clip, as many as the settings leave time for."""
    wanted = PASSES // (settings.steps * settings.hypotheses)
    count = min(max(wanted, FEWEST_FRAMES), MOST_FRAMES, len(clip))
    return tuple(int(f) for f in np.unique(np.linspace(0, len(clip) - 1, count).round()))


@st.cache_resource(show_spinner=False)
def models() -> pipeline.Models:
    """The trained networks: the bundled ones, or those in the folder that DIFFPOSE_CHECKPOINTS names."""
    return pipeline.load_models(os.environ.get("DIFFPOSE_CHECKPOINTS") or None)


@st.cache_resource(max_entries=8, show_spinner=False)
def prepared(source: str, _clip: PoseClip2D, frames: tuple[int, ...]) -> pipeline.Prepared:
    """H_K, its fitted mixture and the baseline of some frames. source: the clip's hash."""
    return pipeline.prepare(_clip, models(), frames=np.array(frames))


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


@st.cache_resource(max_entries=24, show_spinner=False)
def reverse_trace(
    source: str, _clip: PoseClip2D, frames: tuple[int, ...], settings: Settings, context: bool
) -> DiffusionTrace:
    """The reverse process of some frames, with f_ST or without."""
    _, network = models().pick(context, "gmm", settings.trained_on)
    return pipeline.reverse_trace(
        prepared(source, _clip, frames),
        network,
        steps=settings.steps,
        hypotheses=settings.hypotheses,
        eta=settings.eta,
        seed=settings.seed,
    )


@st.cache_resource(max_entries=16, show_spinner=False)
def forward_traces(
    source: str, _clip: PoseClip2D, frame: int, schedule: ScheduleName, samples: int, seed: int
) -> dict[str, DiffusionTrace]:
    """Forward processes of one frame, standard and GMM."""
    return pipeline.forward_traces(prepared(source, _clip, (frame,)), 0, schedule, samples=samples, seed=seed)


@dataclass(frozen=True)
class _Shown:
    """Evenly spaced frames, the same wherever one is in the clip, and the picked frame among them.

    A frame's result depends on no other frame, so that the picked one is computed by itself and put in its place.
    """

    source: str
    clip: PoseClip2D
    frame: int
    settings: Settings

    @property
    def spaced(self) -> tuple[int, ...]:
        return spaced_frames(self.clip, self.settings)

    def merged(self, of: Callable[[tuple[int, ...]], np.ndarray]) -> np.ndarray:
        """Rows of the spaced frames with the picked frame's row where it belongs."""
        rows = of(self.spaced)
        if self.frame in self.spaced:
            return rows
        return np.insert(rows, np.searchsorted(self.spaced, self.frame), of((self.frame,))[0], axis=0)

    def view(self) -> ClipFrames:
        """The frames as the figures want them."""
        frames = self.merged(np.array)
        baseline = self.merged(lambda f: prepared(self.source, self.clip, f).baseline)
        return ClipFrames(self.clip, frames, baseline, int(np.searchsorted(frames, self.frame)), self.source)

    def trace(self, context: bool) -> DiffusionTrace:
        """Their reverse process."""

        def of(frames: tuple[int, ...]) -> DiffusionTrace:
            return reverse_trace(self.source, self.clip, frames, self.settings, context)

        def predicted(frames: tuple[int, ...]) -> np.ndarray:
            found = of(frames).pred_x_start
            return np.empty((len(frames), 0)) if found is None else found

        first = of(self.spaced)
        pred = None if first.pred_x_start is None else self.merged(predicted)
        return DiffusionTrace(first.k, self.merged(lambda f: of(f).samples), pred)


@st.cache_data(max_entries=8, show_spinner=False)
def overview_stage(source: str, _clip: PoseClip2D, frame: int, settings: Settings) -> bytes:
    """Packed data of the overview."""
    shown = _Shown(source, _clip, frame, settings)
    return scenes.overview(shown.view(), shown.trace(True))


@st.cache_data(max_entries=16, show_spinner=False)
def forward_stage(source: str, _clip: PoseClip2D, frame: int, settings: Settings) -> bytes:
    """Packed data of the forward view."""
    other: ScheduleName = "converging" if settings.schedule == "supplement" else "supplement"
    s = settings
    ready = prepared(source, _clip, (frame,))
    view = ClipFrames(_clip, np.array([frame]), ready.baseline, 0, source)
    traces = forward_traces(source, _clip, frame, s.schedule, s.samples, s.seed)
    reference = forward_traces(source, _clip, frame, other, s.samples, s.seed)["gmm"]
    gmm = ready.gmm_cam[0]
    return scenes.forward(view, traces, gmm.mean.numpy(), gmm.covariance.numpy(), (f"{other} schedule", reference))


@st.cache_data(max_entries=8, show_spinner=False)
def reverse_stage(source: str, _clip: PoseClip2D, frame: int, settings: Settings) -> bytes:
    """Packed data of the reverse view."""
    shown = _Shown(source, _clip, frame, settings)
    return scenes.reverse(shown.view(), {"context": shown.trace(True), "no_context": shown.trace(False)})


@st.cache_data(max_entries=8, show_spinner=False)
def compare_stage(source: str, _clip: PoseClip2D, frame: int, settings: Settings) -> bytes:
    """Packed data of the comparison."""
    shown = _Shown(source, _clip, frame, settings)
    return scenes.compare(shown.view(), shown.trace(True))


def predicts(settings: Settings) -> str:
    """What the network's output means: "x_start", "previous" or "noise"."""
    return models().pick(True, "gmm", settings.trained_on)[1].config.prediction_type


def alpha_end(schedule: ScheduleName) -> float:
    """alpha_K of a schedule: the share of h_0's variance that is left at the last step."""
    return float(make_schedule(schedule).alphas_cumprod[-1])
