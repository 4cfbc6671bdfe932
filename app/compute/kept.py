"""Work on clips that a visitor has begun: it is kept in the session, and dropped with its clip."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from app.compute.cache import CACHE
from app.compute.exporting import forget_lifted
from app.jobs.lifting import Blocks
from app.session import AppSettings, Session

#: Where a person's work on clips is kept, and of how many views.
_BLOCKS, _MOST_KEPT = "blocks", 4


def kept(begin: Callable[..., Blocks], session: Session, settings: AppSettings, *more: object) -> Blocks:
    """Work on the clip of a session, which goes on where it was left.

    `begin` keeps some pieces of work for all visitors together. The session's own list is there so that the work of
    others doesn't push out a visitor's unfinished work.

    Args:
        begin: Finds or begins the work, from the clip's hash, the clip, the settings and `more`.
        session: The visitor's session.
        settings: The visitor's settings.
        more: Further arguments of `begin`.
    """
    mine: dict[object, Blocks] = st.session_state.setdefault(_BLOCKS, {})
    key = (begin.__name__, session.source, settings, *more)
    work = mine.pop(key, None) or begin(session.source, session.clip, settings, *more)
    st.session_state[_BLOCKS] = {**dict(list(mine.items())[1 - _MOST_KEPT :]), key: work}
    return work


def forget(source: str) -> None:
    """Drop all that was computed of a clip. source: its hash."""
    mine: dict[object, Blocks] = st.session_state.get(_BLOCKS, {})
    st.session_state[_BLOCKS] = {key: work for key, work in mine.items() if source not in key}  # type: ignore[operator]
    forget_lifted(source)
    CACHE.forget(source)
