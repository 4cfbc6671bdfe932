"""Pieces of one person: those that a tracker lost for longer, or called by another name for a while, and may be one."""

from __future__ import annotations

import numpy as np

from diffpose_core.io.formats.detections import Notes
from diffpose_core.io.formats.link import LINK_GAP_FRAMES, fits
from diffpose_core.io.formats.posefile import FileClip, PoseTrack
from diffpose_core.words import short

#: Longest absence after which a piece is offered, in frames; how far away it may be, in sizes of the person; and how
#: much larger or smaller.
MAX_GAP_FRAMES, MAX_DISTANCE, MAX_RATIO = 300, 2.0, 1.5
_MAX_SEAMS, _MAX_PIECES = 20, 200


def fitting_pieces(clip: FileClip, track: PoseTrack) -> list[PoseTrack]:
    """People of a clip who may be the same as one of them, in the order in which they fit; never two in a frame.

    Args:
        clip: the clip.
        track: a person of it.
    """
    # A key that holds the sign between keys can't be told from two.
    others = [
        other for other in clip.tracks[:_MAX_PIECES] if other.key != track.key and "+" not in other.key + track.key
    ]
    found: list[PoseTrack] = []
    while True:
        fitting = [other for other in others if _is_same(track, other)]
        if not fitting:
            return found
        nearest = min(fitting, key=lambda other: _longest_gap(track, other))
        found.append(nearest)
        others = [other for other in others if other is not nearest]
        track = track.joined(nearest)


def note_pieces(clip: FileClip, notes: Notes) -> None:
    """Point out pieces that fit the person who is lifted by default."""
    track = clip.tracks[0]
    found = fitting_pieces(clip, track)
    if found:
        together = "+".join([track.key, *(piece.key for piece in found)])
        who = ", ".join(f"{piece.key} (from frame {piece.frames[0]})" for piece in found[:6])
        notes.add(f"Person {track.key} may be the same as {who}: --track {short(together, 80)} takes them as one.")


def _seams(one: PoseTrack, other: PoseTrack) -> list[tuple[PoseTrack, int, PoseTrack, int]]:
    """Places where one follows on the other: whose row comes before, and whose after."""
    frames = np.concatenate((one.frames, other.frames))
    order = np.argsort(frames, kind="stable")
    of_other = order >= len(one)
    seams = []
    for place in np.flatnonzero(np.diff(of_other)):
        before, after = int(order[place]), int(order[place + 1])
        first, second = (other, one) if of_other[place] else (one, other)
        seams.append((first, before - len(one) * (first is other), second, after - len(one) * (second is other)))
    return seams


def _longest_gap(one: PoseTrack, other: PoseTrack) -> int:
    return max(int(second.frames[after] - first.frames[before]) for first, before, second, after in _seams(one, other))


def _is_same(one: PoseTrack, other: PoseTrack) -> bool:
    """Whether two pieces may be one person: never in one frame, and alike where one follows on the other."""
    if np.intersect1d(one.frames, other.frames).size:
        return False
    seams = _seams(one, other)
    return len(seams) <= _MAX_SEAMS and all(_is_alike(*seam) for seam in seams)


def _is_alike(first: PoseTrack, before: int, second: PoseTrack, after: int) -> bool:
    gap = int(second.frames[after] - first.frames[before])
    poses = np.stack((first.keypoints[before], second.keypoints[after])).astype(np.float64)
    if gap <= LINK_GAP_FRAMES:
        return fits(poses, gap)
    low, high = np.nanmin(poses, axis=1), np.nanmax(poses, axis=1)
    sizes = np.linalg.norm(high - low, axis=-1)
    if gap > MAX_GAP_FRAMES or not sizes.min() > 0 or sizes.max() > MAX_RATIO * sizes.min():
        return False
    moved = float(np.linalg.norm((low + high)[1] - (low + high)[0]) / 2)
    return moved < MAX_DISTANCE * float(np.sqrt(sizes.prod()))
