"""2D poses of a video: detects them frame by frame and links them into tracks."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from diffpose_core.io.formats.detections import Detections, Notes
from diffpose_core.io.formats.layouts import COCO17
from diffpose_core.io.formats.people import build_clip
from diffpose_core.io.formats.posefile import LayoutGuess, PoseFile
from diffpose_core.io.limits import MAX_FPS, MAX_FRAMES, MIN_FPS
from diffpose_core.io.rtmpose import HOW_TO_INSTALL, Detector
from diffpose_core.io.untrusted.files import check_size, read_bytes
from diffpose_core.structures import Cancelled, InvalidInput

FORMAT = "video, by RTMPose"
MAX_PIXELS = 8192 * 4320
_DEMUXERS = {"mp4": "mov", "webm": "matroska", "avi": "avi"}
_BEGINNINGS = {"mp4": b"ftyp", "webm": b"\x1aE\xdf\xa3", "avi": b"RIFFAVI "}


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


def is_video(content: bytes) -> bool:
    """True if a file begins as MP4, MOV, WebM, Matroska or AVI."""
    return _demuxer(content) is not None


def _demuxer(content: bytes) -> str | None:
    """FFmpeg's name of the demuxer for a file; None if it is no video."""
    beginnings = {"mp4": content[4:8], "webm": content[:4], "avi": content[:4] + content[8:12]}
    return next((_DEMUXERS[kind] for kind, begins in _BEGINNINGS.items() if beginnings[kind] == begins), None)


def video_at(path: str | Path) -> bytes | None:
    """Content of a video file; None where there is no file, or one of another kind.

    Raises:
        InvalidInput: the file is too large.
    """
    # The reader of pose files reports a pipe, or a file that can't be opened.
    if not Path(path).is_file():
        return None
    try:
        with open(path, "rb") as file:
            if not is_video(file.read(16)):
                return None
    except OSError:
        return None
    return read_bytes(path)


def video_facts(content: bytes, name: str) -> VideoFacts:
    """Facts from the header and the first frame of a video.

    Raises:
        InvalidInput: no video, too large, or without frames.
    """
    check_size(len(content), name)
    with _opened(content, name) as container:
        facts = _facts(container, name)
        for image in _images(container, name):
            return replace(facts, size=(image.shape[1], image.shape[0]))
    raise InvalidInput(f"{name}: a video without frames")


def poses_of_video(
    content: bytes, name: str, detect: Detector, progress: Callable[[int, int], bool | None] | None = None
) -> PoseFile:
    """Detect the people in every frame.

    Args:
        content: the video.
        name: names the file in messages.
        detect: finds people in one image.
        progress: called with frames done and frames in all (0: unknown); False cancels.

    Raises:
        InvalidInput: the video can't be read, is too long, or shows nobody.
        Cancelled: `progress` returned False.
    """
    check_size(len(content), name)
    found, notes, count = Detections(), Notes(), 0
    with _opened(content, name) as container:
        facts = _facts(container, name)
        for count, image in enumerate(_images(container, name), 1):
            if count > MAX_FRAMES:
                raise InvalidInput(f"{name}: the limit is {MAX_FRAMES:,} frames. Cut the video into parts")
            if count == 1:
                size = (image.shape[1], image.shape[0])
            elif size != (image.shape[1], image.shape[0]):
                raise InvalidInput(f"{name}: the picture changes its size at frame {count - 1}; cut the video there")
            for keypoints, scores in zip(*detect(image), strict=True):
                found.add(count - 1, np.column_stack((keypoints, scores)), score=float(np.mean(scores)))
            if progress is not None and progress(count, facts.frames) is False:
                raise Cancelled(f"stopped after {count} frames")
    if not count:
        raise InvalidInput(f"{name}: a video without frames")
    clip = build_clip("", found, count, name, notes, size, facts.fps)
    layouts = (LayoutGuess(COCO17, "RTMPose's 17 joints are in COCO's order"),)
    return PoseFile(name, FORMAT, (clip,), layouts, notes=tuple(notes))


def _opened(content: bytes, name: str) -> Any:
    try:
        import av  # slow to import, and only needed here
    except ImportError:
        raise InvalidInput(f"{name}: a video; {HOW_TO_INSTALL}") from None
    try:
        # Left to itself, FFmpeg reads a text that begins like an MP4 as a stream description, and opens its ports.
        return av.open(
            io.BytesIO(content), format=_demuxer(content), metadata_errors="ignore",
            options={"protocol_whitelist": "", "format_whitelist": ",".join(_DEMUXERS.values())},
        )  # fmt: skip
    except (av.error.FFmpegError, ValueError) as error:
        raise InvalidInput(f"{name}: not readable as a video ({str(error)[:160]})") from None


def _facts(container: Any, name: str) -> VideoFacts:
    if not container.streams.video:
        raise InvalidInput(f"{name}: a file without a picture track")
    stream = container.streams.video[0]
    if stream.codec_context is None:
        raise InvalidInput(f"{name}: a video of a kind that can't be decoded")
    width, height = stream.codec_context.width, stream.codec_context.height
    _check_picture(width, height, name)
    fps = float(stream.average_rate or 0)
    return VideoFacts((width, height), fps if MIN_FPS <= fps <= MAX_FPS else None, int(stream.frames))


def _check_picture(width: int, height: int, name: str) -> None:
    if not 0 < width * height <= MAX_PIXELS:
        raise InvalidInput(f"{name}: {width} x {height} pixels; expected up to 8192 x 4320")


def _images(container: Any, name: str) -> Iterator[np.ndarray]:
    import av

    try:
        for frame in container.decode(video=0):
            _check_picture(frame.width, frame.height, name)
            image = frame.to_ndarray(format="bgr24")
            # A phone that was held upright writes pictures that lie on their side, and stores the angle.
            yield np.ascontiguousarray(np.rot90(image, round(frame.rotation / 90)))
    except InvalidInput:
        raise
    except (av.error.FFmpegError, ValueError) as error:
        raise InvalidInput(f"{name}: damaged as a video ({str(error)[:160]})") from None
