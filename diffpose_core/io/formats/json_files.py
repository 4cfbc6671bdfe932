"""Recognition of the formats that are JSON."""

from __future__ import annotations

from typing import Any

from diffpose_core.io.formats.alphapose_files import is_alphapose, read_alphapose
from diffpose_core.io.formats.frame_lists import is_vitpose, is_yolo_list, read_vitpose, read_yolo_list
from diffpose_core.io.formats.landmark_files import landmarks_of, only_in_3d, read_landmarks
from diffpose_core.io.formats.mmpose_files import read_mmpose
from diffpose_core.io.formats.openpose_files import read_by_image, read_openpose
from diffpose_core.io.formats.posefile import PoseFile
from diffpose_core.structures import InvalidInput
from diffpose_core.words import quoted


def read_json(data: Any, name: str) -> PoseFile:
    """Recognise parsed JSON and read it.

    Raises:
        InvalidInput: no known format, or a damaged one.
    """
    found = (
        _of_object(data, name) if isinstance(data, dict) else _of_list(data, name) if isinstance(data, list) else None
    )
    if found is None:
        raise InvalidInput(
            f"{name}: JSON with {_shape_of(data)}; expected AlphaPose (image_id, keypoints), MMPose (instances), "
            "OpenPose (people), MediaPipe (33 landmarks) or this project's own clip"
        )
    return found


def _of_object(data: dict[str, Any], name: str) -> PoseFile | None:
    inside: Any = next(iter(data.values()), None)
    if is_vitpose(data):
        return read_vitpose(data, name)
    if "people" in data:
        return read_openpose([(name, data)], name)
    if any(isinstance(data.get(key), list) for key in ("instance_info", "instances", "predictions")):
        return read_mmpose(data, name)
    if isinstance(inside, dict) and ("people" in inside or "bodies" in inside):
        return read_by_image(data, name)
    for key in ("annotations", "results"):
        if isinstance(data.get(key), list) and is_alphapose(next(iter(data[key]), None)):
            return read_alphapose(data[key], name, data)
    for key in ("frames", "results"):
        if isinstance(data.get(key), list):
            return read_landmarks(data[key], name, data)
    if landmarks_of(data) is not None or only_in_3d(data):
        return read_landmarks([data], name, data)
    return None


def _of_list(data: list[Any], name: str) -> PoseFile | None:
    if is_yolo_list(data):
        return read_yolo_list(data, name)
    # A frame without anybody may come first.
    first: Any = next((item for item in data if item), None)
    person: Any = first[0] if isinstance(first, list) else first
    if isinstance(person, dict):
        if person is first and is_alphapose(person):
            return read_alphapose(data, name)
        if person is first and "people" in person:
            return read_openpose(((str(number), item) for number, item in enumerate(data)), name)
        if "instances" in person or "keypoint_scores" in person:
            return read_mmpose(data, name)
    landmarks = any(landmarks_of(item) is not None or only_in_3d(item) for item in data)
    if isinstance(first, list) or landmarks or (isinstance(first, dict) and "x" in first):
        return read_landmarks(data, name, {})
    return None


def _shape_of(data: Any) -> str:
    if isinstance(data, dict):
        return f"the keys {', '.join(quoted(key, 24) for key in list(data)[:8]) or 'none'}"
    if isinstance(data, list):
        inside = next((item for item in data if item), None)
        return f"a list of {len(data)} entries" + (f", each with {_shape_of(inside)}" if inside is not None else "")
    return f"a single {type(data).__name__}"
