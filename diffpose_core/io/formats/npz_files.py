"""Readers of .npz files with pickled containers: VideoPose3D, DiffPose GMM and Detectron."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from diffpose_core.io.formats.build import pose_file
from diffpose_core.io.formats.clean import clean
from diffpose_core.io.formats.detections import Detections, Notes
from diffpose_core.io.formats.json_values import size_and_fps
from diffpose_core.io.formats.layouts import COCO17, HUMAN36M
from diffpose_core.io.formats.people import build_clip
from diffpose_core.io.formats.posefile import FileClip, LayoutGuess, PoseFile, PoseTrack
from diffpose_core.io.formats.recognise import layout_by_geometry
from diffpose_core.io.limits import MAX_FILE_NUMBERS, MAX_NUMBERS, check_frames
from diffpose_core.io.untrusted.npz import read_npz
from diffpose_core.structures import InvalidInput
from diffpose_core.words import quoted, short

VIDEOPOSE3D, GMM, DETECTRON = "VideoPose3D", "DiffPose GMM", "Detectron"
MAX_CLIPS = 10_000
#: A joint with this logit (Detectron) or this probability (Detectron2) counts as half sure: their own thresholds for
#: drawing one.
_HALF_LOGIT, _HALF_PROBABILITY = 2.0, 0.05


def read_videopose3d(content: bytes, name: str) -> PoseFile:
    """VideoPose3D's positions_2d (subject -> action -> cameras' poses), or DiffPose's with the joints' mixtures."""
    arrays = read_npz(content, name, ("positions_2d", "metadata"), objects=True)
    metadata = arrays.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    videos = metadata.get("video_metadata")
    notes, mixtures, numbers = Notes(), False, 0
    clips: list[FileClip] = []
    for subject, key, poses in _cameras(arrays["positions_2d"], name):
        if len(clips) == MAX_CLIPS:
            raise InvalidInput(f"{name}: more than {MAX_CLIPS:,} clips; the limit is {MAX_CLIPS:,}")
        numbers += _numbers_of(poses, f"{name}: {short(key, 60)}")
        if numbers > MAX_FILE_NUMBERS:
            raise InvalidInput(f"{name}: more than {MAX_FILE_NUMBERS:,} numbers in all its clips; cut it into parts")
        about = videos.get(subject) if isinstance(videos, dict) else None
        size, fps = size_and_fps(about if isinstance(about, dict) else {})
        track = _track(poses, f"{name}: {short(key, 60)}", notes)
        mixtures = mixtures or track.mixture is not None
        if len(track):
            clips.append(FileClip(key, len(poses), (track,), size, fps))
        else:
            notes.add("Clips without a single joint are left out.")
    if not clips:
        raise InvalidInput(f"{name}: no clip with poses in positions_2d")
    layouts = _layout_of_metadata(metadata, clips, notes)
    return pose_file(name, GMM if mixtures else VIDEOPOSE3D, clips, notes, "screen", layouts)


def _cameras(subjects: Any, name: str) -> Iterator[tuple[str, str, np.ndarray]]:
    """(subject, clip key, poses) of every camera."""
    if not isinstance(subjects, dict):
        raise InvalidInput(f"{name}: positions_2d must be a dict of subjects, found a {type(subjects).__name__}")
    for subject, actions in subjects.items():
        if not isinstance(actions, dict):
            raise InvalidInput(f"{name}: positions_2d[{quoted(subject)}] must be a dict of actions")
        for action, cameras in actions.items():
            if isinstance(cameras, np.ndarray) and cameras.ndim in (3, 4) and cameras.shape[-1] in (2, 3, 5):
                # One array a camera, or one array over the cameras; poses alone are of one camera.
                cameras = list(cameras) if cameras.ndim == 4 and cameras.shape[-1] < 5 else [cameras]
            if not isinstance(cameras, (list, np.ndarray)):
                raise InvalidInput(f"{name}: {short(subject)} / {short(action)} must be a list of cameras' poses")
            for number, poses in enumerate(cameras):
                key = f"{subject[:80]} / {action[:80]} / camera {number}" if len(cameras) > 1 else (
                    f"{subject[:80]} / {action[:80]}")  # fmt: skip
                if not isinstance(poses, np.ndarray) or poses.dtype.kind not in "fiu":
                    raise InvalidInput(f"{name}: {key}: an array of poses expected, found a {type(poses).__name__}")
                yield subject, key, poses


def _numbers_of(poses: np.ndarray, label: str) -> int:
    """Numbers that poses are read to, which are more than their bytes where they are stored in 8 bits."""
    joints = int(np.prod(poses.shape[:2]))
    numbers = joints * 3 + (5 * joints * poses.shape[2] if poses.ndim == 4 else 0)
    if numbers > MAX_NUMBERS:
        raise InvalidInput(f"{label}: more than {MAX_NUMBERS:,} numbers in one clip; cut it into parts")
    return numbers


def _track(poses: np.ndarray, label: str, notes: Notes) -> PoseTrack:
    """One camera's poses, (T, J, 2), (T, J, 3) with confidences, or (T, J, K, 5) of weight, u, v, var_u, var_v."""
    check_frames(len(poses), label)
    if poses.ndim == 4 and poses.shape[-1] == 5 and 0 < poses.shape[2] <= 64 and poses.shape[1] <= 512:
        return _gmm_track(poses, label, notes)
    if poses.ndim != 3 or poses.shape[-1] not in (2, 3) or not 0 < poses.shape[1] <= 512:
        raise InvalidInput(f"{label}: poses must be (T, J, 2) or (T, J, K, 5), found {poses.shape}")
    known = poses[..., 2] if poses.shape[-1] == 3 else np.full(poses.shape[:2], np.nan)
    points, sure = clean(poses[..., :2], known, notes)
    frames = np.flatnonzero(~np.isnan(points[..., 0]).all(1))
    return PoseTrack("1", frames, points[frames], sure[frames])


def _gmm_track(poses: np.ndarray, label: str, notes: Notes) -> PoseTrack:
    with np.errstate(over="ignore", invalid="ignore"):
        weights, means, variances = (
            np.asarray(a, dtype=np.float32) for a in (poses[..., 0], poses[..., 1:3], poses[..., 3:])
        )
    usable = np.isfinite(means).all(-1) & np.isfinite(variances).all(-1) & (variances > 0).all(-1)
    usable &= np.isfinite(weights) & (weights > 0) & (np.abs(means) < 1e6).all(-1)
    usable &= ((variances > 1e-12) & (variances < 1e12)).all(-1)
    if (~usable & (weights > 0)).any():
        notes.add("Modes with variances or places that aren't finite, or variances not above 0, are left out.")
    weights = np.where(usable, np.minimum(weights, 1e6), 0.0)
    total = weights.sum(-1, keepdims=True)
    if (total[usable.any(-1)] > 1.001).any() or (total[usable.any(-1)] < 0.999).any():
        notes.add("Mixture weights that don't sum to 1 are divided by their sum.")
    missing = total[..., 0] <= 0
    weights = np.divide(weights, total, out=np.zeros_like(weights), where=total > 0)
    weights[..., 0][missing] = 1.0
    means, variances = np.where(usable[..., None], means, 0.0), np.where(usable[..., None], variances, 1.0)
    best = np.take_along_axis(means, weights.argmax(-1)[..., None, None], axis=2)[:, :, 0]
    points, sure = clean(np.where(missing[..., None], np.nan, best), np.ones(missing.shape), notes)
    frames = np.flatnonzero(~np.isnan(points[..., 0]).all(1))
    mixture = tuple(a[frames].astype(np.float32) for a in (weights, means, variances))
    return PoseTrack("1", frames, points[frames], sure[frames], (mixture[0], mixture[1], mixture[2]))


def _layout_of_metadata(
    metadata: dict[str, Any], clips: list[FileClip], notes: Notes
) -> tuple[tuple[LayoutGuess, ...], bool] | None:
    """The joint order that the metadata names, where it does; the other one of 17 joints can still be chosen."""
    if {track.keypoints.shape[1] for clip in clips for track in clip.tracks} != {17}:
        return None
    named = str(metadata.get("layout_name", "")).lower()[:40]
    for layout, words in ((HUMAN36M, ("h36m", "human36m", "human3.6m")), (COCO17, ("coco",))):
        if named in words:
            other = COCO17 if layout is HUMAN36M else HUMAN36M
            seen = layout_by_geometry(clips)
            # Where the joints' places speak clearly against the name, a person has to look at it.
            against = seen[0].layout is other and seen[0].reason != seen[1].reason
            if against:
                notes.add(f"The file calls its joint order {named!r}, but the poses look like {other.name}.")
            return (LayoutGuess(layout, f"the file's layout_name {named!r}"), LayoutGuess(other, "17 joints")), against
    return None


def read_detectron(content: bytes, name: str) -> PoseFile:
    """Detectron's detections as VideoPose3D's scripts save them: a frame's people as (N, 4, 17) of x, y, logit and
    probability.
    """
    arrays = read_npz(content, name, ("boxes", "keypoints", "metadata"), objects=True)
    notes, found = Notes(), Detections(name)
    frames, boxes = _rows(arrays["keypoints"], name), _rows(arrays["boxes"], name)
    check_frames(len(frames), name)
    if len(boxes) != len(frames):
        raise InvalidInput(f"{name}: keypoints of {len(frames)} frames, but boxes of {len(boxes)}")
    people, numbers = [], 0
    for t, frame in enumerate(frames):
        people.append(_people_of(frame, f"{name}: keypoints of frame {t}"))
        numbers += sum(person.size for person in people[-1])
        if numbers > MAX_NUMBERS:
            raise InvalidInput(f"{name}: more than {MAX_NUMBERS:,} numbers; cut the clip into parts")
    logits = any(person[2].any() for frame in people for person in frame)
    for t, frame in enumerate(people):
        scores = _scores_of(boxes[t])
        for number, found_person in enumerate(frame):
            person = found_person.astype(np.float64)
            with np.errstate(over="ignore", invalid="ignore"):
                sure = (
                    1 / (1 + np.exp(_HALF_LOGIT - person[2])) if logits else person[3] / (person[3] + _HALF_PROBABILITY)
                )
            values = np.column_stack((person[0], person[1], sure))
            found.add(t, values, None, scores[number] if number < len(scores) else 0.0)
    what = f"a logit of {_HALF_LOGIT:g}" if logits else f"a probability of {_HALF_PROBABILITY:g}"
    notes.add(f"Confidences are made from the heatmaps' peaks: {what} counts as half sure.")
    metadata = arrays.get("metadata")
    size, fps = size_and_fps(metadata if isinstance(metadata, dict) else {})
    clip = build_clip("", found, len(frames), name, notes, size, fps)
    layouts = None
    if clip.tracks[0].keypoints.shape[1] == 17:
        layouts = (LayoutGuess(COCO17, "Detectron's people have 17 joints in COCO's order"),), False
    return pose_file(name, DETECTRON, [clip], notes, "screen", layouts)


def _rows(values: Any, name: str) -> list[Any]:
    if not isinstance(values, (list, np.ndarray)) or len(np.shape(values[:0])) < 1:
        raise InvalidInput(f"{name}: a list of frames expected, as Detectron's people are saved")
    return list(values)


def _people_of(frame: Any, label: str) -> list[np.ndarray]:
    """A frame's people, each (4, J); class 1 of the detector's classes."""
    if not isinstance(frame, (list, np.ndarray)) or len(frame) < 2:
        return []
    people = frame[1]
    if people is None or (isinstance(people, (list, np.ndarray)) and len(people) == 0):
        return []
    try:
        array = np.asarray(people)
    except (TypeError, ValueError):
        raise InvalidInput(f"{label}: arrays of numbers expected") from None
    if array.dtype.kind not in "fiub":
        raise InvalidInput(f"{label}: arrays of numbers expected")
    if array.ndim != 3 or array.shape[1] != 4 or array.shape[2] == 0:
        raise InvalidInput(f"{label}: must be (people, 4, 17), found {array.shape}")
    return list(array)


def _scores_of(frame: Any) -> list[float]:
    boxes = frame[1] if isinstance(frame, (list, np.ndarray)) and len(frame) > 1 else None
    if isinstance(boxes, np.ndarray) and boxes.ndim == 2 and boxes.shape[1] >= 5 and boxes.dtype.kind in "fiu":
        return [float(score) for score in boxes[:, 4]]
    return []
