"""The page as a whole: its style rules, and each view as a place of the browser's history with a title of its own."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import streamlit as st

from app.stage.modules import component_script

HERE = Path(__file__).parent
_KEY = "page"
APP = "DiffPose Studio"
#: Names of the views, in the order of the story.
VIEWS = ("Overview", "Uncertainty", "Forward", "Reverse", "Compare", "Results", "Learn", "Live")


@cache
def _component() -> Any:
    script = component_script(HERE / "stage" / "js" / "page.js")
    return st.components.v2.component("diffpose_page", html="<span></span>", js=script, isolate_styles=False)


def title() -> str:
    """The browser's title for the view that the visitor wants, before the views are imported."""
    view = st.session_state.get("view", st.query_params.get("view"))
    return f"{view} · {APP}" if view in VIEWS else APP


def show(view: str, open_view: Callable[[str], None]) -> None:
    """Style the page and tell the browser which view it shows.

    Args:
        view: Name of the view.
        open_view: Called with the name of another view when the visitor goes back or forward.
    """

    def moved() -> None:
        wanted = st.session_state[_KEY].get("view")
        if wanted in VIEWS:
            open_view(wanted)

    st.html(HERE / "page.css")
    _component()(key=_KEY, data={"view": view}, on_view_change=moved)
