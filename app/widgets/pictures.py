"""A choice among pictures: each is a button, which is clicked or picked with the keyboard."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Sequence

import streamlit as st


def pick_picture(
    label: str,
    options: Sequence[str],
    key: str,
    words: Callable[[str], str],
    on_change: Callable[[], None] | None = None,
) -> str | None:
    """The option whose picture was picked; None until one is. `show_pictures` draws them, as soon as they are known.

    Args:
        label: Name of the choice.
        options: One a picture.
        key: Key of the widget. A value in the session state is what is picked at first.
        words: An option's words, as Markdown, which stand below its picture and are what a screen reader says.
        on_change: Called when another one was picked.
    """
    below = [words(option) for option in options]
    if len(set(below)) < len(below):  # the browser tells options by their words
        below = [f"{text} ({number})" for number, text in enumerate(below, 1)]
    with st.container(key=f"pictures_{key}"):
        return st.segmented_control(
            label,
            options,
            required=True,
            format_func=dict(zip(options, below, strict=True)).__getitem__,
            key=key,
            on_change=on_change,
            label_visibility="collapsed",
            width="stretch",
            wrap=True,
        )


def show_pictures(key: str, drawings: Sequence[str]) -> None:
    """Draw the pictures of a choice.

    Args:
        key: Key of the choice.
        drawings: SVG, in the order of the options. As pictures they can't do anything, whatever a file brought in.
    """
    rules = (
        f".st-key-pictures_{key} [role=radiogroup] > button:nth-of-type({number})::before {{ background-image: "
        f'url("data:image/svg+xml;base64,{b64encode(drawing.encode()).decode()}"); }}'
        for number, drawing in enumerate(drawings, 1)
    )
    st.html(f"<style>{''.join(rules)}</style>")
