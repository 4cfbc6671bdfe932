"""Linking of people over the frames, for files without identities."""

from __future__ import annotations

import numpy as np

from diffpose_core.io.formats.detections import Notes
from diffpose_core.structures import InvalidInput

#: People that are looked at in a frame.
MAX_PEOPLE = 64
#: A person may be away for this many frames and come back as the same one ...
LINK_GAP_FRAMES = 15
#: ... if the joints moved less than this share of the person's size since the last frame in which they were seen.
LINK_DISTANCE = 0.6
#: Pairs of people in neighbouring frames that are compared; more would take longer than ten seconds.
MAX_PAIRS = 8_000_000


def link(frames: np.ndarray, keypoints: np.ndarray, label: str = "the clip") -> np.ndarray:
    """Link people over the frames by their places: in each frame, those of before are matched to those of now.

    The cost of a match is the mean distance of the joints that both have, relative to the person's size; the
    assignment is the cheapest (Hungarian algorithm).

    Args:
        frames: (N,), rising.
        keypoints: (N, J, 2), NaN where missing.
        label: names the file in messages.

    Returns:
        (N,) identities from 0.

    Raises:
        InvalidInput: too many people in too many frames.
    """
    _check_effort(frames, label)
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


def fits(poses: np.ndarray, gap: int) -> bool:
    """Whether the second of two poses (2, J, 2), NaN where missing, can be the first one's person so many frames later.

    An absence of up to LINK_GAP_FRAMES counts.
    """
    size = np.maximum(np.linalg.norm(np.nanmax(poses, axis=1) - np.nanmin(poses, axis=1), axis=-1), 1e-6)
    cost = _costs(poses, size, np.array([0]), np.array([1]))[0, 0]
    return 0 < gap <= LINK_GAP_FRAMES and bool(cost < LINK_DISTANCE * np.sqrt(gap))


def _costs(keypoints: np.ndarray, size: np.ndarray, before: np.ndarray, now: np.ndarray) -> np.ndarray:
    moved = np.linalg.norm(keypoints[before][:, None] - keypoints[now][None], axis=-1)
    both = ~np.isnan(moved)
    shared = both.sum(-1)
    distance = np.where(both, moved, 0.0).sum(-1) / np.maximum(shared, 1)
    relative = distance / np.sqrt(size[before][:, None] * size[now][None])
    return np.where(shared > 0, relative, 1e6)


def _check_effort(frames: np.ndarray, label: str) -> None:
    """Refuse a clip whose people would take minutes to link."""
    _, people = np.unique(frames, return_counts=True)
    pairs = int((2 * people[1:] * people[:-1]).sum())
    if pairs > MAX_PAIRS:
        raise InvalidInput(
            f"{label}: up to {people.max()} people in {len(people):,} frames, without identities: too many to follow "
            "them by their places. Cut the clip into parts, or keep the surest people"
        )


def join_pieces(
    frames: np.ndarray, keypoints: np.ndarray, people: np.ndarray, keys: list[str], notes: Notes
) -> np.ndarray:
    """Join people who end where another one begins: a tracker that lost them and gave them a new identity.

    Args:
        frames: (N,) of all rows, rising.
        keypoints: (N, J, 2), NaN where missing.
        people: (N,) identities from 0.
        keys: their names.
        notes: gets the joins.

    Returns:
        (N,) identities; a joined person has the first one's.
    """
    people = people.copy()
    numbers, first = np.unique(people, return_index=True)
    # Hundreds of pieces are a crowd, in which places prove nothing.
    if not 1 < len(numbers) <= 200:
        return people
    last = len(people) - 1 - np.unique(people[::-1], return_index=True)[1]
    # Who was found so far: the place of their name, and the row in which they were seen last.
    whole: list[tuple[int, int]] = []
    for piece in np.argsort(frames[first], kind="stable"):
        gaps = [frames[first[piece]] - frames[row] for _, row in whole]
        near = [
            place for place, ((_, row), gap) in enumerate(zip(whole, gaps, strict=True))
            if 0 < gap <= LINK_GAP_FRAMES and fits(keypoints[[row, first[piece]]], int(gap))
        ]  # fmt: skip
        # Of two who end there, either may be the one.
        if len(near) != 1:
            whole.append((int(numbers[piece]), int(last[piece])))
            continue
        number = whole[near[0]][0]
        whole[near[0]] = number, int(last[piece])
        people[people == numbers[piece]] = number
        notes.add(
            f"Person {keys[number]} ends where person {keys[numbers[piece]]} begins (frame {frames[first[piece]]}): "
            "taken as one."
        )
    return people
