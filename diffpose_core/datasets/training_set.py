"""Data to train on: a weighted list of motion files, or the views of a data set that brings its own cameras."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

from diffpose_core.config import TrainingConfig
from diffpose_core.datasets.detector import TRAINING_DETECTOR
from diffpose_core.datasets.mocap17 import MotionSet, load_mocap17
from diffpose_core.datasets.motion_checks import check_motions
from diffpose_core.datasets.sampling import Batch, PoseSampler
from diffpose_core.datasets.views import H36mViews, ViewSampler
from diffpose_core.models.windows import VIDEO_FPS
from diffpose_core.structures import InvalidInput
from diffpose_core.uncertainty.view import View


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
        """The motions of each file with its weight.

        Raises:
            InvalidInput: a file can't be read, or holds motions that can't be.
        """
        found = []
        for path, weight in self.files:
            motions = load_mocap17(path)
            check_motions(motions, str(path))
            found.append((motions, weight))
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


class MixedSampler:
    """Draws windows from several samplers, each by its weight.

    Args:
        samplers: (sampler, weight) each, of windows of one length.
    """

    def __init__(self, samplers: Sequence[tuple[PoseSampler, float]]) -> None:
        self.samplers = [sampler for sampler, _ in samplers]
        self.weights = torch.tensor([weight for _, weight in samplers], dtype=torch.float64)
        self.frames, self.device = self.samplers[0].frames, self.samplers[0].device

    def draw(self, batch_size: int, generator: torch.Generator) -> Batch:
        """The views of a number of windows; `generator` must be on the samplers' device."""
        weights = self.weights.to(self.device)
        which = torch.multinomial(weights, batch_size, replacement=True, generator=generator)
        counts = torch.bincount(which, minlength=len(self.samplers)).tolist()
        drawn = [s.draw(count, generator) for s, count in zip(self.samplers, counts, strict=True) if count]
        # Windows lie file by file: bring each to the place that it was drawn for.
        order = which.argsort(stable=True).argsort()
        rows = order[:, None] * self.frames + torch.arange(self.frames, device=self.device)
        return _joined(drawn)[rows.flatten()]


def _joined(batches: list[Batch]) -> Batch:
    """Batches one after another."""

    def join(name: str, parts: Sequence[Batch] | Sequence[View]) -> Any:
        tensors = [getattr(part, name) for part in parts]
        return None if any(tensor is None for tensor in tensors) else torch.cat(tensors)

    views = [batch.view for batch in batches]
    view = replace(views[0], **{f.name: join(f.name, views) for f in fields(View)})
    rest = {f.name: join(f.name, batches) for f in fields(Batch) if f.name != "view"}
    return replace(batches[0], view=view, **rest)


#: Anything that draws batches of views.
Sampler = PoseSampler | MixedSampler | ViewSampler


def make_sampler(data: TrainingData, config: TrainingConfig, varied: bool = True, frames: int = 1) -> Sampler:
    """The sampler of views.

    Args:
        data: motions or views.
        config: the recipe that the bodies follow.
        varied: draw for training, with varied bodies; False for validation.
        frames: of a window.

    Raises:
        InvalidInput: windows are asked of motions at another frame rate than `VIDEO_FPS`, or motions can't be.
    """
    if isinstance(data, H36mViews):
        return data.sampler(varied, frames)
    samplers = [(_motion_sampler(motions, config, varied, frames), weight) for motions, weight in data.motions()]
    return samplers[0][0] if len(samplers) == 1 else MixedSampler(samplers)


def _motion_sampler(motions: MotionSet, config: TrainingConfig, varied: bool, frames: int) -> PoseSampler:
    """The sampler of one file's motions."""
    if frames > 1 and (motions.fps != VIDEO_FPS).any():
        found = sorted(set(motions.fps.tolist()))
        raise InvalidInput(f"windows are trained at {VIDEO_FPS:g} frames a second, found motions at {found}")
    if not varied:
        return PoseSampler(motions, 0.0, frames=frames)
    return PoseSampler(motions, config.bone_variation, detector=TRAINING_DETECTOR, frames=frames)
