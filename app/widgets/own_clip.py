"""The clip that a person brought: its facts, its guessed joints, and the button that removes it."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from app.compute.kept import forget
from app.figures import pose_preview
from app.stage.component import footage
from app.text import plain
from app.widgets.common import picture, uploads
from app.widgets.uploads import MOST_OWN
from diffpose_core.io.formats import ChosenClip
from diffpose_core.structures import PoseClip2D


def about(name: str) -> None:
    """Facts on one of the visitor's clips, below the picker."""
    own = uploads().own[name]
    clip = own.clip
    frames = f"{len(clip):,} frame" + ("s" if len(clip) > 1 else "")
    st.success(f"Shown: {plain(name)}, {frames}, {clip.width} x {clip.height} px, {clip.fps:g} frames a second")
    if own.notes:
        with st.expander(f"What was assumed ({len(own.notes)})"):
            st.markdown("\n".join(f"- {plain(note)}" for note in own.notes))
    st.button(
        "Remove this clip",
        type="tertiary",
        icon=":material/delete:",
        on_click=_forget,
        args=(name,),
        help=f"Forget it here and go back to the others. The last {MOST_OWN} of your clips are kept until you leave.",
    )


def bring_footage(source: str) -> None:
    """Bring the pictures of one of the visitor's clips to the page. source: its hash."""
    # A place without pictures too: the stage below it keeps its own, and shows the last clip until the next is ready.
    with st.container(key="footage"):
        for own in uploads().own.values():
            if own.source == source and own.footage:
                footage(own.footage, "footage_courier")
                return


def people_of(source: str) -> Mapping[str, ChosenClip]:
    """Everybody of the file that one of the visitor's clips comes from; empty for one person. source: its hash."""
    return next((own.people for own in uploads().own.values() if own.source == source), {})


def _forget(name: str) -> None:
    own = uploads().own.pop(name, None)
    if own is not None:
        forget(own.source)


def guessed(clip: PoseClip2D, frame: int) -> None:
    """The joints and frames that were guessed, if there are any."""
    words = pose_preview.guessed_words(clip.confidence)
    if not words:
        return
    with st.expander("Guessed joints", icon=":material/help:", expanded=True):
        dark = st.context.theme.type == "dark"
        picture(pose_preview.guessed_strip(clip.confidence, frame, dark), f"Joints and frames: {words}")
        st.caption(
            f"{words} Each row is a joint, and the line marks the chosen frame. Guessed joints have wide heatmaps, and "
            "their 3D is less certain."
        )
