"""A choice among pictures."""

from __future__ import annotations

import pytest

pytest.importorskip("streamlit")

from streamlit.testing.v1 import AppTest


def page() -> None:
    import streamlit as st

    from app.widgets.pictures import pick_picture, show_pictures

    picked = pick_picture("Animal", ["cat", "dog"], "animal", lambda name: "**Pet**")
    show_pictures("animal", ["<svg>1</svg>", "<svg>2</svg>"])
    st.text(str(picked))


def test_nothing_is_picked_at_first_and_options_of_the_same_words_are_told_apart() -> None:
    app = AppTest.from_function(page).run()
    (choice,) = app.segmented_control
    assert app.text[0].value == "None" and choice.options == ["**Pet** (1)", "**Pet** (2)"]
    choice.set_value("dog").run()
    assert app.text[0].value == "dog" and not app.exception
