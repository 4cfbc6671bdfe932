"""Video files: facts from their headers, and their pictures one after the other, whatever their length.

A photograph (JPEG, PNG) is a video of one frame.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from diffpose_core.io.detectors.detector import how_to_install
from diffpose_core.io.limits import MAX_FPS, MIN_FPS
from diffpose_core.io.untrusted.files import check_size
from diffpose_core.structures import InvalidInput
from diffpose_core.words import short

MAX_PIXELS = 8192 * 4320
#: Threads of a decoder: each holds a picture of its own.
_MOST_THREADS = 4
_DEMUXERS = {"mp4": "mov", "webm": "matroska", "avi": "avi", "jpeg": "jpeg_pipe", "png": "png_pipe"}
_BEGINNINGS = {
    "mp4": b"ftyp", "webm": b"\x1aE\xdf\xa3", "avi": b"RIFFAVI ", "jpeg": b"\xff\xd8\xff", "png": b"\x89PNG\r\n\x1a\n",
}  # fmt: skip

#: A video: its bytes, or the path of a file that is read piece by piece.
Source = bytes | Path


class Damaged(InvalidInput):
    """A video that can't be decoded from some picture on."""


@dataclass(frozen=True)
class VideoFacts:
    """Facts from the header of a video.

    Attributes:
        size: (width, height) in pixels, upright.
        fps: frames a second; None where the header's are missing or implausible.
        frames: number by its header; 0 where it is missing.
    """

    size: tuple[int, int]
    fps: float | None
    frames: int


@dataclass(frozen=True)
class Part:
    """A part of a video.

    Attributes:
        start_s: where it begins, in seconds.
        end_s: where it ends; None for the end of the video.
        every: 2 leaves out every other frame, 3 keeps every third, and so on.

    Raises:
        InvalidInput: it holds nothing.
    """

    start_s: float = 0.0
    end_s: float | None = None
    every: int = 1

    def __post_init__(self) -> None:
        if self.start_s < 0 or self.every < 1:
            raise InvalidInput(
                f"a part begins at 0 s or later and takes every 1st frame or fewer, found {self.start_s:g} s and "
                f"{self.every}"
            )
        if self.end_s is not None and self.end_s <= self.start_s:
            raise InvalidInput(f"a part ends after it begins, found {self.start_s:g} to {self.end_s:g} s")


@dataclass(frozen=True)
class Picture:
    """A picture of a video.

    Attributes:
        time_s: seconds from the beginning; None where the file does not say.
        image: (height, width, 3) of blue, green, red, upright.
    """

    time_s: float | None
    image: np.ndarray


def is_video(content: bytes) -> bool:
    """True if a file begins as MP4, MOV, WebM, Matroska, AVI, JPEG or PNG."""
    return _demuxer(content) is not None


def is_video_file(path: str | Path) -> bool:
    """True if there is a file that begins as a video; False where it can't be opened."""
    if not Path(path).is_file():
        return False
    try:
        with open(path, "rb") as file:
            return is_video(file.read(16))
    except OSError:
        return False


def video_facts(source: Source, name: str) -> VideoFacts:
    """Facts from the header and the first frame of a video.

    Raises:
        InvalidInput: no video, too large, or without frames.
    """
    with opened(source, name) as container:
        facts = facts_of(container, name)
        for picture in pictures(container, name):
            return replace(facts, size=(picture.image.shape[1], picture.image.shape[0]))
    raise InvalidInput(f"{name}: a video without frames")


@contextmanager
def opened(source: Source, name: str) -> Iterator[Any]:
    """The container of a video, as PyAV has it, until the block ends.

    Raises:
        InvalidInput: no video, or the extra is not installed.
    """
    try:
        import av  # slow to import, and only needed here
    except ImportError:
        raise InvalidInput(f"{name}: a video; {how_to_install()}") from None
    if isinstance(source, bytes):
        check_size(len(source), name)
    with ExitStack() as held:
        try:
            file: Any = io.BytesIO(source) if isinstance(source, bytes) else held.enter_context(open(source, "rb"))
            beginning = file.read(16)
            file.seek(0)
        except OSError as error:
            raise InvalidInput(f"{name}: can't be read ({error.strerror})") from None
        # Left to itself, FFmpeg reads a text that begins like an MP4 as a stream description, and opens its ports.
        options = {"protocol_whitelist": "", "format_whitelist": ",".join(_DEMUXERS.values())}
        try:
            container = av.open(file, format=_demuxer(beginning), metadata_errors="ignore", options=options)
        except (av.error.FFmpegError, ValueError) as error:
            raise InvalidInput(f"{name}: not readable as a video ({short(error, 160)})") from None
        yield held.enter_context(container)


def facts_of(container: Any, name: str) -> VideoFacts:
    """Facts from the header of a container.

    Raises:
        InvalidInput: it has no pictures, none that can be decoded, or too large ones.
    """
    if not container.streams.video:
        raise InvalidInput(f"{name}: a file without a picture track, such as sound alone; expected a video")
    stream = container.streams.video[0]
    if stream.codec_context is None:
        raise InvalidInput(f"{name}: a video of a kind that can't be decoded; export it as MP4 (H.264)")
    width, height = stream.codec_context.width, stream.codec_context.height
    if not width or not height:
        raise InvalidInput(f"{name}: damaged: no picture in it says its size")
    _check_picture(width, height, name)
    if container.format.name.endswith("_pipe"):
        return VideoFacts((width, height), None, 1)
    fps = float(stream.average_rate or 0)
    return VideoFacts((width, height), fps if MIN_FPS <= fps <= MAX_FPS else None, int(stream.frames))


def pictures(container: Any, name: str, part: Part | None = None) -> Iterator[Picture]:
    """Pictures of a container, in their order. One is in memory at a time.

    Args:
        container: as `opened` returns it.
        name: names the file in messages.
        part: of the video.

    Raises:
        Damaged: the next picture can't be decoded.
        InvalidInput: a picture is too large.
    """
    import av

    part = part or Part()
    count = 0
    try:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        stream.codec_context.thread_count = min(os.cpu_count() or 1, _MOST_THREADS)
        if part.start_s > 0 and stream.time_base:
            container.seek(int(part.start_s / stream.time_base) + (stream.start_time or 0), stream=stream)
        begin_s = float((stream.start_time or 0) * stream.time_base) if stream.time_base else 0.0
        for frame in container.decode(video=0):
            time_s = None if frame.time is None else float(frame.time) - begin_s
            if time_s is not None and time_s < part.start_s - 1e-4:
                continue
            if time_s is not None and part.end_s is not None and time_s >= part.end_s:
                return
            count += 1
            if (count - 1) % part.every:
                continue
            _check_picture(frame.width, frame.height, name)
            image = frame.to_ndarray(format="bgr24")
            # A phone that was held upright writes pictures that lie on their side, and stores the angle.
            yield Picture(time_s, np.ascontiguousarray(np.rot90(image, round(frame.rotation / 90))))
    except InvalidInput:
        raise
    except (av.error.FFmpegError, ValueError) as error:
        raise Damaged(f"{name}: damaged as a video ({short(error, 160)})") from None


def _demuxer(content: bytes) -> str | None:
    """FFmpeg's name of the demuxer for a file; None if it is no video."""
    beginnings = {
        "mp4": content[4:8], "webm": content[:4], "avi": content[:4] + content[8:12], "jpeg": content[:3],
        "png": content[:8],
    }  # fmt: skip
    return next((_DEMUXERS[kind] for kind, begins in _BEGINNINGS.items() if beginnings[kind] == begins), None)


def _check_picture(width: int, height: int, name: str) -> None:
    if not 0 < width * height <= MAX_PIXELS:
        raise InvalidInput(f"{name}: {width} x {height} pixels; expected up to 8192 x 4320")
