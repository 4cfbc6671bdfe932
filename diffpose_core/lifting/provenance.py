"""The record of what made a result."""

from __future__ import annotations

import hashlib
from importlib import metadata

import numpy as np

from diffpose_core.structures import PoseClip2D


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
    """This package's version."""
    try:
        return metadata.version("diffpose-studio")
    except metadata.PackageNotFoundError:
        return "source tree"
