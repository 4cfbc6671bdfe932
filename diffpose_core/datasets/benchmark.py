"""The interface of benchmarks: recordings, each seen by its cameras, with the exact 3D."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch

from diffpose_core.datasets.occlusion import hidden_joints
from diffpose_core.structures import Intrinsics, InvalidInput, PoseClip2D
from diffpose_core.uncertainty.mixtures import exact_mixture


@dataclass(frozen=True)
class Recording:
    """One recording of a benchmark.

    Attributes:
        action: heading that its errors are reported under.
        views: recordings of its cameras, whole, with the exact 3D.
        frames: numbers of the frames that count, rising.
        up_cam: for each view the direction that is up in the camera's frame, (3,), or None where it is unknown.
        root_cam: for each view the true path of the hip, (F, 3) metres, camera frame, or None where it is unknown.
    """

    action: str
    views: tuple[PoseClip2D, ...]
    frames: np.ndarray
    up_cam: tuple[np.ndarray, ...] | None = None
    root_cam: tuple[np.ndarray, ...] | None = None


class Benchmark(Protocol):
    """Recordings by number, so that processes can share them; small enough to be sent to each."""

    def __len__(self) -> int: ...

    def recording(self, number: int) -> Recording:
        """Recording `number`, from 0."""
        ...

    @property
    def about(self) -> Mapping[str, Any]:
        """Description of the data for a report: "dataset", "data" (file names), "input", "views_per_clip" and more."""
        ...


def view_of(
    name: str,
    points_px: np.ndarray,
    joints_cam: np.ndarray,
    intrinsics: Intrinsics,
    size: tuple[int, int],
    fps: float,
    exact_2d: bool,
    provenance: Mapping[str, Any],
) -> PoseClip2D:
    """A camera's clip of a data set that brings 2D poses without heatmaps.

    points_px: (F, J, 2) without distortion. joints_cam: (F, J, 3) metres, absolute camera frame. size: width and height
    of the image. exact_2d: whether the 2D poses are the truth; a detector's get the spread of a confidence of 1.
    Which joints are hidden comes from the same geometry as the simulated detector's.
    """
    points_px = points_px.astype(np.float64)
    hidden, _ = hidden_joints(torch.from_numpy(np.ascontiguousarray(joints_cam, dtype=np.float32)))
    return PoseClip2D(
        name=name,
        keypoints_px=points_px,
        confidence=np.ones(points_px.shape[:2]),
        width=size[0],
        height=size[1],
        fps=fps,
        mixture=exact_mixture(points_px) if exact_2d else None,
        intrinsics=intrinsics,
        pose3d_cam=(joints_cam - joints_cam[:, :1]).astype(np.float32),
        hidden=hidden.numpy(),
        provenance=dict(provenance),
    )


def check_poses(poses: Any, label: str, joints: tuple[int, ...], axes: tuple[int, ...]) -> np.ndarray:
    """A sequence of poses (F, J, C) as float64 or float32, checked.

    joints, axes: the numbers of joints and of coordinates that will do. Raises InvalidInput otherwise, or where a
    number isn't finite.
    """
    good = isinstance(poses, np.ndarray) and poses.ndim == 3 and poses.dtype.kind in "fiu"
    if not good or poses.shape[1] not in joints or poses.shape[2] not in axes or len(poses) == 0:
        found = f"{poses.dtype} {poses.shape}" if isinstance(poses, np.ndarray) else f"a {type(poses).__name__}"
        wanted = " or ".join(f"(frames, {j}, {a})" for j in joints for a in axes)
        raise InvalidInput(f"{label}: poses {wanted} expected, found {found}")
    if not np.isfinite(poses).all():
        raise InvalidInput(f"{label}: poses must hold finite numbers only")
    return poses if poses.dtype.kind == "f" else poses.astype(np.float64)
