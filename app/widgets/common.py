"""State and small parts that the widgets share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import streamlit as st

from app.compute.cache import CACHE
from app.compute.clips import clip_hash
from app.jobs.pictures import Footage
from app.widgets.uploads import OwnClip, Uploads
from diffpose_core.io.formats import ChosenClip
from diffpose_core.structures import PoseClip2D

#: Key of the session state that is there while the window of the download is wanted.
EXPORTING = "exporting"
#: The same for the window that offers other ways to a clip than a file.
OTHER_WAYS = "other_ways"


def uploads() -> Uploads:
    """Uploads of this visitor."""
    found: Uploads = st.session_state.setdefault("uploads", Uploads())
    return found


def dialog_is_open() -> bool:
    """True while a dialog is open: long work on the page behind it would keep it from answering."""
    return uploads().pending is not None or {EXPORTING, OTHER_WAYS} & {*st.session_state} != set()


def keep(
    state: Uploads, clip: PoseClip2D, format: str, notes: tuple[str, ...], footage: Footage | None = None,
    people: Mapping[str, ChosenClip] | None = None,
) -> None:  # fmt: skip
    """Make a clip one of the visitor's own and open it; caches forget it when the visitor has left or removed it."""
    source = clip_hash(clip)
    packed = b"" if footage is None else footage.pack(source)
    state.keep(OwnClip(clip, format, notes, source, packed, people or {}), CACHE.forget_soon)


def leave(state: Uploads | None = None) -> None:
    state = uploads() if state is None else state
    number = None if state.pending is None else state.pending.number
    state.leave()
    for key in [k for k in st.session_state if str(k).startswith(f"up{number}_")]:
        del st.session_state[key]


def remembered(key: str, make: Callable[[], Any]) -> Any:
    """A value of the session that is made once."""
    if key not in st.session_state:
        st.session_state[key] = make()
    return st.session_state[key]


def actions() -> Any:
    """Place for a dialog's buttons. They stay in sight while the dialog is scrolled."""
    return st.container(key="actions", horizontal=True, horizontal_alignment="right", vertical_alignment="center")


def picture(svg: str, words: str) -> None:
    """A drawing as a picture, which can't do anything, whatever names a file has brought into it."""
    st.image(svg, width="stretch", alt=words)
