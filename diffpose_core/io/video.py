"""2D poses of a video: its frames go to a detector one by one, and what it finds is put together to people.

The detector is RTMPose by rtmlib, an optional extra (`video`): Jiang et al., RTMPose, arXiv 2303.07399.
"""

from __future__ import annotations

import importlib.util
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from diffpose_core.io.formats.layouts import COCO17
from diffpose_core.io.formats.people import MAX_FRAMES, Detections, Notes, build_clip
from diffpose_core.io.formats.posefile import LayoutGuess, PoseFile
from diffpose_core.io.safe import check_size
from diffpose_core.structures import Cancelled, InvalidInput

#: An image (height, width, 3), blue, green, red, 8 bits -> keypoints (N, 17, 2) in pixels, COCO's order, and scores
#: (N, 17) of the N people in it.
Detector = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]

FORMAT = "video, by RTMPose"
HOW_TO_INSTALL = 'to read videos, install the extra once, in the project\'s folder: pip install ".[video]"'
MAX_PIXELS = 8192 * 4320


@dataclass(frozen=True)
class VideoFacts:
    """What a video says of itself. size: (width, height) in pixels. fps: frames a second. frames: how many there are
    by its header, 0 where it doesn't say.
    """

    size: tuple[int, int]
    fps: float
    frames: int


def is_video(content: bytes) -> bool:
    """Whether a file begins as MP4, MOV, WebM, Matroska or AVI."""
    return content[4:8] == b"ftyp" or content[:4] == b"\x1aE\xdf\xa3" or content[:4] + content[8:12] == b"RIFFAVI "


def has_detector() -> bool:
    """Whether the extra `video` is installed."""
    return all(importlib.util.find_spec(name) is not None for name in ("rtmlib", "onnxruntime"))


def rtmpose() -> Detector:
    """RTMPose (balanced, 17 joints) on the processor. Downloads its weights if they are not on this machine yet.

    Raises InvalidInput where the extra is not installed, or where the weights can't be had.
    """
    try:
        from rtmlib import Body
    except ImportError:
        raise InvalidInput(f"RTMPose is not installed; {HOW_TO_INSTALL}") from None
    try:
        body: Detector = Body(mode="balanced", backend="onnxruntime", device="cpu")
    # Whatever the download or the runtime fails with.
    except Exception as error:
        raise InvalidInput(
            f"RTMPose's weights can't be loaded ({str(error)[:200]}); they need the network once"
        ) from None
    return body


def video_facts(content: bytes, name: str) -> VideoFacts:
    """What a video says of itself. Raises InvalidInput where it is none, or too large."""
    check_size(len(content), name)
    with _opened(content, name) as container:
        return _facts(container, name)


def poses_of_video(
    content: bytes, name: str, detect: Detector, progress: Callable[[int, int], bool | None] | None = None
) -> PoseFile:
    """Detect the people in every frame. progress: called with frames done and frames in all (0: unknown).

    Raises InvalidInput where the video can't be read, is too long, or shows nobody; Cancelled when `progress` returns
    False.
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
    import av  # slow to import, and only needed here

    try:
        return av.open(io.BytesIO(content), metadata_errors="ignore")
    except (av.error.FFmpegError, ValueError) as error:
        raise InvalidInput(f"{name}: not readable as a video ({str(error)[:160]})") from None


def _facts(container: Any, name: str) -> VideoFacts:
    if not container.streams.video:
        raise InvalidInput(f"{name}: a file without a picture track")
    stream = container.streams.video[0]
    width, height = stream.codec_context.width, stream.codec_context.height
    if not 0 < width * height <= MAX_PIXELS:
        raise InvalidInput(f"{name}: {width} x {height} pixels; expected up to 8192 x 4320")
    return VideoFacts((width, height), float(stream.average_rate or 30), int(stream.frames))


def _images(container: Any, name: str) -> Iterator[np.ndarray]:
    import av

    try:
        for frame in container.decode(video=0):
            image = frame.to_ndarray(format="bgr24")
            # A phone that was held upright writes pictures that lie on their side, and says by how much.
            yield np.ascontiguousarray(np.rot90(image, round(frame.rotation / 90)))
    except (av.error.FFmpegError, ValueError) as error:
        raise InvalidInput(f"{name}: damaged as a video ({str(error)[:160]})") from None
