"""Frames of a clip in which the detector follows somebody else for a while, told apart by how the 2D pose jumps."""

from __future__ import annotations

import weakref

import numpy as np

from diffpose_core.structures import PoseClip2D

#: Jump of the median joint in 1/30 s beyond the motion before or after it, in units of the person's size.
JUMP = 0.3
#: Frames a second of JUMP, and of a track that does not say its own.
USUAL_FPS = 30.0
_LEAST_JUMP = 0.15
#: A person who is not seen may move on by this many sizes a second, and by so many in all.
_WALK, _FARTHEST = 3.0, 1.0
#: Fewest frames without a jump that count as somebody else even if the first person is not seen again.
_FEWEST = 3
#: How many people are remembered.
_PEOPLE = 8


#: People of clips that are in use, by the address of their 2D poses: a long clip is lifted in many blocks.
_known: dict[int, np.ndarray] = {}


def people_of(clip: PoseClip2D) -> np.ndarray:
    """`identities` of a clip, (F,), found once for as long as the clip exists."""
    points = clip.keypoints_px
    found = _known.get(id(points))
    if found is None:
        found = identities(points, clip.confidence, clip.fps)
        _known[id(points)] = found
        weakref.finalize(points, _known.pop, id(points), None)
    return found


def identities(
    keypoints_px: np.ndarray, confidence: np.ndarray, fps: float, frames: np.ndarray | None = None
) -> np.ndarray:
    """Numbers of the people that a track follows, pose by pose.

    A track that jumps goes on with the person whose last pose is near, if there is one. Else it is somebody new, if
    some frames without a jump follow or if it comes back within a second. A person who runs through the picture at an
    even speed does not jump. After frames without anybody a person may be further away.

    Args:
        keypoints_px: (T, J, 2), any unit.
        confidence: (T, J); joints with 0 are not read, and a pose without any is of the person before.
        fps: frames a second.
        frames: (T,) growing numbers of the poses' frames; 0, 1, 2 and so on by default.

    Returns:
        (T,) int64, 0 for the person of the first pose.
    """
    seen = np.flatnonzero((confidence > 0).any(1))
    if len(seen) < 3:
        return np.zeros(len(keypoints_px), dtype=np.int64)
    places = _in_sizes(np.where(confidence[seen][..., None] > 0, keypoints_px[seen], np.nan))
    found = _people(places, seen if frames is None else frames[seen], fps)
    return found[np.maximum(np.searchsorted(seen, np.arange(len(keypoints_px)), side="right") - 1, 0)]


def _people(places: np.ndarray, frames: np.ndarray, fps: float) -> np.ndarray:
    """`identities` of poses (T, J, 2) in units of the person's size. frames: (T,), their numbers."""
    found = np.zeros(len(places), dtype=np.int64)
    limit = max(_LEAST_JUMP, JUMP * USUAL_FPS / fps)

    def reach(away: np.ndarray) -> np.ndarray:
        """Farthest way of a person who was not seen for some frames, in sizes."""
        return np.minimum(limit + _WALK * away / fps, max(_FARTHEST, limit))

    elapsed = np.diff(frames)
    cuts = 1 + np.flatnonzero(_steps(places, elapsed) > reach(elapsed - 1))
    if len(cuts) == 0:
        return found
    last = {0: int(cuts[0]) - 1}
    for begin, end in zip(cuts, [*cuts[1:], len(found)], strict=True):
        before = int(found[begin - 1])
        recent = sorted(last, key=lambda person: -last[person])[:_PEOPLE]
        seen = np.array([last[person] for person in recent])
        away = _apart(places[begin], places[seen]) / reach(frames[begin] - frames[seen] - 1)
        later = places[end : np.searchsorted(frames, frames[end - 1] + 1 + max(1, round(fps)))]
        if away.min() <= 1.0:
            person = recent[int(away.argmin())]
        elif end - begin >= _FEWEST or (_apart(later, places[last[before]]) <= limit).any():
            person = len(last)
        else:
            person = before
        found[begin:end], last[person] = person, end - 1
    return found


def passers_by(people: np.ndarray) -> np.ndarray:
    """Whether a frame shows somebody else than the one who is seen most, mostly between two frames of that person.

    Who is seen only before or after that person counts as the same person after a cut.

    Args:
        people: (F,) as `identities` returns them.

    Returns:
        (F,) bool.
    """
    most = np.flatnonzero(people == np.bincount(people).argmax())
    inside = np.zeros(len(people), dtype=bool)
    inside[most[0] : most[-1]] = True
    between = np.bincount(people, inside) > 0.5 * np.bincount(people)
    between[people[most[0]]] = False
    return np.asarray(between[people])


def own_frames(other_person: np.ndarray) -> np.ndarray:
    """Frames that tell something about the person of a clip: (F,) bool.

    Args:
        other_person: (F,) bool, frames that show somebody else. Where all of them do, all are taken.
    """
    return np.asarray(~other_person | other_person.all())


def bridged(values: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """Values over time with straight lines through the frames that are not kept, level before the first kept one and
    after the last.

    Args:
        values: (F, ...).
        kept: (F,) bool, at least one of them True.

    Returns:
        (F, ...).
    """
    if kept.all():
        return values
    frames = np.arange(len(values))
    columns = values[kept].reshape(int(kept.sum()), -1).T
    lines = np.stack([np.interp(frames, frames[kept], column) for column in columns], axis=-1)
    return lines.reshape(values.shape).astype(values.dtype)


def _steps(places: np.ndarray, elapsed: np.ndarray) -> np.ndarray:
    """Distance that the median joint moves to the next pose, beyond the motion before or after it where that is less.

    Args:
        places: (T, J, 2).
        elapsed: (T - 1,), frames from a pose to the next.

    Returns:
        (T - 1,).
    """
    moved = np.diff(places, axis=0)
    speed = _median(moved.swapaxes(1, 2)) / elapsed[:, None]
    still = np.zeros((1, 2))
    others = (np.zeros_like(speed), np.concatenate((still, speed[:-1])), np.concatenate((speed[1:], still)))
    zero = np.zeros_like(places[0])
    return np.min([_apart(moved - (elapsed[:, None] * other)[:, None], zero) for other in others], axis=0)


def _in_sizes(keypoints: np.ndarray) -> np.ndarray:
    """Poses (F, J, 2) in units of the person's usual size, the root mean square distance of the joints from their
    centre; NaN where a joint is not seen.
    """
    known = keypoints[np.isfinite(keypoints).all(-1).any(-1)].astype(np.float64)
    if not len(known):
        return keypoints
    away = known - np.nanmean(known, axis=1, keepdims=True)
    sizes = np.sqrt(np.nanmean(np.square(away).sum(-1), axis=1))
    return np.asarray(keypoints / max(float(np.median(sizes)), 1e-9))


def _apart(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Distance of the median joint of poses (..., J, 2); 0 where no joint is seen in both."""
    away = one - other
    return _median(np.sqrt(np.square(away).sum(-1)))


def _median(values: np.ndarray) -> np.ndarray:
    """Median over the last axis of the values that are no NaN, 0 where there are none; much faster than nanmedian."""
    count = np.isfinite(values).sum(-1)[..., None]
    ordered = np.sort(values, axis=-1)
    pair = [np.take_along_axis(ordered, np.maximum(at, 0), axis=-1) for at in ((count - 1) // 2, count // 2)]
    return np.asarray(np.where(count > 0, (pair[0] + pair[1]) / 2, 0.0)[..., 0])
