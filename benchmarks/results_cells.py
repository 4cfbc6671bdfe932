"""Cells of the tables that stand in README and docs."""

from __future__ import annotations

from typing import Any


def number(value: float | None) -> str:
    """A number with one digit, or a dash."""
    return "-" if value is None else f"{value:.1f}"


def change(gain: float, interval: list[float]) -> str:
    """A gain and its interval, percent, as the change of the error."""
    low, high = interval
    return signed(-gain, [-high, -low])


def signed(change: float, interval: list[float]) -> str:
    """A change and its interval, percent."""
    low, high = interval
    return f"{change:+.1f} % [{low:+.1f}, {high:+.1f}]"


def seen(p: dict[str, Any], views: int) -> str:
    """Words on the data of a measurement, from its provenance."""
    row = p.get("consecutive", 1)
    frames = f"every {p['stride']}th frame" if row == 1 else f"{row} of every {p['stride'] * row} frames"
    return f"Millimetres, on {p['data']}: {views:,} views ({frames} of {p['clips']} clips, four cameras each)"
