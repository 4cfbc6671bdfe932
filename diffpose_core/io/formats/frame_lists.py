"""JSON of a whole video with the frames' people in a list: Ultralytics and easy_ViTPose."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from diffpose_core.io.formats.build import pose_file
from diffpose_core.io.formats.detections import Detections, Notes
from diffpose_core.io.formats.json_values import identity_of, numbers, size_and_fps
from diffpose_core.io.formats.openpose_files import read_frames
from diffpose_core.io.formats.people import build_clip
from diffpose_core.io.formats.people_of_frame import frame_people
from diffpose_core.io.formats.posefile import PoseFile
from diffpose_core.io.formats.recognise import layout_by_names
from diffpose_core.io.formats.yolo_files import YOLO
from diffpose_core.io.untrusted.json import parse_json
from diffpose_core.structures import InvalidInput
from diffpose_core.words import short

VITPOSE = "easy_ViTPose"


def is_yolo_list(data: list[Any]) -> bool:
    """True for frames, or one frame, of Ultralytics' people: keypoints as lists x and y; frames may be JSON in text."""
    if data and all(isinstance(item, str) for item in data):
        return any('"keypoints"' in item and item.lstrip()[:1] == "[" for item in data)
    first = next((item for item in data if item), None)
    person = first[0] if isinstance(first, list) else first
    return isinstance(person, Mapping) and _has_lists(person.get("keypoints"))


def _has_lists(keypoints: Any) -> bool:
    return isinstance(keypoints, Mapping) and all(isinstance(keypoints.get(axis), list) for axis in "xy")


def read_yolo_list(data: list[Any], name: str) -> PoseFile:
    """Read Ultralytics' results as `to_json` writes them: a list of people, one for each frame.

    Raises:
        InvalidInput: a frame of another form, or nobody in any frame.
    """
    frames = data if any(isinstance(item, (list, str)) for item in data) else [data]

    def people() -> Iterator[tuple[str, Detections]]:
        for number, frame in enumerate(frames):
            label = f"{name}: frame {number}"
            found = parse_json(frame.encode(), label) if isinstance(frame, str) else frame
            if not isinstance(found, list):
                raise InvalidInput(f"{label}: a list of people expected, as Ultralytics writes it")
            yield str(number), frame_people(found, label)

    return read_frames(people(), name, YOLO)


def is_vitpose(data: Mapping[str, Any]) -> bool:
    """True for easy_ViTPose's JSON: frames in `keypoints`, and the joints' names in `skeleton`."""
    return isinstance(data.get("keypoints"), list) and isinstance(data.get("skeleton"), Mapping)


def read_vitpose(data: Mapping[str, Any], name: str) -> PoseFile:
    """Read easy_ViTPose's JSON: in every frame, people by identity, each joint as y, x and score.

    Raises:
        InvalidInput: a frame of another form, or joints and names that differ in number.
    """
    names = [str(data["skeleton"].get(str(number)))[:80] for number in range(min(len(data["skeleton"]), 512))]
    notes, found = Notes(), Detections(name)
    for frame, people in enumerate(data["keypoints"]):
        if not isinstance(people, Mapping):
            raise InvalidInput(f"{name}: frame {frame}: people by identity expected, as easy_ViTPose writes them")
        for identity, rows in people.items():
            values = numbers(rows, 3, f"{name}: frame {frame}, person {short(identity, 20)}")
            if len(values) != len(names):
                raise InvalidInput(f"{name}: frame {frame}: {len(values)} joints, but {len(names)} names in skeleton")
            found.add(frame, values[:, [1, 0, 2]], identity_of(identity))
    size, fps = size_and_fps(data)
    clip = build_clip("", found, len(data["keypoints"]), name, notes, size, fps)
    return pose_file(name, VITPOSE, [clip], notes, "screen", (layout_by_names(names, name), False))
