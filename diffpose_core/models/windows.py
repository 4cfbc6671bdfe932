"""Windows of consecutive frames: cutting a clip of any length into them, and blending their results.

Windows stand on a grid that the clip alone decides: their middles lie half a window apart, from the clip's first frame
on. So a frame is read in two windows at most, and fading from one to the other leaves no seam. Where a window reaches
over an end of the clip its first or last frame is repeated; frames keep their places, so that nothing shifts in time.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

#: Frames a second of the windows that video encoders are trained on.
VIDEO_FPS = 30.0


@dataclass(frozen=True)
class Windows:
    """The windows in which N frames of a clip are read.

    Attributes:
        frames: The frames of every window, (W, T) int64.
        rows: The two places of every wanted frame, counted through all windows, (N, 2) int64.
        weights: The weights of the two places, with sum 1, (N, 2).
    """

    frames: np.ndarray
    rows: np.ndarray
    weights: np.ndarray

    def blend(self, values: Tensor, clips: int = 1) -> Tensor:
        """Blends values of all frames of all windows, (clips x W x T, ...), to values of the wanted frames.

        Returns:
            (clips x N, ...).
        """
        rows = torch.from_numpy(self.rows).to(values.device)
        weights = torch.from_numpy(self.weights).to(values.device, values.dtype)
        picked = values.unflatten(0, (clips, -1))[:, rows]
        weights = weights.reshape(1, *weights.shape, *(1 for _ in values.shape[1:]))
        return (picked * weights).sum(2).flatten(0, 1)


def windows_by_person(numbers: np.ndarray, people: np.ndarray, receptive_field: int, every: int = 1) -> Windows:
    """Cuts a clip into windows that show one person each: those of `cut_windows` with other people's frames replaced.

    A frame that shows somebody else gives way to the nearest one that shows the person of the wanted frame, just as a
    window that reaches over an end of the clip repeats the last frame.

    Args:
        numbers: Numbers of the wanted frames, (N,).
        people: Numbers of the people, for every frame of the clip, (F,) (`uncertainty.identity`).
        receptive_field, every: As for `cut_windows`.
    """
    rows, weights = np.zeros((len(numbers), 2), dtype=np.int64), np.zeros((len(numbers), 2))
    frames, begin = [], 0
    for person in np.unique(people[numbers]):
        mine = people[numbers] == person
        part = cut_windows(numbers[mine], len(people), receptive_field, every)
        frames.append(_nearest(people == person)[part.frames])
        rows[mine], weights[mine] = part.rows + begin, part.weights
        begin += part.frames.size
    return Windows(np.concatenate(frames), rows, weights)


def held(frames: np.ndarray, numbers: np.ndarray, people: np.ndarray) -> np.ndarray:
    """Frames around others, with those of other people replaced by the nearest one of the same person.

    Args:
        frames: Numbers of the frames around each, (N, T).
        numbers: Numbers of the frames themselves, (N,).
        people: Numbers of the people, for every frame of the clip, (F,).

    Returns:
        (N, T).
    """
    found = frames.copy()
    for person in np.unique(people[numbers]):
        mine = people[numbers] == person
        found[mine] = _nearest(people == person)[frames[mine]]
    return found


def _nearest(kept: np.ndarray) -> np.ndarray:
    """For each frame the nearest one that is kept, the earlier of two. kept: (F,) bool."""
    every, which = np.arange(len(kept)), np.flatnonzero(kept)
    after = np.searchsorted(which, every).clip(0, len(which) - 1)
    before = (after - 1).clip(0)
    return np.where(np.abs(which[before] - every) <= np.abs(which[after] - every), which[before], which[after])


def cut_windows(numbers: np.ndarray, count: int, receptive_field: int, every: int = 1) -> Windows:
    """Cuts a clip into the windows that hold some of its frames.

    Args:
        numbers: Numbers of the wanted frames, (N,).
        count: Frames of the clip.
        receptive_field: T. 1 gives the frames themselves.
        every: Step between the frames of a window, for clips with more frames a second than windows stand for. The
            frames between form clips of their own.
    """
    numbers = np.asarray(numbers, dtype=np.int64)
    half = receptive_field // 2
    if half == 0:
        rows = np.repeat(np.arange(len(numbers))[:, None], 2, axis=1)
        return Windows(numbers[:, None], rows, np.tile([1.0, 0.0], (len(numbers), 1)))
    phase, place = numbers % every, numbers // every
    # Places in a phase's own clip run from 0 to `last`.
    last = (count - 1 - phase) // every
    before = place // half
    # (N, 2): the window whose middle is at or before the frame, and the next one, which the clip's last frames lack.
    number = before[:, None] + np.arange(2)
    distance = np.abs(place[:, None] - number * half)
    weights = np.where(number * half <= last[:, None], 1.0 - distance / half, 0.0)
    number = np.where(weights > 0, number, before[:, None])
    weights = np.where(weights.sum(1, keepdims=True) > 0, weights, [1.0, 0.0])
    weights = weights / weights.sum(1, keepdims=True)
    keys, window = np.unique(np.stack((np.repeat(phase, 2), number.reshape(-1)), axis=1), axis=0, return_inverse=True)
    around = np.arange(receptive_field) - half
    places = keys[:, 1:] * half + around
    ends = (count - 1 - keys[:, :1]) // every
    frames = places.clip(0, ends) * every + keys[:, :1]
    inside = place[:, None] - number * half + half
    return Windows(frames, window.reshape(-1, 2) * receptive_field + inside, weights)
