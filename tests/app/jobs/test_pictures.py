"""Small pictures of a video: what is kept, how much of it, and which frame each belongs to."""

from __future__ import annotations

import io
import json
import struct

import numpy as np
import pytest

pytest.importorskip("PIL")

from PIL import Image

from app.jobs.pictures import LONGER_SIDE, Footage, Pictures
from diffpose_core.io.detectors.detector import Found, Heat
from diffpose_core.io.formats import FileClip
from diffpose_core.io.video_file import Picture


def picture(number: int, size: tuple[int, int] = (64, 48), time_s: float | None = None) -> Picture:
    """A picture whose blue is its number."""
    image = np.zeros((size[1], size[0], 3), np.uint8)
    image[..., 0] = number
    return Picture(time_s, image)


def clip(frames: int, fps: float = 25.0) -> FileClip:
    return FileClip("", frames, (), (64, 48), fps)


def opened(jpeg: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(jpeg)))


def collected(count: int, **more: int) -> Pictures:
    pictures = Pictures(**more)
    for n in range(count):
        pictures.add(n, picture(10 * n))
    return pictures


def test_every_frame_keeps_its_own_picture() -> None:
    footage = collected(10).footage(clip(10), 0, 10)
    assert footage is not None and footage.frames == tuple(range(10)) and footage.size == (64, 48)
    for n, jpeg in enumerate(footage.jpegs):
        red, _, blue = opened(jpeg).reshape(-1, 3).mean(0)
        assert abs(blue - 10 * n) < 4 and red < 4, "red comes first in a JPEG"


def test_a_frame_has_its_picture_or_the_last_one_before_it() -> None:
    assert abs(opened(collected(4).of_frame(clip(4), 2))[..., 2].mean() - 20) < 4
    assert abs(opened(collected(2).of_frame(clip(4), 3))[..., 2].mean() - 10) < 4
    assert Pictures().of_frame(clip(4), 2) == b""


def test_large_pictures_are_shrunk_and_keep_their_proportions() -> None:
    pictures = Pictures()
    pictures.add(0, picture(0, (1080, 1920)))
    footage = pictures.footage(clip(1), 0, 1)
    assert footage is not None and footage.size == (1080, 1920)
    height, width = opened(footage.jpegs[0]).shape[:2]
    assert (width, height) == (360, 640) and height <= LONGER_SIDE


def test_a_person_s_clip_begins_where_the_person_does() -> None:
    footage = collected(10).footage(clip(10), 4, 3)
    assert footage is not None and footage.frames == (0, 1, 2)
    assert abs(opened(footage.jpegs[0])[..., 2].mean() - 40) < 4
    assert collected(3).footage(clip(3), 5, 2) is None


def test_too_many_bytes_leave_every_other_picture() -> None:
    one = len(collected(1).footage(clip(1), 0, 1).jpegs[0])  # type: ignore[union-attr]
    footage = collected(25, most_bytes=9 * one).footage(clip(25), 0, 25)
    assert footage is not None and footage.frames == (0, 4, 8, 12, 16, 20, 24)
    assert sum(map(len, footage.jpegs)) <= 9 * one + 100


def test_frames_of_uneven_times_go_where_their_poses_went() -> None:
    pictures = Pictures()
    for n, time_s in enumerate((1.0, 1.04, 1.08, 1.2)):
        pictures.add(n, picture(n, time_s=time_s))
    footage = pictures.footage(clip(6), 0, 6)
    assert footage is not None and footage.frames == (0, 1, 2, 5)


def test_what_the_browser_gets() -> None:
    packed = Footage((64, 48), (0, 3), (b"one", b"three")).pack("abc")
    (length,) = struct.unpack("<I", packed[:4])
    header = json.loads(packed[4 : 4 + length])
    assert header == {"source": "abc", "size": [64, 48], "frames": [0, 3], "bytes": [3, 5], "glows": []}
    assert packed[4 + length :] == b"onethree"


def test_heatmaps_go_with_their_pictures_and_count_among_the_bytes() -> None:
    cells = np.zeros((64, 64), np.uint8)
    cells[20, 40] = 255
    heat = Heat(cells, (30.0, 20.0, 50.0, 0.25))
    people = Found(np.zeros((2, 17, 2)), np.zeros((2, 17)), None, (heat, heat))
    pictures = Pictures()
    for n in range(3):
        pictures.add(n, picture(n), people if n else None)
    footage = pictures.footage(clip(3), 0, 3)
    assert footage is not None and [len(glows) for glows in footage.glows] == [0, 2, 2]
    region, png = footage.glows[1][0]
    assert region == heat.region
    shown = np.asarray(Image.open(io.BytesIO(png)).convert("RGBA"))[..., 3]
    assert shown[20, 40] > 200 and np.count_nonzero(shown) == 1
    packed = footage.pack("abc")
    (length,) = struct.unpack("<I", packed[:4])
    header = json.loads(packed[4 : 4 + length])
    assert header["glows"] == [[], [[30.0, 20.0, 50.0, 0.25, len(png)]] * 2, [[30.0, 20.0, 50.0, 0.25, len(png)]] * 2]
    assert packed.endswith(png * 4)
    bounded = Pictures(most_bytes=len(footage.jpegs[0]) + 2 * len(png))
    for n in range(3):
        bounded.add(n, picture(n), people)
    assert len(bounded.footage(clip(3), 0, 3).frames) == 1  # type: ignore[union-attr]
