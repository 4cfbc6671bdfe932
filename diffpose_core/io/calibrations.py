"""Calibrations of the expected error: plain JSON beside the checkpoint that they were measured for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from diffpose_core.io.atomic import write_whole
from diffpose_core.io.untrusted.files import read_bytes
from diffpose_core.io.untrusted.json import parse_json
from diffpose_core.skeleton import JOINT_NAMES
from diffpose_core.structures import InvalidInput
from diffpose_core.uncertainty.expected_error import FEATURES, LEVELS, LIMITED, Calibration
from diffpose_core.words import quoted, short

FORMAT = "diffpose-calibration/2"
#: Formats of earlier versions, which had fewer features and no limits.
_EARLIER_FORMATS = ("diffpose-calibration/1",)
MAX_BYTES = 200_000
_DIGITS = 6


class OutdatedCalibration(InvalidInput):
    """A calibration of an earlier format, which has to be made again."""


def calibration_path(checkpoint: str | Path) -> Path:
    """The path of a checkpoint's calibration: diffpose.calibration.json beside diffpose.safetensors."""
    path = Path(checkpoint)
    return path.with_name(f"{path.stem}.calibration.json")


def write_calibration(calibration: Calibration, path: str | Path) -> None:
    """Write a calibration, joint by joint."""
    joints = {
        name: {
            "coefficients": dict(zip((*FEATURES, "constant_m"), _numbers(calibration.coefficients[j]), strict=True)),
            "usual_view_m": _numbers(calibration.usual_view[j]),
            "spread_factor": _numbers(calibration.spread_factor[j]),
            "radii": dict(zip(map(str, LEVELS), _numbers(calibration.radii[j]), strict=True)),
        }
        for j, name in enumerate(JOINT_NAMES)
    }
    content = {
        "format": FORMAT,
        "about": "expected error in metres = coefficients x features + constant_m (uncertainty/expected_error.py); a "
        "radius is a multiple of it; frames beyond a limit are unlike anything in the data",
        "network": calibration.network,
        "weights_sha256": calibration.weights_sha256,
        "encoder_sha256": calibration.encoder_sha256,
        "provenance": dict(calibration.provenance),
        "limits_m": dict(zip(LIMITED, _numbers(calibration.limits), strict=True)),
        "joints": joints,
    }
    write_whole(path, json.dumps(content, indent=1) + "\n")


def _numbers(values: np.ndarray) -> Any:
    return np.round(values.astype(np.float64), _DIGITS).tolist()


def read_calibration(path: str | Path) -> Calibration:
    """Read and check a calibration.

    Raises:
        OutdatedCalibration: The file has an earlier format.
        InvalidInput: The file is no calibration, or a damaged one; the message says found and expected.
    """
    path = Path(path)
    try:
        size = path.stat().st_size
    except OSError as error:
        raise InvalidInput(f"{path}: can't be read ({error.strerror})") from error
    if size > MAX_BYTES:
        raise InvalidInput(f"{path}: {size} bytes; a calibration stays under {MAX_BYTES}")
    content = parse_json(read_bytes(path, MAX_BYTES), str(path))
    if isinstance(content, dict) and content.get("format") in _EARLIER_FORMATS:
        raise OutdatedCalibration(
            f"{path}: a calibration of the earlier format {content['format']!r}, which has no limits; make it again "
            "with `diffpose calibrate`"
        )
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        found = content.get("format") if isinstance(content, dict) else type(content).__name__
        raise InvalidInput(f"{path}: expected a calibration of format {FORMAT!r}, found {quoted(found)}")
    network, weights, encoder = (content.get(name) for name in ("network", "weights_sha256", "encoder_sha256"))
    if not (isinstance(network, str) and isinstance(weights, str) and isinstance(encoder, str)):
        found = ", ".join(short(value) for value in (network, weights, encoder))
        raise InvalidInput(f"{path}: network and fingerprints must be texts, found {found}")
    provenance = content.get("provenance")
    if not isinstance(provenance, dict):
        raise InvalidInput(f"{path}: provenance must be an object, found {type(provenance).__name__}")
    try:
        rows = [content["joints"][name] for name in JOINT_NAMES]
        lists = (
            [[row["coefficients"][name] for name in (*FEATURES, "constant_m")] for row in rows],
            [row["usual_view_m"] for row in rows],
            [row["spread_factor"] for row in rows],
            [[row["radii"][str(level)] for level in LEVELS] for row in rows],
        )
        limits = np.array([content["limits_m"][name] for name in LIMITED], dtype=np.float64)
        coefficients, usual, factor, radii = (np.array(values, dtype=np.float64) for values in lists)
        return Calibration(network, weights, encoder, coefficients, usual, factor, radii, limits, provenance)
    except (KeyError, TypeError, ValueError) as error:
        # InvalidInput is a ValueError too, and its message names the fault.
        raise InvalidInput(
            f"{path}: numbers of a joint or limits are missing or are none ({short(repr(error), 160)})"
        ) from error
