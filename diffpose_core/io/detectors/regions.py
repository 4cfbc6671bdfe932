"""Square regions of a picture that are turned so that a person in them is upright, and people as a detector sees them.

Source: Bazarevsky et al., BlazePose, arXiv 2006.10204.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

#: Side of a region, as a multiple of the distance from the middle of the hips to the circle around the whole body.
_SIDE = 2.5
#: Boxes that overlap by more than this share (intersection over union) are one person.
_SAME_PERSON = 0.3
#: Strides of the detector's grids in pixels of its input, and the boxes that it offers for every cell.
_GRIDS = ((8, 2), (16, 2), (32, 6))


@dataclass(frozen=True)
class Region:
    """A turned square of a picture: its middle and side in pixels, and its turn in radians, clockwise."""

    u: float
    v: float
    side: float
    turn: float

    @property
    def axes(self) -> np.ndarray:
        """(2, 2), region to picture: a point of the region, from its middle, times this, is one of the picture."""
        cos, sin = np.cos(self.turn), np.sin(self.turn)
        return np.array([[cos, sin], [-sin, cos]])

    def to_picture(self, points: np.ndarray, size: int) -> np.ndarray:
        """Points (..., 2) in pixels of a crop of `size` pixels, in pixels of the picture."""
        return np.asarray((points / size - 0.5) * self.side @ self.axes + (self.u, self.v))


def region_of(hips: np.ndarray, circle: np.ndarray) -> Region:
    """The region of a person.

    Args:
        hips: (2,) pixels, the middle of the hips.
        circle: (2,) pixels, a point above the head on the circle around the whole body.
    """
    along = circle - hips
    return Region(
        float(hips[0]), float(hips[1]), _SIDE * float(np.linalg.norm(along)), float(np.arctan2(along[0], -along[1]))
    )


def cut_out(image: np.ndarray, region: Region, size: int) -> np.ndarray:
    """The region as a picture (size, size, 3) of red, green, blue, 0 to 255; black outside of the image.

    Args:
        image: (height, width, 3) of blue, green, red.
        region: in the image.
        size: pixels.
    """
    from PIL import Image

    reach = region.side * (abs(np.cos(region.turn)) + abs(np.sin(region.turn))) / 2 + 2
    left, top = (max(int(np.floor(c - reach)), 0) for c in (region.u, region.v))
    part = image[top : max(int(region.v + reach) + 1, top), left : max(int(region.u + reach) + 1, left)]
    if not part.size:
        return np.zeros((size, size, 3), dtype=np.float32)
    scale = region.side / size
    (a, d), (b, e) = region.axes * scale
    middle = size / 2
    c, f = region.u - left - (a + b) * middle, region.v - top - (d + e) * middle
    cut = Image.fromarray(np.ascontiguousarray(part)).transform(
        (size, size), Image.Transform.AFFINE, (a, b, c, d, e, f), Image.Resampling.BILINEAR
    )
    return np.asarray(cut, dtype=np.float32)[..., ::-1]


def whole_picture(image: np.ndarray, size: int) -> tuple[np.ndarray, Region]:
    """The whole image as a square picture with black bars, and the region that this is."""
    from PIL import Image

    height, width = image.shape[:2]
    side = max(height, width)
    small = tuple(max(round(length * size / side), 1) for length in (width, height))
    shrunk = np.asarray(
        Image.fromarray(image).resize((small[0], small[1]), Image.Resampling.BILINEAR, reducing_gap=2.0)
    )
    square = np.zeros((size, size, 3), dtype=np.float32)
    left, top = (size - small[0]) // 2, (size - small[1]) // 2
    square[top : top + small[1], left : left + small[0]] = shrunk[..., ::-1]
    middle = (size / 2 - left) * side / size, (size / 2 - top) * side / size
    return square, Region(middle[0], middle[1], float(side), 0.0)


def anchors(size: int) -> np.ndarray:
    """Middles of the boxes that the detector starts from, (N, 2) in shares of its input."""
    rows = []
    for stride, count in _GRIDS:
        cells = size // stride
        y, x = np.mgrid[:cells, :cells]
        rows.append(np.stack(((x + 0.5) / cells, (y + 0.5) / cells), -1).reshape(-1, 1, 2).repeat(count, 1))
    return np.concatenate([row.reshape(-1, 2) for row in rows])


def people_of(boxes: np.ndarray, scores: np.ndarray, start: np.ndarray, least: float, size: int) -> np.ndarray:
    """Decode the detector's answer; of boxes that overlap, their mean counts, weighted by their scores.

    Args:
        boxes: (N, 12), middle, width and height of a box and four points, in pixels, relative to `start`.
        scores: (N,) logits.
        start: (N, 2), `anchors`.
        least: score from which on a box counts, in [0, 1].
        size: of the input, pixels.

    Returns:
        (P, 2, 2), the surest first: the middle of the hips and the point on the circle, in pixels of the input.
    """
    sure = 1.0 / (1.0 + np.exp(-np.clip(scores, -50.0, 50.0)))
    rows = np.flatnonzero(sure >= least)
    rows = rows[np.argsort(-sure[rows], kind="stable")][:100]
    sure = sure[rows]
    numbers: Any = boxes[rows].reshape(-1, 6, 2).astype(np.float64)
    half = numbers[:, 1] / 2
    numbers += start[rows, None] * size
    low, high = numbers[:, 0] - half, numbers[:, 0] + half
    points, left, found = numbers[:, 2:4], np.ones(len(rows), dtype=bool), []
    while left.any():
        best = int(np.argmax(left))
        shared = np.prod(np.maximum(np.minimum(high, high[best]) - np.maximum(low, low[best]), 0.0), axis=1)
        areas = np.prod(high - low, axis=1)
        same = left & (shared > _SAME_PERSON * (areas + areas[best] - shared))
        same[best] = True
        found.append(np.average(points[same], axis=0, weights=sure[same]))
        left &= ~same
    return np.array(found).reshape(-1, 2, 2)
