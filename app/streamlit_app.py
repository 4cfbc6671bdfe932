"""DiffPose Studio: `streamlit run app` from the repository's root."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:  # Streamlit puts this folder on the path, not the one above it
    sys.path.insert(0, str(ROOT))

import streamlit as st  # noqa: E402

import diffpose_core.environment  # noqa: E402, F401  # Before torch is loaded by anything else.
from app.stage.component import preload  # noqa: E402
from app.streamlit_patches import apply_patches  # noqa: E402

ICON = ROOT / "app" / "static" / "icon.png"

# Before the imports that take long: meanwhile the browser loads what it needs.
st.set_page_config(page_title="DiffPose Studio", page_icon=str(ICON), layout="wide")
preload()
apply_patches()

from app.compute import networks  # noqa: E402
from app.session import Session  # noqa: E402
from app.text import plain  # noqa: E402
from app.views import compare, forward, learn, overview, results, reverse, uncertainty  # noqa: E402
from app.views.blocks import prefetcher  # noqa: E402
from app.widgets import sidebar  # noqa: E402
from diffpose_core.structures import InvalidInput  # noqa: E402

STYLE = """
<style>
[data-testid="stHeader"] { background: transparent; }
[data-testid="stHeader"], [data-testid="stToolbar"] { pointer-events: none; }
[data-testid="stHeader"] button { pointer-events: auto; }
.stMainBlockContainer { padding: 2.7rem 2.2rem 4rem; max-width: 1560px; }
h1 { letter-spacing: -.022em; font-size: 2.05rem !important; padding: 0 !important; }
h3 { letter-spacing: -.012em; padding: .1rem 0 .2rem !important; }
.stLatex .katex-display { margin: .2rem 0; }
.stLatex { overflow-x: auto; overflow-y: hidden; }
/* What stands there does not fade while Python is busy: it stays until there is something new. */
[data-testid=stElementContainer][data-stale=true] { opacity: 1 !important; transition: none !important; }
.dps-lead { font-size: 1.04rem; max-width: 76rem; opacity: .86; margin: 0 0 .1rem; }
@media (max-width: 640px) {
  .stMainBlockContainer { padding: 3.7rem .9rem 3rem; }
  .dps-lead { font-size: .95rem; }
  .stLatex .katex { font-size: .98em; }
  h1 { font-size: 1.7rem !important; }
  .st-key-view, .st-key-view > div { width: 100% !important; max-width: 100%; flex: 1 1 100%; }
  .st-key-view [role=radiogroup] {
    display: grid; width: 100%; grid-template-columns: repeat(4, minmax(0, 1fr)); gap: 4px;
  }
  .st-key-view [role=radiogroup] button {
    border: 1px solid rgba(120, 135, 160, .35) !important; border-radius: 8px !important; margin: 0 !important;
    padding: 0 2px; min-width: 0; width: 100%;
  }
  .st-key-view [role=radiogroup] button[aria-checked=true] { border-color: currentColor !important; }
  .st-key-view [role=radiogroup] button p { font-size: .82rem; }
}
</style>
"""


def open_overview(session: Session) -> None:
    """The first page."""
    overview.overview(session, list(VIEWS))


#: The views by their names, which the address uses too.
VIEWS = {
    "Overview": open_overview,
    "Uncertainty": uncertainty.uncertainty,
    "Forward": forward.forward,
    "Reverse": reverse.reverse,
    "Compare": compare.compare,
    "Results": results.results,
    "Learn": learn.learn,
}


def pick_view() -> str:
    """The title and, beside it, which view is open; the address remembers it."""
    title, picker = st.columns([1, 2.2], vertical_alignment="center")
    title.title("DiffPose Studio", anchor=False)
    with picker.container(horizontal=True, horizontal_alignment="right"):
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
    return view or "Overview"


def main() -> None:
    """The app."""
    prefetcher().drop()
    st.html(STYLE)
    view = pick_view()
    try:
        with st.spinner("Loading the networks"):
            networks.models("frame")
    except InvalidInput as error:
        st.error(f"The weights can't be loaded. {plain(str(error))}", icon=":material/error:")
        return
    session = sidebar.draw(view)
    if session is None:
        st.info("No clip is loaded. Upload one in the sidebar.", icon=":material/upload_file:")
        return
    try:
        VIEWS[view](session)
    except InvalidInput as error:
        st.error(
            f"This view can't be computed for this clip with these settings. {plain(str(error))}",
            icon=":material/error:",
        )


main()
