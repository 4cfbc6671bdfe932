"""Animations of a stage: pictures from the browser, bounded before they are decoded, encoded in another process."""

from __future__ import annotations

import base64
import binascii
import contextlib
import json
import os
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from app.stage.messages import INTERVAL_MS, MOST_BYTES, MOST_PICTURES
from diffpose_core.structures import InvalidInput

#: Pixels a side, of one picture, of all pictures, and of all frames of a video.
LONGEST_SIDE, MOST_PIXELS, MOST_IN_ALL, MOST_ENCODED = 4096, 4_000_000, 1_000_000_000, 4_000_000_000
#: Seconds that a film may last, and that its encoding may take.
LONGEST_FILM_S, PATIENCE_S = 180.0, 120.0
#: Films that are encoded at a time, for all visitors together.
_places = threading.Semaphore(2)
_PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"
_ROOT = Path(__file__).resolve().parents[2]


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
        InvalidInput: The pictures are out of bounds or can't be read, or the encoding was stopped or took too long.
    """
    interval_s = _check(kind, pictures, interval_ms)
    while not _places.acquire(timeout=0.2):
        if stopped():
            raise InvalidInput("the animation was stopped")
    try:
        return _encode(kind, pictures, interval_s, stopped)
    finally:
        _places.release()


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


def _parts(kind: str, pictures: Sequence[str], interval_s: float) -> Iterator[bytes]:
    """The input of the encoding process, part by part."""
    samples = [0, len(pictures) // 2, len(pictures) - 1] if kind == "gif" else []
    header = {"kind": kind, "count": len(pictures), "interval_s": interval_s, "samples": samples}
    yield json.dumps(header).encode()
    for number in [*samples, *range(len(pictures))]:
        try:
            yield base64.b64decode(pictures[number], validate=True)
        except (binascii.Error, ValueError):
            raise InvalidInput(f"picture {number} is no PNG") from None


def _encode(kind: str, pictures: Sequence[str], interval_s: float, stopped: Callable[[], bool]) -> bytes:
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "app.stage.encode"],
            stdin=subprocess.PIPE, stdout=out, stderr=errors, cwd=_ROOT, env={**os.environ, "PYTHONPATH": str(_ROOT)},
        )  # fmt: skip
        watch = _Watch(process, stopped)
        try:
            assert process.stdin is not None
            # A process that has ended tells the reason by its status.
            with contextlib.suppress(BrokenPipeError), process.stdin as pipe:
                for part in _parts(kind, pictures, interval_s):
                    pipe.write(struct.pack("<I", len(part)))
                    pipe.write(part)
            process.wait()
        finally:
            process.kill()
            process.wait()
            watch.join()
        if watch.reason or process.returncode:
            errors.seek(0)
            words = errors.read(200).decode(errors="replace").strip()
            raise InvalidInput(watch.reason or _why(process.returncode, words))
        out.seek(0)
        return out.read()


class _Watch(threading.Thread):
    """Kills a process that nobody waits for, or that takes too long; a write to it, or a wait for it, ends then."""

    def __init__(self, process: subprocess.Popen[bytes], stopped: Callable[[], bool]) -> None:
        super().__init__(name="film", daemon=True)
        self.reason = ""
        self._process, self._stopped = process, stopped
        self._end = time.monotonic() + PATIENCE_S
        self.start()

    def run(self) -> None:
        """Look every 0.2 s until the process has ended."""
        while self._process.poll() is None:
            if self._stopped():
                self.reason = "the animation was stopped"
            elif time.monotonic() > self._end:
                self.reason = f"the animation took more than {PATIENCE_S:.0f} s; make it smaller or shorter"
            if self.reason:
                self._process.kill()
                return
            time.sleep(0.2)


def _why(status: int, words: str) -> str:
    if status == 2:
        return words
    return "the animation takes too much memory or time; make it smaller or shorter"
