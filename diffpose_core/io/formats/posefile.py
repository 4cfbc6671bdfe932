"""A file of 2D poses as it was read, before person, joint order and frame rate are chosen.

Axes: T frames in which a person was seen, J joints in the file's own order, K modes of a joint's heatmap.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from diffpose_core.io.formats.layouts import Layout
from diffpose_core.io.formats.orientation import Turn
from diffpose_core.structures import InvalidInput, PoseClip2D

#: Unit of a file's numbers. "pixels"; "unit": 0 to 1 over the image's width and height; "symmetric":
#: -1 to 1 over both; "screen": x from -1 to 1 over the width, y in the same unit around the middle of the height.
Coordinates = Literal["pixels", "unit", "symmetric", "screen"]

COORDINATES: Mapping[Coordinates, str] = {
    "pixels": "pixels",
    "unit": "0 to 1 over the image's width and height",
    "symmetric": "-1 to 1 over the image's width and height",
    "screen": "-1 to 1 over the image's width, as VideoPose3D normalises",
}


#: Instead of a person's key: whoever has the largest box.
LARGEST = "largest"
#: Stands for all people of a clip, where several results can be made.
EVERYBODY = "all"


@dataclass(frozen=True)
class PoseTrack:
    """One person of a clip.

    Attributes:
        key: its number or name.
        frames: (T,) integers, rising, the frames in which the person was seen.
        keypoints: (T, J, 2) float32 in the file's `coordinates`, NaN where a joint is missing.
        confidence: (T, J) float32 in [0, 1], 0 where a joint is missing.
        mixture: (weights (T, J, K), means (T, J, K, 2), variances (T, J, K, 2)) where the file has heatmap mixtures,
            in the file's coordinates.
    """

    key: str
    frames: np.ndarray
    keypoints: np.ndarray
    confidence: np.ndarray
    mixture: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None

    def __len__(self) -> int:
        return len(self.frames)

    def joined(self, other: PoseTrack) -> PoseTrack:
        """This person and a piece of the same one, under both keys.

        Raises:
            InvalidInput: both are in one frame.
        """
        frames = np.concatenate((self.frames, other.frames))
        order = np.argsort(frames, kind="stable")
        if (np.diff(frames[order]) == 0).any():
            both = int(np.intersect1d(self.frames, other.frames)[0])
            raise InvalidInput(f"persons {self.key!r} and {other.key!r} are both in frame {both}: not one person")

        def rows(mine: np.ndarray, theirs: np.ndarray) -> np.ndarray:
            return np.concatenate((mine, theirs))[order]

        mixture = None
        if self.mixture is not None and other.mixture is not None:
            (w, m, v), (ow, om, ov) = self.mixture, other.mixture
            if w.shape[1:] == ow.shape[1:]:
                mixture = rows(w, ow), rows(m, om), rows(v, ov)
        return PoseTrack(
            f"{self.key}+{other.key}", frames[order], rows(self.keypoints, other.keypoints),
            rows(self.confidence, other.confidence), mixture,
        )  # fmt: skip

    @property
    def missing(self) -> np.ndarray:
        """(T, J) bool, joints that the file does not place."""
        return np.isnan(self.keypoints[..., 0])

    @property
    def box(self) -> np.ndarray:
        """(left, top, right, bottom), median over the frames, in the file's coordinates; NaN where nothing is seen."""
        seen = self.keypoints[~self.missing.all(1)]
        if not len(seen):
            return np.full(4, np.nan)
        return np.median(np.concatenate((np.nanmin(seen, axis=1), np.nanmax(seen, axis=1)), axis=1), axis=0)

    @property
    def size(self) -> float:
        """Area of the box, 0 where nothing is seen."""
        left, top, right, bottom = np.nan_to_num(self.box)
        return float((right - left) * (bottom - top))


@dataclass(frozen=True)
class FileClip:
    """One clip of a file.

    Attributes:
        key: its name within the file ("" where a file has one clip only).
        num_frames: F.
        tracks: people, the default one first (seen in most frames, then largest).
        image_size: (width, height) in pixels, or None.
        fps: frames a second, or None.
        original: the clip itself with everything in it, where the file is this project's own.
    """

    key: str
    num_frames: int
    tracks: tuple[PoseTrack, ...]
    image_size: tuple[int, int] | None = None
    fps: float | None = None
    original: PoseClip2D | None = None

    def track(self, key: str | None = None) -> PoseTrack:
        """The person of that key, by default the first.

        LARGEST stands for the one with the largest box, "1+7" for persons 1 and 7 taken as one.

        Raises:
            InvalidInput: nobody has the key, or two who are taken as one are in one frame.
        """
        if key is None:
            return self.tracks[0]
        for track in self.tracks:
            if track.key == key:
                return track
        if key == LARGEST:
            return self.largest
        parts = key.split("+")
        if 1 < len(parts) <= len(self.tracks) and all(
            any(track.key == part for track in self.tracks) for part in parts
        ):
            return functools.reduce(PoseTrack.joined, map(self.track, parts))
        raise InvalidInput(f"there is no person {key!r} in this clip; there are: {_some([t.key for t in self.tracks])}")

    @property
    def largest(self) -> PoseTrack:
        """The person with the largest box."""
        return max(self.tracks, key=lambda track: track.size)


@dataclass(frozen=True)
class LayoutGuess:
    """A joint order that fits, and why."""

    layout: Layout
    reason: str


@dataclass(frozen=True)
class PoseFile:
    """A file of 2D poses as it was read.

    Attributes:
        name: of the file.
        format: its recognised format.
        clips: at least one.
        layouts: the joint orders that fit, the likeliest first.
        needs_confirmation: True if nothing in the file names the joint order, so that a person has to.
        coordinates: unit of the numbers.
        notes: assumptions, repairs and omissions, one sentence each.
        turn: proposed turn of the picture, where the person is not upright.
        sha256: of the file, or of all files one after the other.
    """

    name: str
    format: str
    clips: tuple[FileClip, ...]
    layouts: tuple[LayoutGuess, ...]
    needs_confirmation: bool = False
    coordinates: Coordinates = "pixels"
    notes: tuple[str, ...] = ()
    turn: Turn = "none"
    sha256: str = ""

    def clip(self, key: str | None = None) -> FileClip:
        """The clip of that key, by default the first. Raises InvalidInput that names those that there are."""
        if key is None:
            return self.clips[0]
        for clip in self.clips:
            if clip.key == key:
                return clip
        raise InvalidInput(f"{self.name}: no clip {key!r}; there are: {_some([clip.key for clip in self.clips])}")

    def layout(self, name: str | None = None) -> LayoutGuess:
        """The joint order whose name begins so, by default the likeliest.

        Raises InvalidInput that names those that fit.
        """
        if name is None:
            return self.layouts[0]
        wanted = _plain(name)
        for guess in self.layouts:
            if _plain(guess.layout.name).startswith(wanted):
                return guess
        raise InvalidInput(
            f"{self.name}: the joint order {name!r} doesn't fit; possible: "
            f"{_some([guess.layout.name for guess in self.layouts])}"
        )


@dataclass(frozen=True)
class Choice:
    """A person's choice from a PoseFile; None stands for the default.

    Attributes:
        clip, track, layout: keys and names as in the PoseFile; track may be LARGEST, several keys with "+" between
            them, or EVERYBODY for `every_person`.
        image_size: (width, height) in pixels, before the turn.
        fps: frames a second.
        turn: of the picture; none by default.
        exchange_sides: True to exchange left and right.
        focal_px: focal length of the camera, whose axis goes through the middle of the picture.
    """

    clip: str | None = None
    track: str | None = None
    layout: str | None = None
    image_size: tuple[int, int] | None = None
    fps: float | None = None
    turn: Turn | None = None
    exchange_sides: bool | None = None
    focal_px: float | None = None


@dataclass(frozen=True)
class ChosenClip:
    """A clip that can be lifted.

    Attributes:
        clip: joints in Human3.6M's order; `clip.guessed` marks the guessed ones.
        first_frame: number of its first frame in the file's clip.
        source_px: the file's keypoints in pixels, (F, J, 2), NaN where missing, to be drawn beside it.
        layout: the joint order.
        notes: assumptions.
    """

    clip: PoseClip2D
    first_frame: int
    source_px: np.ndarray
    layout: Layout
    notes: tuple[str, ...] = ()


def _plain(name: str) -> str:
    """A joint order's name without case and punctuation, so that "h36m", "coco" and "BODY-25" are understood."""
    return "".join(c for c in name.lower() if c.isalnum()).replace("h36m", "human36m")


def _some(keys: list[str]) -> str:
    shown = ", ".join(repr(key) for key in keys[:12])
    return f"{shown} and {len(keys) - 12} more" if len(keys) > 12 else shown


__all__ = [
    "COORDINATES", "Choice", "ChosenClip", "Coordinates", "FileClip", "LayoutGuess", "PoseFile", "PoseTrack",
]  # fmt: skip
