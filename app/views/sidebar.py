"""The sidebar: which clip, which frame, and the settings of the diffusion."""

from __future__ import annotations

from typing import Any

import streamlit as st

from app.state import SCHEDULES, ScheduleName, Settings
from app.views.common import Session
from diffpose_core.structures import InvalidInput, PoseClip2D

UPLOADED = "uploaded_clip"
#: Views that run no reverse process.
WITHOUT_REVERSE = ("Forward", "Results")


def _label(name: str) -> str:
    return name.replace("_", " ").replace("-", " ").capitalize()


def _take_upload(services: Any) -> None:
    """Try a freshly uploaded file. A file that can't be used leaves the loaded clip as it is."""
    file = st.session_state.get("upload")
    st.session_state.pop("upload_error", None)
    if file is None:
        st.session_state.pop(UPLOADED, None)
        return
    try:
        st.session_state[UPLOADED] = services.open_upload(file.getvalue(), file.name)
    except InvalidInput as error:
        st.session_state["upload_error"] = str(error)


def _pick_clip(services: Any) -> PoseClip2D | None:
    bundled = services.bundled_clips()
    if bundled:
        name = st.selectbox(
            "Clip",
            list(bundled),
            list(bundled).index(services.FIRST_CLIP) if services.FIRST_CLIP in bundled else 0,
            format_func=_label,
            key="clip",
            bind="query-params",
            help="A person moving, seen by one camera: detected 2D joints with their uncertainty, and the exact 3D.",
        )
    st.file_uploader(
        "Or your own clip (.npz)",
        type=["npz"],
        key="upload",
        on_change=_take_upload,
        args=(services,),
        help="A file of this project's own format, as save_clip or the command line writes it; remove it to go back.",
    )
    if "upload_error" in st.session_state:
        st.error(f"This file can't be used, the clip before it is still shown. {st.session_state['upload_error']}")
    if UPLOADED in st.session_state:
        clip: PoseClip2D = st.session_state[UPLOADED]
        st.success(f"Shown: {clip.name}, {len(clip)} frames")
        return clip
    if not bundled:
        return None
    path = bundled[name]
    clip = services.open_bundled(str(path), path.stat().st_mtime)
    return clip


def draw(services: Any, view: str) -> Session | None:
    """Draw the sidebar for a view; returns what it says, or None where there is no clip."""
    with st.sidebar:
        clip = _pick_clip(services)
        if clip is None:
            return None
        source = services.clip_hash(clip)
        last = len(clip) - 1
        frame = 0
        if last > 0:
            # A frame may come from the address, be new, or be left over from a longer clip.
            if st.session_state.get("frame", 0 if "frame" in st.query_params else last + 1) > last:
                st.session_state["frame"] = last // 3
            frame = st.slider(
                "Frame",
                0,
                last,
                key="frame",
                bind="query-params",
                help="The frame that forward diffusion starts from; the other views go to it and play on from there.",
            )
        st.divider()
        # Greyed where they change nothing, rather than left out: a control that is gone forgets what it was set to.
        idle = view in WITHOUT_REVERSE
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
        trained = services.trained_schedules()
        trained_on: ScheduleName = trained[0] if trained else "converging"
        if len(trained) > 1:
            trained_on = st.selectbox(
                "Weights trained with",
                trained,
                format_func=lambda s: f"{SCHEDULES[s]} schedule",
                key="trained_on",
                bind="query-params",
                disabled=idle,
                help="The noise schedule that the reverse process's network learned from.",
            )
    settings = Settings(
        steps=int(steps), hypotheses=int(hypotheses), eta=float(eta), seed=int(seed), trained_on=trained_on
    )
    return Session(clip, source, int(frame), settings)
