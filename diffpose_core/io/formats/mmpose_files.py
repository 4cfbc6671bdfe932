"""MMPose: frames of instances with keypoints and their scores."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from diffpose_core.io.formats.build import pose_file
from diffpose_core.io.formats.detections import Detections, Notes
from diffpose_core.io.formats.frame_numbers import frame_numbers
from diffpose_core.io.formats.joint_names import canonical_name
from diffpose_core.io.formats.json_values import frame_label, identity_of, numbers, score_of, size_and_fps
from diffpose_core.io.formats.people import build_clip
from diffpose_core.io.formats.posefile import PoseFile
from diffpose_core.io.formats.recognise import layout_by_names
from diffpose_core.structures import InvalidInput
from diffpose_core.words import short

MMPOSE = "MMPose"
_LISTS = ("instance_info", "predictions", "instances")


def read_mmpose(data: Any, name: str) -> PoseFile:
    """Read MMPose's predictions: frames with instances, or one image's instances.

    Joints' names in meta_info decide about the joint order.

    Raises:
        InvalidInput: instances of another form, or in 3D.
    """
    notes, found = Notes(), Detections(name)
    meta = data.get("meta_info", data.get("dataset_meta")) if isinstance(data, dict) else None
    frames = data
    if isinstance(data, dict):
        frames = next(data[key] for key in _LISTS if isinstance(data.get(key), list))
        frames = [data] if frames is data.get("instances") else frames
    if any(isinstance(item, dict) and "keypoints" in item for item in frames):
        notes.add("A list of people without frames: taken as one picture.")
        frames = [{"instances": frames}]
    labels = [frame_label(item, number) for number, item in enumerate(frames)]
    places = frame_numbers(labels, name, notes)
    for label, item in zip(labels, frames, strict=True):
        people = item.get("instances") if isinstance(item, dict) else item
        if people is None:
            continue
        if not isinstance(people, list):
            raise InvalidInput(f"{name}: the instances of frame {short(label)} must be a list")
        for person in people:
            if not isinstance(person, dict) or "keypoints" not in person:
                raise InvalidInput(f"{name}: an instance in frame {short(label)} has no keypoints")
            identity = identity_of(person.get("track_id", person.get("instance_id")))
            score = score_of(person.get("bbox_score", person.get("score")))
            found.add(places[label], _joints(person, f"{name}: frame {short(label)}"), identity, score)
    size, fps = size_and_fps(data) if isinstance(data, dict) else (None, None)
    clip = build_clip("", found, max(places.values(), default=-1) + 1, name, notes, size, fps)
    names = _names(meta, clip.tracks[0].keypoints.shape[1])
    layouts = (layout_by_names(names, name), False) if names else None
    return pose_file(name, MMPOSE, [clip], notes, "screen", layouts)


def _joints(person: Mapping[str, Any], label: str) -> np.ndarray:
    places, scores = person["keypoints"], person.get("keypoint_scores")
    # Some versions keep the axis of a batch of one.
    if isinstance(places, list) and len(places) == 1 and isinstance(places[0], list) and places[0] and isinstance(
            places[0][0], list):  # fmt: skip
        places = places[0]
        scores = scores[0] if isinstance(scores, list) and scores and isinstance(scores[0], list) else scores
    columns = len(places[0]) if isinstance(places, list) and places and isinstance(places[0], list) else 2
    if columns not in (2, 3):
        raise InvalidInput(f"{label}: keypoints must be pairs of x and y, found {columns} numbers a joint")
    if columns == 3 and scores is not None:
        raise InvalidInput(
            f"{label}: keypoints of x, y and z beside keypoint_scores: poses in 3D, as MMPose's body3d writes them; "
            "expected 2D poses, such as those of its 2D model (instances of x and y)"
        )
    points = numbers(places, columns, f"{label}: keypoints")
    if scores is not None:
        sure = numbers(scores, 1, f"{label}: keypoint_scores")[:, 0]
        if len(sure) != len(points):
            raise InvalidInput(f"{label}: {len(points)} keypoints, but {len(sure)} keypoint_scores")
    else:
        sure = points[:, 2] if columns == 3 else np.full(len(points), np.nan)
    return np.column_stack((points[:, :2], sure))


def _names(meta: Any, joints: int) -> list[str] | None:
    """Joints' names in MMPose's meta information, where there are any that name hips and shoulders."""
    by_number = meta.get("keypoint_id2name") if isinstance(meta, dict) else None
    if not isinstance(by_number, dict) or len(by_number) != joints:
        return None
    names = [str(by_number.get(str(joint))) for joint in range(joints)]
    known = {canonical_name(name) for name in names}
    return names if {"left_hip", "right_hip", "left_shoulder", "right_shoulder"} <= known else None
