"""Signs that a file mixed up people: notes for a person to look at, never repairs."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from diffpose_core.io.formats.detections import Notes
from diffpose_core.io.formats.layouts import Layout, to_human36m
from diffpose_core.io.formats.posefile import PoseTrack
from diffpose_core.uncertainty.identity import USUAL_FPS, identities, passers_by

#: A jump of this share of the person's size between two frames is worth a note.
JUMP = 0.75
#: Two people who change places have moved by at least this share of their size.
EXCHANGE = 0.15
#: Share of the person's size that knees and ankles are apart where it matters which leg is which.
LEGS_APART = 0.06


#: Of so many people, those seen longest, each is looked at alone, and of so many each with every other.
_ALONE, _IN_PAIRS = 20, 8


def note_mixed_people(tracks: Sequence[PoseTrack], fps: float | None, notes: Notes) -> None:
    """Note where a file may have mixed up people, each fault once.

    Two who change places are looked for first, then frames that show somebody else, then jumps that have no such cause.

    Args:
        tracks: people of a clip, those seen longest first.
        fps: frames a second, if they are known.
        notes: gets the notes.
    """
    exchanged: dict[str, list[np.ndarray]] = {track.key: [] for track in tracks}
    for one, other in itertools.combinations(tracks[:_IN_PAIRS], 2):
        frames = exchanges(one, other)
        _note_mixed(f"Persons {' and '.join(sorted((one.key, other.key)))} change places", frames, notes)
        exchanged[one.key].append(frames)
        exchanged[other.key].append(frames)
    for track in tracks[:_ALONE]:
        known = np.isin(track.frames, np.concatenate([track.frames[:0], *exchanged[track.key]]))
        other_person = passers_by(identities(track.keypoints, track.confidence, fps or USUAL_FPS, track.frames))
        _note_other_person(track, other_person, known, notes)
        known[1:] |= other_person[1:] | other_person[:-1]
        jumped = jumps(track.keypoints) & (np.diff(track.frames) == 1) & ~known[1:]
        _note_mixed(f"Person {track.key} jumps", track.frames[1:][jumped], notes)


def _note_other_person(track: PoseTrack, other_person: np.ndarray, known: np.ndarray, notes: Notes) -> None:
    """Note frames in which a track shows somebody else and then comes back.

    Args:
        track: of one person.
        other_person: (T,) bool, these frames.
        known: (T,) bool; where such frames begin in one of these, the cause is noted already.
        notes: gets the note.
    """
    begins = other_person & ~np.concatenate(([False], other_person[:-1]))
    stretch = np.cumsum(begins)
    frames = track.frames[other_person & ~np.isin(stretch, stretch[begins & known])]
    if len(frames):
        notes.add(
            f"In {len(frames)} of {len(track)} frames person {track.key} seems to be somebody else, first in frame "
            f"{frames[0]}: the detector may have lost the person there. Tilt, body and neighbouring frames are read "
            "without them."
        )


def jumps(keypoints: np.ndarray) -> np.ndarray:
    """Whether a person jumps by more than a body between two poses that follow each other.

    Args:
        keypoints: (T, J, 2) in any unit, NaN where a joint is missing, at least one joint a pose.

    Returns:
        (T - 1,) bool.
    """
    place, size = _places(keypoints)
    moved: np.ndarray = np.linalg.norm(np.diff(place, axis=0), axis=-1)
    return moved > JUMP * size


def exchanges(one: PoseTrack, other: PoseTrack) -> np.ndarray:
    """Numbers of the frames in which two people have changed places, also those who stand too near for a jump."""
    frames, mine, theirs = np.intersect1d(one.frames, other.frames, assume_unique=True, return_indices=True)
    (place, size), (place_other, size_other) = _places(one.keypoints), _places(other.keypoints)
    pair = np.stack((place[mine], place_other[theirs]))  # (2, F, 2)
    stay = np.linalg.norm(pair[:, 1:] - pair[:, :-1], axis=-1)
    change = np.linalg.norm(pair[::-1, 1:] - pair[:, :-1], axis=-1)
    far = stay.min(0) > EXCHANGE * min(size, size_other)
    exchanged = far & (change.sum(0) < 0.5 * stay.sum(0)) & (np.diff(frames) == 1)
    return np.asarray(frames[1:][exchanged])


def _places(keypoints: np.ndarray) -> tuple[np.ndarray, float]:
    """Middle of a person's box in every frame, (T, 2), and the usual length of its diagonal."""
    low, high = np.nanmin(keypoints, axis=1), np.nanmax(keypoints, axis=1)
    return (low + high) / 2, float(np.median(np.linalg.norm(high - low, axis=-1)))


def _note_mixed(what: str, frames: np.ndarray, notes: Notes) -> None:
    if len(frames):
        more = f" and {len(frames) - 1} times more" if len(frames) > 1 else ""
        notes.add(f"{what} at frame {frames[0]}{more}: the file may have mixed up people there; look at it before you "
                  "trust it.")  # fmt: skip


def note_leg_swaps(track: PoseTrack, layout: Layout, notes: Notes) -> None:
    """Note where left and right leg change places from one frame to the next, as detectors exchange them."""
    poses, _ = to_human36m(layout, track.keypoints, track.confidence)
    legs = poses[:, [[2, 3], [5, 6]]]  # (T, sides, knee and ankle, 2)
    size = float(np.median(np.linalg.norm(np.nanmax(track.keypoints, 1) - np.nanmin(track.keypoints, 1), axis=-1)))
    stay = np.linalg.norm(legs[1:] - legs[:-1], axis=-1).sum((1, 2))
    change = np.linalg.norm(legs[1:, ::-1] - legs[:-1], axis=-1).sum((1, 2))
    apart = np.linalg.norm(legs[:, 0] - legs[:, 1], axis=-1).sum(1)
    with np.errstate(invalid="ignore"):
        # Legs that lie on each other can't be told apart, and need not be.
        far = np.minimum(apart[1:], apart[:-1]) > 2 * LEGS_APART * size
        swapped = far & (change < 0.5 * stay) & (np.diff(track.frames) == 1)
    frames = track.frames[1:][swapped]
    if len(frames):
        more = f" and {len(frames) - 1} times more" if len(frames) > 1 else ""
        notes.add(
            f"Left and right leg of person {track.key} change places at frame {frames[0]}{more}: the detector may have "
            "exchanged them there."
        )
