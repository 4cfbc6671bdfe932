"""Data to train on: a weighted list of motion files, or the views of a data set that brings its own cameras."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from diffpose_core.config import TrainingConfig
from diffpose_core.datasets.detector import TRAINING_DETECTOR
from diffpose_core.datasets.mocap17 import MotionSet, in_one_definition, load_mocap17
from diffpose_core.datasets.motion_checks import check_motions
from diffpose_core.datasets.sampling import PoseSampler, Variation
from diffpose_core.datasets.views import H36mViews, ViewSampler
from diffpose_core.models.windows import VIDEO_FPS
from diffpose_core.structures import InvalidInput


@dataclass(frozen=True)
class TrainingSet:
    """Motion files in Mocap-17 layout with weights.

    A pose is drawn by first drawing a file by its weight, then one of its frames uniformly.

    Attributes:
        files: (path, weight) each. Only the ratios of the weights count.

    Raises:
        InvalidInput: there is no file, or a weight is not above 0.
    """

    files: tuple[tuple[Path, float], ...]

    def __post_init__(self) -> None:
        if not self.files:
            raise InvalidInput("a training set needs a motion file (.npz), found none")
        for path, weight in self.files:
            if not (math.isfinite(weight) and weight > 0):
                raise InvalidInput(f"the weight of {path.name} must be above 0, found {weight}")

    @classmethod
    def of(cls, *words: str | Path) -> TrainingSet:
        """A training set from FILE or FILE:WEIGHT, such as "a.npz" and "b.npz:0.4". The weight is 1 by default."""
        return cls(tuple(_with_weight(word) for word in words))

    @property
    def name(self) -> str:
        """The files' names and weights, for model cards and messages."""
        if len(self.files) == 1:
            return self.files[0][0].name
        return ", ".join(f"{path.name}:{weight:g}" for path, weight in self.files)

    def paths(self) -> list[Path]:
        """The files."""
        return [path for path, _ in self.files]

    def sha256(self) -> str:
        """A hash of the files' content and weights. Names don't count, nor does the one weight of a single file."""
        total = sum(weight for _, weight in self.files)
        return _sha256_of(f"{file_sha256(path)} {weight / total:.9g}" for path, weight in self.files)

    def motions(self) -> list[tuple[MotionSet, float]]:
        """The motions of each file with its weight, all in one definition of the joints.

        Raises:
            InvalidInput: a file can't be read, or holds motions that can't be.
        """
        found = []
        for path, weight in self.files:
            motions = load_mocap17(path)
            check_motions(motions, str(path))
            found.append((in_one_definition(motions), weight))
        return found


#: Data to train on.
TrainingData = TrainingSet | H36mViews


def _with_weight(word: str | Path) -> tuple[Path, float]:
    """FILE or FILE:WEIGHT."""
    name, colon, tail = str(word).rpartition(":")
    try:
        return (Path(name), float(tail)) if colon and name else (Path(word), 1.0)
    except ValueError:
        # A colon in the path itself.
        return Path(word), 1.0


def data_sha256(data: TrainingData) -> str:
    """A hash of the content of data to train on."""
    if isinstance(data, TrainingSet):
        return data.sha256()
    files = ("data_3d_h36m.npz", "data_2d_h36m_gt.npz", f"data_2d_h36m_{data.detections}.npz")
    found = (data.folder / name for name in files)
    return _sha256_of([*(file_sha256(path) for path in found if path.is_file()), *data.subjects])


def _sha256_of(lines: Iterable[str]) -> str:
    """SHA-256 of lines of text."""
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's content.

    Raises:
        InvalidInput: it can't be read.
    """
    try:
        found = path.stat()
        return _file_sha256(path, found.st_size, found.st_mtime_ns)
    except OSError as error:
        raise InvalidInput(f"{path}: can't be read ({error.strerror})") from error


@lru_cache(maxsize=64)
def _file_sha256(path: Path, size: int, mtime_ns: int) -> str:
    """The hash of a file as it was at a time, which is computed once."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


#: Anything that draws batches of views.
Sampler = PoseSampler | ViewSampler


def make_sampler(data: TrainingData, config: TrainingConfig, varied: bool = True, frames: int = 1) -> Sampler:
    """The sampler of views.

    Args:
        data: motions or views.
        config: the recipe that bodies, poses and joint definitions follow.
        varied: draw for training, with varied bodies, poses and joints; False for validation.
        frames: of a window.

    Raises:
        InvalidInput: windows are asked of motions at another frame rate than `VIDEO_FPS`, or motions can't be.
    """
    if isinstance(data, H36mViews):
        return data.sampler(varied, frames)
    motions = data.motions()
    found = sorted({float(fps) for motion, _ in motions for fps in motion.fps})
    if frames > 1 and found != [VIDEO_FPS]:
        raise InvalidInput(f"windows are trained at {VIDEO_FPS:g} frames a second, found motions at {found}")
    if not varied:
        return PoseSampler(motions, frames=frames)
    return PoseSampler(motions, Variation.of(config), detector=TRAINING_DETECTOR, frames=frames)
