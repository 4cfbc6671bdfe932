"""Everybody of a file in one scene: a choice of the comparison, where the file has several people."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from app.compute.everybody import lift_everybody
from app.figures import everybody as figure
from app.session import Session
from app.stage.component import stage
from app.widgets.common import dialog_is_open
from diffpose_core.io.exports import EXPORTS, SCENES, file_stem, write_scene
from diffpose_core.io.formats import ChosenClip


def everybody(session: Session, people: Mapping[str, ChosenClip]) -> None:
    """The view.

    Args:
        session: The visitor's session.
        people: Clips by the people's keys, the open one first.
    """
    if dialog_is_open():
        return
    bar = st.empty()
    placed, refused = lift_everybody(session.source, people, session.settings, bar.progress)
    bar.empty()
    name = session.clip.name
    stage(figure.everybody(placed, session.source, name, session.frame, refused), "everybody")
    with st.container(horizontal=True):
        for form in SCENES:
            if form in EXPORTS:
                _download(placed, name, form)


def _download(placed: Mapping[str, figure.Placed], name: str, form: str) -> None:
    """A button that saves the scene. name: of the clip. form: a key of SCENES."""

    def content() -> bytes:
        starts_s = {key: one.first_frame / one.result.fps for key, one in placed.items()}
        return write_scene({key: one.result for key, one in placed.items()}, starts_s, form)

    st.download_button(
        f"Everybody as {EXPORTS[form].label}",
        content,
        f"{file_stem(name)}-everybody{EXPORTS[form].ending}",
        EXPORTS[form].media_type,
        key=f"everybody_{form}",
        on_click="ignore",
        icon=":material/download:",
        help="All people in one scene, for other programs.",
    )
