"""Small pictures of a video, kept in memory for the panels that show the 2D pose. They are bounded in all."""

from __future__ import annotations

import io
import json
import struct
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image

from diffpose_core.io.formats import FileClip
from diffpose_core.io.untrusted.files import MIB
from diffpose_core.io.video_file import Picture

#: Longer side in pixels at most, about; quality of the JPEGs; bytes of all pictures of a video.
LONGER_SIDE = 640
QUALITY = 60
MOST_BYTES = 12 * MIB


@dataclass(frozen=True)
class Footage:
    """Pictures of a clip.

    Attributes:
        size: (width, height) in pixels of the video.
        frames: Numbers of the clip's frames that have a picture, rising.
        jpegs: One for each.
    """

    size: tuple[int, int]
    frames: tuple[int, ...]
    jpegs: tuple[bytes, ...]

    def pack(self, source: str) -> bytes:
        """Bytes for the browser: the header's length, the header as JSON, and the JPEGs. source: the clip's hash."""
        header = {
            "source": source,
            "size": list(self.size),
            "frames": list(self.frames),
            "bytes": [len(jpeg) for jpeg in self.jpegs],
        }
        text = json.dumps(header).encode()
        return b"".join([struct.pack("<I", len(text)), text, *self.jpegs])


class Pictures:
    """Collects pictures while a video is searched. When they get too many, every other one goes.

    Args:
        most_bytes: Limit of all pictures together.
    """

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most, self._every, self._seen = most_bytes, 1, 0
        self._kept: dict[int, tuple[float | None, bytes]] = {}
        self._first_s: float | None = None
        self._size = (0, 0)

    def add(self, number: int, picture: Picture) -> None:
        """Keep the next picture, as a small JPEG."""
        size = (picture.image.shape[1], picture.image.shape[0])
        self.add_small(number, picture.time_s, size, lambda: _jpeg(picture.image))

    def add_small(self, number: int, time_s: float | None, size: tuple[int, int], jpeg: Callable[[], bytes]) -> None:
        """Keep the next picture.

        Args:
            number: Of the frame, from 0.
            time_s: Seconds from any beginning, where they are known.
            size: (width, height) of the frame in pixels.
            jpeg: Makes the small JPEG, where it is kept.
        """
        self._seen = number + 1
        if not number:
            self._first_s, self._size = time_s, size
        if number % self._every:
            return
        self._kept[number] = (time_s, jpeg())
        while sum(len(jpeg) for _, jpeg in self._kept.values()) > self._most and len(self._kept) > 1:
            self._every *= 2
            self._kept = {n: kept for n, kept in self._kept.items() if not n % self._every}

    def footage(self, clip: FileClip, first_frame: int, count: int) -> Footage | None:
        """The pictures of the clip that was made of a part of the file's frames; None where there are none.

        Args:
            clip: What was found in the video.
            first_frame: Number of the clip's first frame in it.
            count: Number of the clip's frames.
        """
        placed: dict[int, bytes] = {}
        for number, (time_s, jpeg) in self._kept.items():
            frame = number
            if clip.num_frames != self._seen and clip.fps and time_s is not None and self._first_s is not None:
                # Frames of uneven times were put where their times say.
                frame = round((time_s - self._first_s) * clip.fps)
            if 0 <= frame - first_frame < count:
                placed.setdefault(frame - first_frame, jpeg)
        if not placed:
            return None
        frames = sorted(placed)
        return Footage(self._size, tuple(frames), tuple(placed[frame] for frame in frames))


def _jpeg(image: np.ndarray) -> bytes:
    """A small JPEG of an image (height, width, 3) of blue, green, red."""
    small = Image.fromarray(image).reduce(max(1, round(max(image.shape[:2]) / LONGER_SIDE)))
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(np.asarray(small)[..., ::-1])).save(file, "JPEG", quality=QUALITY)
    return file.getvalue()
