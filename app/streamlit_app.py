"""DiffPose Studio: `streamlit run app` from the repository's root."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:  # Streamlit puts this folder on the path, not the one above it
    sys.path.insert(0, str(ROOT))

import streamlit as st  # noqa: E402

import diffpose_core.environment  # noqa: E402, F401  # Before torch is loaded by anything else.
from app import page  # noqa: E402
from app.streamlit_patches import apply_patches  # noqa: E402

ICON = ROOT / "app" / "static" / "icon.png"

st.set_page_config(page_title=page.title(), page_icon=str(ICON), layout="wide", initial_sidebar_state="collapsed")
apply_patches()

from app.compute import housekeeping, networks  # noqa: E402
from app.session import Session  # noqa: E402
from app.text import plain  # noqa: E402
from app.views import compare, forward, learn, live, overview, results, reverse, uncertainty  # noqa: E402
from app.views.blocks import prefetcher  # noqa: E402
from app.widgets import sidebar  # noqa: E402
from diffpose_core.structures import InvalidInput  # noqa: E402


def open_overview(session: Session) -> None:
    """The first page."""
    overview.overview(session, list(VIEWS))


#: The views by their names, which the address uses too; the names stand in app/page.py as well.
VIEWS = {
    "Overview": open_overview,
    "Uncertainty": uncertainty.uncertainty,
    "Forward": forward.forward,
    "Reverse": reverse.reverse,
    "Compare": compare.compare,
    "Results": results.results,
    "Learn": learn.learn,
    "Live": live.live,
}


def _open_view(view: str) -> None:
    st.session_state["view"] = view


def bar() -> tuple[str, Any, Any]:
    """The bar over every view: the name, which view is open, and places for the clip's name and the uploader."""
    with st.container(key="bar", horizontal=True, vertical_alignment="center"):
        st.title("DiffPose Studio", anchor=False, width="content")
        view = st.segmented_control(
            "View",
            list(VIEWS),
            default="Overview",
            required=True,
            key="view",
            bind="query-params",
            label_visibility="collapsed",
            help="The parts of the story, from the picture's uncertainty to the result; clip and frame stay.",
        )
        clip_slot = st.container(key="clip_slot")
        upload_slot = st.container(key="upload_slot")
    return view or "Overview", clip_slot, upload_slot


def main() -> None:
    """The app."""
    housekeeping.start()
    prefetcher().drop()
    view, clip_slot, upload_slot = bar()
    page.show(view, _open_view)
    try:
        with st.spinner("Loading the networks"):
            networks.models("frame")
    except InvalidInput as error:
        st.error(f"The weights can't be loaded. {plain(str(error))}", icon=":material/error:")
        return
    session = sidebar.draw(view, clip_slot, upload_slot)
    if session is None:
        st.info("No clip is loaded. Upload one above.", icon=":material/upload_file:")
        return
    try:
        VIEWS[view](session)
    except InvalidInput as error:
        st.error(
            f"This view can't be computed for this clip with these settings. {plain(str(error))}",
            icon=":material/error:",
        )


main()
