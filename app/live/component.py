"""The live camera's component: the camera's picture with its 2D pose and the 3D scene, fed without Streamlit."""

from __future__ import annotations

import base64
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import streamlit as st

from app.stage.component import source
from app.stage.modules import component_script

HERE = Path(__file__).parent
_HTML = '<div class="dps-live" data-wide="true"><div class="dps-live-bar"></div><div class="dps"></div></div>'


@cache
def _component() -> Any:
    css = source()[1] + (HERE / "live.css").read_text(encoding="utf-8")
    script = component_script(HERE / "live.js")
    return st.components.v2.component("diffpose_live", html=_HTML, css=css, js=script, isolate_styles=False)


def live(packed: bytes, port: int, token: str, key: str, keep: Callable[[], None]) -> None:
    """Show the camera.

    Args:
        packed: Stage data that the browser fills with each pose (app.figures.live).
        port: Of 127.0.0.1, where pictures go to.
        token: The session's secret.
        key: Name of the component.
        keep: Called when the visitor wants to keep the last seconds.
    """
    data = {"stage": base64.b64encode(packed).decode(), "port": port, "token": token}
    _component()(key=key, data=data, on_keep_change=keep)
