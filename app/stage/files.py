"""The files that a stage's data and its pictures are made into: numbers, a page, animations. No Streamlit in here.

What the browser asks for is checked like any upload: it may come from anywhere.
"""

from __future__ import annotations

import base64
import binascii
import html
import io
import json
import math
import re
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from app.stage.payload import unpack
from diffpose_core.skeleton import JOINT_NAMES
from diffpose_core.structures import InvalidInput

HERE = Path(__file__).parent
#: What an animation may have at most: pictures, pixels a side, bytes of all pictures together.
MOST_PICTURES, LONGEST_SIDE, MOST_BYTES = 400, 4096, 150_000_000
VIDEO_RATE = 30
LAST_PICTURE_S = 1.0
GIF_COLOURS = 255


@dataclass(frozen=True)
class MadeFile:
    """A file for the person. type: its media type."""

    name: str
    type: str
    content: bytes


def make_file(request: Mapping[str, Any], packed: bytes, source: tuple[str, str, str], plotly: str) -> MadeFile:
    """What the browser asked for.

    request: kind "npz", "html", "mp4" or "gif", the file's name, and what the kind needs: camera, step, frame, hidden
    and theme for a page; pictures (base64 of PNG) and interval_ms for an animation. packed: the stage's data.
    source: HTML, CSS and JavaScript of the stage. plotly: the path of plotly.min.js.
    Raises InvalidInput on anything else.
    """
    kind = request.get("kind")
    makers: dict[Any, tuple[str, Callable[[], bytes]]] = {
        "npz": ("application/octet-stream", lambda: numbers(packed)),
        "html": ("text/html", lambda: page(packed, request, source, Path(plotly).read_text(encoding="utf-8"))),
        "mp4": ("video/mp4", lambda: video(*_animation(request))),
        "gif": ("image/gif", lambda: gif(*_animation(request))),
    }
    if kind not in makers:
        raise InvalidInput(f"a download is one of {', '.join(makers)}, found {str(kind)[:40]!r}")
    media, make = makers[kind]
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", str(request.get("name") or f"view.{kind}"))[-120:]
    return MadeFile(name, media, make())


# ---- numbers ----


def numbers(packed: bytes) -> bytes:
    """A view's arrays as npz: poses in metres in the camera frame, with a readme that names axes and units."""
    header, arrays = unpack(packed)
    units = _units(header)
    lines = [
        f"{header['title']}, clip {header['clip'] or 'without a name'}. Made with DiffPose Studio.",
        "Poses: metres, relative to the hip, camera frame: x right, y down, z away from the camera.",
        "Image points (axis uv): pixels, u right, v down, from the image's upper left corner.",
        f"Axis joint, in this order: {', '.join(JOINT_NAMES)}.",
        "Axis frame: frame_numbers says which frames of the clip these are. Axis step: step_values gives k, noisiest"
        " or cleanest first as the view plays them. Axis sample: samples or hypotheses.",
        "",
    ]
    out: dict[str, np.ndarray] = {}
    for name, values in arrays.items():
        axes = header["arrays"][name]["axes"]
        # Plot axes are (x, z, -y) of the camera frame.
        out[name] = np.stack([values[..., 0], -values[..., 2], values[..., 1]], -1) if axes[-1:] == ["xyz"] else values
        unit = {"xyz": "m, camera frame", "uv": "px"}.get(axes[-1] if axes else "", units.get(name, "no unit"))
        lines.append(f"{name}: ({', '.join(axes)}) {list(values.shape)}, {unit}")
    frame_axis = header["axes"]["frame"]
    if frame_axis is not None:
        out["frame_numbers"] = np.array(frame_axis["values"])
    elif header["shows_frame"] is not None:
        out["frame_numbers"] = np.array([header["shows_frame"]])
    out["step_values"] = np.array(header["axes"]["step"]["values"])
    file = io.BytesIO()
    np.savez_compressed(file, readme=np.array("\n".join(lines)), **out)  # type: ignore[arg-type]
    return file.getvalue()


def _units(part: Any, unit: str | None = None) -> dict[str, str]:
    """Array -> unit, from the readouts and charts that show the arrays."""
    found: dict[str, str] = {}
    if isinstance(part, Mapping):
        unit = part.get("unit", unit)
        if isinstance(part.get("array"), str) and unit:
            found[part["array"]] = unit
    parts = part.values() if isinstance(part, Mapping) else part if isinstance(part, list) else ()
    for inner in parts:
        found |= _units(inner, unit)
    return found


# ---- a page that plays by itself ----


def page(packed: bytes, request: Mapping[str, Any], source: tuple[str, str, str], plotly: str) -> bytes:
    """One HTML file with plotly.js, the stage and its data, that opens as the stage stands and fetches nothing."""
    header, _ = unpack(packed)
    markup, css, javascript = source
    theme = _part(request, "theme", Mapping)
    colours = {
        "--st-background-color": _colour(theme.get("background"), "#ffffff"),
        "--st-text-color": _colour(theme.get("text"), "#1b2230"),
        "--st-primary-color": _colour(theme.get("primary"), "#0b7a6b"),
    }
    parts = {
        "title": html.escape(header["title"]),
        "words": html.escape(f"Clip: {header['clip']}. " if header["clip"] else ""),
        "colours": "".join(f"{name}: {value}; " for name, value in colours.items())
        + f"color-scheme: {'dark' if theme.get('dark') is True else 'light'};",
        "css": css,
        "html": markup,
        "plotly": _inline(plotly),
        "data": base64.b64encode(packed).decode(),
        "javascript": _inline(javascript),
        "start": _inline(json.dumps(_start(request, header))),
    }
    template = (HERE / "page.html").read_text(encoding="utf-8")
    return re.sub(r"\{\{(\w+)\}\}", lambda m: parts[m[1]], template).encode()


def _inline(script: str) -> str:
    """A script that can stand inside a page: nothing in it ends the element or opens a comment."""
    return re.sub(r"<(?=/script|!--|script)", r"\\x3c", script, flags=re.IGNORECASE)


def _start(request: Mapping[str, Any], header: Mapping[str, Any]) -> dict[str, Any]:
    """Where the page begins: the values of k and frame, the camera, the layers that are off."""
    start: dict[str, Any] = {}
    for key, axis, place in (("k", "step", "step"), ("at", "frame", "frame")):
        values = header["axes"][axis]["values"] if header["axes"][axis] else []
        index = request.get(place)
        if isinstance(index, int) and 0 <= index < len(values):
            start[key] = values[index]
    camera = _part(request, "camera", Mapping)
    if camera:
        start["camera"] = {
            corner: {axis: _number(_part(camera, corner, Mapping).get(axis), "the camera") for axis in "xyz"}
            for corner in ("eye", "center", "up")
        }
    joint = request.get("joint")
    if isinstance(joint, int) and 0 <= joint < len(JOINT_NAMES):
        start["joint"] = joint
    start["ghosts"] = request.get("ghosts") is True
    start["hidden"] = [str(label) for label in _part(request, "hidden", list)]
    return start


def _part(request: Mapping[str, Any], key: str, kind: Any) -> Any:
    value = request.get(key, kind() if kind is list else {})
    if not isinstance(value, kind):
        raise InvalidInput(f"the request's {key} should be a {kind.__name__}, found {type(value).__name__}")
    return value


def _number(value: Any, what: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise InvalidInput(f"{what} needs finite numbers, found {str(value)[:40]!r}")
    return float(value)


def _colour(value: Any, fallback: str) -> str:
    """A colour as style rules write it; anything else could bring rules of its own."""
    return (
        value if isinstance(value, str) and re.fullmatch(r"#[0-9a-fA-F]{3,8}|rgba?\([\d., %]+\)", value) else fallback
    )


# ---- animations ----


def _animation(request: Mapping[str, Any]) -> tuple[list[Image.Image], float]:
    """The pictures of a request, all of one size, and the seconds that each is shown."""
    encoded = _part(request, "pictures", list)
    if not 1 <= len(encoded) <= MOST_PICTURES:
        raise InvalidInput(f"an animation has 1 to {MOST_PICTURES} pictures, found {len(encoded)}")
    if not all(isinstance(e, str) for e in encoded) or sum(map(len, encoded)) > MOST_BYTES * 4 / 3:
        raise InvalidInput(f"an animation's pictures are base64 text of at most {MOST_BYTES // 10**6} MB together")
    interval_s = _number(request.get("interval_ms"), "the time of a picture") / 1000
    if not 0.005 <= interval_s <= 10:
        raise InvalidInput(f"a picture is shown for 0.005 to 10 s, found {interval_s:g} s")
    pictures: list[Image.Image] = []
    for number, text in enumerate(encoded):
        try:
            picture = Image.open(io.BytesIO(base64.b64decode(text, validate=True)), formats=["PNG"])
            if max(picture.size) > LONGEST_SIDE or min(picture.size) < 2 or any(side % 2 for side in picture.size):
                raise InvalidInput(f"pictures have even sides of 2 to {LONGEST_SIDE} pixels, found {picture.size}")
            if pictures and picture.size != pictures[0].size:
                raise InvalidInput(f"picture {number} has the size {picture.size}, the first {pictures[0].size}")
            pictures.append(picture.convert("RGB"))
        except (binascii.Error, OSError, SyntaxError, Image.DecompressionBombError) as error:
            raise InvalidInput(f"picture {number} is no PNG: {str(error)[:80]}") from None
    return pictures, interval_s


def video(pictures: Sequence[Image.Image], interval_s: float) -> bytes:
    """H.264 in MP4 at a constant rate, every picture repeated for as long as it is shown, the last one longer."""
    import av  # slow to import, and only needed here

    ends = np.round(np.arange(1, len(pictures) + 1) * interval_s * VIDEO_RATE).astype(int)
    ends[-1] += round(max(0.0, LAST_PICTURE_S - interval_s) * VIDEO_RATE)
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=VIDEO_RATE, options={"crf": "20", "preset": "veryfast"})
        stream.width, stream.height = pictures[0].size
        stream.pix_fmt = "yuv420p"  # what every player knows
        shown = 0
        for picture, end in zip(pictures, ends, strict=True):
            array = np.asarray(picture)
            while shown < end:
                frame = av.VideoFrame.from_ndarray(array, format="rgb24")
                frame.pts = shown
                container.mux(stream.encode(frame))
                shown += 1
        container.mux(stream.encode())
    return file.getvalue()


def gif(pictures: Sequence[Image.Image], interval_s: float) -> bytes:
    """GIF that starts over and over, with one palette, taken from the first, a middle and the last picture."""
    chosen = [pictures[0], pictures[len(pictures) // 2], pictures[-1]]
    sheet = Image.new("RGB", (chosen[0].width, 3 * chosen[0].height))
    for i, picture in enumerate(chosen):
        sheet.paste(picture, (0, i * picture.height))
    palette = sheet.quantize(GIF_COLOURS)
    frames = [p.quantize(palette=palette, dither=Image.Dither.NONE) for p in pictures]
    durations = [max(20, round(interval_s * 100) * 10)] * len(frames)  # hundredths of a second are what GIF knows
    durations[-1] = max(durations[-1], round(LAST_PICTURE_S * 1000))
    file = io.BytesIO()
    frames[0].save(file, "GIF", save_all=True, append_images=frames[1:], duration=durations, loop=0, optimize=False)
    return file.getvalue()


# ---- on the way to the browser ----


def parcel(stage: str, request_id: str, made: MadeFile | str) -> bytes:
    """A file, or the words of why there is none, for the stage that asked: header length, header (JSON), content."""
    header = {"stage": stage, "id": request_id}
    if isinstance(made, str):
        header["error"] = made
    else:
        header |= {"name": made.name, "type": made.type}
    text = json.dumps(header).encode()
    return struct.pack("<I", len(text)) + text + (b"" if isinstance(made, str) else made.content)
