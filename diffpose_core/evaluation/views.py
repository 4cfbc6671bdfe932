"""Mocap-17 as a benchmark: the clips that its four fixed cameras and its simulated detector see."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import NormalDist
from typing import Any, Literal

import numpy as np
import torch

from diffpose_core.camera import Camera, evaluation_cameras
from diffpose_core.config import to_dict
from diffpose_core.datasets.benchmark import Benchmark, Recording
from diffpose_core.datasets.correlated_noise import autoregressive
from diffpose_core.datasets.detector import DetectorConfig, detect_motion
from diffpose_core.datasets.mocap17 import MotionSet, load_mocap17
from diffpose_core.rng import seeded
from diffpose_core.structures import InvalidInput, PoseClip2D, PoseMixture
from diffpose_core.uncertainty.gaps import fill_gaps
from diffpose_core.uncertainty.mixtures import exact_mixture

#: The detector's seed of clip c and camera v is drawn from (DETECTOR_SEED, c, v): the same 2D for every method and
#: machine.
DETECTOR_SEED = 17
#: The stream that decides which joints are missing.
_GAPS = 1
#: Kinds of 2D input, in words: the detector's heatmaps, the exact places, the confidences that other detectors' files
#: have (with and without missing joints), or heatmaps corrected by the truth, as an upper bound for a better detector.
Input2D = Literal["detected", "exact", "confidences", "gaps", "right-modes", "hidden-exact"]
INPUTS: Mapping[Input2D, str] = {
    "detected": "detected 2D of the simulated detector",
    "exact": "exact 2D",
    "confidences": "detected 2D of the simulated detector, confidences in place of heatmaps",
    "gaps": "detected 2D of the simulated detector, confidences in place of heatmaps, a tenth of the joints missing",
    "right-modes": "detected 2D of the simulated detector, of each heatmap the mode nearest to the truth",
    "hidden-exact": "detected 2D of the simulated detector, exact where a joint is hidden",
}
#: Share of the joints that are missing in "gaps", and how long they tend to be, seconds.
_GAP_SHARE, _GAP_S = 0.1, 0.5


def evaluation_clips(
    motions: MotionSet, clip: int, detector: DetectorConfig | None = None, input_2d: Input2D = "detected"
) -> list[PoseClip2D]:
    """Views of one motion clip by the benchmark's four cameras and its detector, whole, with the exact 3D.

    Args:
        motions: motions in Mocap-17 layout.
        clip: number of the clip.
        detector: settings of the simulated detector, by default the benchmark's.
        input_2d: kind of 2D input, see `INPUTS`. An exact joint has one mode at its place. The clips always say which
            joints are hidden.
    """
    joints_world = motions.clip_world(clip)
    fps = float(motions.fps[clip])
    clips = []
    for view, camera in enumerate(evaluation_cameras(joints_world[:, 0])):
        name = f"{motions.name[clip]} camera {view}"
        generator = seeded("cpu", DETECTOR_SEED, clip, view)
        seen, detection = detect_motion(name, joints_world, camera, fps, generator, detector)
        provenance = {"action": str(motions.action[clip]), "swapped": int(detection.swapped.sum())}
        if input_2d == "exact":
            exact_px = _exact_px(camera, joints_world)
            seen = replace(seen, keypoints_px=exact_px, mixture=exact_mixture(exact_px))
            seen = replace(seen, confidence=np.ones_like(seen.confidence))
            provenance["swapped"] = 0
        elif input_2d == "confidences":
            seen = replace(seen, mixture=None)
        elif input_2d == "gaps":
            seen = _with_gaps(seen, seeded("cpu", DETECTOR_SEED, clip, view, _GAPS))
        elif input_2d in ("right-modes", "hidden-exact"):
            seen = _corrected(seen, _exact_px(camera, joints_world), input_2d == "hidden-exact")
        clips.append(replace(seen, provenance=provenance))
    return clips


def _exact_px(camera: Camera, joints_world: np.ndarray) -> np.ndarray:
    return camera.project(camera.to_cam(joints_world.astype(np.float64)))


def _corrected(clip: PoseClip2D, exact_px: np.ndarray, hidden_exact: bool) -> PoseClip2D:
    """The clip with its heatmaps corrected by the truth, (F, J, 2) px.

    Each joint keeps only the mode nearest to the truth. With `hidden_exact`, hidden joints are moved to the truth
    instead, and all others stay as they are.
    """
    mixture, hidden = clip.mixture, clip.hidden
    assert mixture is not None and hidden is not None
    away = np.linalg.norm(mixture.means_px - exact_px[:, :, None], axis=-1)
    nearest = np.where(mixture.weights > 0, away, np.inf).argmin(-1)
    weights = np.eye(mixture.weights.shape[-1], dtype=mixture.weights.dtype)[nearest]
    means_px = mixture.means_px
    if hidden_exact:
        weights = np.where(hidden[..., None], weights, mixture.weights)
        means_px = np.where(hidden[..., None, None], exact_px[:, :, None], means_px).astype(means_px.dtype)
    corrected = PoseMixture(weights, means_px, mixture.variances_px2)
    return replace(clip, keypoints_px=corrected.argmax_px, mixture=corrected)


def _with_gaps(clip: PoseClip2D, generator: torch.Generator) -> PoseClip2D:
    """The clip as a file with missing joints has it: every joint but the hip is missing for a while now and then."""
    white = torch.randn(1, *clip.confidence.shape, generator=generator)
    noise = autoregressive(white, math.exp(-1.0 / (clip.fps * _GAP_S)))[0].numpy()
    lost = noise < NormalDist().inv_cdf(_GAP_SHARE)
    lost[:, 0] = False
    confidence = np.where(lost, 0.0, clip.confidence)
    keypoints_px, mixture = fill_gaps(clip.keypoints_px, confidence, clip.fps)
    return replace(clip, keypoints_px=keypoints_px, confidence=confidence, mixture=mixture)


@dataclass(frozen=True)
class Mocap17Benchmark:
    """Mocap-17 as a `Benchmark`.

    Attributes:
        data: name of the file.
        motions: its motions.
        input_2d: kind of 2D input, see `INPUTS`.
    """

    data: str
    motions: MotionSet
    input_2d: Input2D = "detected"

    @classmethod
    def load(cls, path: str | Path, input_2d: Input2D = "detected") -> Mocap17Benchmark:
        """Read a file.

        Raises:
            InvalidInput: if the file isn't in the layout.
        """
        return cls(Path(path).name, load_mocap17(path), input_2d)

    def __len__(self) -> int:
        return len(self.motions)

    def recording(self, number: int) -> Recording:
        """One clip, all frames of it, from the four cameras."""
        views = evaluation_clips(self.motions, number, input_2d=self.input_2d)
        hips_world = self.motions.clip_world(number)[:, 0]
        cameras = evaluation_cameras(hips_world)
        up_cam = tuple(camera.rotation[:, 2] for camera in cameras)
        root_cam = tuple(camera.to_cam(hips_world.astype(np.float64)) for camera in cameras)
        return Recording(str(self.motions.action[number]), tuple(views), np.arange(len(views[0])), up_cam, root_cam)

    @property
    def about(self) -> dict[str, Any]:
        """Description of the data for a report."""
        detected = {"detector": to_dict(DetectorConfig()), "detector_seed": DETECTOR_SEED}
        return {
            "dataset": "mocap17",
            "data": self.data,
            "views_per_clip": 4,
            "input": INPUTS[self.input_2d],
            **({} if self.input_2d == "exact" else detected),
        }


def chosen_clips(benchmark: Benchmark | MotionSet, clips: range | None) -> range:
    """Numbers of the clips to measure, all by default.

    Raises:
        InvalidInput: where a number is out of range, or there is none.
    """
    chosen = range(len(benchmark)) if clips is None else clips
    if len(chosen) == 0 or min(chosen) < 0 or max(chosen) >= len(benchmark):
        raise InvalidInput(f"clips must be numbers from 0 to {len(benchmark) - 1}, found {chosen}")
    return chosen
