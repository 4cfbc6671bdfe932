"""Statistics of the simulated detector on a motion file: `diffpose detector-stats`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from diffpose_core.camera import Camera, evaluation_cameras
from diffpose_core.datasets.mocap17 import load_mocap17
from diffpose_core.evaluation.views import chosen_clips, evaluation_clips
from diffpose_core.structures import PoseClip2D


@dataclass
class _Counts:
    """Running sums over clips; rows of two are visible and hidden joints."""

    error_sum: np.ndarray = field(default_factory=lambda: np.zeros(2))
    counts: np.ndarray = field(default_factory=lambda: np.zeros(2))
    errors_px: tuple[list[np.ndarray], list[np.ndarray]] = field(default_factory=lambda: ([], []))
    two_modes: int = 0
    limb_frames: int = 0
    swaps: int = 0
    joints: int = 0
    lag_products: float = 0.0
    lag_squares: float = 0.0

    def add(self, clip: PoseClip2D, camera: Camera, joints_world: np.ndarray) -> None:
        """Count one camera's clip. joints_world: (F, J, 3) metres."""
        assert clip.mixture is not None and clip.hidden is not None
        exact_px = camera.project(camera.to_cam(joints_world.astype(np.float64)))
        offset = clip.keypoints_px - exact_px
        error = np.linalg.norm(offset, axis=-1)
        for column, mask in enumerate((~clip.hidden, clip.hidden)):
            self.error_sum[column] += error[mask].sum()
            self.counts[column] += mask.sum()
            self.errors_px[column].append(error[mask].astype(np.float32))
        self.two_modes += int(((clip.mixture.weights > 0).sum(-1) > 1).sum())
        self.swaps += int(clip.provenance["swapped"])
        self.limb_frames += 4 * len(clip)
        self.joints += error.size
        visible_pair = ~clip.hidden[1:] & ~clip.hidden[:-1]
        self.lag_products += float((offset[1:] * offset[:-1]).sum(-1)[visible_pair].sum())
        self.lag_squares += float(np.square(offset[1:]).sum(-1)[visible_pair].sum())


def detector_statistics(data: str | Path, clips: range | None = None) -> dict[str, Any]:
    """Errors in px of visible and hidden joints, swaps, and joints with two modes.

    Args:
        data: a file in Mocap-17 layout.
        clips: numbers of the clips, all by default.

    Raises:
        InvalidInput: if the file isn't in the layout or a clip's number is out of range.
    """
    motions = load_mocap17(data)
    chosen = chosen_clips(motions, clips)
    counts = _Counts()
    for number in chosen:
        joints_world = motions.clip_world(number)
        cameras = evaluation_cameras(joints_world[:, 0])
        for clip, camera in zip(evaluation_clips(motions, number), cameras, strict=True):
            counts.add(clip, camera, joints_world)
    mean = counts.error_sum / np.maximum(counts.counts, 1)
    median = [float(np.median(np.concatenate(e))) if e else float("nan") for e in counts.errors_px]
    return {
        "data": Path(data).name,
        "clips": len(chosen),
        "views_per_clip": 4,
        "joints": counts.joints,
        "visible_error_px": {"mean": float(mean[0]), "median": median[0]},
        "hidden_error_px": {"mean": float(mean[1]), "median": median[1]},
        "hidden_share": float(counts.counts[1] / counts.joints),
        "swapped_share_of_limb_ends": counts.swaps / counts.limb_frames,
        "two_mode_share": counts.two_modes / counts.joints,
        "visible_error_correlation_one_frame_apart": counts.lag_products / max(counts.lag_squares, 1e-9),
    }
