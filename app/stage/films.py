"""Animations of a stage: pictures from the browser, bounded before they are decoded, encoded in another process."""

from __future__ import annotations

import base64
import binascii
import json
import logging
import struct
from collections.abc import Callable, Sequence
from functools import cache

from app.stage.messages import INTERVAL_MS, MOST_BYTES, MOST_PICTURES
from app.text import log_exception
from diffpose_core.io.untrusted.files import MIB
from diffpose_core.io.untrusted.worker import Allowance, Workers
from diffpose_core.structures import InvalidInput

#: Pixels a side, of one picture, of all pictures, and of all frames of a video.
LONGEST_SIDE, MOST_PIXELS, MOST_IN_ALL, MOST_ENCODED = 4096, 4_000_000, 1_000_000_000, 4_000_000_000
#: Seconds that a film may last.
LONGEST_FILM_S = 180.0
#: Of an encoding. Its process holds all pictures as they came, one decoded, and the encoder's frames.
ALLOWANCE = Allowance(memory=2048 * MIB, processor_s=120, wall_s=120.0)
_ENCODE = "app.stage.encode"
_PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"


@cache
def encoders() -> Workers:
    """The processes that encode films, for all visitors together. None stays: films are rare, and take seconds."""
    return Workers(ALLOWANCE, (_ENCODE, "av"), 2, 0, "encoding it", "make it smaller or shorter")


def animation(kind: str, pictures: Sequence[str], interval_ms: float | None, stopped: Callable[[], bool]) -> bytes:
    """Encode an animation.

    Args:
        kind: "mp4" or "gif".
        pictures: PNG in base64, all of one size.
        interval_ms: Milliseconds that each picture is shown.
        stopped: Asked again and again: whether nobody wants the film any more.

    Returns:
        The file.

    Raises:
        InvalidInput: The pictures are out of bounds or can't be read, or the encoding was stopped, took too long or
            failed.
    """
    header = {"kind": kind, "interval_s": _check(kind, pictures, interval_ms)}
    parts = [json.dumps(header).encode(), *(_decoded(number, picture) for number, picture in enumerate(pictures))]
    try:
        return encoders().run(f"{_ENCODE}:film", parts, "the animation", stopped)
    except RuntimeError as error:
        log_exception(logging.getLogger(__name__), "an animation could not be encoded")
        raise InvalidInput(str(error)) from error


def _check(kind: str, pictures: Sequence[str], interval_ms: float | None) -> float:
    """The seconds that a picture is shown. Raises InvalidInput where the animation is out of bounds."""
    if not 1 <= len(pictures) <= MOST_PICTURES:
        raise InvalidInput(f"an animation has 1 to {MOST_PICTURES} pictures, found {len(pictures)}")
    if sum(map(len, pictures)) > MOST_BYTES * 4 / 3:
        raise InvalidInput(f"an animation's pictures have at most {MOST_BYTES // 10**6} MB together")
    if interval_ms is None or not INTERVAL_MS[0] <= interval_ms <= INTERVAL_MS[1]:
        raise InvalidInput(f"a picture is shown for 0.005 to 10 s, found {interval_ms} ms")
    sizes = [_size(number, picture) for number, picture in enumerate(pictures)]
    width, height = sizes[0]
    for number, size in enumerate(sizes):
        if size != sizes[0]:
            raise InvalidInput(f"picture {number} has the size {size}, the first {sizes[0]}")
    if len(pictures) * width * height > MOST_IN_ALL:
        raise InvalidInput(
            f"an animation has at most {MOST_IN_ALL // 10**6} million pixels in all, found {len(pictures)} pictures "
            f"of {width} x {height}"
        )
    seconds = len(pictures) * interval_ms / 1000
    if seconds > LONGEST_FILM_S:
        raise InvalidInput(f"an animation lasts at most {LONGEST_FILM_S:.0f} s, found {seconds:.0f} s")
    if kind == "mp4" and seconds * 30 * width * height > MOST_ENCODED:
        raise InvalidInput(f"a video of {seconds:.0f} s with {width} x {height} pixels is too large; make it smaller")
    return interval_ms / 1000


def _size(number: int, picture: str) -> tuple[int, int]:
    """Width and height of a PNG in base64, from its first bytes; nothing is decoded."""
    try:
        head = base64.b64decode(picture[:32], validate=True)
    except (binascii.Error, ValueError):
        head = b""
    if not head.startswith(_PNG) or len(head) < 24:
        raise InvalidInput(f"picture {number} is no PNG")
    width, height = struct.unpack(">II", head[16:24])
    if max(width, height) > LONGEST_SIDE or min(width, height) < 2 or width % 2 or height % 2:
        raise InvalidInput(f"pictures have even sides of 2 to {LONGEST_SIDE} pixels, found {(width, height)}")
    if width * height > MOST_PIXELS:
        raise InvalidInput(f"a picture has at most {MOST_PIXELS:,} pixels, found {width} x {height}")
    return width, height


def _decoded(number: int, picture: str) -> bytes:
    """A picture out of its base64."""
    try:
        return base64.b64decode(picture, validate=True)
    except (binascii.Error, ValueError):
        raise InvalidInput(f"picture {number} is no PNG") from None
