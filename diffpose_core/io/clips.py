"""Our own 2D clip file: one .npz without pickled objects, told by its schema tag."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import IO, Any

import numpy as np

from diffpose_core.structures import Intrinsics, InvalidInput, PoseClip2D, PoseMixture

SCHEMA = "diffpose-clip/1"
MAX_UNPACKED_BYTES = 512 * 1024 * 1024
_ARRAYS = ("keypoints_px", "confidence", "weights", "means_px", "variances_px2", "pose3d_cam", "hidden")


def save_clip(clip: PoseClip2D, path: str | Path | IO[bytes]) -> None:
    """Write a clip. Arrays keep their precision up to float32; everything else is in one JSON header."""
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
    np.savez_compressed(path, header=np.array(json.dumps(header)), **arrays)  # type: ignore[arg-type]


def load_clip(path: str | Path | IO[bytes]) -> PoseClip2D:
    """Read a clip that `save_clip` wrote. The file is not trusted: nothing in it is unpickled, its unpacked size is
    bounded.

    Raises InvalidInput that says what was found and what is expected.
    """
    label = str(path) if isinstance(path, (str, Path)) else str(getattr(path, "name", "the file"))
    try:
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(entry.file_size for entry in archive.infolist())
        if unpacked > MAX_UNPACKED_BYTES:
            raise InvalidInput(
                f"{label}: unpacks to {unpacked / 1e6:.0f} MB; the limit is {MAX_UNPACKED_BYTES / 1e6:.0f} MB"
            )
        if not isinstance(path, (str, Path)):
            path.seek(0)
        with np.load(path, allow_pickle=False) as loaded:
            arrays = {key: loaded[key] for key in loaded.files if key in (*_ARRAYS, "header")}
    except InvalidInput:
        raise
    except FileNotFoundError as error:
        raise InvalidInput(f"{label}: no such file") from error
    # A hostile or damaged archive fails inside zipfile, zlib or numpy's header parser in many ways.
    except Exception as error:
        raise InvalidInput(f"{label}: not a readable clip (.npz without pickled objects): {error}") from error
    if "header" not in arrays:
        raise InvalidInput(f"{label}: no schema tag found; expected a clip file with the tag {SCHEMA}")
    try:
        header = json.loads(str(arrays.pop("header")))
        schema = header["schema"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise InvalidInput(f"{label}: the header is not the JSON object that a clip file has") from error
    if schema != SCHEMA:
        raise InvalidInput(f"{label}: schema {schema!r} found, {SCHEMA!r} expected")
    for key in ("keypoints_px", "confidence"):
        if key not in arrays:
            raise InvalidInput(f"{label}: the array {key} is missing")
    for key, array in arrays.items():
        if array.dtype.kind not in "fb":
            raise InvalidInput(f"{label}: {key} must hold real numbers, found {array.dtype}")
    try:
        mixture = None
        if "weights" in arrays:
            mixture = PoseMixture(arrays["weights"], arrays["means_px"], arrays["variances_px2"])
        intrinsics = header.get("intrinsics_px")
        return PoseClip2D(
            name=str(header["name"]),
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
    except InvalidInput as error:
        raise InvalidInput(f"{label}: {error}") from error
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise InvalidInput(f"{label}: the header misses or mistypes a field: {error}") from error
