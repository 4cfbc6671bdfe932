"""The encoding of an animation, in a process of its own (`films`). One picture is decoded at a time."""

from __future__ import annotations

import io
import json
import struct
from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np
from PIL import GifImagePlugin, Image, ImageChops

from diffpose_core.structures import InvalidInput
from diffpose_core.words import short

VIDEO_RATE = 30
LAST_PICTURE_S = 1.0
GIF_COLOURS = 255


def film(parts: list[bytes]) -> bytes:
    """Encode an animation.

    Args:
        parts: a header in JSON with kind ("mp4" or "gif") and interval_s, the seconds that each picture is shown; then
            the pictures, PNG of one size.

    Raises:
        InvalidInput: a picture can't be read.
    """
    header: dict[str, Any] = json.loads(parts[0])
    pictures, interval_s, out = parts[1:], float(header["interval_s"]), io.BytesIO()
    decoded = (read_picture(picture, number) for number, picture in enumerate(pictures))
    if header["kind"] == "mp4":
        write_video(decoded, len(pictures), interval_s, out)
    else:
        samples = [read_picture(pictures[number], number) for number in (0, len(pictures) // 2, len(pictures) - 1)]
        write_gif(decoded, len(pictures), interval_s, palette_of(samples), out)
    return out.getvalue()


def read_picture(content: bytes, number: int) -> Image.Image:
    """A picture, RGB. Raises InvalidInput, with its number, where it can't be read."""
    try:
        with Image.open(io.BytesIO(content), formats=["PNG"]) as picture:
            return picture.convert("RGB")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise InvalidInput(f"picture {number} is no PNG: {short(error, 120)}") from None


def frames_of_pictures(count: int, interval_s: float) -> np.ndarray:
    """Number of the video's frame at which each picture ends, (count,): the last one stays for a second."""
    ends: np.ndarray = np.round(np.arange(1, count + 1) * interval_s * VIDEO_RATE).astype(int)
    ends[-1] += round(max(0.0, LAST_PICTURE_S - interval_s) * VIDEO_RATE)
    return ends


def write_video(pictures: Iterator[Image.Image], count: int, interval_s: float, out: BinaryIO) -> None:
    """H.264 in MP4 at a constant rate; every picture is repeated for as long as it is shown."""
    import av

    # Not written front to back.
    with av.open(out, "w", format="mp4") as container:
        options = {"crf": "20", "preset": "veryfast"}
        stream = container.add_stream("libx264", rate=VIDEO_RATE, options=options)
        stream.pix_fmt = "yuv420p"  # all players know it
        stream.thread_count = 2
        shown = 0
        for picture, end in zip(pictures, frames_of_pictures(count, interval_s), strict=True):
            if not shown:
                stream.width, stream.height = picture.size
            array = np.asarray(picture)
            while shown < end:
                frame = av.VideoFrame.from_ndarray(array, format="rgb24")
                frame.pts = shown
                container.mux(stream.encode(frame))
                shown += 1
        container.mux(stream.encode())


def palette_of(samples: list[Image.Image]) -> Image.Image:
    """A palette for all pictures of an animation, made from some of them."""
    width, height = samples[0].size
    sheet = Image.new("RGB", (width, len(samples) * height))
    for number, sample in enumerate(samples):
        sheet.paste(sample, (0, number * height))
    return sheet.quantize(GIF_COLOURS)


def write_gif(
    pictures: Iterator[Image.Image], count: int, interval_s: float, palette: Image.Image, out: BinaryIO
) -> None:
    """GIF that repeats for ever, with one palette; each picture after the first holds only the part that changed."""
    colours = bytes(palette.getpalette() or b"").ljust(768, b"\0")[:768]
    shown_ms = max(20, round(interval_s * 100) * 10)  # GIF counts hundredths of a second
    before: Image.Image | None = None
    for number, picture in enumerate(pictures):
        now = picture.quantize(palette=palette, dither=Image.Dither.NONE)
        box = (0, 0, *now.size)
        if before is None:
            out.write(b"GIF89a" + struct.pack("<HHBBB", *now.size, 0xF7, 0, 0) + colours)
            out.write(b"!\xff\x0bNETSCAPE2.0\x03\x01\x00\x00\x00")
        else:
            difference = ImageChops.difference(now.convert("RGB"), before.convert("RGB"))
            box = difference.getbbox() or (0, 0, 1, 1)
        last = number == count - 1
        duration = max(shown_ms, round(LAST_PICTURE_S * 1000)) if last else shown_ms
        for chunk in GifImagePlugin.getdata(now.crop(box), box[:2], duration=duration):
            out.write(chunk)
        before = now
    out.write(b";")
