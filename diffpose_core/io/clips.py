"""This project's own 2D clip file, .npz or .json, recognised by its schema tag; nothing in it is ever unpickled."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np

from diffpose_core.io.atomic import write_arrays
from diffpose_core.io.limits import MAX_FPS, MAX_IMAGE_SIDE, MAX_NUMBERS, MIN_FPS
from diffpose_core.io.untrusted.files import read_bytes
from diffpose_core.io.untrusted.json import parse_json
from diffpose_core.io.untrusted.npz import read_npz
from diffpose_core.structures import Intrinsics, InvalidInput, PoseClip2D, PoseMixture
from diffpose_core.words import quoted, short

SCHEMA = "diffpose-clip/1"
#: Largest magnitudes of a clip's numbers: pixels, square pixels, metres. Larger ones overflow when they are squared.
_LARGEST = {"keypoints_px": 1e6, "means_px": 1e6, "variances_px2": 1e12, "pose3d_cam": 1e3}
_ARRAYS = ("keypoints_px", "confidence", "weights", "means_px", "variances_px2", "pose3d_cam", "hidden")


def header_of(clip: PoseClip2D) -> dict[str, Any]:
    """Everything of a clip but its arrays, as its file's header has it."""
    header: dict[str, Any] = {
        "schema": SCHEMA,
        "name": clip.name,
        "width": clip.width,
        "height": clip.height,
        "fps": clip.fps,
        "joint_order": "Human3.6M-17",
        "units": {
            "keypoints_px": "pixels",
            "pose3d_cam": "metres, root-relative, camera frame (x right, y down, z forward)",
        },
        "provenance": dict(clip.provenance),
    }
    if clip.intrinsics is not None:
        i = clip.intrinsics
        header["intrinsics_px"] = {"fx": i.fx, "fy": i.fy, "cx": i.cx, "cy": i.cy}
    return header


def arrays_of(clip: PoseClip2D) -> dict[str, np.ndarray]:
    """The arrays of a clip, as its file has them."""
    arrays: dict[str, np.ndarray] = {
        "keypoints_px": clip.keypoints_px.astype(np.float32),
        "confidence": clip.confidence.astype(np.float32),
    }
    if clip.mixture is not None:
        arrays["weights"] = clip.mixture.weights.astype(np.float32)
        arrays["means_px"] = clip.mixture.means_px.astype(np.float32)
        arrays["variances_px2"] = clip.mixture.variances_px2.astype(np.float32)
    if clip.pose3d_cam is not None:
        arrays["pose3d_cam"] = clip.pose3d_cam.astype(np.float32)
    if clip.hidden is not None:
        arrays["hidden"] = clip.hidden.astype(bool)
    return arrays


def save_clip(clip: PoseClip2D, path: str | Path | IO[bytes]) -> None:
    """Write a clip as .npz. Arrays keep their precision up to float32; everything else is in one JSON header.

    Raises:
        InvalidInput: the path can't be written; an older file is unchanged.
    """
    arrays = {"header": np.array(json.dumps(header_of(clip))), **arrays_of(clip)}
    if isinstance(path, (str, Path)):
        write_arrays(path, arrays)
    else:
        np.savez_compressed(path, **arrays)  # type: ignore[arg-type]


def clip_to_json(clip: PoseClip2D) -> bytes:
    """Write a clip as JSON: the fields of the .npz's header, and the arrays as nested lists, floats rounded to 1e-5."""
    arrays = {
        key: array.tolist() if array.dtype == bool else np.round(array.astype(np.float64), 5).tolist()
        for key, array in arrays_of(clip).items()
    }
    return json.dumps({**header_of(clip), **arrays}, separators=(",", ":")).encode()


def load_clip(path: str | Path | IO[bytes]) -> PoseClip2D:
    """Read a clip that `save_clip` wrote. The file is not trusted: nothing in it is unpickled, its size is bounded.

    Raises:
        InvalidInput: no clip, damaged, or beyond a bound.
    """
    if not isinstance(path, (str, Path)):
        return clip_from_npz(path.read(), str(getattr(path, "name", "the file")))
    return clip_from_npz(read_bytes(path), str(path))


def clip_from_npz(content: bytes, label: str) -> PoseClip2D:
    """Read a clip from the bytes of an .npz.

    Args:
        content: the file.
        label: names the file in messages.

    Raises:
        InvalidInput: as `load_clip`.
    """
    arrays = read_npz(content, label, (*_ARRAYS, "header"))
    if "header" not in arrays:
        raise InvalidInput(f"{label}: no schema tag found; expected a clip file with the tag {SCHEMA}")
    header = parse_json(str(arrays.pop("header")).encode("utf-8", "replace"), f"{label}: header")
    return clip_from_parts(header, arrays, label)


def clip_from_json(header: Any, label: str) -> PoseClip2D:
    """Read a clip from parsed JSON, as `clip_to_json` wrote it.

    Args:
        header: the parsed JSON.
        label: names the file in messages.

    Raises:
        InvalidInput: as `load_clip`.
    """
    arrays = {}
    for key in _ARRAYS:
        if isinstance(header, dict) and key in header:
            try:
                array = np.asarray(header[key])
            except (ValueError, OverflowError):
                raise InvalidInput(f"{label}: {key} must be a regular array of numbers") from None
            # A number too large for a float becomes infinite, and is refused as such.
            with np.errstate(over="ignore"):
                arrays[key] = array.astype(np.float32) if array.dtype.kind in "iuf" else array
    return clip_from_parts(header, arrays, label)


def clip_from_parts(header: Any, arrays: Mapping[str, np.ndarray], label: str) -> PoseClip2D:
    """Make a clip of a parsed header and its arrays, after checking every claim.

    Args:
        header: parsed JSON.
        arrays: by their names in the file.
        label: names the file in messages.

    Raises:
        InvalidInput: as `load_clip`.
    """
    if not isinstance(header, dict) or "schema" not in header:
        raise InvalidInput(f"{label}: the header is not the JSON object that a clip file has")
    if header["schema"] != SCHEMA:
        raise InvalidInput(f"{label}: schema {quoted(header['schema'])} found, {SCHEMA!r} expected")
    for key in ("keypoints_px", "confidence"):
        if key not in arrays:
            raise InvalidInput(f"{label}: the array {key} is missing")
    arrays = dict(arrays)
    for key, array in arrays.items():
        if array.dtype.kind != ("b" if key == "hidden" else "f"):
            wanted = "be true or false" if key == "hidden" else "hold real numbers"
            raise InvalidInput(f"{label}: {key} must {wanted}, found {array.dtype}")
        if key != "hidden":
            # Floats of another size, or of another order of bytes, are none that networks compute with.
            with np.errstate(over="ignore"):
                array = arrays[key] = array.astype(np.float32, copy=False)
        if array.size > MAX_NUMBERS:
            raise InvalidInput(f"{label}: {key} holds {array.size:,} numbers; the limit is {MAX_NUMBERS:,}")
        if key in _LARGEST and (np.abs(array) > _LARGEST[key]).any():
            raise InvalidInput(f"{label}: {key} holds numbers beyond {_LARGEST[key]:,.0f}, which no clip has")
    try:
        mixture = None
        if "weights" in arrays:
            mixture = PoseMixture(arrays["weights"], arrays["means_px"], arrays["variances_px2"])
        intrinsics = header.get("intrinsics_px")
        clip = PoseClip2D(
            name=str(header["name"])[:200],
            keypoints_px=arrays["keypoints_px"],
            confidence=arrays["confidence"],
            width=int(header["width"]),
            height=int(header["height"]),
            fps=float(header["fps"]),
            mixture=mixture,
            intrinsics=None if intrinsics is None else Intrinsics(**{k: float(v) for k, v in intrinsics.items()}),
            pose3d_cam=arrays.get("pose3d_cam"),
            hidden=arrays.get("hidden"),
            provenance=dict(header.get("provenance", {})),
        )
        _check_header(clip)
        return clip
    except InvalidInput as error:
        raise InvalidInput(f"{label}: {error}") from error
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise InvalidInput(f"{label}: the header misses or mistypes a field: {short(error, 160)}") from error


def _check_header(clip: PoseClip2D) -> None:
    if not MIN_FPS <= clip.fps <= MAX_FPS:
        raise InvalidInput(f"{clip.fps:g} frames a second; expected {MIN_FPS} to {MAX_FPS:,.0f}")
    if max(clip.width, clip.height) > MAX_IMAGE_SIDE:
        raise InvalidInput(f"an image of {clip.width} x {clip.height} px; expected up to {MAX_IMAGE_SIDE:,}")
    camera = clip.intrinsics
    if camera is not None:
        numbers = (camera.fx, camera.fy, camera.cx, camera.cy)
        if max(map(abs, numbers)) > 1e7 or min(camera.fx, camera.fy) < 1e-3:
            raise InvalidInput(f"camera intrinsics that no camera has, in pixels: {numbers}")
