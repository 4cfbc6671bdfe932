"""The dialog that looks for people in a video."""

from __future__ import annotations

import streamlit as st

from app.jobs.detecting import Detecting
from app.jobs.pictures import Pictures
from app.text import plain
from app.widgets.common import actions, leave, uploads
from app.widgets.uploads import Pending, PendingVideo
from diffpose_core.io.detectors import DETECTORS
from diffpose_core.io.video_file import Part
from diffpose_core.structures import InvalidInput


@st.dialog("Find the people in this video", width="medium", icon=":material/movie:", on_dismiss=leave)
def find_people() -> None:
    video = uploads().pending
    if not isinstance(video, PendingVideo):
        st.rerun()
    width, height = video.facts.size
    rate = f"{video.facts.fps:.4g} frames a second" if video.facts.fps else "a frame rate that it doesn't say"
    frames = f"{video.facts.frames:,} frames, " if video.facts.frames else ""
    st.markdown(f"**{plain(video.name)}**: {width} x {height} px, {frames}{rate}.")
    work, error = video.work, video.refused or (video.work.error if video.work is not None else None)
    # What is drawn again before it is through keeps what it drew before, but for what is emptied.
    body = st.empty()
    if work is not None and error is None:
        body.empty()
        share, words = work.progress()
        body.progress(share, words)
    else:
        with body.container():
            if error is not None:
                st.error(plain(error))
            _choose(video)
    with actions():
        st.button("Cancel", help="Forget this video; everything stays as it was.", on_click=leave)
        begin = st.empty()
        if work is None or error is not None:
            begin.button(_label(video), type="primary", on_click=_begin)
        else:
            begin.empty()
    if work is None or error is not None:
        return
    if work.wait(0.3) and work.result is not None:
        uploads().pending = Pending(work.result, video.number, work.pictures, DETECTORS[video.detector].title)
        st.rerun()
    _again()


def _choose(video: PendingVideo) -> None:
    """Ask for the detector and for the part of the video; say what will be downloaded."""
    key = _key(video)
    installed = [name for name, kind in DETECTORS.items() if kind.is_installed()]
    first = next((n for n, name in enumerate(installed) if DETECTORS[name].is_ready), 0)
    if video.detector not in installed:
        video.detector = installed[first]
    if len(installed) > 1:
        video.detector = st.radio(
            "Detector",
            installed,
            index=installed.index(video.detector),
            key=f"{key}_detector",
            format_func=lambda name: DETECTORS[name].title,
            captions=[DETECTORS[name].gives for name in installed],
            horizontal=True,
        )
    kind = DETECTORS[video.detector]
    if len(installed) == 1:
        st.markdown(f"{kind.title} gives {kind.gives}.")
    if kind.is_ready:
        st.caption("Its weights are on this machine: nothing is downloaded. The video stays on this machine.")
    else:
        st.info(
            f"{kind.title}'s weights are not on this machine yet. The button downloads them first, once: "
            f"{kind.download}. The video stays on this machine.",
            icon=":material/download:",
        )
    st.toggle(
        "Show the video under the 2D pose",
        True,
        key=f"{key}_pictures",
        help="Small pictures of the frames are kept in this machine's memory until you leave or remove the clip.",
    )
    with st.expander("Only a part of it"):
        columns = st.columns(3)
        columns[0].number_input("From second", 0.0, None, 0.0, step=1.0, key=f"{key}_from")
        columns[1].number_input("To second", 0.0, None, None, step=1.0, key=f"{key}_to", placeholder="the end")
        columns[2].number_input(
            "Every nth frame", 1, 100, 1, key=f"{key}_every", help="2 takes every other frame, which is twice as fast."
        )


def _key(video: PendingVideo) -> str:
    return f"up{video.number}_video"


def _label(video: PendingVideo) -> str:
    if video.work is not None or video.refused is not None:
        return "Try again"
    return "Find the people" if DETECTORS[video.detector].is_ready else "Download and find the people"


def _part(video: PendingVideo) -> Part:
    """The part of the video that is asked for. Raises InvalidInput where it holds nothing."""
    start, end, every = (st.session_state.get(f"{_key(video)}_{name}") for name in ("from", "to", "every"))
    return Part(float(start or 0.0), None if end is None else float(end), int(every or 1))


def _begin() -> None:
    video = uploads().pending
    if not isinstance(video, PendingVideo):
        return
    video.work = video.refused = None
    try:
        part = _part(video)
    except InvalidInput as error:
        video.refused = str(error)
        return
    pictures = Pictures() if st.session_state.get(f"{_key(video)}_pictures", True) else None
    video.work = Detecting(video.content, video.name, DETECTORS[video.detector], part, pictures)


def _again() -> None:
    """Draw the dialog anew: by itself, or with the page where it was drawn with the page."""
    try:
        st.rerun(scope="fragment")
    except st.errors.StreamlitAPIException:
        st.rerun()
