"""Headings and choices that all views lay out alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import streamlit as st

Option = TypeVar("Option", bound=str)


def explanation(title: str, words: str, equation: str, *notes: str) -> None:
    """The drawer with a view's words and equation. The stage has a button that opens it; it stays as it was left."""
    with st.container(key="explanation"):
        st.subheader(title, anchor=False)
        st.markdown(words)
        st.latex(equation)
        for note in notes:
            st.caption(note)


def options() -> Any:
    """A menu at the end of the bar, for settings of a view that are rarely changed."""
    return st.container(key="options").popover("Options", help="What else this view can show.")


def hide_sidebar() -> None:
    """Take the sidebar off a page that its settings don't change; its widgets stay, so that they lose nothing."""
    st.html("<style>[data-testid=stSidebar], [data-testid=stExpandSidebarButton] { display: none !important; }</style>")


def choice(label: str, options: Sequence[Option], key: str, help_: str, words: Callable[[Option], str] = str) -> Option:
    """One of a few options in a row with its name, remembered in the address."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small", width="content"):
        st.markdown(f":small[{label}]", help=help_, width="content")
        picked: Option | None = st.segmented_control(
            label,
            options,
            default=options[0],
            required=True,
            format_func=words,
            key=key,
            bind="query-params",
            label_visibility="collapsed",
        )
    # An address may hold no pick.
    return options[0] if picked is None else picked


def pick_frame(frame: int) -> None:
    """Have the sidebar's slider go to a frame."""
    st.session_state["frame"] = frame
