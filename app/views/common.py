"""What the pages share: the loaded clip, the settings, and the words around a stage."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import streamlit as st

from app.ahead import Ahead
from app.lifting import Blocks
from app.state import Settings
from app.uploads import Uploads
from diffpose_core.structures import PoseClip2D


@dataclass(frozen=True)
class Session:
    """What a page shows: a clip, its hash, the frame that was picked and the settings."""

    clip: PoseClip2D
    source: str
    frame: int
    settings: Settings


def section(number: str, title: str, words: str, equation: str | None = None, note: str | None = None) -> None:
    """A numbered heading, two sentences, and the equation beside them."""
    heading = f"{number} {title}".strip()
    if equation is None:
        st.subheader(heading, anchor=False)
        st.markdown(words)
        return
    left, right = st.columns([1.05, 1], gap="large", vertical_alignment="center")
    with left:
        st.subheader(heading, anchor=False)
        st.markdown(words)
    with right:
        st.latex(equation)
        if note:
            st.caption(note)


def hide_sidebar() -> None:
    """Take the sidebar off a page that its settings don't change; its widgets stay, so that they lose nothing."""
    st.html("<style>[data-testid=stSidebar], [data-testid=stExpandSidebarButton] { display: none !important; }</style>")


#: Key of the session state that is there while the window of the download is wanted.
EXPORTING = "exporting"


def uploads() -> Uploads:
    """What this person brought."""
    found: Uploads = st.session_state.setdefault("uploads", Uploads())
    return found


def dialog_is_open() -> bool:
    """Whether a dialog waits for its person: what runs on the page behind it would keep it from answering."""
    return uploads().pending is not None or EXPORTING in st.session_state


def picture(svg: str, words: str) -> None:
    """A drawing as a picture, which can't do anything, whatever names a file has brought into it."""
    st.image(svg, width="stretch", alt=words)


def ahead() -> Ahead:
    """What is computed while this person looks at something."""
    found: Ahead = st.session_state.setdefault("ahead", Ahead())
    return found


#: Where a person's work on clips is kept, and of how many views.
_BLOCKS, _MOST_KEPT = "blocks", 4


def kept(begin: Callable[..., Blocks], session: Session, settings: Settings, *more: object) -> Blocks:
    """Work on the clip of a session, which goes on where it was left.

    begin: what finds or begins it, by the clip's hash, the clip, the settings and what more there is. That holds some
    pieces of work for all people together: without one's own list, the others' would push out what is half done.
    """
    mine: dict[object, Blocks] = st.session_state.setdefault(_BLOCKS, {})
    key = (begin.__name__, session.source, settings, *more)
    work = mine.pop(key, None) or begin(session.source, session.clip, settings, *more)
    st.session_state[_BLOCKS] = {**dict(list(mine.items())[1 - _MOST_KEPT :]), key: work}
    return work


def plan_neighbours(session: Session, pack: Callable[[int], bytes]) -> None:
    """Have a view's data ready for the frames beside the picked one. pack: makes and caches the data of a frame."""
    beside = (f for f in (session.frame + 1, session.frame - 1) if 0 <= f < len(session.clip))
    ahead().plan([partial(pack, frame) for frame in beside])
