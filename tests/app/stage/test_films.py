"""Animations are bounded by what they become, not by their bytes; their process can be stopped."""

from __future__ import annotations

import base64
import io
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from app.stage import encode, films
from diffpose_core.structures import InvalidInput

ROOT = Path(__file__).resolve().parents[3]


def picture(width: int, height: int, colour: str = "#203040") -> str:
    file = io.BytesIO()
    Image.new("RGB", (width, height), colour).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


def going() -> bool:
    return False


@pytest.mark.parametrize(
    "size, count, kind, interval_ms, words",
    [
        ((4096, 4096), 30, "gif", 100, "a picture has at most 4,000,000 pixels, found 4096 x 4096"),
        ((2000, 2000), 251, "gif", 100, "1000 million pixels in all, found 251 pictures of 2000 x 2000"),
        ((4000, 1000), 4, "mp4", 10_000, "too large"),
        ((64, 64), 30, "mp4", 10_000, "lasts at most 180 s, found 300 s"),
        ((64, 64), 0, "mp4", 100, "1 to 400 pictures, found 0"),
        ((64, 64), 401, "mp4", 100, "1 to 400 pictures, found 401"),
        ((64, 64), 1, "mp4", None, "0.005 to 10 s"),
    ],
)
def test_animations_that_become_too_large_are_refused_before_a_picture_is_decoded(
    size: tuple[int, int], count: int, kind: str, interval_ms: float | None, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def started(*_: Any, **__: Any) -> None:
        raise AssertionError("no process is started")

    monkeypatch.setattr(films.subprocess, "Popen", started)
    with pytest.raises(InvalidInput, match=words):
        films.animation(kind, [picture(*size)] * count, interval_ms, going)


MEASURE = """
import io, struct, sys
from app.stage import encode, films
from tests.app.stage.test_films import picture

pictures = [picture(2000, 1600, colour) for colour in ("#203040", "#405060")] * 15
parts = [struct.pack("<I", len(part)) + part for part in films._parts(sys.argv[1], pictures, 0.1)]
with open(sys.argv[2], "wb") as out:
    encode.encode(io.BytesIO(b"".join(parts)), out)
print(int(open("/proc/self/status").read().split("VmHWM:")[1].split()[0]) // 1024)
"""


@pytest.mark.parametrize("kind, most_mib", [("gif", 250), ("mp4", 600)])
def test_many_large_pictures_take_little_memory(kind: str, most_mib: int, tmp_path: Path) -> None:
    """30 pictures of 3.2 million pixels are 290 MB as colours, and 2.4 GB as the video's frames."""
    command = [sys.executable, "-c", MEASURE, kind, str(tmp_path / "film")]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert int(ran.stdout) < most_mib, "MiB at most"
    if kind == "gif":
        with Image.open(tmp_path / "film") as animation:
            assert animation.n_frames == 30 and animation.size == (2000, 1600)


def test_an_encoding_stops_when_nobody_wants_it() -> None:
    begun = time.monotonic()
    with pytest.raises(InvalidInput, match="stopped"):
        films.animation("mp4", [picture(2000, 1600)] * 20, 1000, lambda: time.monotonic() - begun > 1.0)
    assert time.monotonic() - begun < 4.0


def test_an_encoding_that_hangs_is_killed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(films, "PATIENCE_S", 0.5)
    monkeypatch.setattr(films.sys, "executable", str(tmp_path / "hangs"))
    (tmp_path / "hangs").write_text("#!/bin/sh\nexec sleep 60\n")
    (tmp_path / "hangs").chmod(0o755)
    begun = time.monotonic()
    with pytest.raises(InvalidInput, match="took more than"):
        films.animation("gif", [picture(64, 64)] * 300, 100, going)
    assert time.monotonic() - begun < 5.0


def test_every_picture_of_a_gif_is_seen_as_it_was() -> None:
    colours = ["#ff0000", "#ff0000", "#00ff00", "#0000ff"]
    content = films.animation("gif", [picture(64, 48, colour) for colour in colours], 200, going)
    with Image.open(io.BytesIO(content)) as animation:
        shown = []
        for number in range(animation.n_frames):
            animation.seek(number)
            shown.append((animation.convert("RGB").getpixel((30, 30)), animation.info["duration"]))
    reds = [pixel for pixel, _ in shown]
    assert reds == [(255, 0, 0), (255, 0, 0), (0, 255, 0), (0, 0, 255)]
    assert [duration for _, duration in shown] == [200, 200, 200, 1000]


def test_the_process_has_limits() -> None:
    code = (
        "import resource; from app.stage import encode; encode.limit_resources(); "
        "print(resource.getrlimit(resource.RLIMIT_AS)[0], resource.getrlimit(resource.RLIMIT_CPU)[0])"
    )
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ran.stdout.split() == [str(encode.LIMITS["RLIMIT_AS"]), str(encode.LIMITS["RLIMIT_CPU"])]


def test_a_picture_that_is_damaged_further_on_is_named() -> None:
    good = picture(64, 64)
    content = base64.b64decode(good)
    damaged = base64.b64encode(content[:50] + b"\0" * 8 + content[58:]).decode()
    with pytest.raises(InvalidInput, match="picture 2 is no PNG"):
        films.animation("mp4", [good, good, damaged], 100, going)
