"""PYSKL's and MMAction2's skeleton files: a pickle of annotations, each a clip with several people."""

from __future__ import annotations

from typing import Any

import numpy as np

from diffpose_core.io.formats.build import pose_file
from diffpose_core.io.formats.clean import clean
from diffpose_core.io.formats.detections import Notes
from diffpose_core.io.formats.posefile import FileClip, PoseFile, PoseTrack
from diffpose_core.io.limits import MAX_FILE_NUMBERS, MAX_IMAGE_SIDE, MAX_NUMBERS, check_frames
from diffpose_core.io.untrusted.pickle import restricted_unpickle
from diffpose_core.structures import InvalidInput
from diffpose_core.words import short

PYSKL = "PYSKL"
_MAX_CLIPS = 10_000


def read_pickle(content: bytes, name: str) -> PoseFile:
    """Read a pickle through the restricted unpickler, which runs nothing.

    Raises:
        InvalidInput: other objects in it, or no annotations of 2D poses.
    """
    data = restricted_unpickle(content, name)
    rows = data.get("annotations") if isinstance(data, dict) else data
    if isinstance(data, dict) and "keypoint" in data:
        rows = [data]
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) and "keypoint" in row for row in rows):
        raise InvalidInput(
            f"{name}: a pickle; of those, PYSKL's and MMAction2's are read (annotations with keypoint, keypoint_score)"
        )
    notes, count = Notes(), 0
    clips: list[FileClip] = []
    for row in rows[:_MAX_CLIPS]:
        count += int(np.prod(np.shape(row["keypoint"])[:3])) * 3
        if count > MAX_FILE_NUMBERS:
            raise InvalidInput(f"{name}: more than {MAX_FILE_NUMBERS:,} numbers in all its clips; cut it into parts")
        clip = _clip(row, len(clips), name, notes)
        if clip is not None:
            clips.append(clip)
    if len(rows) > _MAX_CLIPS:
        notes.add(f"{len(rows):,} clips; the first {_MAX_CLIPS:,} are read.")
    if not clips:
        raise InvalidInput(f"{name}: there is nobody in any of its clips")
    return pose_file(name, PYSKL, clips, notes, "screen")


def _clip(row: dict[str, Any], number: int, name: str, notes: Notes) -> FileClip | None:
    key = str(row.get("frame_dir", f"clip {number + 1}"))[:200]
    points = row["keypoint"]
    if not isinstance(points, np.ndarray) or points.dtype.kind not in "fiu" or points.ndim != 4:
        raise InvalidInput(f"{name}: {short(key, 60)}: keypoint must be an array (people, frames, joints, 2)")
    if points.shape[-1] == 3:
        raise InvalidInput(
            f"{name}: {short(key, 60)}: keypoint of three numbers a joint: poses in 3D; expected 2D poses"
        )
    if points.shape[-1] != 2 or points.size > MAX_NUMBERS or not 4 <= points.shape[2] <= 512:
        raise InvalidInput(
            f"{name}: {short(key, 60)}: keypoint must be (people, frames, joints, 2), found {points.shape}"
        )
    check_frames(points.shape[1], name)
    scores = row.get("keypoint_score")
    known = np.full(points.shape[:3], np.nan)
    if isinstance(scores, np.ndarray) and scores.dtype.kind in "fiu" and scores.shape == points.shape[:3]:
        known = scores.astype(np.float64)
    elif scores is not None:
        notes.add("A keypoint_score that doesn't fit its keypoint is not used.")
    tracks = []
    for person in range(min(len(points), 64)):
        places, sure = clean(points[person].astype(np.float64), known[person], notes)
        frames = np.flatnonzero(~np.isnan(places[..., 0]).all(1))
        if len(frames):
            tracks.append(PoseTrack(str(person + 1), frames, places[frames], sure[frames]))
    tracks.sort(key=lambda track: (-len(track), -track.size))
    shape = row.get("img_shape", row.get("original_shape"))
    whole = isinstance(shape, (list, tuple)) and len(shape) == 2 and all(
        isinstance(side, int) and 0 < side <= MAX_IMAGE_SIDE for side in shape)  # fmt: skip
    # Height comes first there.
    size = (int(shape[1]), int(shape[0])) if whole and shape is not None else None
    return FileClip(key, points.shape[1], tuple(tracks), size) if tracks else None
