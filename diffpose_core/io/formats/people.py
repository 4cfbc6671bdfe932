"""Tracks of people from detections: identities, missing joints, and the order in which they are offered."""

from __future__ import annotations

from collections import Counter

import numpy as np

from diffpose_core.io.formats.clean import clean
from diffpose_core.io.formats.detections import Detections, Notes
from diffpose_core.io.formats.doubts import note_mixed_people
from diffpose_core.io.formats.link import MAX_PEOPLE, join_pieces, link
from diffpose_core.io.formats.pieces import note_pieces
from diffpose_core.io.formats.posefile import FileClip, PoseTrack
from diffpose_core.io.limits import check_frames
from diffpose_core.structures import InvalidInput
from diffpose_core.words import short

MAX_TRACKS = 1_000


def build_clip(
    key: str, found: Detections, num_frames: int, label: str, notes: Notes,
    image_size: tuple[int, int] | None = None, fps: float | None = None,
) -> FileClip:  # fmt: skip
    """Link detections into the tracks of a clip's people.

    Args:
        key: the clip's name within the file.
        found: the file's people.
        num_frames: F.
        label: names the file in messages.
        notes: gets the assumptions.
        image_size: (width, height) in pixels, if it is known.
        fps: frames a second, if they are known.

    Raises:
        InvalidInput: nobody is seen, or the clip is too large.
    """
    if not len(found):
        raise InvalidInput(f"{label}: there is nobody in any of its frames")
    check_frames(num_frames, label)
    found = _of_one_length(found, label, notes)
    joints = np.stack(found.joints)
    points, sure = clean(joints[..., :2], joints[..., 2], notes)
    frames, scores = np.array(found.frames, dtype=np.int64), np.nan_to_num(np.array(found.scores, dtype=np.float64))
    seen = ~np.isnan(points[..., 0]).all(1)
    if not seen.any():
        raise InvalidInput(f"{label}: every joint of every frame is missing")
    order = np.lexsort((-scores, frames))
    order = order[seen[order]]
    order = _fewer_people(order, frames, notes)
    order, people, keys = _identified(order, found, frames, points, label, notes)
    tracks = [
        PoseTrack(
            keys[int(people[rows[0]])], frames[order[rows]], points[order[rows]], sure[order[rows]],
            _mixture(found, order[rows]),
        )
        for rows in _rows_of_people(people, points[order], notes)
    ]  # fmt: skip
    ordered = tuple(sorted(tracks, key=lambda track: (-len(track), -track.size)))
    note_mixed_people(ordered, fps, notes)
    clip = FileClip(key, num_frames, ordered, image_size, fps)
    note_pieces(clip, notes)
    return clip


def _mixture(found: Detections, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """Mixtures of a person, as a PoseTrack has them; None where a row lacks them."""
    parts = [part for part in (found.mixtures[row] for row in rows) if part is not None]
    if len(parts) < len(rows):
        return None
    whole = np.stack(parts)
    return whole[..., 0], whole[..., 1:3], whole[..., 3:]


def _identified(
    order: np.ndarray, found: Detections, frames: np.ndarray, points: np.ndarray, label: str, notes: Notes
) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Identities by the file, or by the people's places where it has none.

    Args:
        order: rows by frame, then score.
        found: the file's people.
        frames: (N,) of all rows.
        points: (N, J, 2) of all rows.
        label: names the file in messages.
        notes: gets the assumptions.

    Returns:
        Rows that are kept, a number from 0 for the person of each, and the name of each number.
    """
    identities = [found.ids[i] for i in order]
    if all(identity is not None for identity in identities):
        # As text: a file that writes 1 in some frames and "1" in others means the same person.
        named: dict[str, int] = {}
        people = np.array([named.setdefault(str(identity), len(named)) for identity in identities])
        people, keys = _of_their_own(people, list(named), frames[order], points[order], notes)
        order, people = _one_a_frame(order, people, frames, notes)
        return order, join_pieces(frames[order], points[order], people, keys, notes), keys
    people = link(frames[order], points[order], label)
    keys = [str(n + 1) for n in range(int(people.max()) + 1)]
    if len(keys) > 1 or len(np.unique(frames[order])) < len(order):
        notes.add("The file has no identities: people were followed from frame to frame by where they are.")
    return order, people, keys


def _of_their_own(
    people: np.ndarray, keys: list[str], frames: np.ndarray, points: np.ndarray, notes: Notes
) -> tuple[np.ndarray, list[str]]:
    """Numbers and names of people, where those who share one identity are told apart by their places."""
    people, keys = people.copy(), list(keys)
    for number, key in enumerate(list(keys)):
        rows = np.flatnonzero(people == number)
        _, times = np.unique(frames[rows], return_counts=True)
        if (times > 1).sum() < 3 or (times > 1).mean() < 0.1:
            continue
        linked = link(frames[rows], points[rows], f"identity {short(key)}")
        notes.add(
            f"Several people share the identity {short(key)}: they were told apart by where they are, as {short(key)}, "
            f"{short(key)}.2 and so on."
        )
        people[rows[linked > 0]] = len(keys) - 1 + linked[linked > 0]
        keys += [f"{key}.{n + 1}" for n in range(1, int(linked.max()) + 1)]
    return people, keys


def _rows_of_people(people: np.ndarray, points: np.ndarray, notes: Notes) -> list[np.ndarray]:
    """Rows of each person; of more than MAX_TRACKS those seen in most frames, and of those the largest."""
    rows = np.argsort(people, kind="stable")
    groups = np.split(rows, np.flatnonzero(np.diff(people[rows])) + 1)
    if len(groups) <= MAX_TRACKS:
        return groups
    notes.add(f"{len(groups)} people; the {MAX_TRACKS:,} that are seen longest are kept.")
    area = np.prod(np.nanmax(points, axis=1) - np.nanmin(points, axis=1), axis=-1)
    numbers = people[[group[0] for group in groups]]
    counts = np.bincount(people)[numbers]
    size = np.bincount(people, area)[numbers] / counts
    return [groups[i] for i in np.lexsort((-size, -counts))[:MAX_TRACKS]]


def _of_one_length(found: Detections, label: str, notes: Notes) -> Detections:
    """Detections with the usual number of joints; others are left out.

    Raises:
        InvalidInput: there is no usual number.
    """
    counts = Counter(len(joints) for joints in found.joints)
    ((usual, times), *others) = counts.most_common()
    if not others:
        return found
    if times < 0.9 * len(found):
        raise InvalidInput(
            f"{label}: people have different numbers of joints ({sorted(counts)[:6]}); expected one joint order"
        )
    notes.add(f"{len(found) - times} entries that don't have {usual} joints are left out.")
    kept = Detections(label)
    for row, joints in enumerate(found.joints):
        if len(joints) == usual:
            kept.add(found.frames[row], joints, found.ids[row], found.scores[row], found.mixtures[row])
    return kept


def _fewer_people(order: np.ndarray, frames: np.ndarray, notes: Notes) -> np.ndarray:
    """At most MAX_PEOPLE a frame: the first ones, which are the surest. order: rows by frame, then score."""
    starts = np.flatnonzero(np.diff(frames[order], prepend=frames[order[0]] - 1))
    place = np.arange(len(order)) - np.repeat(starts, np.diff([*starts, len(order)]))
    if (place >= MAX_PEOPLE).any():
        notes.add(f"More than {MAX_PEOPLE} people in a frame: the {MAX_PEOPLE} surest are kept.")
    return order[place < MAX_PEOPLE]


def _one_a_frame(
    order: np.ndarray, people: np.ndarray, frames: np.ndarray, notes: Notes
) -> tuple[np.ndarray, np.ndarray]:
    """A person can be in a frame only once: the surest of several with one identity is kept."""
    _, first = np.unique(np.stack((frames[order], people)), axis=1, return_index=True)
    if len(first) < len(order):
        notes.add(f"{len(order) - len(first)} times one person is in a frame twice: the surer one is kept.")
    kept = np.sort(first)
    return order[kept], people[kept]
