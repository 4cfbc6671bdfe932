"""Readers of JSON files: AlphaPose, MMPose, OpenPose and MediaPipe."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from diffpose_core.io.formats.detections import Detections, Notes
from diffpose_core.io.formats.frame_numbers import frame_numbers
from diffpose_core.io.formats.layouts import canonical_name
from diffpose_core.io.formats.people import build_clip
from diffpose_core.io.formats.posefile import (
    Coordinates,
    FileClip,
    LayoutGuess,
    PoseFile,
)
from diffpose_core.io.formats.recognise import (
    coordinates_of,
    layout_by_count,
    layout_by_geometry,
    layout_by_names,
)
from diffpose_core.io.limits import MAX_FPS, MAX_IMAGE_SIDE, MAX_NUMBERS, MIN_FPS
from diffpose_core.structures import InvalidInput

ALPHAPOSE, MMPOSE, OPENPOSE, MEDIAPIPE, PLAIN = "AlphaPose", "MMPose", "OpenPose", "MediaPipe Pose", "plain JSON"


def read_json(data: Any, name: str) -> PoseFile:
    """Recognise parsed JSON and read it. Raises InvalidInput that says what was found and what is expected."""
    if isinstance(data, dict):
        inside: Any = next(iter(data.values()), None)
        if "people" in data:
            return read_openpose([(name, data)], name)
        if any(isinstance(data.get(key), list) for key in ("instance_info", "instances", "predictions")):
            return read_mmpose(data, name)
        if isinstance(inside, dict) and ("people" in inside or "bodies" in inside):
            return _read_alphapose_by_image(data, name)
        for key in ("annotations", "results"):
            if isinstance(data.get(key), list) and _is_alphapose(next(iter(data[key]), None)):
                return read_alphapose(data[key], name, data.get("images"))
        for key in ("frames", "results"):
            if isinstance(data.get(key), list):
                return _read_mediapipe(data[key], name, data)
        if _landmarks(data) is not None:
            return _read_mediapipe([data], name, data)
    elif isinstance(data, list):
        # A frame without anybody may come first.
        first: Any = next((item for item in data if item), None)
        person: Any = first[0] if isinstance(first, list) else first
        if isinstance(person, dict):
            if person is first and _is_alphapose(person):
                return read_alphapose(data, name)
            if person is first and "people" in person:
                return read_openpose(((str(number), item) for number, item in enumerate(data)), name)
            if "instances" in person or "keypoint_scores" in person:
                return read_mmpose(data, name)
        landmarks = any(_landmarks(item) is not None for item in data)
        if isinstance(first, list) or landmarks or (isinstance(first, dict) and "x" in first):
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


def _is_alphapose(person: Any) -> bool:
    return isinstance(person, dict) and "image_id" in person and "keypoints" in person


def read_alphapose(data: Sequence[Any], name: str, images: Any = None) -> PoseFile:
    """AlphaPose's (and COCO's) results: a flat list of people with image_id and keypoints x, y, c.

    images: those of COCO's annotations, whose size is taken where all have the same.
    """
    notes, found = Notes(), Detections()
    listed = images if isinstance(images, list) else []
    sizes = {size_and_fps(image)[0] for image in listed if isinstance(image, dict)}
    size = sizes.pop() if len(sizes) == 1 else None
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
    clip = build_clip("", found, max(places.values(), default=-1) + 1, name, notes, size)
    layouts = None
    if clip.tracks[0].keypoints.shape[1] == 17:
        guesses = layout_by_geometry([clip])
        if guesses[0].layout.name == "COCO-17":
            layouts = (LayoutGuess(guesses[0].layout, "AlphaPose writes 17 joints in COCO's order"), guesses[1]), False
    return pose_file(name, ALPHAPOSE, [clip], notes, "screen", layouts)


def _read_alphapose_by_image(data: Mapping[str, Any], name: str) -> PoseFile:
    """AlphaPose's results in the form of OpenPose: image name -> people, or bodies with joints."""
    frames = []
    for image, content in data.items():
        people = content.get("people", content.get("bodies")) if isinstance(content, dict) else None
        if isinstance(people, list):
            people = [{"pose_keypoints_2d": p.get("joints"), **p} for p in people if isinstance(p, dict)]
        frames.append((image, {"people": people}))
    return read_openpose(frames, name)


def read_openpose(files: Iterable[tuple[str, Any]], name: str) -> PoseFile:
    """OpenPose's files, one a frame. files: (file name, parsed content), which are let go of one by one.

    Files of several clips (told by what their names have in front of the frame's number) become several clips.
    """
    notes = Notes()
    groups: dict[str, dict[str, Detections]] = {}
    numbers_in_all = 0
    for path, content in files:
        people = _openpose_people(content, f"{name}: {path[-60:]}")
        numbers_in_all += people.numbers
        if numbers_in_all > MAX_NUMBERS:
            raise InvalidInput(f"{name}: more than {MAX_NUMBERS:,} numbers in all its files; read them in parts")
        groups.setdefault(_prefix(path), {})[path] = people
    if len(groups) > 1 and all(len(paths) == 1 for paths in groups.values()):
        groups = {"": {path: people for paths in groups.values() for path, people in paths.items()}}
    clips = []
    for prefix, paths in groups.items():
        places = frame_numbers(list(paths), name, notes)
        found = Detections()
        for path, people in paths.items():
            found.extend(people, places[path])
        if len(found) or len(groups) == 1:
            last = max(places.values(), default=-1)
            clips.append(build_clip(prefix if len(groups) > 1 else "", found, last + 1, name, notes))
    if not clips:
        raise InvalidInput(f"{name}: there is nobody in any of its frames")
    return pose_file(name, OPENPOSE, clips, notes, "symmetric")


def _prefix(path: str) -> str:
    stem = re.sub(r"(_keypoints)?(\.\w{1,5})*$", "", path[-200:], flags=re.IGNORECASE)
    return re.sub(r"\d+\D*$", "", stem).rstrip("_-. ")


def _openpose_people(content: Any, label: str) -> Detections:
    """The people of one frame."""
    found = Detections()
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
        values = numbers(flat, 3, f"{label}: pose_keypoints_2d")
        found.add(0, values, None if identity == -1 else identity, _score(person.get("score")))
    return found


def read_mmpose(data: Any, name: str) -> PoseFile:
    """MMPose's predictions: frames with instances (also under instance_info or predictions), or one image's instances.

    Where meta_info names the joints, the names decide about their order.
    """
    notes, found = Notes(), Detections()
    meta = data.get("meta_info", data.get("dataset_meta")) if isinstance(data, dict) else None
    frames = data
    if isinstance(data, dict):
        frames = next(
            data[key] for key in ("instance_info", "predictions", "instances") if isinstance(data.get(key), list)
        )
        frames = [data] if frames is data.get("instances") else frames
    if any(isinstance(item, dict) and "keypoints" in item for item in frames):
        notes.add("A list of people without frames: taken as one picture.")
        frames = [{"instances": frames}]
    labels = [_label(item, number) for number, item in enumerate(frames)]
    places = frame_numbers(labels, name, notes)
    for label, item in zip(labels, frames, strict=True):
        people = item.get("instances") if isinstance(item, dict) else item
        if people is None:
            continue
        if not isinstance(people, list):
            raise InvalidInput(f"{name}: the instances of frame {str(label)[:40]} must be a list")
        for person in people:
            if not isinstance(person, dict) or "keypoints" not in person:
                raise InvalidInput(f"{name}: an instance in frame {str(label)[:40]} has no keypoints")
            identity = _identity(person.get("track_id", person.get("instance_id")))
            score = _score(person.get("bbox_score", person.get("score")))
            found.add(places[label], _mmpose_joints(person, f"{name}: frame {str(label)[:40]}"), identity, score)
    clip = build_clip("", found, max(places.values(), default=-1) + 1, name, notes)
    names = _mmpose_names(meta, clip.tracks[0].keypoints.shape[1])
    layouts = (layout_by_names(names, name), False) if names else None
    return pose_file(name, MMPOSE, [clip], notes, "screen", layouts)


def _label(item: Any, number: int) -> Any:
    """What a frame calls itself, or its place in the file."""
    if isinstance(item, dict):
        for key in ("frame_id", "frame", "frame_number", "frame_index", "frame_idx", "image_id", "img_name", "index"):
            value = item.get(key)
            if isinstance(value, (int, str)) or (isinstance(value, float) and value.is_integer()):
                return value
    return number


def _mmpose_joints(person: Mapping[str, Any], label: str) -> np.ndarray:
    places, scores = person["keypoints"], person.get("keypoint_scores")
    # Some versions keep the axis of a batch of one.
    if isinstance(places, list) and len(places) == 1 and isinstance(places[0], list) and places[0] and isinstance(
            places[0][0], list):  # fmt: skip
        places = places[0]
        scores = scores[0] if isinstance(scores, list) and scores and isinstance(scores[0], list) else scores
    columns = len(places[0]) if isinstance(places, list) and places and isinstance(places[0], list) else 2
    if columns not in (2, 3):
        raise InvalidInput(f"{label}: keypoints must be pairs of x and y, found {columns} numbers a joint")
    points = numbers(places, columns, f"{label}: keypoints")
    if scores is not None:
        sure = numbers(scores, 1, f"{label}: keypoint_scores")[:, 0]
        if len(sure) != len(points):
            raise InvalidInput(f"{label}: {len(points)} keypoints, but {len(sure)} keypoint_scores")
    else:
        sure = points[:, 2] if columns == 3 else np.full(len(points), np.nan)
    return np.column_stack((points[:, :2], sure))


def _mmpose_names(meta: Any, joints: int) -> list[str] | None:
    """Joints' names in MMPose's meta information, where they are there and say what the joints are."""
    by_number = meta.get("keypoint_id2name") if isinstance(meta, dict) else None
    if not isinstance(by_number, dict) or len(by_number) != joints:
        return None
    names = [str(by_number.get(str(joint))) for joint in range(joints)]
    known = {canonical_name(str(name)) for name in names}
    return (
        [str(name) for name in names] if {"left_hip", "right_hip", "left_shoulder", "right_shoulder"} <= known else None
    )


_LANDMARK_KEYS = ("pose_landmarks", "poseLandmarks", "landmarks", "landmark", "keypoints", "pose")
_SURE_KEYS = ("visibility", "confidence", "score", "likelihood", "presence", "c")


def _landmarks(item: Any) -> Any:
    """The landmarks in a frame's object, or None where it has none."""
    if isinstance(item, dict):
        for key in _LANDMARK_KEYS:
            if isinstance(item.get(key), (list, dict)):
                # MediaPipe's own messages, turned into JSON, have a list within.
                inside = item[key].get("landmark") if isinstance(item[key], dict) else None
                return inside if isinstance(inside, list) else item[key]
        if item and all(isinstance(value, dict) and {"x", "y"} <= set(value) for value in item.values()):
            return item
    return None


def _read_mediapipe(frames: Sequence[Any], name: str, header: Mapping[str, Any]) -> PoseFile:
    """Landmarks as MediaPipe names them (x, y, visibility), frame by frame, in the shapes that scripts write them."""
    notes, found = Notes(), Detections()
    if frames and isinstance(frames[0], dict) and {"x", "y"} <= set(frames[0]):
        frames = [frames]
    labels = [_label(item, number) for number, item in enumerate(frames)]
    places = frame_numbers(labels, name, notes)
    names: list[str] | None = None
    for label, item in zip(labels, frames, strict=True):
        where = f"{name}: frame {str(label)[:40]}"
        content = _landmarks(item) if isinstance(item, dict) else item
        for person in _people(content, where):
            if isinstance(person, dict):
                if names is not None and names != list(person):
                    raise InvalidInput(f"{where}: other joints' names than in the frames before")
                names = [str(key)[:80] for key in person]
                person = list(person.values())
            found.add(places[label], np.array([_landmark(point, where) for point in person], dtype=np.float64))
    size, fps = size_and_fps(header)
    clip = build_clip("", found, max(places.values(), default=-1) + 1, name, notes, size, fps)
    layouts = (layout_by_names(names, name), False) if names else None
    kind = MEDIAPIPE if clip.tracks[0].keypoints.shape[1] == 33 else PLAIN
    return pose_file(name, kind, [clip], notes, "unit" if kind == MEDIAPIPE else "screen", layouts)


def _people(content: Any, label: str) -> list[Any]:
    """The people of a frame, each a list of landmarks or an object of them by name."""
    if not content:
        return []
    if isinstance(content, dict):
        return [content]
    if isinstance(content, list):
        first = content[0]
        if isinstance(first, dict) and {"x", "y"} <= set(first):
            return [content]
        if isinstance(first, list) and first and isinstance(first[0], (int, float)):
            return [content]
        people = [_landmarks(person) if isinstance(person, dict) else person for person in content]
        if all(isinstance(person, (list, dict)) for person in people):
            return [person for person in people if person]
    raise InvalidInput(f"{label}: landmarks must be a list of x, y and visibility")


def _landmark(point: Any, label: str) -> tuple[float, float, float]:
    try:
        if isinstance(point, dict):
            sure = next((point[key] for key in _SURE_KEYS if point.get(key) is not None), None)
            values = (point["x"], point["y"], sure)
        else:
            # x, y, visibility or x, y, z, visibility.
            values = (point[0], point[1], point[-1] if len(point) > 2 else None)
        x, y, c = (float("nan") if value is None else float(value) for value in values)
    except (KeyError, IndexError, TypeError, ValueError, OverflowError):
        raise InvalidInput(f"{label}: a landmark without numbers x and y") from None
    return x, y, c


def size_and_fps(header: Mapping[str, Any]) -> tuple[tuple[int, int] | None, float | None]:
    """Image size and frame rate where an object says them under a usual name."""

    def number(low: float, high: float, *keys: str) -> float | None:
        for key in keys:
            value = header.get(key)
            if isinstance(value, (int, float)) and not isinstance(value, bool) and low <= value <= high:
                return float(value)
        return None

    width, height = (
        number(1, MAX_IMAGE_SIDE, *keys)
        for keys in (("width", "image_width", "w", "res_w"), ("height", "image_height", "h", "res_h"))
    )
    size = (int(width), int(height)) if width and height else None
    return size, number(MIN_FPS, MAX_FPS, "fps", "frame_rate", "framerate")
