"""The packed form in which a view's data goes to the browser, once.

Bytes: "DPS1", the header's length (uint32, little-endian), the header (UTF-8 JSON padded with spaces to a multiple of
four), then one float32 buffer. The header says where each array lies in the buffer and what its axes are; `frame` and
`step` may only lead. An array may also be one that is mixed out of others where it is needed (`StagePayload.mixed`).
Points are in plot axes: (x, z, -y) of the camera frame, so that a person stands upright.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypedDict

import numpy as np

from app.stage.specs.charts import Chart, Track
from app.stage.specs.panels import Panel
from diffpose_core.structures import InvalidInput

MAGIC = b"DPS1"
LEADING_AXES = ("frame", "step")
#: Names of the arrays that Eq. 1 mixes.
PARTS = ("start", "mean", "noise", "keep", "spread")


def to_plot_axes(pose_cam: np.ndarray) -> np.ndarray:
    """Camera frame (x right, y down, z forward) -> plot axes (x, z, -y), (..., 3), same unit."""
    return np.stack([pose_cam[..., 0], pose_cam[..., 2], -pose_cam[..., 1]], axis=-1)


@dataclass(frozen=True)
class Bounds:
    """The box that a scene frames, in plot axes and metres, and the height of its floor."""

    lo: tuple[float, float, float]
    hi: tuple[float, float, float]
    floor: float


class _MixedArray(TypedDict):
    """An array that the browser mixes out of others: its shape, its axes, and their names by `PARTS`."""

    shape: list[int]
    axes: list[str]
    mix: dict[str, str]


@dataclass
class StagePayload:
    """One view of the stage, being put together; `pack` turns it into bytes.

    Attributes:
        id: The stage's name; camera and position are remembered by it.
        title: Its title, for pictures and screen readers.
        source: Hash of the clip; a new source starts the timeline afresh.
        steps: The diffusion steps k in the order of the process.
        bounds: The box around the scenes.
        clip: The clip's name, for the names of downloads.
        line: One line of words above the scenes.
        step_label: Name of the step axis.
        step_ends: Words at its two ends.
        step_texts: Names of the steps, where they are no diffusion steps.
        initial_step: Index of the step that is shown first.
        frames: The clip's frames that the data holds, or None where there is only one.
        times_s: Seconds from the clip's start, one a frame.
        initial_frame: Index of the frame that is shown first.
        shows_frame: The number of the only frame, where `frames` is None.
        track: What the player shows along the frames.
        off: Labels of layers that begin hidden.
        columns: Equal columns of the grid, of which a panel takes its "span"; 0: as many as fit best.
        panels: Specifications of the panels.
        charts: Specifications of the charts.
    """

    id: str
    title: str
    source: str
    steps: Sequence[int]
    bounds: Bounds
    clip: str = ""
    step_label: str = "Diffusion step k"
    step_ends: tuple[str, str] = ("", "")
    step_texts: Sequence[str] = ()
    initial_step: int = 0
    frames: Sequence[int] | None = None
    times_s: Sequence[float] | None = None
    initial_frame: int = 0
    shows_frame: int | None = None
    off: Sequence[str] = ()
    columns: int = 0
    line: str = ""
    track: Track | None = None
    panels: list[Panel] = field(default_factory=list)
    charts: list[Chart] = field(default_factory=list)
    _arrays: dict[str, tuple[np.ndarray, tuple[str, ...]]] = field(default_factory=dict)
    _mixed: dict[str, _MixedArray] = field(default_factory=dict)

    def add(self, name: str, values: np.ndarray, axes: tuple[str, ...]) -> str:
        """Register an array under `name`; axes names its axes, e.g. ("frame", "step", "sample", "joint", "xyz").

        Returns the name. Raises InvalidInput where axes and shape don't fit.
        """
        array = np.asarray(values, dtype=np.float32, order="C")
        if array.ndim != len(axes):
            raise InvalidInput(f"{name} has the shape {array.shape}, but {len(axes)} axes were named: {axes}")
        lead = [a for a in axes if a in LEADING_AXES]
        if tuple(lead) != axes[: len(lead)]:
            raise InvalidInput(f"{name}: frame and step must lead, found the axes {axes}")
        expected = {"frame": len(self.frames) if self.frames is not None else 1, "step": len(self.steps)}
        for axis, size in zip(axes, array.shape, strict=True):
            if axis in expected and size != expected[axis]:
                raise InvalidInput(f"{name} has {size} entries along {axis}, the stage {expected[axis]}")
        self._arrays[name] = (array, axes)
        return name

    def pose(self, name: str, pose_cam: np.ndarray, *lead: str) -> str:
        """Register poses (..., 17, 3) of the camera frame in metres; lead names the axes before the joints."""
        return self.add(name, to_plot_axes(pose_cam), (*lead, "joint", "xyz"))

    def mixed(self, name: str, *, start: str, mean: str, noise: str, keep: str, spread: str) -> str:
        """Register states (step, ...) that are mixed where they are needed: mean + keep (start - mean) + spread noise.

        The words name arrays that are registered: start, mean and noise, one pose or one a sample; keep and spread, the
        factors of every step, sqrt(alpha_k) and sqrt(1 - alpha_k) of Eq. 1. Returns the name.
        """
        parts = dict(zip(PARTS, (start, mean, noise, keep, spread), strict=True))
        shape, axes = self._arrays[noise][0].shape, self._arrays[noise][1]
        self._mixed[name] = {"shape": [len(self.steps), *shape], "axes": ["step", *axes], "mix": parts}
        return name

    def header(self, arrays: Mapping[str, Any], digest: str) -> dict[str, Any]:
        """The JSON part."""
        frame_axis = None
        if self.frames is not None:
            frame_axis = {
                "label": "Frame of the clip",
                "values": [int(f) for f in self.frames],
                "times": None if self.times_s is None else [round(float(t), 4) for t in self.times_s],
                "initial": int(self.initial_frame),
            }
        return {
            "id": self.id,
            "title": self.title,
            "source": self.source,
            "clip": self.clip,
            "hash": digest,
            "axes": {
                "step": {
                    "label": self.step_label,
                    "values": [int(k) for k in self.steps],
                    "ends": list(self.step_ends) if any(self.step_ends) else [],
                    "texts": list(self.step_texts),
                    "initial": int(self.initial_step),
                },
                "frame": frame_axis,
            },
            "bounds": {"lo": list(self.bounds.lo), "hi": list(self.bounds.hi), "floor": self.bounds.floor},
            "shows_frame": self.shows_frame,
            "off": list(self.off),
            "columns": self.columns,
            "line": self.line,
            "track": self.track,
            "panels": self.panels,
            "charts": self.charts,
            "arrays": arrays,
        }

    def pack(self) -> bytes:
        """The bytes that go to the browser. The same content gives the same bytes."""
        table: dict[str, Any] = {}
        offset = 0
        blobs: list[memoryview] = []
        for name, (array, axes) in self._arrays.items():
            table[name] = {"offset": offset, "shape": list(array.shape), "axes": list(axes)}
            offset += array.size
            blobs.append(array.astype("<f4", copy=False).reshape(-1).data)
        table |= self._mixed
        digest = hashlib.sha256(json.dumps(self.header(table, ""), allow_nan=False).encode())
        for blob in blobs:
            digest.update(blob)
        return pack_parts(self.header(table, digest.hexdigest()[:20]), *blobs)


def pack_parts(header: Mapping[str, Any], *buffers: bytes | memoryview) -> bytes:
    """Packed bytes of a header and the buffer that it describes, in one piece or several."""
    text = json.dumps(header, allow_nan=False).encode()
    text += b" " * (-(8 + len(text)) % 4)
    return b"".join([MAGIC, struct.pack("<I", len(text)), text, *buffers])


def unpack_parts(data: bytes) -> tuple[dict[str, Any], bytes]:
    """Undoes `pack_parts`. Raises InvalidInput for bytes that don't start with the tag."""
    if data[:4] != MAGIC:
        raise InvalidInput(f"stage data starts with {MAGIC!r}, found {data[:4]!r}")
    (length,) = struct.unpack("<I", data[4:8])
    return json.loads(data[8 : 8 + length]), data[8 + length :]


def unpack(data: bytes) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Header and arrays of packed bytes, unpacked as the browser does it; for tests and exports.

    Raises InvalidInput for bytes that don't start with the tag.
    """
    header, buffer = unpack_parts(data)
    floats = np.frombuffer(buffer, dtype="<f4")
    arrays: dict[str, np.ndarray] = {}
    for name, spec in header["arrays"].items():  # mixed arrays come last
        if "mix" in spec:
            start, mean, noise, keep, spread = (arrays[spec["mix"][part]] for part in PARTS)
            keep, spread = (f.reshape(-1, *[1] * noise.ndim) for f in (keep, spread))
            arrays[name] = mean + keep * (start - mean) + spread * noise
            continue
        size = int(np.prod(spec["shape"]))
        arrays[name] = floats[spec["offset"] : spec["offset"] + size].reshape(spec["shape"])
    return header, arrays
