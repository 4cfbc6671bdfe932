"""The board: our browser component for charts of results, beside each other, with tips and names to switch off."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import streamlit as st

from app.board.specs import BoardChart
from app.stage.modules import component_script
from app.streamlit_patches import first_shown

HERE = Path(__file__).parent


@cache
def _component() -> Any:
    return st.components.v2.component(
        "diffpose_board",
        html='<div class="dpb"></div>',
        css=(HERE / "board.css").read_text(encoding="utf-8"),
        js=component_script(HERE / "board.js"),
        isolate_styles=False,
    )


def board(charts: Sequence[BoardChart], key: str) -> None:
    """Show charts (app.figures.results) in a grid of twelve columns; series that are switched off stay off."""
    _component()(key=key, data={"charts": list(charts), "shown": first_shown(repr(charts), key)})
