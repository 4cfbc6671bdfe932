"""Headings and choices that all views lay out alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import streamlit as st

Option = TypeVar("Option", bound=str)


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
    # An address may say that nothing is picked.
    return options[0] if picked is None else picked


def pick_frame(frame: int) -> None:
    """Have the sidebar's slider go to a frame."""
    st.session_state["frame"] = frame
