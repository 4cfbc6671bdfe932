"""Joint angles over time, as a small SVG picture."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from app.figures.svg import LINE, SIDES, svg
from diffpose_core.joint_angles import MEANINGS

#: From a value to its place in the picture.
Scale = Callable[[float], float]
_WIDTH, _HEIGHT = 560.0, 230.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 44.0, 12.0, 26.0, 30.0
#: Points of a line at most: more are narrower than a pixel.
_MOST_POINTS = 560
#: The smallest span of the axis, degrees: a still joint is no mountain range.
_LEAST_SPAN_DEG = 20.0


def choices() -> tuple[str, ...]:
    """Names of the charts: an angle of both sides, or of the trunk."""
    return tuple(dict.fromkeys(name.removeprefix("right_").removeprefix("left_") for name in MEANINGS))


def label(choice: str) -> str:
    """A chart's name in words."""
    return choice.replace("_", " ").capitalize()


def meaning(choice: str) -> str:
    """Meaning of an angle above 0 in a chart."""
    return MEANINGS.get(choice) or MEANINGS[f"right_{choice}"]


def _lines(angles: dict[str, np.ndarray], choice: str) -> list[tuple[str, int, np.ndarray]]:
    """Name, side (0 left, 1 middle, 2 right) and values of each line."""
    if choice in angles:
        return [("", 1, angles[choice])]
    return [(side, place, angles[f"{side}_{choice}"]) for side, place in (("left", 0), ("right", 2))]


def angle_chart(angles: dict[str, np.ndarray], choice: str, fps: float, dark: bool) -> str:
    """One angle over time, of both sides where there are two.

    Args:
        angles: of `joint_angles`, degrees.
        choice: one of `choices`.
        fps: frames a second.
        dark: whether it stands on a dark page.
    """
    lines = _lines(angles, choice)
    known = np.concatenate([values[np.isfinite(values)] for _, _, values in lines])
    if not known.size:
        words = f'<text x="{_WIDTH / 2}" y="{_HEIGHT / 2}" text-anchor="middle">This angle is not known.</text>'
        return svg(_WIDTH, _HEIGHT, [words], dark)
    low, high = float(known.min()), float(known.max())
    spare = max(_LEAST_SPAN_DEG - (high - low), 0.1 * (high - low)) / 2
    low, high = low - spare, high + spare
    seconds = max((len(angles[next(iter(angles))]) - 1) / fps, 1 / fps)

    def x_of(second: float) -> float:
        return _LEFT + second / seconds * (_WIDTH - _LEFT - _RIGHT)

    def y_of(degrees: float) -> float:
        return _TOP + (high - degrees) / (high - low) * (_HEIGHT - _TOP - _BOTTOM)

    parts = _axes(low, high, seconds, x_of, y_of, dark)
    for number, (name, side, values) in enumerate(lines):
        colour = SIDES[dark][side]
        dashes = ' stroke-dasharray="7 4"' if side == 0 else ""
        for run in _runs(values):
            points = " ".join(f"{x_of(frame / fps):.1f},{y_of(float(values[frame])):.1f}" for frame in run)
            parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"{dashes}/>')
        if name:
            x = _LEFT + 8 + 90 * number
            parts.append(
                f'<line x1="{x}" y1="12" x2="{x + 26}" y2="12" stroke="{colour}" stroke-width="2.4"{dashes}/>'
                f'<text x="{x + 32}" y="16">{name}</text>'
            )
    return svg(_WIDTH, _HEIGHT, parts, dark)


def _runs(values: np.ndarray) -> list[np.ndarray]:
    """Frames of each stretch without a gap, thinned to what can be seen. values: (F,)."""
    known = np.flatnonzero(np.isfinite(values))
    step = max(1, len(values) // _MOST_POINTS)
    return [run[::step] for run in np.split(known, np.flatnonzero(np.diff(known) > 1) + 1) if len(run)]


def _step(span: float, most: int) -> float:
    """Distance of the lines of a grid: 1, 2 or 5 times a power of ten."""
    rough = span / most
    power = 10.0 ** np.floor(np.log10(rough))
    return float(next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough))


def _axes(low: float, high: float, seconds: float, x_of: Scale, y_of: Scale, dark: bool) -> list[str]:
    """Lines and numbers of both axes."""
    parts = []
    step = _step(high - low, 5)
    for tick in np.arange(np.ceil(low / step), np.floor(high / step) + 1) * step:
        y, wide = y_of(float(tick)), 1.4 if tick == 0 else 0.7
        parts.append(
            f'<line x1="{_LEFT}" y1="{y:.1f}" x2="{_WIDTH - _RIGHT}" y2="{y:.1f}" stroke="{LINE[dark]}" '
            f'stroke-width="{wide}"/><text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end" font-size="11">'
            f"{tick:g}°</text>"
        )
    step = _step(seconds, 8)
    for tick in np.arange(0, np.floor(seconds / step + 1e-9) + 1) * step:
        x, y = x_of(float(tick)), _HEIGHT - 10
        parts.append(f'<text x="{x:.1f}" y="{y}" text-anchor="middle" font-size="11">{tick:g} s</text>')
    return parts
