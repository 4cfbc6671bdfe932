"""Real footage as a benchmark: one person seen by calibrated cameras and a real detector, with triangulated truth.

The file is an .npz with MediaPipe's 33 landmarks (C cameras, F frames):

| key | shape | meaning |
| --- | --- | --- |
| keypoints_px, visibility | (C, F, 33, 2), (C, F, 33) | detected landmarks in pixels, and the detector's visibility |
| detector_pose3d_m | (C, F, 33, 3) | the detector's own 3D in metres, in a frame of its own |
| truth_world_m | (F, 33, 3) | triangulated landmarks in metres, world frame, z up |
| rotation, centre_m | (C, 3, 3), (C, 3) | cameras: cam = rotation @ (world - centre) |
| intrinsics | (C, 4) | fx, fy, cx, cy in pixels |
| on_person | (C, F) | frames in which the detector follows this person |
| size, fps | (2,), () | image width and height in pixels, frames a second |
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from diffpose_core.datasets.benchmark import Recording
from diffpose_core.io.formats.convert import to_clip
from diffpose_core.io.formats.layouts import LAYOUTS
from diffpose_core.io.formats.posefile import Choice, FileClip, LayoutGuess, PoseFile, PoseTrack
from diffpose_core.io.untrusted.files import MIB, Limits, read_file
from diffpose_core.io.untrusted.npz import read_npz
from diffpose_core.structures import Intrinsics, InvalidInput, PoseClip2D

LAYOUT = LAYOUTS["MediaPipe-33"]
_LIMITS = Limits(64 * MIB, 256 * MIB)
#: Axes of every array; C and F are the numbers of cameras and frames.
_SHAPES: dict[str, tuple[str | int, ...]] = {
    "keypoints_px": ("C", "F", 33, 2), "visibility": ("C", "F", 33), "detector_pose3d_m": ("C", "F", 33, 3),
    "truth_world_m": ("F", 33, 3), "rotation": ("C", 3, 3), "centre_m": ("C", 3), "intrinsics": ("C", 4),
    "on_person": ("C", "F"), "size": (2,), "fps": (),
}  # fmt: skip
#: Largest difference of rotation @ rotation.T from the identity.
_ORTHOGONAL = 1e-3


@dataclass(frozen=True)
class Footage:
    """Real footage as a `Benchmark`: recording c is camera c's.

    Attributes:
        data: name of the file.
        arrays: the file's arrays, see the module.
        known_camera: whether clips carry the camera's intrinsics.
    """

    data: str
    arrays: dict[str, np.ndarray]
    known_camera: bool = False

    def __len__(self) -> int:
        return len(self.arrays["keypoints_px"])

    @property
    def num_frames(self) -> int:
        """Frames of every camera."""
        return int(self.arrays["keypoints_px"].shape[1])

    def recording(self, number: int) -> Recording:
        """One camera's clip; its frames are those in which the detector follows the person."""
        frames = np.flatnonzero(self.arrays["on_person"][number])
        up_cam = self.arrays["rotation"][number].astype(np.float64)[:, 2]
        return Recording(f"camera {number}", (self._clip(number),), frames, (up_cam,))

    def _clip(self, number: int) -> PoseClip2D:
        a = self.arrays
        name = f"{self.data} camera {number}"
        width, height = (int(side) for side in a["size"])
        clip = clip_of_landmarks(
            name, a["keypoints_px"][number], a["visibility"][number], (width, height), float(a["fps"])
        )
        truth = (a["truth_world_m"].astype(np.float64) - a["centre_m"][number]) @ a["rotation"][number].T
        return replace(
            clip,
            intrinsics=Intrinsics(*map(float, a["intrinsics"][number])) if self.known_camera else None,
            pose3d_cam=root_relative_human36m(truth).astype(np.float32),
        )

    def detector_pose(self, number: int) -> np.ndarray:
        """The detector's own 3D of one camera, (F, 17, 3) metres, root-relative, in a frame of its own."""
        return root_relative_human36m(self.arrays["detector_pose3d_m"][number].astype(np.float64))

    @property
    def about(self) -> dict[str, Any]:
        """Description of the data for a report."""
        return {
            "dataset": "footage",
            "data": self.data,
            "views_per_clip": len(self),
            "input": f"2D of a real detector ({LAYOUT.name}), visibility as confidence",
            "known_camera": self.known_camera,
        }


def root_relative_human36m(landmarks: np.ndarray) -> np.ndarray:
    """3D landmarks (F, 33, 3) in Human3.6M's joints, (F, 17, 3), relative to the middle of the hips."""
    pose = np.stack([landmarks[:, list(parts)].mean(1) for parts in LAYOUT.sources], axis=1)
    return np.asarray(pose - pose[:, :1])


def clip_of_landmarks(
    name: str, keypoints_px: np.ndarray, visibility: np.ndarray, size: tuple[int, int], fps: float
) -> PoseClip2D:
    """A detector's landmarks as a clip, by the conversion that uploaded files go through.

    Args:
        name: of the clip.
        keypoints_px: (F, 33, 2) pixels.
        visibility: (F, 33) in [0, 1].
        size: width and height of the image in pixels.
        fps: frames a second.
    """
    track = PoseTrack("0", np.arange(len(keypoints_px)), keypoints_px, visibility)
    file = PoseFile(name, LAYOUT.name, (FileClip("", len(keypoints_px), (track,)),), (LayoutGuess(LAYOUT, ""),))
    return replace(to_clip(file, Choice(image_size=size, fps=fps)).clip, name=name)


def load_footage(path: str | Path, known_camera: bool = False) -> Footage:
    """Read and check a file of real footage.

    Args:
        path: the .npz.
        known_camera: whether clips carry the camera's intrinsics.

    Raises:
        InvalidInput: if the file isn't in the layout, with what was found.
    """
    expected = "real footage (.npz, see diffpose_core/datasets/footage.py)"
    content = read_file(path, expected, _LIMITS)
    arrays = read_npz(content, str(path), tuple(_SHAPES), limits=_LIMITS)
    _check(arrays, str(path))
    return Footage(Path(path).name, arrays, known_camera)


def _check(arrays: dict[str, np.ndarray], path: str) -> None:
    missing = [key for key in _SHAPES if key not in arrays]
    if missing:
        raise InvalidInput(f"{path}: real footage needs the keys {', '.join(_SHAPES)}; missing: {', '.join(missing)}")
    _check_shapes(arrays, path)
    if arrays["on_person"].dtype != np.bool_:
        raise InvalidInput(f"{path}: on_person must be true or false, found {arrays['on_person'].dtype}")
    for key in set(_SHAPES) - {"on_person"}:
        array = arrays[key]
        if array.dtype.kind not in "fiu" or not np.isfinite(array).all():
            raise InvalidInput(f"{path}: {key} must hold finite numbers only, found {array.dtype}")
    if not arrays["on_person"].any(1).all():
        raise InvalidInput(f"{path}: on_person must hold a frame of every camera")
    sure = arrays["visibility"]
    if sure.min() < 0 or sure.max() > 1:
        raise InvalidInput(f"{path}: visibility must lie in [0, 1], found {sure.min():g} to {sure.max():g}")
    turn = arrays["rotation"].astype(np.float64)
    if np.abs(turn @ turn.swapaxes(1, 2) - np.eye(3)).max() > _ORTHOGONAL or (np.linalg.det(turn) < 0).any():
        raise InvalidInput(f"{path}: rotation must hold rotations (C, 3, 3), found other matrices")


def _check_shapes(arrays: dict[str, np.ndarray], path: str) -> None:
    shape = arrays["keypoints_px"].shape
    sizes = {"C": shape[0], "F": shape[1]} if len(shape) == 4 and min(shape) > 0 else {}
    for key, axes in _SHAPES.items():
        wanted = tuple(sizes.get(axis, axis) if isinstance(axis, str) else axis for axis in axes)
        if arrays[key].shape != wanted:
            shown = f"({', '.join(map(str, wanted))})"
            raise InvalidInput(f"{path}: {key} must be {shown}, found {arrays[key].shape}")
