"""Upright, upside down or on its side: the turn of a picture, by where head and feet are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np

#: "flip": y is measured upwards. "left", "right": a quarter turn anticlockwise or clockwise. "half": half a turn.
Turn = Literal["none", "flip", "left", "right", "half"]
TURNS: Mapping[Turn, str] = {
    "none": "as it is",
    "flip": "top and bottom exchanged (y measured upwards)",
    "left": "a quarter turn to the left",
    "right": "a quarter turn to the right",
    "half": "half a turn",
}
_THORAX, _LOWER = 8, (2, 3, 5, 6)
#: Directions from thorax to knees and feet must agree this well: people who tumble are no turned picture.
_AGREEMENT = 0.85


def likely_turn(points: np.ndarray) -> Turn:
    """The turn that brings a person's feet down.

    Upside down, a picture may be flipped or turned by half; a flip is proposed, because y that is measured upwards is
    the usual reason.

    Args:
        points: (N, 17, 2), Human3.6M's joints, y down, NaN where missing.
    """
    with np.errstate(invalid="ignore"):
        down = np.stack([points[:, joint] - points[:, _THORAX] for joint in _LOWER])
        down = down / np.linalg.norm(down, axis=-1, keepdims=True)
    known = ~np.isnan(down).any(-1)
    if not known.any():
        return "none"
    x, y = down[known].mean(0)
    if np.hypot(x, y) < _AGREEMENT or y > np.hypot(x, y) * np.cos(np.radians(60)):
        return "none"
    if y < -np.hypot(x, y) * np.cos(np.radians(45)):
        return "flip"
    return "right" if x > 0 else "left"


def turned(points: np.ndarray, turn: Turn, size: tuple[int, int]) -> np.ndarray:
    """Points (..., 2) in pixels of a picture that is turned. size: (width, height) before."""
    width, height = size
    x, y = points[..., 0], points[..., 1]
    places = {
        "none": (x, y), "flip": (x, height - y), "half": (width - x, height - y), "right": (height - y, x),
        "left": (y, width - x),
    }  # fmt: skip
    return np.stack(places[turn], axis=-1)


def turned_size(size: tuple[int, int], turn: Turn) -> tuple[int, int]:
    """(width, height) of a picture that is turned."""
    return size[::-1] if turn in ("left", "right") else size
