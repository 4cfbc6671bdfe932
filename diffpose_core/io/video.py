"""2D poses of a video: detects them frame by frame and links them into tracks. Another process decodes the frames."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from diffpose_core.io.detectors.detector import Detector, Found, Progress
from diffpose_core.io.formats.detections import Detections, Notes
from diffpose_core.io.formats.people import build_clip
from diffpose_core.io.formats.posefile import LayoutGuess, PoseFile
from diffpose_core.io.limits import MAX_FRAMES
from diffpose_core.io.video_apart import decoded
from diffpose_core.io.video_file import Damaged, Part, Picture, Source
from diffpose_core.structures import Cancelled, InvalidInput

#: Another scene begins where small grey versions of two neighbouring pictures correlate less than this.
_SAME_SCENE = 0.4
#: A picture is dark if none of its blocks is brighter than this, of 255.
_DARK = 20.0
#: Frame rates vary if one step in a hundred differs from the usual one by more than this share.
_UNEVEN = 0.25


def poses_of_video(
    source: Source, name: str, detector: Detector, progress: Progress | None = None, part: Part | None = None,
    on_picture: Callable[[int, Picture, Found], None] | None = None,
) -> PoseFile:  # fmt: skip
    """Detect the people in every frame. Pictures are decoded one by one and not kept.

    Args:
        source: the video.
        name: names the file in messages.
        detector: finds people in one picture after the other.
        progress: called with frames done and frames in all (0: unknown); False cancels.
        part: of the video.
        on_picture: called with the number of every frame, its picture, and who was found in it.

    Raises:
        InvalidInput: the video can't be read, is too long, takes too much time or memory, or shows nobody.
        Cancelled: `progress` returned False.
    """
    search, part = _Search(name, detector, Detections(name)), part or Part()
    with decoded(source, name, part) as (facts, pictures):
        total = _expected(facts.frames, facts.fps, part)
        try:
            for picture in pictures:
                people = search.look(picture)
                if on_picture is not None:
                    on_picture(search.count - 1, picture, people)
                if progress is not None and progress(search.count, total) is False:
                    raise Cancelled(f"stopped after {search.count} frames")
        except Damaged:
            if not search.count:
                raise
            search.notes.add(f"The video is damaged after frame {search.count - 1}: only what comes before is used.")
    return search.result(facts.fps, part, total)


def poses_of_people(
    people: Sequence[tuple[float, Found]], size: tuple[int, int], name: str, detector: Detector
) -> PoseFile:
    """The same for people who were found in pictures as they came, such as a camera's.

    Args:
        people: of each picture its time in seconds, rising, and who was found in it.
        size: (width, height) of the pictures in pixels.
        name: names them in messages.
        detector: that found them.

    Raises:
        InvalidInput: there are no pictures, or nobody is in them.
    """
    search = _Search(name, detector, Detections(name), size=size)
    for time_s, found in people:
        search.add(found, time_s)
    steps = np.diff(search.times)
    return search.result(1.0 / float(np.median(steps)) if len(steps) else None, Part(), 0)


def _expected(frames: int, fps: float | None, part: Part) -> int:
    """Frames of a part by the video's header, 0 where unknown."""
    if not frames or (not fps and (part.start_s or part.end_s)):
        return 0
    first = int(part.start_s * (fps or 0.0))
    last = frames if part.end_s is None else min(frames, int(part.end_s * (fps or 0.0)))
    return max(last - first, 0) // part.every + (1 if max(last - first, 0) % part.every else 0)


@dataclass
class _Search:
    """State of a search for people in a video."""

    name: str
    detector: Detector
    found: Detections
    notes: Notes = field(default_factory=Notes)
    count: int = 0
    size: tuple[int, int] = (0, 0)
    times: list[float] = field(default_factory=list)
    cuts: list[int] = field(default_factory=list)
    dark: int = 0
    last: np.ndarray | None = None

    def look(self, picture: Picture) -> Found:
        """Find the people in the next picture."""
        image, size = picture.image, (picture.image.shape[1], picture.image.shape[0])
        if self.count >= MAX_FRAMES:
            raise InvalidInput(f"{self.name}: the limit is {MAX_FRAMES:,} frames. Cut the video into parts")
        if not self.count:
            self.size = size
        elif size != self.size:
            raise InvalidInput(f"{self.name}: the picture changes its size at frame {self.count}; cut the video there")
        small = _small(image)
        self.dark += int(small.max() < _DARK)
        if self.last is not None and not _same_scene(self.last, small):
            self.cuts.append(self.count)
            self.detector.restart()
        self.last = small
        people = self.detector.detect(image)
        self.add(people, picture.time_s)
        return people

    def add(self, people: Found, time_s: float | None) -> None:
        """Keep the people of the next picture."""
        for row in range(len(people)):
            joints = np.column_stack((people.keypoints[row], people.confidence[row]))
            mixture = None if people.mixtures is None else people.mixtures[row]
            self.found.add(self.count, joints, score=float(np.mean(people.confidence[row])), mixture=mixture)
        if time_s is not None:
            self.times.append(time_s)
        self.count += 1

    def result(self, fps: float | None, part: Part, expected: int) -> PoseFile:
        """The people of all pictures as tracks."""
        if not self.count:
            raise InvalidInput(f"{self.name}: a video without frames, or none in the part that was asked for")
        self._check_somebody()
        if expected > 1.1 * self.count + 2:
            self.notes.add(f"The video's header promises {expected:,} frames; {self.count:,} could be read.")
        for cut in self.cuts[:5]:
            self.notes.add(
                f"The picture changes at frame {cut}, as at a cut to another scene: look whether the person before and "
                "after it is the same."
            )
        fps, count = self._evened(None if fps is None else fps / part.every)
        clip = build_clip("", self.found, count, self.name, self.notes, self.size, fps)
        title = self.detector.name
        layouts = (LayoutGuess(self.detector.layout, f"the detector, {title}"),)
        return PoseFile(self.name, f"video, by {title}", (clip,), layouts, notes=tuple(self.notes))

    def _check_somebody(self) -> None:
        if len(self.found):
            return
        frames = f"its {self.count:,} frames" if self.count > 1 else "its one frame"
        if self.dark == self.count:
            raise InvalidInput(f"{self.name}: all of {frames} is dark; expected a video in which a person is seen")
        raise InvalidInput(
            f"{self.name}: nobody was found in {frames}. Expected a person who is seen from head to foot and fills at "
            "least a fifth of the picture's height; a part of the video without the others may help"
        )

    def _evened(self, fps: float | None) -> tuple[float | None, int]:
        """Frames a second, and the number of frames; frames of uneven steps are put where their times say."""
        steps = np.diff(self.times)
        if len(self.times) < self.count or len(steps) < 2 or (steps <= 0).any():
            return fps, self.count
        usual = float(np.median(steps))
        if (np.abs(steps - usual) > _UNEVEN * usual).mean() < 0.01:
            return fps, self.count
        places = np.round((np.array(self.times) - self.times[0]) / usual).astype(int)
        if places[-1] >= min(MAX_FRAMES, 20 * self.count):
            self.notes.add("The video's times are implausible: its frames are taken as evenly spaced.")
            return fps, self.count
        first = np.r_[True, np.diff(places) > 0]
        kept = Detections(self.name)
        for row, frame in enumerate(self.found.frames):
            if first[frame]:
                kept.add(int(places[frame]), self.found.joints[row], None, self.found.scores[row],
                         self.found.mixtures[row])  # fmt: skip
        self.found = kept
        absent = int(places[-1]) + 1 - int(first.sum())
        self.notes.add(
            f"The frame rate varies: frames were put at an even rate of {1 / usual:.4g} a second by their times; "
            f"{absent:,} of them are guessed."
        )
        return 1.0 / usual, int(places[-1]) + 1


def _small(image: np.ndarray) -> np.ndarray:
    """Means of green over at most 16 x 16 blocks, from every fourth pixel."""
    thin = image[::4, ::4, 1] if min(image.shape[:2]) >= 64 else image[..., 1]
    rows, columns = (min(length, 16) for length in thin.shape)
    height, width = thin.shape[0] // rows, thin.shape[1] // columns
    blocks: Any = thin[: rows * height, : columns * width].reshape(rows, height, columns, width)
    return np.asarray(blocks.mean((1, 3)))


def _same_scene(one: np.ndarray, other: np.ndarray) -> bool:
    a, b = one - one.mean(), other - other.mean()
    length = float(np.sqrt((a * a).sum() * (b * b).sum()))
    # Of pictures without any contrast nothing can be said.
    return min(a.std(), b.std()) < 2.0 or float((a * b).sum()) > _SAME_SCENE * length
