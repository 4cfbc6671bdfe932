"""Small SVG pictures of a file of 2D poses: its joints by name, its image, each person, and the guessed joints.

Text in them comes from files that are not trusted: all of it is escaped. dark: whether they stand on a dark page.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from html import escape

import numpy as np

from app.figures.svg import INK, LINE, SIDES, svg
from diffpose_core.io.formats.joint_names import canonical_name
from diffpose_core.io.formats.layouts import Layout
from diffpose_core.skeleton import NUM_JOINTS, joint_label

_GUESSED = {False: ("#d42f36", "#f0b6a8"), True: ("#ff5c63", "#7d4643")}
#: Below this confidence a joint counts as hardly seen.
UNSURE = 0.3
#: Columns of the strip at most: more are narrower than a pixel.
_MOST_COLUMNS = 240
_MOST_LABELS = 30
_LONGEST_NAME = 18


def _sides(layout: Layout) -> list[int]:
    """0 for joints of the left side, 1 for the middle, 2 for the right side."""
    known = [canonical_name(name) for name in layout.names]
    return [0 if name.startswith("left") else 2 if name.startswith("right") else 1 for name in known]


def _bones(points: np.ndarray, layout: Layout, colours: Sequence[str], width: float) -> list[str]:
    """Lines of the bones both of whose ends are seen. points: (J, 2), NaN where missing. Left bones are dashed."""
    sides = _sides(layout)
    parts = []
    for a, b in layout.bones:
        if np.isnan(points[[a, b]]).any():
            continue
        # A bone from the middle of the body to one side belongs to that side.
        ends = {sides[a], sides[b]} - {1}
        side = ends.pop() if len(ends) == 1 else 1
        dashes = f' stroke-dasharray="{2.2 * width:.1f} {1.2 * width:.1f}"' if side == 0 else ""
        (x0, y0), (x1, y1) = points[a], points[b]
        parts.append(
            f'<line x1="{x0:.1f}" y1="{y0:.1f}" x2="{x1:.1f}" y2="{y1:.1f}" stroke="{colours[side]}" '
            f'stroke-width="{width:.1f}" stroke-linecap="{"butt" if side == 0 else "round"}"{dashes}/>'
        )
    return parts


def _fit(points: np.ndarray, left: float, top: float, width: float, height: float) -> np.ndarray:
    """Points (..., 2) moved and scaled so that they fill a box."""
    seen = points[~np.isnan(points[..., 0])]
    if not len(seen):
        return points
    lo, hi = seen.min(0).astype(np.float64), seen.max(0).astype(np.float64)
    scale = min(width / max(hi[0] - lo[0], 1e-6), height / max(hi[1] - lo[1], 1e-6))
    if (hi - lo).max() <= 0:
        scale = 1.0
    return (points - (lo + hi) / 2) * scale + np.array([left + width / 2, top + height / 2])


def close_up(points: np.ndarray, layout: Layout, dark: bool) -> str:
    """One pose with its joints' names as a joint order has them. points: (J, 2), any unit, y down, NaN where missing.

    Named are the joints that the Human3.6M ones are made of.
    """
    width, height, margin = 460.0, 400.0, 126.0
    colours, sides = SIDES[dark], _sides(layout)
    placed = _fit(points, margin + 10, 14, width - 2 * margin - 20, height - 28)
    there = [joint for joint in range(len(layout)) if not np.isnan(placed[joint, 0])]
    used = {part for parts in layout.sources for part in parts}
    named = [joint for joint in there if joint in used][:_MOST_LABELS]
    order = sorted(named, key=lambda joint: placed[joint, 0])
    parts = []
    for column, joints in enumerate((order[: len(order) // 2], order[len(order) // 2 :])):
        x = margin - 14 if column == 0 else width - margin + 14
        text_x, anchor = (x - 4, "end") if column == 0 else (x + 4, "start")
        for joint, y in zip(*_spread_out(joints, placed[:, 1], 8, height - 8), strict=True):
            u, v = placed[joint]
            parts.append(
                f'<line x1="{u:.1f}" y1="{v:.1f}" x2="{x:.1f}" y2="{y:.1f}" stroke="{LINE[dark]}" stroke-width="0.8"/>'
                f'<text x="{text_x:.1f}" y="{y + 4:.1f}" text-anchor="{anchor}">'
                f"{escape(_short(layout.names[joint]))}</text>"
            )
    parts += _bones(placed, layout, colours, 4.5)
    for joint in there:
        u, v = placed[joint]
        radius = 4.6 if joint in used else 2.4
        parts.append(
            f'<circle cx="{u:.1f}" cy="{v:.1f}" r="{radius}" fill="{colours[sides[joint]]}" stroke="white" '
            f'stroke-width="1"/>'
        )
    return svg(width, height, parts, dark)


def _short(name: str) -> str:
    words = name.replace("_", " ")
    return words if len(words) <= _LONGEST_NAME else words[: _LONGEST_NAME - 1] + "…"


def _spread_out(joints: Sequence[int], heights: np.ndarray, top: float, bottom: float) -> tuple[list[int], list[float]]:
    """Joints from top to bottom and a height for each one's name, a line apart, as near to the joint as goes."""
    ordered = sorted(joints, key=lambda joint: heights[joint])
    step = min(16.0, (bottom - top) / max(len(ordered), 1))
    places: list[float] = []
    for joint in ordered:
        places.append(max(float(heights[joint]), places[-1] + step if places else top))
    limit = bottom
    for number in range(len(places) - 1, -1, -1):
        places[number] = min(places[number], limit)
        limit = places[number] - step
    return ordered, places


def in_image(
    poses_px: np.ndarray,
    others_px: Sequence[np.ndarray],
    layout: Layout,
    size: tuple[int, int],
    dark: bool,
    jpeg: bytes = b"",
) -> str:
    """The image with a person in some frames, the first one solid, and with the other people of that frame in grey.

    poses_px: (N, J, 2) pixels, NaN where missing. others_px: each (J, 2). size: (width, height) in pixels. jpeg: the
    picture of the first frame, where there is one.
    """
    scale = min(440 / size[0], 368 / size[1])
    width, height = size[0] * scale, size[1] * scale
    left, top = (460 - width) / 2, 8.0
    colours = SIDES[dark]
    parts = [
        f'<rect x="{left:.1f}" y="{top}" width="{width:.1f}" height="{height:.1f}" rx="3" fill="{LINE[dark]}" '
        f'fill-opacity="0.16" stroke="{LINE[dark]}"/>'
    ]
    if jpeg:
        parts.append(
            f'<image x="{left:.1f}" y="{top}" width="{width:.1f}" height="{height:.1f}" preserveAspectRatio="none" '
            f'opacity="0.75" href="data:image/jpeg;base64,{b64encode(jpeg).decode()}"/>'
        )
    offset = np.array([left, top])
    grey = (LINE[dark],) * 3
    for other in others_px:
        parts += _bones(other * scale + offset, layout, grey, 1.8)
    for number, pose in reversed(list(enumerate(poses_px))):
        parts.append(f'<g opacity="{1.0 if number == 0 else 0.28}">')
        parts += [*_bones(pose * scale + offset, layout, colours, 2.4 if number == 0 else 1.4), "</g>"]
    parts.append(
        f'<text x="{left:.1f}" y="{top + height + 17:.1f}" font-size="12" opacity="0.8">0, 0 is the upper left corner'
        f'</text><text x="{left + width:.1f}" y="{top + height + 17:.1f}" font-size="12" text-anchor="end">'
        f"{size[0]} x {size[1]} px</text>"
    )
    if width < 260:  # a portrait: the two texts would meet
        parts[-1] = (
            f'<text x="230" y="{top + height + 17:.1f}" font-size="12" text-anchor="middle">'
            f"{size[0]} x {size[1]} px</text>"
        )
    return svg(460, height + 30, parts, dark)


def thumbnail(points: np.ndarray, layout: Layout, dark: bool) -> str:
    """One person, small. points: (J, 2), any unit, NaN where missing."""
    placed = _fit(points, 10, 8, 100, 104)
    return svg(120, 120, _bones(placed, layout, SIDES[dark], 3.2), dark)


def path_from_above(root_cam: np.ndarray, dark: bool) -> str:
    """The way of the hip seen from above, the camera on the left, and a grid in metres.

    root_cam: (F, 3) metres, camera frame.
    """
    width, height, margin = 460.0, 210.0, 26.0
    away, right = root_cam[:, 2].astype(np.float64), root_cam[:, 0].astype(np.float64)
    far, near_side, far_side = max(float(away.max()), 1.0) * 1.06, min(right.min(), -0.5), max(right.max(), 0.5)
    scale = min((width - 2 * margin) / far, (height - 2 * margin) / (far_side - near_side))
    # The camera looks to the right of the picture; its own right side is below.
    left, middle = (width - far * scale) / 2, height / 2 - scale * (near_side + far_side) / 2
    step = next(size for size in (1, 2, 5, 10, 20, 50, 100, 1000) if far / size <= 12 or size == 1000)
    parts = []
    for metres in range(0, int(far) + 1, step):
        u = left + metres * scale
        parts.append(
            f'<line x1="{u:.1f}" y1="{margin / 2}" x2="{u:.1f}" y2="{height - margin}" stroke="{LINE[dark]}" '
            f'stroke-width="0.8"/><text x="{u:.1f}" y="{height - 9}" text-anchor="middle" font-size="12">{metres} m'
            "</text>"
        )
    parts.append(
        f'<path d="M {left:.1f} {middle:.1f} l -14 -8 l 0 16 z" fill="{INK[dark]}"/>'
        f'<text x="{left + 6:.1f}" y="{middle - 9:.1f}" font-size="12">camera</text>'
    )
    shown = np.unique(np.linspace(0, len(away) - 1, min(len(away), 2 * _MOST_COLUMNS)).astype(int))
    places = np.stack((left + away[shown] * scale, middle + right[shown] * scale), axis=1)
    colour = SIDES[dark][2]
    points = " ".join(f"{u:.1f},{v:.1f}" for u, v in places)
    parts.append(
        f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2.4" stroke-linejoin="round"/>'
    )
    for (u, v), fill in ((places[0], "white"), (places[-1], colour)):
        parts.append(f'<circle cx="{u:.1f}" cy="{v:.1f}" r="4.6" fill="{fill}" stroke="{colour}" stroke-width="2"/>')
    return svg(width, height, parts, dark)


def good_frame(keypoints: np.ndarray, look_at: int = 100) -> int:
    """The first of the frames that show most joints, among the first ones. keypoints: (T, J, 2), NaN where missing."""
    return int((~np.isnan(keypoints[:look_at, :, 0])).sum(1).argmax())


def guessed_strip(confidence: np.ndarray, frame: int, dark: bool) -> str:
    """Joints x frames: which were guessed, and which were hardly seen.

    confidence: (F, 17), 0 where guessed. frame: the one that is marked.
    """
    frames = len(confidence)
    columns = min(frames, _MOST_COLUMNS)
    edges = np.linspace(0, frames, columns + 1).astype(int)
    # Where frames share a column, the worst of them is shown.
    worst = np.minimum.reduceat(confidence, edges[:-1], axis=0)
    state = np.where(worst == 0, 2, np.where(worst < UNSURE, 1, 0))
    label, row, top = 92.0, 13.0, 4.0
    width, height = 300.0, top + NUM_JOINTS * row + 18
    step = (width - label - 2) / columns
    strong, faint = _GUESSED[dark]
    fills = {1: faint, 2: strong}
    parts = []
    for joint in range(NUM_JOINTS):
        y = top + joint * row
        parts.append(
            f'<text x="{label - 6}" y="{y + 9.5:.1f}" font-size="11" text-anchor="end">{joint_label(joint)}</text>'
            f'<rect x="{label}" y="{y + 1:.1f}" width="{columns * step:.1f}" height="{row - 2}" fill="{LINE[dark]}" '
            'fill-opacity="0.25"/>'
        )
        changes = np.flatnonzero(np.diff(state[:, joint], prepend=-1))
        for begin, end in zip(changes, [*changes[1:], columns], strict=True):
            kind = int(state[begin, joint])
            if kind:
                parts.append(
                    f'<rect x="{label + begin * step:.2f}" y="{y + 1:.1f}" width="{(end - begin) * step:.2f}" '
                    f'height="{row - 2}" fill="{fills[kind]}"/>'
                )
    x = label + (frame + 0.5) / frames * columns * step
    bottom = top + NUM_JOINTS * row
    parts.append(
        f'<line x1="{x:.1f}" y1="{top}" x2="{x:.1f}" y2="{bottom}" stroke="{INK[dark]}" stroke-width="1.2"/>'
        f'<text x="{label}" y="{bottom + 14}" font-size="11">frame 0</text>'
        f'<text x="{width - 2}" y="{bottom + 14}" font-size="11" text-anchor="end">{frames - 1}</text>'
    )
    return svg(width, height, parts, dark)


def guessed_words(confidence: np.ndarray) -> str:
    """Sentences on the share of joints that were guessed or hardly seen, and on the most frequent one; "" where none.

    Args:
        confidence: (F, 17), 0 where a joint was guessed.
    """
    guessed, unsure = confidence == 0, (confidence > 0) & (confidence < UNSURE)
    sentences = []
    for cells, verb in ((guessed, "guessed"), (unsure, "hardly seen")):
        if cells.any():
            most = int(cells.sum(0).argmax())
            percent = 100 * cells.mean()
            share = "less than 1 %" if percent < 1 else f"{percent:.0f} %"
            sentences.append(
                f"{share} of all joints {verb}, most often the {joint_label(most)} ({cells[:, most].sum():,} of "
                f"{len(cells):,} frames)."
            )
    return " ".join(sentence[0].upper() + sentence[1:] for sentence in sentences)
