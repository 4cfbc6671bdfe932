"""The stage: our browser component. Panels with linked cameras and a timeline that never calls Python.

The JavaScript lies in modules under `js/` (app.stage.modules), the style rules under `css/`.
"""

from __future__ import annotations

import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import streamlit as st
from streamlit import runtime
from streamlit.runtime.scriptrunner import get_script_run_ctx

from app.stage.modules import component_script, linked
from app.stage.payload import unpack
from app.streamlit_patches import first_shown
from diffpose_core.structures import InvalidInput

HERE = Path(__file__).parent
#: Files that are being made: (visitor's session, request's id) -> set where the visitor cancels it.
_MAKING: dict[tuple[str, str], threading.Event] = {}
STYLES = ("stage", "player", "legend", "charts", "uncertainty", "lesson", "download")


@cache
def source() -> tuple[str, str, str]:
    """HTML, CSS and JavaScript of the stage; the script defines `entry`."""
    return (
        (HERE / "stage.html").read_text(encoding="utf-8"),
        "\n".join((HERE / "css" / f"{name}.css").read_text(encoding="utf-8") for name in STYLES),
        linked(HERE / "js" / "mount.js"),
    )


@cache
def _component() -> Any:
    html, css, _ = source()
    # The explanation beside the stage belongs to the page, so the stage lives on the page too, in no shadow root.
    script = component_script(HERE / "js" / "mount.js")
    return st.components.v2.component("diffpose_stage", html=html, css=css, js=script, isolate_styles=False)


@cache
def _courier() -> Any:
    script = component_script(HERE / "js" / "courier.js")
    return st.components.v2.component("diffpose_file", html="<span hidden></span>", js=script, isolate_styles=False)


@cache
def _footage_courier() -> Any:
    script = component_script(HERE / "js" / "footage_courier.js")
    html = '<span class="dps-footage" hidden></span>'
    return st.components.v2.component("diffpose_footage", html=html, js=script, isolate_styles=False)


def footage(packed: bytes, key: str) -> None:
    """Bring the pictures of a clip (app.jobs.pictures) to the page; stages of that clip show them under the 2D pose.

    Streamlit sends what has not changed once.
    """
    _footage_courier()(key=key, data=packed)


def _make(request: object, packed: bytes) -> bytes:
    """The file that the browser asked for, or a sentence on why there is none, packed for the stage that asked."""
    # Loaded with the first message: pydantic takes a tenth of a second, which the first picture does not wait for.
    from app.stage import files, messages

    number = messages.request_id(request)
    try:
        wish = messages.file_request(request)
        with _stoppable(number) as stopped:
            made: files.MadeFile | str = files.make_file(wish, packed, source(), stopped)
    except InvalidInput as error:
        made = str(error)
    return files.parcel(unpack(packed)[0]["id"], number, made)


@contextmanager
def _stoppable(number: str) -> Iterator[Callable[[], bool]]:
    """A check, for any thread, of whether this visitor has cancelled a request, or has left. number: its id."""
    session, cancelled = _session(), threading.Event()
    server = runtime.get_instance() if runtime.exists() else None
    _MAKING[session, number] = cancelled
    try:
        yield lambda: cancelled.is_set() or (server is not None and not server.is_active_session(session))
    finally:
        _MAKING.pop((session, number), None)


def _cancel(number: object) -> None:
    """Stop answering a request of this visitor. The browser says so in a new run of the script, beside the busy one."""
    making = _MAKING.get((_session(), number)) if isinstance(number, str) else None
    if making is not None:
        making.set()


def _session() -> str:
    context = get_script_run_ctx(suppress_warning=True)
    return "" if context is None else context.session_id


@dataclass(frozen=True)
class Asked:
    """Answers to a visitor's requests in a stage. Messages out of these bounds are ignored and logged.

    Attributes:
        frames: Number of the clip's frames.
        frame: Called with the clip's frame when the visitor asks a view of one frame to show another.
        views: Names of the views that a stage may lead to.
        open: Called with the name of another view, and the clip's frame, when the visitor asks for it.
        picks: Numbers that may be picked in a panel, such as joints.
        pick: Called with the number that the visitor picked, where that takes a new computation.
    """

    frames: int = 0
    frame: Callable[[int], None] | None = None
    views: tuple[str, ...] = ()
    open: Callable[[str, int], None] | None = None
    picks: range = range(0)
    pick: Callable[[int], None] | None = None


def stage(packed: bytes, key: str, asked: Asked | None = None) -> None:
    """Show packed stage data (app.stage.payload). The same key keeps the camera and the position."""
    answers = Asked() if asked is None else asked
    parcel = f"{key}_parcel"

    def message(kind: str) -> object:
        return st.session_state[key].get(kind)

    def frame_asked() -> None:
        _answer_number(message("frame"), range(answers.frames), answers.frame)

    def pick_asked() -> None:
        _answer_number(message("pick"), answers.picks, answers.pick)

    def view_asked() -> None:
        _answer_view(message("open"), answers)

    def file_asked() -> None:
        request = message("file")
        if request is not None:
            st.session_state[parcel] = _make(request, packed)

    with st.container(gap=None):
        _component()(
            key=key,
            data=packed + struct.pack("<d", first_shown(packed, key)),
            on_frame_change=frame_asked,
            on_open_change=view_asked,
            on_pick_change=pick_asked,
            on_file_change=file_asked,
            on_cancel_change=lambda: _cancel(message("cancel")),
        )
        # A file is handed over once and kept no longer.
        _courier()(key=f"{key}_courier", data=st.session_state.pop(parcel, b""))


def _answer_number(value: object, allowed: range, answer: Callable[[int], None] | None) -> None:
    from app.stage import messages

    if value is None or answer is None:
        return
    number = messages.number(value, allowed)
    if number is not None:
        answer(number)


def _answer_view(value: object, answers: Asked) -> None:
    from app.stage import messages

    if value is None or answers.open is None:
        return
    wish = messages.open_view(value, answers.views, answers.frames)
    if wish is not None:
        answers.open(wish.view, wish.frame)
