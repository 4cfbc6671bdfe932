"""The dialog that looks for people in a video."""

from __future__ import annotations

import streamlit as st

from app.jobs.detecting import Detecting
from app.text import plain
from app.widgets.common import leave, uploads
from app.widgets.uploads import Pending, PendingVideo
from diffpose_core.io.rtmpose import has_weights


@st.dialog("Find the people in this video", width="medium", icon=":material/movie:", on_dismiss=leave)
def find_people() -> None:
    video = uploads().pending
    if not isinstance(video, PendingVideo):
        st.rerun()
    width, height = video.facts.size
    rate = f"{video.facts.fps:.4g} frames a second" if video.facts.fps else "a frame rate that it doesn't say"
    source = (
        "Its weights are on this machine."
        if has_weights()
        else "Its weights are not on this machine yet: they are downloaded from OpenMMLab first, once."
    )
    st.markdown(
        f"**{plain(video.name)}**: {width} x {height} px, {rate}. RTMPose looks "
        f"for 17 joints of everybody in every frame. {source}"
    )
    work = video.work
    share, words = (0.0, "") if work is None else work.progress()
    if work is not None and work.error is None:
        st.progress(share, words)
    elif work is not None:
        st.error(plain(str(work.error)))
    with st.container(horizontal=True, horizontal_alignment="right"):
        st.button("Cancel", help="Forget this video; everything stays as it was.", on_click=leave)
        if work is None or work.error is not None:
            st.button(
                "Find the people" if work is None else "Try again",
                type="primary",
                help="Downloads RTMPose's weights if they are not here yet, and looks at every frame.",
                on_click=_begin,
            )
    if work is None or work.error is not None:
        return
    if work.wait(0.3) and work.result is not None:
        uploads().pending = Pending(work.result, video.number)
        st.rerun()
    _again()


def _begin() -> None:
    video = uploads().pending
    if isinstance(video, PendingVideo):
        video.work = Detecting(video.content, video.name)


def _again() -> None:
    """Draw the dialog anew: by itself, or with the page where it was drawn with the page."""
    try:
        st.rerun(scope="fragment")
    except st.errors.StreamlitAPIException:
        st.rerun()
