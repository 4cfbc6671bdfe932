"""A camera's pictures on their way to poses: what a live session does with each, and its last seconds, kept."""

from __future__ import annotations

import io
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from app.jobs.pictures import MOST_BYTES, Pictures
from app.stage.payload import to_plot_axes
from diffpose_core.io.detectors.detector import Detector, Found
from diffpose_core.io.formats import PoseFile
from diffpose_core.io.video import poses_of_people
from diffpose_core.lifting.live import LiveLift
from diffpose_core.structures import InvalidInput

#: Bytes and pixels of one picture at most, and the seconds that are kept.
MOST_OF_A_PICTURE, MOST_PIXELS = 1 << 19, 1280 * 1280
#: Passes over a picture: a progressive JPEG has about ten. Each takes a time that its few bytes don't bound.
MOST_SCANS = 32
KEPT_S = 10.0
#: Name of a clip that was kept.
NAME = "camera"


@dataclass(frozen=True)
class _Kept:
    time_s: float
    found: Found
    size: tuple[int, int]
    jpeg: bytes


class Recording:
    """The last seconds of a camera: who was found, and the pictures, bounded in time and in bytes."""

    def __init__(self) -> None:
        self._kept: deque[_Kept] = deque()
        self._bytes = 0
        self._lock = threading.Lock()

    def add(self, time_s: float, found: Found, size: tuple[int, int], jpeg: bytes) -> float:
        """Keep a picture, and drop those that are too old. Returns the seconds that are kept."""
        with self._lock:
            if self._kept and self._kept[-1].size != size:
                self._kept.clear()
                self._bytes = 0
            self._kept.append(_Kept(time_s, found, size, jpeg))
            self._bytes += len(jpeg)
            while time_s - self._kept[0].time_s > KEPT_S or self._bytes > MOST_BYTES:
                self._bytes -= len(self._kept.popleft().jpeg)
            return time_s - self._kept[0].time_s

    def poses(self, detector: Detector) -> tuple[PoseFile, Pictures]:
        """The last seconds as the poses and the pictures of a video.

        Raises:
            InvalidInput: There is nothing, or nobody was found.
        """
        with self._lock:
            kept = list(self._kept)
        if len(kept) < 2:
            raise InvalidInput(f"{NAME}: nothing is kept yet; expected some seconds before the camera")
        poses = poses_of_people([(one.time_s, one.found) for one in kept], kept[0].size, NAME, detector)
        pictures = Pictures()
        for number, one in enumerate(kept):
            pictures.add_small(number, one.time_s, one.size, lambda jpeg=one.jpeg: jpeg)  # type: ignore[misc]
        return poses, pictures


class LiveSession:
    """A visitor's camera. One connection at a time works with it.

    Args:
        make: Makes the lift, when the camera starts.
        origin: Origin of the visitor's page; a connection from another one is refused.

    Attributes:
        token: Secret of the visitor's page, by which a connection is known.
        origin: As given.
        recording: The last seconds.
    """

    #: Pictures of all visitors take turns: two at once would both be late.
    _turn = threading.Lock()

    def __init__(self, make: Callable[[], LiveLift], origin: str) -> None:
        self.token, self.origin, self.recording = secrets.token_urlsafe(24), origin, Recording()
        self._make = make
        self._lift: LiveLift | None = None
        self._detector: Detector | None = None
        self._taken = threading.Lock()

    def begin(self) -> bool:
        """Load what a camera needs. False where another connection has it.

        Raises:
            InvalidInput: The detector or its weights are missing.
        """
        if not self._taken.acquire(blocking=False):
            return False
        try:
            self._lift = self._make()
        except BaseException:
            self._taken.release()
            raise
        self._detector, self.recording = self._lift.detector, Recording()
        return True

    def end(self) -> None:
        """Let go of the networks; what was recorded stays."""
        self._lift = None
        self._taken.release()

    def answer(self, jpeg: bytes) -> dict[str, Any]:
        """The pose in a picture, as the browser draws it.

        Args:
            jpeg: The picture; it comes from outside.

        Returns:
            Milliseconds of decoding, detector and lift, seconds that are kept, and with a person `points` and
            `confidence` of the 2D pose, `pose` and `hypotheses` in plot axes, metres, and `error_mm`.

        Raises:
            InvalidInput: It is no picture that can be used.
        """
        if self._lift is None:
            raise InvalidInput("the camera has not begun")
        now = time.monotonic()
        with self._turn:
            begin = time.perf_counter()
            image = decoded(jpeg)
            decode_s = time.perf_counter() - begin
            pose = self._lift.step(image, now)
            whole_s = time.perf_counter() - begin
        joints = len(self._lift.detector.layout)
        found = Found(np.zeros((0, joints, 2)), np.zeros((0, joints))) if pose is None else pose.found
        answer: dict[str, Any] = {
            "kept_s": round(self.recording.add(now, found, (image.shape[1], image.shape[0]), jpeg), 1),
            "decode_ms": 1e3 * decode_s,
            "whole_ms": 1e3 * whole_s,
        }
        if pose is None:
            return answer
        error = pose.expected_error
        return answer | {
            "detect_ms": 1e3 * pose.detect_s,
            "lift_ms": 1e3 * pose.lift_s,
            "points": _flat(pose.keypoints_px, 1),
            "confidence": _flat(pose.confidence, 2),
            "pose": _flat(to_plot_axes(pose.pose3d), 4),
            "hypotheses": _flat(to_plot_axes(pose.hypotheses), 4),
            "error_mm": None if error is None else round(1e3 * float(error.mean())),
        }

    def recorded(self) -> tuple[PoseFile, Pictures]:
        """The last seconds as the poses and the pictures of a video. Raises InvalidInput where there are none."""
        if self._detector is None:
            raise InvalidInput(f"{NAME}: the camera was not on yet")
        return self.recording.poses(self._detector)


def decoded(jpeg: bytes) -> np.ndarray:
    """A picture, (height, width, 3) of blue, green, red.

    Raises:
        InvalidInput: It is too large, in too many passes, or no JPEG.
    """
    if len(jpeg) > MOST_OF_A_PICTURE:
        raise InvalidInput(f"a picture of {len(jpeg):,} bytes; expected up to {MOST_OF_A_PICTURE:,}")
    if jpeg.count(b"\xff\xda") > MOST_SCANS:
        raise InvalidInput(f"a picture in more than {MOST_SCANS} passes; expected a JPEG as browsers write it")
    try:
        with Image.open(io.BytesIO(jpeg), formats=["JPEG"]) as picture:
            width, height = picture.size
            if width * height > MOST_PIXELS or min(width, height) < 16:
                raise InvalidInput(f"a picture of {width} x {height} pixels; expected 16 x 16 to 1280 x 1280")
            return np.ascontiguousarray(np.asarray(picture.convert("RGB"))[..., ::-1])
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        if isinstance(error, InvalidInput):
            raise
        raise InvalidInput("no JPEG that can be read") from None


def _flat(values: np.ndarray, digits: int) -> list[float]:
    rounded: list[float] = np.round(values.astype(np.float64), digits).ravel().tolist()
    return rounded
