"""Joint order and unit of a file's numbers, where nothing in the file names them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from diffpose_core.io.formats.body_score import body_score
from diffpose_core.io.formats.detections import Notes
from diffpose_core.io.formats.layouts import COCO17, HUMAN36M, Layout, layout_of_names, layouts_of, to_human36m
from diffpose_core.io.formats.posefile import COORDINATES, Coordinates, FileClip, LayoutGuess
from diffpose_core.structures import InvalidInput

#: Number of poses that the recognition looks at.
_LOOKED_AT = 2000
#: Geometry has to speak for one joint order this clearly to be worth a word.
_CLEAR = 0.15


def layout_by_count(joints: int, clips: Sequence[FileClip], label: str) -> tuple[tuple[LayoutGuess, ...], bool]:
    """Find joint orders by the number of joints; the joints' places have to agree.

    Args:
        joints: J.
        clips: of the file.
        label: names the file in messages.

    Returns:
        Joint orders with that many joints, the likeliest first, and True if a person has to confirm.

    Raises:
        InvalidInput: no order has that many joints.
    """
    fitting = layouts_of(joints)
    if not fitting:
        raise InvalidInput(
            f"{label}: {joints} joints a person; known are Human3.6M-17, COCO-17, COCO-18, BODY_25, Halpe-26, "
            "MediaPipe-33, COCO-WholeBody-133, Halpe-136, MPI-15, JHMDB-15, MPII-16, AIC-14 and CrowdPose-14, or any "
            "joints with names"
        )
    if joints == len(COCO17):
        return layout_by_geometry(clips), True
    points = sample_points(clips)
    scores = {layout.name: body_score(layout, points) for layout in fitting}
    fitting = tuple(sorted(fitting, key=lambda layout: scores[layout.name]))
    if len(fitting) == 1:
        return (LayoutGuess(fitting[0], f"{joints} joints a person"),), False
    return tuple(
        LayoutGuess(
            layout, f"{joints} joints, which lie {'best' if number == 0 else 'less well'} as a body's in this order"
        )
        for number, layout in enumerate(fitting)
    ), True


def layout_by_geometry(clips: Sequence[FileClip]) -> tuple[LayoutGuess, ...]:
    """COCO-17 against Human3.6M-17, by the joints' places: the likelier first, with the reason."""
    points = sample_points(clips)
    # As Human3.6M, joint 0 lies in the middle of the hips and joint 8 in the middle of the shoulders; as COCO, joints
    # 0 to 4 lie together in the face, and joints 5, 6, 11 and 12 are the corners of the trunk.
    as_human36m = _median(
        _distance(points, (0,), (1, 4)) + _distance(points, (8,), (11, 14)) + _distance(points, (7,), (0, 8))
    )
    as_coco = _median(_distance(points, (0,), (1, 2, 3, 4)) + _spread(points, (0, 1, 2, 3, 4)))
    if np.isnan(as_human36m) or np.isnan(as_coco) or abs(as_human36m - as_coco) < _CLEAR:
        reason = "17 joints, and too little is seen to tell their order"
        return LayoutGuess(COCO17, reason), LayoutGuess(HUMAN36M, reason)
    coco = LayoutGuess(COCO17, "17 joints, and the first five lie together as in a face")
    human36m = LayoutGuess(HUMAN36M, "17 joints, and the first lies in the middle between the second and the fifth, as "
                                     "between the hips")  # fmt: skip
    if as_human36m < as_coco:
        return human36m, LayoutGuess(COCO17, "17 joints, but the first five don't lie together as in a face")
    return coco, LayoutGuess(HUMAN36M, "17 joints, but the first doesn't lie in the middle of the hips")


def layout_by_names(names: Sequence[str], label: str) -> tuple[LayoutGuess, ...]:
    """The joint order of the joints' names.

    Raises:
        InvalidInput: no hips or no shoulders among them.
    """
    try:
        return (LayoutGuess(layout_of_names(names), "the joints' names"),)
    except InvalidInput as error:
        raise InvalidInput(f"{label}: {error}") from None


def sample_points(clips: Sequence[FileClip]) -> np.ndarray:
    """Some poses of a file, (N, J, 2), NaN where missing."""
    chosen = [track.keypoints[:: len(track) // 200 + 1] for clip in clips[:20] for track in clip.tracks[:5]]
    points = np.concatenate(chosen)
    return points[:: len(points) // _LOOKED_AT + 1].astype(np.float64)


def _spread(points: np.ndarray, parts: tuple[int, ...]) -> np.ndarray:
    seen = points[:, parts]
    return _relative(np.linalg.norm(seen - _nanmean(seen)[:, None], axis=-1).max(1), points)


def _distance(points: np.ndarray, one: tuple[int, ...], other: tuple[int, ...]) -> np.ndarray:
    return _relative(np.linalg.norm(_nanmean(points[:, one]) - points[:, other].mean(1), axis=-1), points)


def _relative(length: np.ndarray, points: np.ndarray) -> np.ndarray:
    spread = np.sqrt(np.nan_to_num(np.square(points - _nanmean(points)[:, None]).sum(-1)).mean(1))
    return np.divide(length, spread, out=np.full_like(length, np.nan), where=spread > 0)


def _nanmean(points: np.ndarray) -> np.ndarray:
    there = ~np.isnan(points)
    return np.where(there, points, 0.0).sum(1) / np.maximum(there.sum(1), 1)


def _median(values: np.ndarray) -> float:
    known = values[~np.isnan(values)]
    return float(np.median(known)) if known.size else float("nan")


def coordinates_of(
    clips: Sequence[FileClip], negative: Coordinates, notes: Notes, layout: Layout, label: str
) -> Coordinates:
    """Recognise the unit of coordinates by their range.

    Args:
        clips: of the file.
        negative: unit of numbers between -1 and 1 in this format.
        notes: gets the assumption.
        layout: the joint order.
        label: names the file in messages.

    Raises:
        InvalidInput: the poses are centred on the hip, so that their place in the picture is lost.
    """
    points = sample_points(clips)
    values = points[~np.isnan(points)]
    # The smallest person that a detector finds is some ten pixels tall.
    if np.percentile(np.abs(values), 98) > 10:
        return "pixels"
    _check_centre(points, layout, label)
    below = float((values < -0.02).mean())
    found: Coordinates = negative if below > 0.25 or np.percentile(values, 2) < -0.5 else "unit"
    out = " The person is partly outside of the picture." if found == "unit" and (
        below > 0.02 or np.percentile(values, 98) > 1.02) else ""  # fmt: skip
    notes.add(f"The numbers lie between {values.min():.2f} and {values.max():.2f}: taken as {COORDINATES[found]}.{out}")
    return found


def _check_centre(points: np.ndarray, layout: Layout, label: str) -> None:
    """Refuse poses whose hip is at zero in every frame."""
    hips, _ = to_human36m(layout, points, np.ones(points.shape[:2], np.float32))
    hips = hips[~np.isnan(hips[:, 0, 0]), 0]
    if len(hips) >= 3 and np.abs(hips).max() < 0.02 and np.nanpercentile(np.abs(points), 98) > 0.1:
        raise InvalidInput(
            f"{label}: every pose is centred on the hip, as 3D poses in metres are (MediaPipe's world landmarks); "
            "expected places in the picture, such as MediaPipe's pose_landmarks"
        )
