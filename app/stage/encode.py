"""The process that encodes an animation: `python -m app.stage.encode`. It holds one picture at a time.

Input: a JSON header, then PNG pictures, the samples for a palette first; each part after its length (uint32, little-
endian). Output: the file. It ends with status 2 and a sentence on stderr where a picture can't be read.
"""

from __future__ import annotations

import contextlib
import io
import json
import struct
import sys
from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np
from PIL import GifImagePlugin, Image, ImageChops

VIDEO_RATE = 30
LAST_PICTURE_S = 1.0
GIF_COLOURS = 255
#: Limits of this process: bytes of address space, seconds of the processor, bytes of the file.
LIMITS = {"RLIMIT_AS": 3 << 30, "RLIMIT_CPU": 120, "RLIMIT_FSIZE": 300 << 20}


def limit_resources() -> None:
    """Have the system end this process where it takes too much, on systems that can."""
    with contextlib.suppress(ImportError):
        import resource

        for name, most in LIMITS.items():
            kind = getattr(resource, name)
            hard = resource.getrlimit(kind)[1]
            most = most if hard == resource.RLIM_INFINITY else min(most, hard)
            resource.setrlimit(kind, (most, hard))


def read_part(file: BinaryIO) -> bytes:
    """The next part of the input. Raises EOFError at its end."""
    head = file.read(4)
    if len(head) < 4:
        raise EOFError("the input ends early")
    (length,) = struct.unpack("<I", head)
    return file.read(length)


def read_picture(file: BinaryIO, number: int) -> Image.Image:
    """The next picture of the input, RGB. Raises ValueError, with its number, where it can't be read."""
    part = read_part(file)
    try:
        with Image.open(io.BytesIO(part), formats=["PNG"]) as picture:
            return picture.convert("RGB")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise ValueError(f"picture {number} is no PNG: {error}") from None


def frames_of_pictures(count: int, interval_s: float) -> np.ndarray:
    """Number of the video's frame at which each picture ends, (count,): the last one stays for a second."""
    ends: np.ndarray = np.round(np.arange(1, count + 1) * interval_s * VIDEO_RATE).astype(int)
    ends[-1] += round(max(0.0, LAST_PICTURE_S - interval_s) * VIDEO_RATE)
    return ends


def write_video(pictures: Iterator[Image.Image], count: int, interval_s: float, out: BinaryIO) -> None:
    """H.264 in MP4 at a constant rate; every picture is repeated for as long as it is shown."""
    import av

    file = io.BytesIO()  # MP4 is not written front to back
    with av.open(file, "w", format="mp4") as container:
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
    out.write(file.getbuffer())


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


def encode(source: BinaryIO, out: BinaryIO) -> None:
    """Encode the animation that the input describes."""
    header: dict[str, Any] = json.loads(read_part(source))
    count, interval_s = int(header["count"]), float(header["interval_s"])
    samples = [read_picture(source, int(number)) for number in header["samples"]]
    pictures = (read_picture(source, number) for number in range(count))
    if header["kind"] == "mp4":
        write_video(pictures, count, interval_s, out)
    else:
        write_gif(pictures, count, interval_s, palette_of(samples), out)


def main() -> int:
    """The process."""
    limit_resources()
    try:
        encode(sys.stdin.buffer, sys.stdout.buffer)
    except (OSError, ValueError, EOFError) as error:
        print(ascii(str(error))[1:-1][:120], file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
