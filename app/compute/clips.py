"""Bundled clips, and the hash that caches know a clip by."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import numpy as np
import streamlit as st

from diffpose_core.bundle import bundled
from diffpose_core.io.clips import load_clip
from diffpose_core.lifting import provenance
from diffpose_core.structures import PoseClip2D

CLIPS = Path(os.environ.get("DIFFPOSE_CLIPS", bundled("assets/clips")))

#: The clip that is open when nobody has chosen: seen from the side, one half of the body hides the other.
FIRST_CLIP = "walk-from-the-side"


def bundled_clips() -> dict[str, Path]:
    """Name -> file of the clips that come with the app."""
    return {path.stem: path for path in sorted(CLIPS.glob("*.npz"))}


@st.cache_data(max_entries=32, show_spinner=False)
def open_bundled(path: str, changed: float) -> PoseClip2D:
    """A bundled clip; changed is the file's time stamp."""
    return load_clip(path)


def clip_hash(clip: PoseClip2D) -> str:
    """A short hash of everything in a clip that the views depend on: the detected 2D, and the exact 3D."""
    digest = hashlib.sha256(f"{clip.name} {provenance.clip_hash(clip)}".encode())
    for part in (clip.pose3d_cam, clip.hidden):
        digest.update(b"-" if part is None else np.ascontiguousarray(part).tobytes())
    return digest.hexdigest()[:16]
