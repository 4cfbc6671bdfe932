"""Interface of every detector of people, and the folder of their weights."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from diffpose_core.io.atomic import write_whole
from diffpose_core.io.formats.layouts import Layout
from diffpose_core.structures import InvalidInput

#: Called with what is done and what there is in all (0: unknown); False cancels.
Progress = Callable[[int, int], bool | None]


@dataclass(frozen=True)
class Heat:
    """A person's heatmaps as one: in every cell the largest of all joints.

    Attributes:
        cells: (H, H) bytes, 255 where a joint is for certain.
        region: Middle (u, v) and side of the square that they cover, pixels of the picture, and its turn in radians,
            clockwise.
    """

    cells: np.ndarray
    region: tuple[float, float, float, float]


@dataclass(frozen=True)
class Found:
    """People in one picture.

    Attributes:
        keypoints: (N, J, 2) pixels.
        confidence: (N, J) in [0, 1].
        mixtures: (N, J, K, 5) of weight, u, v, variance of u, variance of v where the detector has heatmaps, in pixels.
        heat: Each person's heatmaps, where the detector has them.
    """

    keypoints: np.ndarray
    confidence: np.ndarray
    mixtures: np.ndarray | None = None
    heat: tuple[Heat, ...] = ()

    def __len__(self) -> int:
        return len(self.keypoints)


def how_to_install(extra: str = "video") -> str:
    """Words on how to install a missing extra."""
    return f'to read videos, install the extra once, in the project\'s folder: pip install ".[{extra}]"'


def _nothing() -> None:
    """Stand-in at a cut for a detector that looks at every picture by itself."""


@dataclass(frozen=True)
class Detector:
    """A detector that is ready for the pictures of one video, in their order.

    Attributes:
        name: of the detector.
        layout: its joint order.
        detect: finds people in one image (height, width, 3) of blue, green, red, 8 bits.
        restart: called where another scene begins.
    """

    name: str
    layout: Layout
    detect: Callable[[np.ndarray], Found]
    restart: Callable[[], None] = field(default=_nothing)


def check_hash(name: str, content: bytes, expected: str, consequence: str) -> None:
    """Refuse downloaded content that is not the expected one.

    Args:
        name: of the content.
        content: all of it.
        expected: its SHA-256.
        consequence: words for the message.

    Raises:
        InvalidInput: its SHA-256 is another.
    """
    found = hashlib.sha256(content).hexdigest()
    if found != expected:
        raise InvalidInput(
            f"{name}: refused, its SHA-256 is {found[:16]}..., expected {expected[:16]}...; {consequence}"
        )


def weights_folder(detector: str) -> Path:
    """Folder of a detector's weights: what DIFFPOSE_RTMPOSE (or another name) says, or one among the user's caches."""
    named = os.environ.get(f"DIFFPOSE_{detector.upper()}")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(named) if named else cache / "diffpose-studio" / detector


def keep_weights(path: Path, content: bytes) -> None:
    """Write a network into its folder, which is made where it is missing.

    Raises:
        InvalidInput: it can't be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidInput(f"{path.parent}: can't be made ({error.strerror})") from error
    write_whole(path, content)
