"""Training data of a data set that brings its own cameras and detections, such as Human3.6M with CPN's."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from diffpose_core.datasets.benchmark import Benchmark
from diffpose_core.datasets.h36m import DETECTED, load_h36m
from diffpose_core.datasets.sampling import Batch
from diffpose_core.models.windows import VIDEO_FPS
from diffpose_core.skeleton import MIRROR
from diffpose_core.structures import InvalidInput, PoseClip2D
from diffpose_core.uncertainty.mixtures import clip_mixture
from diffpose_core.uncertainty.view import normalise_view


class ViewSampler:
    """Draws batches of a benchmark's recordings: of single frames, or of windows of consecutive ones.

    A counterpart of `sampling.PoseSampler` with the same `draw`, where cameras and detections are given. mirrored:
    exchange left and right of half of the windows. frames: of a window; where it begins before its recording or ends
    after it, the first or the last frame stands in. every: windows take every this many frames, so that they stand for
    `VIDEO_FPS` as `encode_clip` reads them. Everything is kept in memory: 0.6 kB a frame and camera, on `device`.
    fps: of the recordings, which have to agree. Raises InvalidInput where they don't.
    """

    def __init__(
        self, benchmark: Benchmark, mirrored: bool = True, frames: int = 1, device: str | torch.device = "cpu"
    ) -> None:
        self.mirrored, self.frames = mirrored, frames
        self.device = torch.device(device)
        views: list[PoseClip2D] = []
        counted: list[np.ndarray] = []
        for number in range(len(benchmark)):
            recording = benchmark.recording(number)
            views += recording.views
            counted += [recording.frames] * len(recording.views)
        rates = sorted({view.fps for view in views})
        if len(rates) != 1:
            raise InvalidInput(f"recordings of one frame rate expected, found {rates} frames a second")
        self.fps = rates[0]
        self.every = max(1, round(self.fps / VIDEO_FPS))
        mixtures = [clip_mixture(view) for view in views]
        modes = {mixture.weights.shape[-1] for mixture in mixtures}
        if len(modes) != 1:
            raise InvalidInput(f"heatmaps of one number of modes expected, found {sorted(modes)}")
        lengths = np.array([len(view) for view in views])
        starts = np.concatenate(([0], np.cumsum(lengths)))

        def stored(arrays: list[np.ndarray], kind: type = np.float32) -> Tensor:
            return torch.from_numpy(np.concatenate(arrays).astype(kind)).to(self.device)

        self._weights = stored([mixture.weights for mixture in mixtures])
        self._means = stored([mixture.means_px for mixture in mixtures])
        self._variances = stored([mixture.variances_px2 for mixture in mixtures])
        self._pose = stored([_known(view.pose3d_cam, view) for view in views])
        self._hidden = stored([_known(view.hidden, view) for view in views], np.bool_)
        self._start = torch.from_numpy(starts).to(self.device)
        self._rows = stored([numbers + start for numbers, start in zip(counted, starts[:-1], strict=True)], np.int64)
        cameras = [view.intrinsics for view in views]
        self._intrinsics = torch.tensor(
            [[i.fx, i.fy, i.cx, i.cy] for i in cameras if i is not None], dtype=torch.float32, device=self.device
        )
        if len(self._intrinsics) != len(views):
            raise InvalidInput("views with known cameras expected")

    def __len__(self) -> int:
        return len(self._rows)

    def draw(self, batch_size: int, generator: torch.Generator) -> Batch:
        """The views of a number of windows drawn uniformly; `generator` must be on the sampler's device."""
        picked = torch.randint(len(self._rows), (batch_size,), generator=generator, device=self.device)
        middle = self._rows[picked]
        clip = torch.searchsorted(self._start, middle, right=True) - 1
        around = self.every * (torch.arange(self.frames, device=self.device) - self.frames // 2)
        # The frames between those that a window takes belong to other windows, also at the recording's ends.
        first = self._start[clip] + (middle - self._start[clip]) % self.every
        last = self._start[clip + 1] - 1
        last = last - (last - first) % self.every
        rows = (middle[:, None] + around).clamp(first[:, None], last[:, None]).flatten()
        intrinsics = self._intrinsics[clip].repeat_interleave(self.frames, 0)
        flip = torch.zeros(batch_size, dtype=torch.bool, device=self.device)
        if self.mirrored:
            flip = torch.rand(batch_size, generator=generator, device=self.device) < 0.5
        flip = flip.repeat_interleave(self.frames, 0)[:, None]
        weights, means, variances, pose, hidden = (
            torch.where(flip.reshape(-1, *(1 for _ in a.shape[1:])), a[rows][:, list(MIRROR)], a[rows])
            for a in (self._weights, self._means, self._variances, self._pose, self._hidden)
        )
        # The picture is mirrored in the principal point, so that the camera stays the same.
        mirrored_u = 2.0 * intrinsics[:, None, None, 2] - means[..., 0]
        means = torch.stack((torch.where(flip[..., None], mirrored_u, means[..., 0]), means[..., 1]), -1)
        pose = torch.cat((torch.where(flip[..., None], -pose[..., :1], pose[..., :1]), pose[..., 1:]), -1)
        view = normalise_view(weights, means, variances, intrinsics).levelled()
        return Batch(view, view.to_view(pose), hidden)


@dataclass(frozen=True)
class H36mViews:
    """The part of Human3.6M to train on, by name; every process that draws reads it for itself.

    folder, subjects, detections: as in `datasets.h36m.load_h36m`. To choose anything, hold a training subject out:
    subjects S1, S5, S6, S7 and validation on S8. The test subjects are for the published figure alone.
    """

    folder: Path
    subjects: tuple[str, ...]
    detections: str = DETECTED

    @property
    def name(self) -> str:
        """Name of the data for a model card."""
        return f"Human3.6M {', '.join(self.subjects)} ({self.detections})"

    def paths(self) -> list[Path]:
        """The folder."""
        return [self.folder]

    def sampler(self, varied: bool = True, frames: int = 1) -> ViewSampler:
        """varied: for training, with mirrored views; False for validation. frames: of a window."""
        return ViewSampler(load_h36m(self.folder, self.subjects, self.detections), varied, frames)


def _known(array: np.ndarray | None, view: PoseClip2D) -> np.ndarray:
    if array is None:
        raise InvalidInput(f"{view.name}: the exact 3D and which joints are hidden are needed for training")
    return array
