"""OpenPose: one JSON file a frame, each with a list of people."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from diffpose_core.io.formats.build import pose_file
from diffpose_core.io.formats.detections import Detections, Notes
from diffpose_core.io.formats.frame_numbers import bare_name, frame_numbers
from diffpose_core.io.formats.json_values import identity_of, numbers, score_of
from diffpose_core.io.formats.people import build_clip
from diffpose_core.io.formats.posefile import Coordinates, PoseFile
from diffpose_core.io.limits import MAX_NUMBERS
from diffpose_core.structures import InvalidInput

OPENPOSE = "OpenPose"


def read_openpose(files: Iterable[tuple[str, Any]], name: str) -> PoseFile:
    """Read OpenPose's files.

    Files of several clips (told by their names in front of the frame's number) become several clips.

    Args:
        files: (file name, parsed content), which are let go of one by one.
        name: names the file in messages.

    Raises:
        InvalidInput: no file of OpenPose's, nobody in any frame, or too many numbers.
    """
    found = ((path, _people(content, f"{name}: {path[-60:]}")) for path, content in files)
    return read_frames(found, name, OPENPOSE)


def read_frames(
    files: Iterable[tuple[str, Detections]], name: str, kind: str, coordinates: Coordinates | None = None
) -> PoseFile:
    """Put files of one frame each together to clips.

    Args:
        files: (file name, people), all in frame 0; files of several clips, told by their names, become several clips.
        name: names the file in messages.
        kind: the format.
        coordinates: unit of the numbers, where it is known.

    Raises:
        InvalidInput: nobody in any frame, or too many numbers.
    """
    notes = Notes()
    groups: dict[str, dict[str, Detections]] = {}
    numbers_in_all = 0
    for path, people in files:
        numbers_in_all += people.numbers
        if numbers_in_all > MAX_NUMBERS:
            raise InvalidInput(f"{name}: more than {MAX_NUMBERS:,} numbers in all its files; read them in parts")
        groups.setdefault(_prefix(path), {})[path] = people
    if len(groups) > 1 and all(len(paths) == 1 for paths in groups.values()):
        groups = {"": {path: people for paths in groups.values() for path, people in paths.items()}}
    clips = []
    for prefix, paths in groups.items():
        places = frame_numbers(list(paths), name, notes)
        found = Detections(name)
        for path, people in paths.items():
            found.extend(people, places[path])
        if len(found) or len(groups) == 1:
            last = max(places.values(), default=-1)
            clips.append(build_clip(prefix if len(groups) > 1 else "", found, last + 1, name, notes))
    if not clips:
        raise InvalidInput(f"{name}: there is nobody in any of its frames")
    return pose_file(name, kind, clips, notes, "symmetric", coordinates=coordinates)


def read_by_image(data: Mapping[str, Any], name: str) -> PoseFile:
    """Read AlphaPose's results in the form of OpenPose: image name -> people, or bodies with joints."""
    frames = []
    for image, content in data.items():
        people = content.get("people", content.get("bodies")) if isinstance(content, dict) else None
        if isinstance(people, list):
            people = [{"pose_keypoints_2d": p.get("joints"), **p} for p in people if isinstance(p, dict)]
        frames.append((image, {"people": people}))
    return read_openpose(frames, name)


def _prefix(path: str) -> str:
    """The part of a file's name before its last number."""
    # Tried only where a number begins: elsewhere, a name of many digits would take a square of the time.
    return re.sub(r"(?<!\d)\d+\D*$", "", bare_name(path)).rstrip("_-. ")


def _people(content: Any, label: str) -> Detections:
    """The people of one frame."""
    found = Detections(label)
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
        identity = identity_of(person.get("person_id"))
        values = numbers(flat, 3, f"{label}: pose_keypoints_2d")
        found.add(0, values, None if identity == -1 else identity, score_of(person.get("score")))
    return found
