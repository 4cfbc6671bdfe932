"""The whole way from picture to pose on one page."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from app.compute import lifting, stages
from app.compute.kept import kept
from app.session import Session
from app.stage.component import Asked
from app.views.blocks import stage_by_blocks
from app.views.equations import EQ_MEAN
from app.views.layout import explanation


def _open_view(view: str, frame: int) -> None:
    st.session_state["view"] = view
    st.session_state["frame"] = frame


def overview(session: Session, views: Sequence[str]) -> None:
    """The whole way as a strip; views: the names of those that its parts may lead to."""
    explanation(
        "From a picture to a pose",
        "A flat picture does not show how far away a joint is, and hidden joints have to be guessed. DiffPose starts "
        "from all the 3D poses that the picture allows and removes the uncertainty step by step. Each part of the "
        "strip opens a view of its own.",
        EQ_MEAN,
    )
    clip, source, settings = session.clip, session.source, session.settings.of_reverse()
    lifted = kept(lifting.spaced, session, settings, True)
    stage_by_blocks(
        "overview",
        session,
        [lifted],
        lambda frame, blocks: stages.overview_stage(source, clip, frame, settings, tuple(views), *blocks),
        Asked(len(clip), views=tuple(views), open=_open_view),
    )
