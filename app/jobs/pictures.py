"""Small pictures of a video, kept in memory for the panels that show the 2D pose. They are bounded in all."""

from __future__ import annotations

import io
import json
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from diffpose_core.io.detectors.detector import Found, Heat
from diffpose_core.io.formats import FileClip
from diffpose_core.io.untrusted.files import MIB
from diffpose_core.io.video_file import Picture

#: Longer side in pixels at most, about; quality of the JPEGs; bytes of all pictures of a video.
LONGER_SIDE = 640
QUALITY = 60
MOST_BYTES = 12 * MIB
#: Levels of a heatmap's picture, from none at all to certain, and their colours: red, green, blue and opacity.
_LEVELS = 16
_GLOW = [(255, 90 + 9 * n, 40, round(220 * n / (_LEVELS - 1))) for n in range(_LEVELS)]


#: A person's heatmaps in a picture: their region, see `Heat`, and a PNG.
Glow = tuple[tuple[float, float, float, float], bytes]


@dataclass(frozen=True)
class Footage:
    """Pictures of a clip.

    Attributes:
        size: (width, height) in pixels of the video.
        frames: Numbers of the clip's frames that have a picture, rising.
        jpegs: One for each.
        glows: For each, the people's heatmaps: region (see `Heat`) and PNG.
    """

    size: tuple[int, int]
    frames: tuple[int, ...]
    jpegs: tuple[bytes, ...]
    glows: tuple[tuple[Glow, ...], ...] = ()

    def pack(self, source: str) -> bytes:
        """Bytes for the browser: the header's length, the header as JSON, the JPEGs and then the PNGs.

        Args:
            source: The clip's hash.
        """
        header = {
            "source": source,
            "size": list(self.size),
            "frames": list(self.frames),
            "bytes": [len(jpeg) for jpeg in self.jpegs],
            "glows": [[[*region, len(png)] for region, png in glows] for glows in self.glows],
        }
        text = json.dumps(header).encode()
        pngs = [png for glows in self.glows for _, png in glows]
        return b"".join([struct.pack("<I", len(text)), text, *self.jpegs, *pngs])


class Pictures:
    """Collects pictures while a video is searched. When they get too many, every other one goes.

    Args:
        most_bytes: Limit of all pictures together.
    """

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most, self._every, self._seen = most_bytes, 1, 0
        self._kept: dict[int, tuple[float | None, bytes, tuple[Glow, ...]]] = {}
        self._first_s: float | None = None
        self._size = (0, 0)

    def add(self, number: int, picture: Picture, people: Found | None = None) -> None:
        """Keep the next picture, as a small JPEG, with the heatmaps of the people in it."""
        size = (picture.image.shape[1], picture.image.shape[0])
        self.add_small(number, picture.time_s, size, lambda: _jpeg(picture.image), people.heat if people else ())

    def add_small(
        self, number: int, time_s: float | None, size: tuple[int, int], jpeg: Callable[[], bytes],
        heat: Sequence[Heat] = (),
    ) -> None:  # fmt: skip
        """Keep the next picture.

        Args:
            number: Of the frame, from 0.
            time_s: Seconds from any beginning, where they are known.
            size: (width, height) of the frame in pixels.
            jpeg: Makes the small JPEG, where it is kept.
            heat: The people's heatmaps.
        """
        self._seen = number + 1
        if not number:
            self._first_s, self._size = time_s, size
        if number % self._every:
            return
        self._kept[number] = (time_s, jpeg(), tuple((one.region, _png(one.cells)) for one in heat))
        while self._bytes() > self._most and len(self._kept) > 1:
            self._every *= 2
            self._kept = {n: kept for n, kept in self._kept.items() if not n % self._every}

    def _bytes(self) -> int:
        return sum(len(jpeg) + sum(len(png) for _, png in glows) for _, jpeg, glows in self._kept.values())

    def footage(self, clip: FileClip, first_frame: int, count: int) -> Footage | None:
        """The pictures of the clip that was made of a part of the file's frames; None where there are none.

        Args:
            clip: What was found in the video.
            first_frame: Number of the clip's first frame in it.
            count: Number of the clip's frames.
        """
        placed: dict[int, tuple[bytes, tuple[Glow, ...]]] = {}
        for number, (time_s, jpeg, glows) in self._kept.items():
            frame = number
            if clip.num_frames != self._seen and clip.fps and time_s is not None and self._first_s is not None:
                # Frames of uneven times were put where their times say.
                frame = round((time_s - self._first_s) * clip.fps)
            if 0 <= frame - first_frame < count:
                placed.setdefault(frame - first_frame, (jpeg, glows))
        if not placed:
            return None
        frames = sorted(placed)
        kept = [placed[frame] for frame in frames]
        return Footage(self._size, tuple(frames), tuple(jpeg for jpeg, _ in kept), tuple(glows for _, glows in kept))

    def of_frame(self, clip: FileClip, frame: int) -> bytes:
        """The JPEG of a frame of what was found in the video, or the last one before it; empty without.

        Args:
            clip: What was found in the video.
            frame: Number of the frame in it.
        """
        found = self.footage(clip, 0, frame + 1)
        return b"" if found is None else found.jpegs[-1]


def _jpeg(image: np.ndarray) -> bytes:
    """A small JPEG of an image (height, width, 3) of blue, green, red."""
    small = Image.fromarray(image).reduce(max(1, round(max(image.shape[:2]) / LONGER_SIDE)))
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(np.asarray(small)[..., ::-1])).save(file, "JPEG", quality=QUALITY)
    return file.getvalue()


def _png(cells: np.ndarray) -> bytes:
    """A heatmap (H, W), bytes, as a picture that glows where it is warm and is clear elsewhere."""
    image = Image.fromarray(cells // (256 // _LEVELS)).convert("P")
    image.putpalette([channel for level in _GLOW for channel in level[:3]])
    file = io.BytesIO()
    image.save(file, "PNG", bits=4, transparency=bytes(level[3] for level in _GLOW))
    return file.getvalue()
