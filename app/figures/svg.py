"""Parts that small SVG pictures share. dark: whether they stand on a dark page."""

from __future__ import annotations

from collections.abc import Sequence

#: Colours of the left side, the middle and the right side, as on the stage; light and dark theme.
SIDES = {False: ("#d06a05", "#5b6472", "#1f63d6"), True: ("#ffa94d", "#aeb6c4", "#6aa5ff")}
INK = {False: "#1b2230", True: "#e9edf3"}
LINE = {False: "#aab4c2", True: "#4c5a70"}


def svg(width: float, height: float, body: Sequence[str], dark: bool) -> str:
    """A picture of some size in pixels, made of elements."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" '
        f'height="{height:.0f}" font-size="13" font-family="system-ui, sans-serif" fill="{INK[dark]}">'
        f"{''.join(body)}</svg>"
    )
