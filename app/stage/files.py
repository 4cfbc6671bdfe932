"""Files made of a stage's data and pictures: numbers, a page, animations. No Streamlit in here."""

from __future__ import annotations

import base64
import html
import io
import json
import re
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from app.stage.films import animation
from app.stage.messages import FileRequest
from app.stage.payload import unpack
from diffpose_core.skeleton import JOINT_NAMES

HERE = Path(__file__).parent


@dataclass(frozen=True)
class MadeFile:
    """A file for the person. type: its media type."""

    name: str
    type: str
    content: bytes


def make_file(
    request: FileRequest,
    packed: bytes,
    source: tuple[str, str, str],
    stopped: Callable[[], bool] = lambda: False,
) -> MadeFile:
    """Make a file of a stage.

    Args:
        request: The browser's request.
        packed: The stage's data.
        source: HTML, CSS and JavaScript of the stage.
        stopped: Asked again and again while an animation is encoded: whether nobody wants it any more.

    Raises:
        InvalidInput: The request is out of bounds.
    """
    kind = request.kind
    if kind == "npz":
        media, content = "application/octet-stream", numbers(packed)
    elif kind == "html":
        media, content = "text/html", page(packed, request, source)
    else:
        media = {"mp4": "video/mp4", "gif": "image/gif"}[kind]
        content = animation(kind, request.pictures, request.interval_ms, stopped)
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", request.name or f"view.{kind}")[-120:]
    return MadeFile(name, media, content)


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


def page(packed: bytes, request: FileRequest, source: tuple[str, str, str]) -> bytes:
    """One HTML file with the stage and its data, that opens as the stage stands and fetches nothing."""
    header, _ = unpack(packed)
    markup, css, javascript = source
    theme = request.theme
    colours = {
        "--st-background-color": _colour(theme.background, "#ffffff"),
        "--st-text-color": _colour(theme.text, "#1b2230"),
        "--st-primary-color": _colour(theme.primary, "#0b7a6b"),
    }
    parts = {
        "title": html.escape(header["title"]),
        "words": html.escape(f"Clip: {header['clip']}. " if header["clip"] else ""),
        "colours": "".join(f"{name}: {value}; " for name, value in colours.items())
        + f"color-scheme: {'dark' if theme.dark else 'light'};",
        "css": css,
        "html": markup,
        "data": base64.b64encode(packed).decode(),
        "javascript": _inline(javascript),
        "start": _inline(json.dumps(_start(request, header))),
    }
    template = (HERE / "page.html").read_text(encoding="utf-8")
    return re.sub(r"\{\{(\w+)\}\}", lambda m: parts[m[1]], template).encode()


def _inline(script: str) -> str:
    """A script that can stand inside a page: nothing in it ends the element or opens a comment."""
    return re.sub(r"<(?=/script|!--|script)", r"\\x3c", script, flags=re.IGNORECASE)


def _start(request: FileRequest, header: Mapping[str, Any]) -> dict[str, Any]:
    """The state that the page opens in: the values of k and frame, the camera, the layers that are off."""
    start: dict[str, Any] = {"ghosts": request.ghosts is True, "hidden": request.hidden}
    for key, axis, index in (("k", "step", request.step), ("at", "frame", request.frame)):
        values = header["axes"][axis]["values"] if header["axes"][axis] else []
        if index is not None and index < len(values):
            start[key] = values[index]
    if request.camera is not None:
        start["camera"] = request.camera.model_dump()
    if request.joint is not None:
        start["joint"] = request.joint
    return start


def _colour(value: str, fallback: str) -> str:
    """A colour as style rules write it; anything else could bring rules of its own."""
    return value if re.fullmatch(r"#[0-9a-fA-F]{3,8}|rgba?\([\d., %]{1,40}\)", value) else fallback


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
