"""Readers of JSON files: AlphaPose, MMPose, OpenPose and MediaPipe."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from diffpose_core.io.formats.people import Detections, Notes, build_clip, frame_numbers
from diffpose_core.io.formats.posefile import Coordinates, FileClip, LayoutGuess, PoseFile
from diffpose_core.io.formats.recognise import (
    coordinates_of,
    layout_by_count,
    layout_by_geometry,
)
from diffpose_core.structures import InvalidInput

ALPHAPOSE, MMPOSE, OPENPOSE, MEDIAPIPE = "AlphaPose", "MMPose", "OpenPose", "MediaPipe Pose"


def read_json(data: Any, name: str) -> PoseFile:
    """Recognise parsed JSON and read it. Raises InvalidInput that says what was found and what is expected."""
    first = next((item for item in data if item), None) if isinstance(data, list) else None
    if isinstance(data, dict):
        values = next(iter(data.values()), None)
        if "people" in data:
            return read_openpose({name: data}, name)
        if isinstance(data.get("instance_info"), list) or isinstance(data.get("instances"), list):
            return read_mmpose(data, name)
        if isinstance(values, dict) and ("people" in values or "bodies" in values):
            return _read_alphapose_by_image(data, name)
        for key in ("frames", "landmarks", "pose_landmarks", "poseLandmarks", "results"):
            if isinstance(data.get(key), list):
                return _read_mediapipe(data[key] if key in ("frames", "results") else [data], name, data)
    elif isinstance(first, dict):
        if "image_id" in first and "keypoints" in first:
            return read_alphapose(data, name)
        if "people" in first:
            return read_openpose({str(number): item for number, item in enumerate(data)}, name)
        if {"instances", "keypoint_scores", "instance_info"} & set(first):
            return read_mmpose(data, name)
        if _landmarks(first) is not None or {"x", "y"} <= set(first):
            return _read_mediapipe(data, name, {})
    elif isinstance(first, list):
        return _read_mediapipe(data, name, {})
    raise InvalidInput(
        f"{name}: JSON with {_shape_of(data)}; expected AlphaPose (image_id, keypoints), MMPose (instances), OpenPose "
        "(people), MediaPipe (33 landmarks) or this project's own clip"
    )


def _shape_of(data: Any) -> str:
    if isinstance(data, dict):
        return f"the keys {', '.join(repr(str(key)[:24]) for key in list(data)[:8]) or 'none'}"
    if isinstance(data, list):
        inside = next((item for item in data if item), None)
        return f"a list of {len(data)} entries" + (f", each with {_shape_of(inside)}" if inside is not None else "")
    return f"a single {type(data).__name__}"


def numbers(values: Any, columns: int, label: str) -> np.ndarray:
    """A flat or nested list of numbers as (J, columns) float64. Raises InvalidInput where it is none."""
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        raise InvalidInput(f"{label}: a list of numbers expected, found something else in it") from None
    if array.size == 0 or array.size % columns or (array.ndim > 1 and array.shape[-1] != columns):
        raise InvalidInput(f"{label}: {array.size} numbers; expected {columns} a joint")
    return array.reshape(-1, columns)


def _score(value: Any) -> float:
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    return float(value) if isinstance(value, (int, float)) and abs(value) < 1e30 else 0.0


def _identity(value: Any) -> Any:
    """An identity as files write it: a number, text, or either in a list of one."""
    while isinstance(value, list) and len(value) == 1:
        value = value[0]
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    return value if not isinstance(value, int) or abs(value) < 2**63 else str(value % 10**18)


def pose_file(
    name: str, kind: str, clips: Sequence[FileClip], notes: Notes, negative: Coordinates,
    layouts: tuple[tuple[LayoutGuess, ...], bool] | None = None, coordinates: Coordinates | None = None,
) -> PoseFile:  # fmt: skip
    """Put a PoseFile together; joint order and unit are recognised where they aren't given."""
    joints = {track.keypoints.shape[1] for clip in clips for track in clip.tracks}
    if len(joints) > 1:
        raise InvalidInput(f"{name}: clips with different numbers of joints ({sorted(joints)}); expected one order")
    guesses, confirm = layouts or layout_by_count(joints.pop(), clips, name)
    unit = coordinates or coordinates_of(clips, negative, notes)
    return PoseFile(name, kind, tuple(clips), guesses, confirm, unit, tuple(notes))


def read_alphapose(data: Sequence[Any], name: str) -> PoseFile:
    """AlphaPose's (and COCO's) results: a flat list of people with image_id and keypoints x, y, c."""
    notes, found = Notes(), Detections()
    rows = [row for row in data if isinstance(row, dict) and "image_id" in row and row.get("keypoints")]
    if len(rows) < len(data):
        notes.add(f"{len(data) - len(rows)} entries without image_id or keypoints are left out.")
    try:
        places = frame_numbers([row["image_id"] for row in rows], name, notes)
    except TypeError:
        raise InvalidInput(f"{name}: image_id must be a number or a file name") from None
    for row in rows:
        values = numbers(row["keypoints"], 3, f"{name}: keypoints of image {str(row['image_id'])[:40]}")
        found.add(places[row["image_id"]], values, _identity(row.get("idx", row.get("track_id"))),
                  _score(row.get("score")))  # fmt: skip
    clip = build_clip("", found, max(places.values(), default=-1) + 1, name, notes)
    layouts = None
    if len(found.keypoints[0]) == 17:
        guesses = layout_by_geometry([clip])
        if guesses[0].layout.name == "COCO-17":
            layouts = (LayoutGuess(guesses[0].layout, "AlphaPose writes 17 joints in COCO's order"), guesses[1]), False
    return pose_file(name, ALPHAPOSE, [clip], notes, "screen", layouts)


def _read_alphapose_by_image(data: Mapping[str, Any], name: str) -> PoseFile:
    """AlphaPose's results in the form of OpenPose: image name -> people, or bodies with joints."""
    frames = {}
    for image, content in data.items():
        if not isinstance(content, dict):
            continue
        people = content.get("people", content.get("bodies"))
        frames[image] = {"people": [
            {"pose_keypoints_2d": person.get("pose_keypoints_2d", person.get("joints")), **person}
            for person in people if isinstance(person, dict)
        ]} if isinstance(people, list) else {}  # fmt: skip
    return read_openpose(frames, name)


def read_openpose(frames: Mapping[str, Any], name: str) -> PoseFile:
    """OpenPose's files, one a frame. frames: file name -> its parsed content.

    Files of several clips (told by what their names have in front of the frame's number) become several clips.
    """
    notes = Notes()
    groups: dict[str, list[str]] = {}
    for path in frames:
        groups.setdefault(_prefix(path), []).append(path)
    if len(groups) > 1 and all(len(paths) == 1 for paths in groups.values()):
        groups = {"": list(frames)}
    clips = []
    for prefix, paths in groups.items():
        places = frame_numbers(paths, name, notes)
        found = Detections()
        for path in paths:
            _add_openpose_frame(found, places[path], frames[path], f"{name}: {path[-60:]}")
        if len(found) or len(groups) == 1:
            clips.append(build_clip(prefix if len(groups) > 1 else "", found, max(places.values()) + 1, name, notes))
    if not clips:
        raise InvalidInput(f"{name}: there is nobody in any of its frames")
    return pose_file(name, OPENPOSE, clips, notes, "symmetric")


def _prefix(path: str) -> str:
    stem = re.sub(r"(_keypoints)?(\.\w{1,5})*$", "", path[-200:], flags=re.IGNORECASE)
    return re.sub(r"\d+\D*$", "", stem).rstrip("_-. ")


def _add_openpose_frame(found: Detections, frame: int, content: Any, label: str) -> None:
    people = content.get("people") if isinstance(content, dict) else None
    if not isinstance(people, list):
        raise InvalidInput(f"{label}: a list of people expected, as OpenPose writes it")
    for person in people:
        if not isinstance(person, dict):
            raise InvalidInput(f"{label}: a person must be an object with pose_keypoints_2d")
        flat = person.get("pose_keypoints_2d", person.get("pose_keypoints"))
        if not flat:
            continue
        # OpenPose writes -1 for people that it hasn't followed.
        identity = _identity(person.get("person_id"))
        found.add(frame, numbers(flat, 3, f"{label}: pose_keypoints_2d"), None if identity == -1 else identity,
                  _score(person.get("score")))  # fmt: skip


def read_mmpose(data: Any, name: str) -> PoseFile:
    """MMPose's predictions: frames with instances, or the instances of one image."""
    raise InvalidInput(f"{name}: not read yet")


def _landmarks(item: Any) -> Any:
    return None


def _read_mediapipe(frames: Sequence[Any], name: str, header: Mapping[str, Any]) -> PoseFile:
    raise InvalidInput(f"{name}: not read yet")
