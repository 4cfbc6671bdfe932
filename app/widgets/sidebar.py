"""The sidebar: which clip, which frame, and the settings of the diffusion."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from app.compute import clips, networks
from app.session import READS, SCHEDULES, SETTINGS, AppSettings, Session, Setting, SettingChoice
from app.widgets import download, other_ways, own_clip, uploader
from app.widgets.common import uploads
from diffpose_core.diffusion.schedule import ScheduleName
from diffpose_core.structures import PoseClip2D

#: Views that run no reverse process.
WITHOUT_REVERSE = ("Forward", "Results")
#: Views that look into a single frame, whose context is that frame's.
OF_ONE_FRAME = (*WITHOUT_REVERSE, "Uncertainty", "Learn")


def _label(name: str) -> str:
    return name.replace("_", " ").replace("-", " ").capitalize()


def _no_longer_lost() -> None:
    """A clip was picked: the one that a link asked for is not waited for any more."""
    uploads().lost = None


def _pick_clip(slot: Any, upload_slot: Any) -> PoseClip2D | None:
    bundled = clips.bundled_clips()
    state = uploads()
    own = state.own
    if state.opened is not None:
        st.session_state["clip"] = state.opened
        state.opened = None
    names = [*own, *(name for name in bundled if name not in own)]
    labels = {name: f"{name} (yours)" if name in own else _label(name) for name in names}
    wanted = st.query_params.get("clip")
    if wanted is not None and wanted not in labels.values():
        state.lost = wanted
    name = None
    if names:
        name = slot.selectbox(
            "Clip",
            names,
            names.index(clips.FIRST_CLIP) if clips.FIRST_CLIP in names else 0,
            format_func=labels.__getitem__,
            key="clip",
            bind="query-params",
            on_change=_no_longer_lost,
            help="A person filmed by one camera: detected 2D joints with their uncertainty. Your own clips come first.",
        )
    with upload_slot:
        uploader.uploader()
    if name in own:
        own_clip.about(name)
        return own[name].clip
    if name is None:
        return None
    path = bundled[name]
    clip: PoseClip2D = clips.open_bundled(str(path), path.stat().st_mtime)
    return clip


def draw(view: str, clip_slot: Any, upload_slot: Any) -> Session | None:
    """Draw the sidebar for a view, and the choice of the clip and the uploader into their slots.

    Returns:
        The clip and the settings, or None without a clip.
    """
    waiting = st.empty()  # in sight, which the sidebar is not where it is folded
    with st.sidebar:
        clip = _pick_clip(clip_slot, upload_slot)
        if clip is None:
            return None
        source = clips.clip_hash(clip)
        frame = _pick_frame(len(clip) - 1)
        own_clip.guessed(clip, frame)
        st.divider()
        own = st.session_state.get("clip") in uploads().own
        settings = _settings(view, networks.automatic_setting(source, clip, own), waiting)
        session = Session(clip, source, frame, settings)
        download.control(session)
        other_ways.control()
    own_clip.bring_footage(source)
    return session


def _pick_frame(last: int) -> int:
    """The frame that views of one frame show. last: number of the clip's last frame."""
    if last == 0:
        return 0
    # A frame may come from the address, be new, or be left over from a longer clip.
    if st.session_state.get("frame", 0 if "frame" in st.query_params else last + 1) > last:
        st.session_state["frame"] = last // 3
    return int(
        st.slider(
            "Frame",
            0,
            last,
            key="frame",
            bind="query-params",
            help="The frame that forward diffusion starts from; the other views go to it and play on from there.",
        )
    )


def _settings(view: str, automatic: Setting, waiting: Any) -> AppSettings:
    """Controls of the diffusion and of the weights.

    Args:
        view: Name of the view.
        automatic: The setting that suits the clip.
        waiting: Place for words while networks are loaded.
    """
    # Greyed where they change nothing, rather than left out: a control that is gone forgets its value.
    idle = view in WITHOUT_REVERSE
    if idle:
        st.caption(f"{view} runs no reverse process: what is greyed below changes nothing here.")
    elif view in OF_ONE_FRAME:
        st.caption(f"{view} looks at one frame: what is greyed below changes nothing here.")
    steps, hypotheses, eta, seed = _diffusion_controls(idle)
    setting = _pick_setting(automatic, disabled=view in OF_ONE_FRAME)
    tilt_deg = _tilt_control() if setting != "frame" else None
    with waiting, st.spinner("Loading the networks"):
        trained = networks.trained_schedules(READS[setting])
    trained_on = _pick_schedule(trained, disabled=idle)
    return AppSettings(
        steps=steps,
        hypotheses=hypotheses,
        eta=eta,
        seed=seed,
        trained_on=trained_on,
        setting=setting,
        tilt_deg=tilt_deg,
    )


def _diffusion_controls(idle: bool) -> tuple[int, int, float, int]:
    """Reverse steps, hypotheses, eta and seed. idle: whether the view runs no reverse process."""
    steps = st.select_slider(
        "Reverse steps (DDIM)",
        [1, 2, 5, 10, 25, 50],
        value=5,
        key="steps",
        bind="query-params",
        disabled=idle,
        help="How many of the 50 steps the reverse process really takes; the paper uses 5.",
    )
    hypotheses = st.select_slider(
        "Hypotheses",
        [1, 2, 5, 10, 20, 50],
        value=5,
        key="hypotheses",
        bind="query-params",
        disabled=idle,
        help="How many poses are drawn from H_K and denoised; their mean is the answer, the paper uses 5.",
    )
    eta = st.slider(
        "Randomness η",
        0.0,
        1.0,
        0.0,
        0.1,
        key="eta",
        bind="query-params",
        disabled=idle,
        help="How much fresh noise every reverse step adds: 0 is deterministic, 1 is as random as DDPM.",
    )
    seed = st.number_input(
        "Seed",
        0,
        9999,
        0,
        key="seed",
        bind="query-params",
        help="The same seed gives the same random draws, so pictures can be repeated.",
    )
    return int(steps), int(hypotheses), float(eta), int(seed)


def _pick_setting(automatic: Setting, disabled: bool) -> Setting:
    """Choice of what the context encoder reads. automatic: the setting that suits the clip."""
    settings = networks.trained_settings()
    if len(settings) == 1:
        return settings[0]
    choice: SettingChoice = st.selectbox(
        "Context f_ST from",
        ["auto", *settings],
        format_func=SETTINGS.__getitem__,
        key="setting",
        bind="query-params",
        disabled=disabled,
        help="What the context encoder reads. The frame with the body's proportions and, if the camera stood still, "
        "its tilt, both estimated from the whole clip; the frame alone; or the frame among its neighbours, which "
        "errs less on real people and makes poses steadier. Automatic takes the neighbours for your own clips, if they "
        "have 9 frames and somebody moves.",
    )
    if choice != "auto":
        return choice
    if not disabled:
        st.caption(f"Now: {SETTINGS[automatic][0].lower()}{SETTINGS[automatic][1:]}")
    return automatic


def _pick_schedule(trained: Sequence[ScheduleName], disabled: bool) -> ScheduleName:
    """The noise schedule of the weights that are used. trained: those that there are weights for."""
    if len(trained) < 2:
        return trained[0] if trained else "converging"
    schedule: ScheduleName = st.selectbox(
        "Weights trained with",
        trained,
        format_func=lambda s: f"{SCHEDULES[s]} schedule",
        key="trained_on",
        bind="query-params",
        disabled=disabled,
        help="The noise schedule that the network of the reverse process was trained with.",
    )
    return schedule


def _tilt_control() -> float | None:
    """Let the visitor give the camera's tilt, degrees; None leaves it to the clip's estimate."""
    known = st.toggle(
        "I know the camera's tilt",
        key="tilt_known",
        bind="query-params",
        help="Otherwise it is estimated from all frames of the clip.",
    )
    if not known:
        return None
    return float(
        st.slider(
            "Camera looks down by, degrees",
            -30,
            60,
            0,
            key="tilt",
            bind="query-params",
            help="0 is level; negative looks up.",
        )
    )
