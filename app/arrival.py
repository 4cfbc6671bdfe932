"""When data was first shown: what a browser component tells later data from older by."""

from __future__ import annotations

import time
from collections.abc import Hashable

import streamlit as st


def first_shown(content: Hashable, key: str) -> float:
    """When this person's page first showed the content in the place `key`, seconds since 1970; later content, a later
    time.

    While its script is still being loaded, the browser may hand a component two runs' data in either order: the
    component has to know which came later. The same content keeps its time, so that it isn't sent again.
    """
    shown: dict[str, tuple[int, float]] = st.session_state.setdefault("first_shown", {})
    last, when = shown.get(key, (None, 0.0))
    if last != hash(content):
        when = max(time.time(), when + 1e-6)  # later also where the clock was set back
        shown[key] = hash(content), when
    return when
