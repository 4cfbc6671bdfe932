"""Animations are bounded by what they become, not by their bytes; their process can be stopped."""

from __future__ import annotations

import base64
import io
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from app.stage import films
from diffpose_core.io.untrusted.worker import Workers
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

    monkeypatch.setattr(films, "encoders", started)
    with pytest.raises(InvalidInput, match=words):
        films.animation(kind, [picture(*size)] * count, interval_ms, going)


MEASURE = """
import base64, json, sys
from app.stage import encode
from tests.app.stage.test_films import picture

pictures = [base64.b64decode(picture(2000, 1600, colour)) for colour in ("#203040", "#405060")] * 15
content = encode.film([json.dumps({"kind": sys.argv[1], "interval_s": 0.1}).encode(), *pictures])
with open(sys.argv[2], "wb") as out:
    out.write(content)
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


def test_one_who_waits_for_a_place_may_leave(monkeypatch: pytest.MonkeyPatch) -> None:
    encoders = Workers(films.ALLOWANCE, ("app.stage.encode",), at_once=1)
    monkeypatch.setattr(films, "encoders", lambda: encoders)
    with encoders._turn, pytest.raises(InvalidInput, match="the animation: stopped"):
        films.animation("gif", [picture(64, 64)], 100, lambda: True)


def test_an_encoding_beyond_its_allowance_ends_with_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    encoders = films.encoders()
    monkeypatch.setattr(encoders, "allowance", replace(films.ALLOWANCE, wall_s=0.5))
    begun = time.monotonic()
    with pytest.raises(InvalidInput, match=r"encoding it took more than 0\.5 s, .*; make it smaller or shorter"):
        films.animation("mp4", [picture(2000, 1600)] * 20, 1000, going)
    assert time.monotonic() - begun < 10.0
    monkeypatch.setattr(encoders, "allowance", replace(films.ALLOWANCE, memory=64 * 2**20))
    with pytest.raises(InvalidInput, match=r"the animation: .*(memory|ended without an answer)"):
        films.animation("gif", [picture(2000, 1600)] * 3, 100, going)


def test_a_fault_of_the_encoder_is_a_sentence(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(films, "_ENCODE", "app.text")
    with pytest.raises(InvalidInput, match=r"^the animation: encoding it failed$"):
        films.animation("gif", [picture(64, 64)], 100, going)
    assert "AttributeError" in caplog.text, "for the one who runs the app"


def test_the_largest_film_fits_into_its_allowance() -> None:
    """Pictures of as many pixels as are allowed, shown long enough for the encoder to hold as many as it wants."""
    assert films.animation("mp4", [picture(2000, 2000)] * 3, 900, going)[4:8] == b"ftyp"
    assert films.animation("gif", [picture(2000, 2000)] * 3, 900, going)[:6] == b"GIF89a"


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


def test_a_picture_that_is_damaged_further_on_is_named() -> None:
    good = picture(64, 64)
    content = base64.b64decode(good)
    damaged = base64.b64encode(content[:50] + b"\0" * 8 + content[58:]).decode()
    with pytest.raises(InvalidInput, match="picture 2 is no PNG"):
        films.animation("mp4", [good, good, damaged], 100, going)
