"""Landmarks with x, y and a confidence, frame by frame: MediaPipe, MoveNet, PoseNet and scripts of people's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from diffpose_core.io.formats.build import pose_file
from diffpose_core.io.formats.detections import Detections, Notes
from diffpose_core.io.formats.frame_numbers import frame_numbers
from diffpose_core.io.formats.json_values import frame_label, identity_of, score_of, size_and_fps, time_of
from diffpose_core.io.formats.people import build_clip
from diffpose_core.io.formats.posefile import PoseFile
from diffpose_core.io.formats.rates import frame_rate
from diffpose_core.io.formats.recognise import layout_by_names
from diffpose_core.structures import InvalidInput
from diffpose_core.words import short

MEDIAPIPE, PLAIN = "MediaPipe Pose", "plain JSON"
_LANDMARK_KEYS = ("pose_landmarks", "poseLandmarks", "landmarks", "landmark", "keypoints", "pose", "poses", "joints")
_WORLD_KEYS = ("pose_world_landmarks", "poseWorldLandmarks", "worldLandmarks", "world_landmarks", "keypoints3D")
_SURE_KEYS = ("visibility", "confidence", "score", "likelihood", "presence", "c")
_NAME_KEYS = ("name", "part", "joint", "keypoint", "bodypart", "label", "landmark")
Person = tuple[Sequence[Any] | Mapping[str, Any], Any, float]


def landmarks_of(item: Any) -> Any:
    """The landmarks in a frame's object, or None where it has none."""
    if not isinstance(item, dict):
        return None
    for key in _LANDMARK_KEYS:
        if isinstance(item.get(key), (list, dict)):
            # MediaPipe's own messages, turned into JSON, have a list within; PoseNet has a pose.
            inside = item[key]
            if isinstance(inside, dict):
                within = next((inside[k] for k in ("landmark", "keypoints") if isinstance(inside.get(k), list)), None)
                return inside if within is None else within
            return inside
    if item and all(_is_point(value) for value in item.values()):
        return item
    return None


def only_in_3d(item: Any) -> bool:
    """True for a frame that has landmarks in metres around the hip, and none in the picture."""
    return isinstance(item, dict) and landmarks_of(item) is None and any(item.get(key) for key in _WORLD_KEYS)


def _is_point(value: Any) -> bool:
    return isinstance(value, dict) and ({"x", "y"} <= set(value) or isinstance(value.get("position"), dict))


def read_landmarks(frames: Sequence[Any], name: str, header: Mapping[str, Any]) -> PoseFile:
    """Read landmarks in the shapes in which scripts write them. Names of joints decide about the joint order.

    Args:
        frames: the frames' objects or lists.
        name: names the file in messages.
        header: may hold image size and frame rate.

    Raises:
        InvalidInput: no landmarks, or only landmarks in 3D.
    """
    notes, found = Notes(), Detections(name)
    if frames and _is_point(frames[0]):
        frames = [frames]
    labels = [frame_label(item, number) for number, item in enumerate(frames)]
    places = frame_numbers(labels, name, notes)
    everybody: list[tuple[int, Person, str]] = []
    for label, item in zip(labels, frames, strict=True):
        where = f"{name}: frame {short(label)}"
        everybody += [(places[label], person, where) for person in _people(item, where)]
    named = [_by_name(person[0]) for _, person, _ in everybody]
    names: list[str] | None = None
    if everybody and all(one is not None for one in named):
        names = list(dict.fromkeys(joint for one in named for joint in one or ()))
        if len(names) > 512:
            raise InvalidInput(f"{name}: {len(names)} names of joints; expected those of one person")
    for (frame, (points, identity, score), where), by_name in zip(everybody, named, strict=True):
        listed = points.values() if isinstance(points, Mapping) else points
        if names and by_name is not None:
            listed = [by_name.get(joint) for joint in names]
        values = [_landmark(point, where) for point in listed]
        found.add(frame, np.array(values, dtype=np.float64).reshape(-1, 3), identity, score)
    size, fps = size_and_fps(header)
    fps = fps or _rate(frames, [places[label] for label in labels], notes)
    clip = build_clip("", found, max(places.values(), default=-1) + 1, name, notes, size, fps)
    layouts = (layout_by_names(names, name), False) if names else None
    kind = MEDIAPIPE if clip.tracks[0].keypoints.shape[1] == 33 else PLAIN
    return pose_file(name, kind, [clip], notes, "unit" if kind == MEDIAPIPE else "screen", layouts)


def _rate(frames: Sequence[Any], places: Sequence[int], notes: Notes) -> float | None:
    times = [time_of(item) for item in frames]
    keys = {key for _, key in times}
    return (
        frame_rate([time for time, _ in times], keys.pop(), places, notes)
        if len(keys) == 1 and "" not in keys
        else None
    )


def _people(item: Any, label: str) -> list[Person]:
    """The people of a frame: landmarks as a list or by name, identity and score."""
    content = landmarks_of(item) if isinstance(item, dict) else item
    if not content:
        if only_in_3d(item):
            raise InvalidInput(
                f"{label}: landmarks in metres around the hip only: poses in 3D; expected the landmarks in the picture "
                "(pose_landmarks)"
            )
        return []
    own = _identity_and_score(item)
    if isinstance(content, dict):
        return [(content, *own)]
    if isinstance(content, list):
        first = content[0]
        if _is_point(first) or (isinstance(first, list) and first and isinstance(first[0], (int, float))):
            return [(content, *own)]
        people: list[Person] = []
        for person in content:
            inside = landmarks_of(person) if isinstance(person, dict) else person
            if not isinstance(inside, (list, dict)):
                break
            about = person if isinstance(person, dict) else {}
            if inside:
                people.append(
                    (inside, identity_of(about.get("id", about.get("track_id"))), score_of(about.get("score")))
                )
        else:
            return people
    raise InvalidInput(f"{label}: landmarks must be a list of x, y and visibility")


def _identity_and_score(item: Any) -> tuple[Any, float]:
    about = item if isinstance(item, dict) else {}
    return identity_of(about.get("person_id", about.get("track_id"))), score_of(about.get("score"))


def _by_name(points: Sequence[Any] | Mapping[str, Any]) -> dict[str, Any] | None:
    """Points by the joints' names, or None where they have none."""
    if isinstance(points, Mapping):
        return {str(key)[:80]: point for key, point in points.items()}
    key = next((k for k in _NAME_KEYS if isinstance(points[0], dict) and isinstance(points[0].get(k), str)), None)
    if key is None or not all(isinstance(point, dict) and isinstance(point.get(key), str) for point in points):
        return None
    return {point[key][:80]: point for point in points}


def _landmark(point: Any, label: str) -> tuple[float, float, float]:
    """x, y and confidence; a joint that a frame lacks is missing."""
    if point is None:
        return float("nan"), float("nan"), 0.0
    try:
        if isinstance(point, dict):
            sure = next((point[key] for key in _SURE_KEYS if point.get(key) is not None), None)
            place = point.get("position", point)
            values = (place["x"], place["y"], sure)
        else:
            # x, y, visibility or x, y, z, visibility.
            values = (point[0], point[1], point[-1] if len(point) > 2 else None)
        x, y, c = (float("nan") if value is None else float(value) for value in values)
    except (KeyError, IndexError, TypeError, ValueError, OverflowError):
        raise InvalidInput(f"{label}: a landmark without numbers x and y") from None
    return x, y, c
