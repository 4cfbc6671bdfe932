"""People of one frame in the JSON of several detectors, for files that hold one frame each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from diffpose_core.io.formats.detections import Detections
from diffpose_core.io.formats.json_values import identity_of, numbers, score_of
from diffpose_core.structures import InvalidInput

_LISTS = ("people", "bodies", "instances", "instance_info", "predictions", "annotations")
_FLAT = ("pose_keypoints_2d", "pose_keypoints", "joints", "keypoints")


def is_frame(content: Any) -> bool:
    """True for a list of people with keypoints, or an object that has one."""
    return _people(content) is not None


def frame_people(content: Any, label: str) -> Detections:
    """The people of a frame: OpenPose, AlphaPose, MMPose, Sapiens, OpenPifPaf, Ultralytics.

    Raises:
        InvalidInput: a person without keypoints, or poses in 3D.
    """
    found = Detections(label)
    for person in _people(content) or ():
        if not isinstance(person, Mapping):
            raise InvalidInput(f"{label}: a person must be an object with keypoints")
        flat = next((person[key] for key in _FLAT if person.get(key)), None)
        if flat is None:
            continue
        identity = identity_of(person.get("person_id", person.get("track_id", person.get("idx"))))
        score = score_of(person.get("score", person.get("bbox_score", person.get("confidence"))))
        found.add(0, joints_of(flat, person.get("keypoint_scores"), label), None if identity == -1 else identity, score)
    return found


def joints_of(values: Any, scores: Any, label: str) -> np.ndarray:
    """Joints as (J, 3) of x, y and confidence: flat or in rows, or lists of x, y and visible."""
    if isinstance(values, Mapping):
        axes = [values.get("x"), values.get("y"), values.get("visible", values.get("confidence"))]
        lists = [numbers(axis, 1, f"{label}: keypoints")[:, 0] for axis in axes if axis is not None]
        if len(lists) < 2 or len({len(axis) for axis in lists}) != 1:
            raise InvalidInput(f"{label}: keypoints must have lists x and y of one length")
        return np.column_stack(lists if len(lists) == 3 else (*lists, np.full(len(lists[0]), np.nan)))
    rows = isinstance(values, list) and bool(values) and isinstance(values[0], list)
    columns = len(values[0]) if rows else 2 if scores is not None and _length(values) == 2 * _length(scores) else 3
    if columns not in (2, 3) or (columns == 3 and scores is not None):
        raise InvalidInput(
            f"{label}: keypoints must be x and y, found {columns} numbers a joint beside their scores: 3D?"
        )
    points = numbers(values, columns, f"{label}: keypoints")
    if columns == 3:
        return points
    sure = np.full(len(points), np.nan) if scores is None else numbers(scores, 1, f"{label}: keypoint_scores")[:, 0]
    if len(sure) != len(points):
        raise InvalidInput(f"{label}: {len(points)} keypoints, but {len(sure)} keypoint_scores")
    return np.column_stack((points, sure))


def _length(values: Any) -> int:
    return len(values) if isinstance(values, list) else -1


def _people(content: Any) -> list[Any] | None:
    if isinstance(content, Mapping):
        content = next((content[key] for key in _LISTS if isinstance(content.get(key), list)), None)
    if not isinstance(content, list):
        return None
    if content and not all(isinstance(person, Mapping) and any(key in person for key in _FLAT) for person in content):
        return None
    return content
