"""The record of how a result was made: software, weights, clip and settings."""

from __future__ import annotations

import hashlib
from importlib import metadata
from typing import Any

import numpy as np
import torch

from diffpose_core.config import to_dict
from diffpose_core.io.checkpoints import encoder_tensors, fingerprint
from diffpose_core.lifting.models import Models
from diffpose_core.lifting.settings import LiftSettings
from diffpose_core.structures import PoseClip2D


def lift_provenance(
    clip: PoseClip2D, models: Models, name: str, settings: LiftSettings, asked: LiftSettings
) -> dict[str, Any]:
    """The provenance of a lifted clip.

    Args:
        clip: in 2D.
        models: that lifted it.
        name: preset of the denoiser.
        settings: decided.
        asked: the same before direction up and body were estimated from the clip.

    Returns:
        JSON values.
    """
    return {
        "software": software(),
        "weights": name,
        "weights_sha256": weights_hash(models, name),
        "encoder_sha256": encoder_hash(models),
        "baseline": models.encoder.title,
        "clip": clip.name,
        "clip_sha256": clip_hash(clip),
        "input": dict(clip.provenance),
        "settings": {
            **settings_record(settings),
            "device": models.device.type,
            "up_estimated": isinstance(asked.up, str) and settings.up is not None,
            "body_estimated": isinstance(asked.body, str) and settings.body is not None,
        },
        "frame_of_reference": "metres, root-relative, camera frame: x right, y down, z forward",
        "joint_order": "Human3.6M-17",
    }  # fmt: skip


def settings_record(settings: LiftSettings) -> dict[str, Any]:
    """Settings as JSON values, the direction up at length 1, the body's lengths in tenths of a millimetre."""
    up_cam = settings.up_cam
    up = settings.up if up_cam is None else [round(float(part), 6) for part in up_cam]
    body = settings.body
    if body is not None and not isinstance(body, str):
        body = [round(float(length), 4) for length in body]
    return {**to_dict(settings), "up": up, "body": body}


def weights_hash(models: Models, name: str) -> str:
    """SHA-256 of a denoiser's weights. name: of its preset."""
    return fingerprint(dict(models.denoisers[name].state_dict()))


def encoder_hash(models: Models) -> str:
    """SHA-256 of the context encoder's weights."""
    return fingerprint(encoder_tensors(models.encoder))


def clip_hash(clip: PoseClip2D) -> str:
    """SHA-256 of everything in a clip that a prediction depends on."""
    digest = hashlib.sha256()
    arrays = [clip.keypoints_px, clip.confidence]
    if clip.mixture is not None:
        arrays += [clip.mixture.weights, clip.mixture.means_px, clip.mixture.variances_px2]
    for array in arrays:
        digest.update(np.ascontiguousarray(array, dtype=np.float32).tobytes())
    digest.update(repr((clip.width, clip.height, clip.fps, clip.intrinsics)).encode())
    return digest.hexdigest()


def version() -> str:
    """Version of this package."""
    try:
        return metadata.version("diffpose-studio")
    except metadata.PackageNotFoundError:
        return "source tree"


def software() -> str:
    """Versions of this package and of torch."""
    return f"diffpose-studio {version()}, torch {torch.__version__}"
