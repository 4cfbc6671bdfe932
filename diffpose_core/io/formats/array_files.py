"""Bare arrays of poses, as 3D lifters take them: .npy, and .npz with `keypoints` or `reconstruction`."""

from __future__ import annotations

from typing import Any

import numpy as np

from diffpose_core.io.formats.build import pose_file
from diffpose_core.io.formats.clean import clean
from diffpose_core.io.formats.detections import Notes
from diffpose_core.io.formats.posefile import FileClip, PoseFile, PoseTrack
from diffpose_core.io.limits import MAX_NUMBERS, check_frames
from diffpose_core.io.untrusted.npz import read_npy, read_npz
from diffpose_core.structures import InvalidInput

ARRAY = "array of poses"
#: Names under which scripts save poses, the likelier first.
KEYS = ("keypoints", "reconstruction", "keypoints_2d", "kpts", "poses_2d", "pose_2d", "poses", "pose2d", "kps",
        "joints_2d", "arr_0")  # fmt: skip
_SCORES = ("scores", "keypoint_scores", "confidence", "conf", "score")


def read_npy_file(content: bytes, name: str) -> PoseFile:
    """Read a bare .npy array.

    Raises:
        InvalidInput: no poses of one person or several, or poses in 3D.
    """
    return read_array(read_npy(content, name), None, name)


def read_npz_array(content: bytes, name: str) -> PoseFile:
    """Read the array of an .npz that is named like poses, and the confidences in an array of their own, if any.

    Raises:
        InvalidInput: as `read_npy_file`.
    """
    arrays = read_npz(content, name, (*KEYS, *_SCORES))
    key = next(key for key in KEYS if key in arrays)
    scores = next((arrays[word] for word in _SCORES if word in arrays), None)
    return read_array(arrays[key], scores, f"{name}: {key}")


def read_array(array: Any, scores: Any, name: str) -> PoseFile:
    """Read poses of one person, (T, J, 2), or of several, (M, T, J, 2); a third number is a confidence.

    With more people than frames, the first axis is taken as that of the frames.

    Args:
        array: the poses.
        scores: confidences, of the same axes without the last; or None.
        name: names the array in messages.

    Raises:
        InvalidInput: no such array, too large, or poses in 3D.
    """
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiu" or array.ndim not in (3, 4):
        raise InvalidInput(f"{name}: poses must be numbers (frames, joints, 2), found {_shape(array)}")
    people, notes = array[None] if array.ndim == 3 else array, Notes()
    frames_first = people.shape[0] > people.shape[1]
    if frames_first:
        people = people.swapaxes(0, 1)
        notes.add(f"More people than frames otherwise: the first axis is taken as that of {people.shape[1]} frames.")
    if people.shape[-1] not in (2, 3) or not 1 <= people.shape[0] <= 64 or not 4 <= people.shape[2] <= 512:
        raise InvalidInput(
            f"{name}: poses must be (frames, joints, 2) or (people, frames, joints, 2), found {array.shape}"
        )
    check_frames(people.shape[1], name)
    if people.shape[0] * people.shape[1] * people.shape[2] * 3 > MAX_NUMBERS:
        raise InvalidInput(f"{name}: more than {MAX_NUMBERS:,} numbers; cut it into parts")
    known = _confidences(people, scores, frames_first, name, notes)
    tracks = []
    for number, person in enumerate(people):
        points, sure = clean(person[..., :2].astype(np.float64), known[number], notes)
        frames = np.flatnonzero(~np.isnan(points[..., 0]).all(1))
        if len(frames):
            tracks.append(PoseTrack(str(number + 1), frames, points[frames], sure[frames]))
    if not tracks:
        raise InvalidInput(f"{name}: every joint of every frame is missing")
    tracks.sort(key=lambda track: (-len(track), -track.size))
    return pose_file(name, ARRAY, [FileClip("", people.shape[1], tuple(tracks))], notes, "screen")


def _confidences(people: np.ndarray, scores: Any, frames_first: bool, name: str, notes: Notes) -> np.ndarray:
    """(M, T, J), NaN where the file has none that fit."""
    if people.shape[-1] == 3:
        third = people[..., 2].astype(np.float64)
        seen = third[np.isfinite(third)]
        if (seen < 0).any() or seen.max(initial=0.0) > 1.05:
            raise InvalidInput(
                f"{name}: the third number of a joint lies between {seen.min():.3g} and {seen.max():.3g}, which is no "
                "confidence: poses in 3D? Expected 2D poses (x, y) or (x, y, confidence)"
            )
        return third
    shape = people.shape[:3]
    if isinstance(scores, np.ndarray) and scores.dtype.kind in "fiu":
        known = scores.squeeze().astype(np.float64)
        if frames_first and known.ndim == 3:
            known = known.swapaxes(0, 1)
        # Axes of one may be left out or added; a mere reshape would give joints the confidences of others.
        if known.shape == people[..., 0].squeeze().shape:
            return known.reshape(shape)
        notes.add(f"The confidences {scores.shape} don't fit the poses {people.shape}: they are not used.")
    return np.full(shape, np.nan)


def _shape(array: Any) -> str:
    return str(array.shape) if isinstance(array, np.ndarray) else f"a {type(array).__name__}"
