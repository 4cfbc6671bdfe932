"""From detections, frame by frame, to people: identities, what is missing, and the order in which they are offered."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from diffpose_core.io.formats.posefile import FileClip, PoseTrack
from diffpose_core.structures import InvalidInput

MAX_FRAMES = 100_000
MAX_PEOPLE = 64
MAX_TRACKS = 1_000
MAX_NUMBERS = 20_000_000
#: Where a file has no identities: a person may be away for this many frames and come back as the same one ...
LINK_GAP_FRAMES = 15
#: ... if the joints moved less than this share of the person's size since the last frame in which they were seen.
LINK_DISTANCE = 0.6
#: A jump of this share of the person's size between two frames is worth a word.
JUMP = 0.75
#: Two people who change places have moved by at least this share of their size.
EXCHANGE = 0.15
#: Coordinates beyond this, in pixels, are none.
_FARTHEST = 1e6


@dataclass
class Detections:
    """People as they were found, one entry a person and frame, in the file's order.

    frames: numbers of the frames. joints: each (J, 3) of x, y and confidence, NaN where the file says nothing. ids:
    identities by the file, None where it has none. scores: of the whole person.
    """

    frames: list[int] = field(default_factory=list)
    joints: list[np.ndarray] = field(default_factory=list)
    ids: list[Any] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    numbers: int = 0

    def add(self, frame: int, joints: np.ndarray, identity: Any = None, score: float = 0.0) -> None:
        """Add a person. Raises InvalidInput where they become too many."""
        self.numbers += joints.size
        if self.numbers > MAX_NUMBERS:
            raise InvalidInput(f"more than {MAX_NUMBERS:,} numbers in one clip; cut it into parts")
        self.frames.append(frame)
        self.joints.append(joints)
        self.ids.append(identity)
        self.scores.append(score)

    def extend(self, people: Detections, frame: int) -> None:
        """Add all people of another, in one frame."""
        for joints, identity, score in zip(people.joints, people.ids, people.scores, strict=True):
            self.add(frame, joints, identity, score)

    def __len__(self) -> int:
        return len(self.frames)


class Notes:
    """Sentences about what was assumed or repaired, each once."""

    def __init__(self) -> None:
        self._said: dict[str, None] = {}

    def add(self, sentence: str) -> None:
        self._said[sentence] = None

    def __iter__(self) -> Any:
        return iter(self._said)


def frame_numbers(labels: Sequence[Any], label: str, notes: Notes) -> dict[Any, int]:
    """Numbers from 0 of the frames that file names or ids stand for.

    The last number in a name counts. Numbers that start elsewhere, or that rise in equal steps, are brought to 0, 1,
    2 ...; names without numbers count in their order. Raises InvalidInput where they span too many frames.
    """
    unique = list(dict.fromkeys(labels))
    if not unique:
        return {}
    numbers = [_number(item) for item in unique]
    if None in numbers or len(set(numbers)) < len(unique):
        if len(unique) > 1:
            notes.add("The names of the frames hold no number of their own: frames are taken in the file's order.")
        return {item: place for place, item in enumerate(unique)}
    found = np.array(sorted(n for n in numbers if n is not None), dtype=object)
    first = int(found[0])
    step = 1
    if len(found) > 2:
        step = int(np.gcd.reduce(found[1:] - found[:-1]))
    if step > 1:
        notes.add(f"Frame numbers rise in steps of {step}: taken as consecutive (so give the frame rate that is left).")
    if first != 0 and len(found) > 1:
        notes.add(f"The first frame is number {first if abs(first) < 10**9 else 'with many digits'}: shown as frame 0.")
    check_frames((int(found[-1]) - first) // step + 1, label)
    return {item: (n - first) // step for item, n in zip(unique, numbers, strict=True) if n is not None}


def _number(item: Any) -> int | None:
    if isinstance(item, bool):
        return None
    if isinstance(item, (int, np.integer)):
        return int(item) if abs(int(item)) < 10**30 else None
    if isinstance(item, float):
        return int(item) if item.is_integer() and abs(item) < 2**53 else None
    stem = re.sub(r"(_keypoints)?(\.\w{1,5})*$", "", str(item)[-200:], flags=re.IGNORECASE)
    digits = re.findall(r"\d+", stem)
    return int(digits[-1][-18:]) if digits else None


def check_frames(count: int, label: str) -> None:
    """Refuse a clip that is longer than MAX_FRAMES."""
    if count > MAX_FRAMES:
        shown = f"{count} frames" if count < 10**12 else "frame numbers with many digits"
        raise InvalidInput(f"{label}: {shown}; the limit is {MAX_FRAMES:,} frames. Cut the clip into parts")


def clean(keypoints: np.ndarray, confidence: np.ndarray, notes: Notes) -> tuple[np.ndarray, np.ndarray]:
    """Missing joints marked and confidences brought to 0 to 1.

    keypoints: (N, J, 2). confidence: (N, J), NaN where the file says nothing. A joint is missing at exactly (0, 0),
    where it isn't a number, or with confidence 0. Returns float32 keypoints, NaN where missing, and confidences, 0
    there.
    """
    confidence = scaled_confidence(confidence, notes)
    with np.errstate(invalid="ignore", over="ignore"):
        far = ~(np.abs(keypoints) < _FARTHEST).all(-1) & ~np.isnan(keypoints).any(-1)
    if far.any():
        notes.add(f"{int(far.sum())} joints lie at infinity or more than a million pixels away: taken as missing.")
    zero = (keypoints == 0).all(-1)
    missing = far | zero | np.isnan(keypoints).any(-1) | (confidence == 0)
    if (zero & (confidence > 0)).any():
        notes.add("Joints at exactly (0, 0) are taken as missing.")
    points = np.where(missing[..., None], np.nan, keypoints).astype(np.float32)
    return points, np.where(missing, 0.0, confidence).astype(np.float32)


def scaled_confidence(confidence: np.ndarray, notes: Notes) -> np.ndarray:
    """Confidences in [0, 1], whatever the detector's range; where the file says nothing, 1."""
    known = np.isfinite(confidence)
    if not known.all():
        if not known.any():
            notes.add("The file has no confidences: every joint that is placed counts as sure.")
            return np.ones_like(confidence, dtype=np.float64)
        notes.add("Joints whose confidence isn't a number are taken as missing.")
    values = np.where(known, confidence, 0.0)
    if (values < 0).any():
        notes.add("Confidences below 0 are taken as 0: missing.")
    values = np.maximum(values, 0.0)
    most = float(values.max(initial=0.0))
    if most <= 1:
        return values
    usual = float(np.percentile(values[values > 0], 95))
    if usual <= 2:
        notes.add(f"Confidences reach {most:.2f}: those above 1 are taken as 1.")
        return np.minimum(values, 1.0)
    top, why = (100.0, "taken as percent") if 10 < most <= 100 else (most, "divided by the largest")
    notes.add(f"Confidences reach {most:.4g}: {why}.")
    return values / top


def build_clip(
    key: str, found: Detections, num_frames: int, label: str, notes: Notes,
    image_size: tuple[int, int] | None = None, fps: float | None = None,
) -> FileClip:  # fmt: skip
    """Put detections together to a clip's people. Raises InvalidInput where nobody is seen in it."""
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
    identities = [found.ids[i] for i in order]
    if all(identity is not None for identity in identities):
        named: dict[Any, int] = {}
        people = np.array([named.setdefault(identity, len(named)) for identity in identities])
        keys = [str(identity) for identity in named]
        order, people = _one_a_frame(order, people, frames, notes)
    else:
        people = link(frames[order], points[order])
        keys = [str(n + 1) for n in range(int(people.max()) + 1)]
        if len(keys) > 1 or len(np.unique(frames[order])) < len(order):
            notes.add("The file has no identities: people were followed from frame to frame by where they are.")
    rows = np.argsort(people, kind="stable")
    groups = np.split(rows, np.flatnonzero(np.diff(people[rows])) + 1)
    tracks = [
        PoseTrack(keys[int(people[group[0]])], frames[order[group]], points[order[group]], sure[order[group]])
        for group in groups
    ]
    ordered = default_order(tracks, notes)
    for track in ordered[:20]:
        _note_jumps(track, notes)
    for one, other in itertools.combinations(ordered[:8], 2):
        _note_exchanges(one, other, notes)
    return FileClip(key, num_frames, ordered, image_size, fps)


def _note_jumps(track: PoseTrack, notes: Notes) -> None:
    """Say where a person jumps by more than a body from one frame to the next: identities may have been exchanged."""
    place, size = _places(track)
    moved = np.linalg.norm(np.diff(place, axis=0), axis=-1)
    _note_mixed(
        f"Person {track.key} jumps", track.frames[1:][(moved > JUMP * size) & (np.diff(track.frames) == 1)], notes
    )


def _note_exchanges(one: PoseTrack, other: PoseTrack, notes: Notes) -> None:
    """Say where two people change places from one frame to the next, who may stand too near each other for a jump."""
    frames, mine, theirs = np.intersect1d(one.frames, other.frames, assume_unique=True, return_indices=True)
    (place, size), (place_other, size_other) = _places(one), _places(other)
    pair = np.stack((place[mine], place_other[theirs]))  # (2, F, 2)
    stay = np.linalg.norm(pair[:, 1:] - pair[:, :-1], axis=-1)
    change = np.linalg.norm(pair[::-1, 1:] - pair[:, :-1], axis=-1)
    far = stay.min(0) > EXCHANGE * min(size, size_other)
    exchanged = far & (change.sum(0) < 0.5 * stay.sum(0)) & (np.diff(frames) == 1)
    _note_mixed(f"Persons {' and '.join(sorted((one.key, other.key)))} change places", frames[1:][exchanged], notes)


def _places(track: PoseTrack) -> tuple[np.ndarray, float]:
    """Middle of a person's box in every frame, (T, 2), and the usual length of its diagonal."""
    low, high = np.nanmin(track.keypoints, axis=1), np.nanmax(track.keypoints, axis=1)
    return (low + high) / 2, float(np.median(np.linalg.norm(high - low, axis=-1)))


def _note_mixed(what: str, frames: np.ndarray, notes: Notes) -> None:
    if len(frames):
        more = f" and {len(frames) - 1} times more" if len(frames) > 1 else ""
        notes.add(f"{what} at frame {frames[0]}{more}: the file may have mixed up people there; look at it before you "
                  "trust it.")  # fmt: skip


def _of_one_length(found: Detections, label: str, notes: Notes) -> Detections:
    """The detections with the usual number of joints. Raises InvalidInput where there is no usual one."""
    counts = Counter(len(joints) for joints in found.joints)
    ((usual, times), *others) = counts.most_common()
    if not others:
        return found
    if times < 0.9 * len(found):
        raise InvalidInput(
            f"{label}: people have different numbers of joints ({sorted(counts)[:6]}); expected one joint order"
        )
    notes.add(f"{len(found) - times} entries that don't have {usual} joints are left out.")
    kept = Detections()
    for row, joints in enumerate(found.joints):
        if len(joints) == usual:
            kept.add(found.frames[row], joints, found.ids[row], found.scores[row])
    return kept


def default_order(tracks: list[PoseTrack], notes: Notes) -> tuple[PoseTrack, ...]:
    """People in the order in which they are offered: seen in most frames first, then largest; at most MAX_TRACKS."""
    ordered = sorted(tracks, key=lambda track: (-len(track), -track.size))
    if len(ordered) > MAX_TRACKS:
        notes.add(f"{len(ordered)} people; the {MAX_TRACKS:,} that are seen longest are kept.")
    return tuple(ordered[:MAX_TRACKS])


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


def link(frames: np.ndarray, keypoints: np.ndarray) -> np.ndarray:
    """Identities of people by where they are: in each frame those of before are matched to those of now.

    frames: (N,), rising. keypoints: (N, J, 2), NaN where missing. The cost of a match is the mean distance of the
    joints that both have, relative to the person's size; the assignment is the cheapest (Hungarian algorithm).
    Returns (N,) identities from 0.
    """
    from scipy.optimize import linear_sum_assignment  # slow to load, and most files bring identities

    people = np.zeros(len(frames), dtype=np.int64)
    low, high = np.nanmin(keypoints, axis=1), np.nanmax(keypoints, axis=1)
    size = np.linalg.norm(high - low, axis=-1)
    # One of whom hardly a joint is seen has no size of its own.
    size = np.maximum(size, max(0.1 * float(np.median(size)), 1e-6))
    count = 0
    last: dict[int, int] = {}
    starts = np.flatnonzero(np.diff(frames, prepend=frames[0] - 1))
    for begin, end in zip(starts, [*starts[1:], len(frames)], strict=True):
        now = frames[begin]
        last = {person: row for person, row in last.items() if now - frames[row] <= LINK_GAP_FRAMES}
        # Those seen last; in a crowd of flickering detections all of them would take for ever.
        known = sorted(last, key=lambda person: -last[person])[: 2 * MAX_PEOPLE]
        matched: dict[int, int] = {}
        if known:
            before = np.array([last[person] for person in known])
            cost = _costs(keypoints, size, before, np.arange(begin, end))
            rows, columns = linear_sum_assignment(cost)
            for row, column in zip(rows, columns, strict=True):
                # One that was away for some frames may have moved on for as long.
                if cost[row, column] < LINK_DISTANCE * np.sqrt(now - frames[before[row]]):
                    matched[begin + column] = known[row]
        for row in range(begin, end):
            if row not in matched:
                matched[row] = count
                count += 1
            people[row] = matched[row]
            last[matched[row]] = row
    return people


def _costs(keypoints: np.ndarray, size: np.ndarray, before: np.ndarray, now: np.ndarray) -> np.ndarray:
    moved = np.linalg.norm(keypoints[before][:, None] - keypoints[now][None], axis=-1)
    both = ~np.isnan(moved)
    shared = both.sum(-1)
    distance = np.where(both, moved, 0.0).sum(-1) / np.maximum(shared, 1)
    relative = distance / np.sqrt(size[before][:, None] * size[now][None])
    return np.where(shared > 0, relative, 1e6)
