"""The stage: our browser component. Panels with linked cameras and a timeline that never calls Python.

The JavaScript lies in several files that are joined in the order of `SCRIPTS`, since a component is one module; the
style rules likewise.
"""

from __future__ import annotations

import shutil
import struct
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any

import streamlit as st

from app.stage import files
from app.stage.payload import unpack
from app.streamlit_patches import first_shown
from diffpose_core.structures import InvalidInput

HERE = Path(__file__).parent
SCRIPTS = (
    "plotly.js",
    "data.js",
    "theme.js",
    "painter.js",
    "orbit.js",
    "tracks.js",
    "panels.js",
    "charts.js",
    "uncertainty.js",
    "lesson.js",
    "picture.js",
    "download.js",
    "stage.js",
)
STYLES = ("stage.css", "charts.css", "uncertainty.css", "lesson.css", "download.css")
_copying = Lock()
PLOTLY = HERE.parent / "static" / "plotly.min.js"


def provide_plotly(target: Path = PLOTLY) -> None:
    """Copy plotly.js out of the installed package to where the server serves it, unless the same one is there."""
    import plotly

    with _copying:
        _provide(Path(plotly.__file__).parent / "package_data" / "plotly.min.js", target)


def _provide(source: Path, target: Path) -> None:
    if target.exists() and _opening(target) == _opening(source) and target.stat().st_size == source.stat().st_size:
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_suffix(".part")
    shutil.copyfile(source, part)
    part.replace(target)


def _opening(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(4096)


@cache
def source() -> tuple[str, str, str]:
    """HTML, CSS and JavaScript of the component."""
    javascript = "\n".join((HERE / name).read_text(encoding="utf-8") for name in SCRIPTS)
    return (
        (HERE / "stage.html").read_text(encoding="utf-8"),
        "\n".join((HERE / name).read_text(encoding="utf-8") for name in STYLES),
        javascript,
    )


@cache
def _loader() -> Any:
    javascript = (HERE / "plotly.js").read_text(encoding="utf-8")
    javascript += "export default function load() { loadPlotly().catch(() => {}); } // the stage says what went wrong\n"
    style = ".st-key-plotly_loader { display: none; }"
    return st.components.v2.component(
        "diffpose_plotly", html="<span></span>", css=style, js=javascript, isolate_styles=False
    )


def preload() -> None:
    """Have the browser load plotly.js while Python is still busy with what the stage will show."""
    provide_plotly()
    _loader()(key="plotly_loader")


@cache
def _component() -> Any:
    html, css, javascript = source()
    # Plotly's own style rules go to the document's head, which a shadow root would not see.
    return st.components.v2.component("diffpose_stage", html=html, css=css, js=javascript, isolate_styles=False)


@cache
def _courier() -> Any:
    javascript = (HERE / "file.js").read_text(encoding="utf-8")
    return st.components.v2.component("diffpose_file", html="<span hidden></span>", js=javascript, isolate_styles=False)


def _make(request: Mapping[str, Any], packed: bytes) -> bytes:
    """The file that the browser asked for, or why there is none, packed for the stage that asked."""
    try:
        made: files.MadeFile | str = files.make_file(request, packed, source(), str(PLOTLY))
    except InvalidInput as error:
        made = str(error)
    return files.parcel(unpack(packed)[0]["id"], str(request.get("id")), made)


def stage(
    packed: bytes,
    key: str,
    on_frame: Callable[[int], None] | None = None,
    on_open: Callable[[str, int], None] | None = None,
    on_pick: Callable[[int], None] | None = None,
) -> None:
    """Show packed stage data (app.figures.payload). The same key keeps the camera and the position.

    on_frame: called with the clip's frame when the person asks for a view of one frame to move to another. on_open:
    called with the name of another view, and the clip's frame, when the person asks for it. on_pick: called with the
    number of what the person picked in a panel, such as a joint, where that takes a new computation.
    """

    def asked() -> None:
        frame = st.session_state[key].get("frame")
        if frame is not None and on_frame is not None:
            on_frame(int(frame))

    def opened() -> None:
        wish = st.session_state[key].get("open")
        if wish is not None and on_open is not None:
            on_open(str(wish["view"]), int(wish["frame"]))

    def picked() -> None:
        number = st.session_state[key].get("pick")
        if number is not None and on_pick is not None:
            on_pick(int(number))

    parcel = f"{key}_parcel"

    def wanted() -> None:
        request = st.session_state[key].get("file")
        if request is not None:
            st.session_state[parcel] = _make(request, packed)

    with st.container(gap=None):
        _component()(
            key=key,
            data=packed + struct.pack("<d", first_shown(packed, key)),
            on_frame_change=asked,
            on_open_change=opened,
            on_pick_change=picked,
            on_file_change=wanted,
        )
        # A file is handed over once and kept no longer.
        _courier()(key=f"{key}_courier", data=st.session_state.pop(parcel, b""))
