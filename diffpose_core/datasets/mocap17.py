"""Motion files in the Mocap-17 layout: real motion capture, or the procedural data set.

One .npz holds many clips. Of their frames: root float32 (F, 3) metres; joints int16 (F, 16, 3), joints 1 to 16 relative
to the pelvis in units of 0.1 mm. Of the clips: start int64 (C + 1,); fps float64 (C,); name, source, subject, action,
style str (C,). World frame, z up.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from diffpose_core.io.atomic import write_arrays
from diffpose_core.io.untrusted.files import DATA_SET, read_file
from diffpose_core.io.untrusted.npz import read_npz
from diffpose_core.skeleton import NUM_JOINTS
from diffpose_core.structures import InvalidInput

UNIT_M = 1e-4
#: Rows of `MotionSet.joints`, which begin with joint 1.
_RIGHT_HIP, _LEFT_HIP, _SPINE, _THORAX, _LEFT_SHOULDER, _RIGHT_SHOULDER = 0, 3, 6, 7, 10, 13
_TEXT_KEYS = ("name", "source", "subject", "action", "style")


@dataclass(frozen=True)
class MotionSet:
    """Clips of 3D motion. Fields as in the file's layout (see the module)."""

    root: np.ndarray
    joints: np.ndarray
    start: np.ndarray
    fps: np.ndarray
    name: np.ndarray
    source: np.ndarray
    subject: np.ndarray
    action: np.ndarray
    style: np.ndarray

    def __len__(self) -> int:
        return len(self.start) - 1

    @property
    def num_frames(self) -> int:
        return int(self.root.shape[0])

    def poses_world(self, frames: np.ndarray | slice) -> np.ndarray:
        """Poses of the given frames (over all clips), float32 (N, 17, 3), metres, world frame, z up."""
        root = self.root[frames]
        relative = self.joints[frames].astype(np.float32) * np.float32(UNIT_M)
        poses = np.empty((root.shape[0], NUM_JOINTS, 3), dtype=np.float32)
        poses[:, 0] = root
        poses[:, 1:] = root[:, None] + relative
        return poses

    def clip_world(self, clip: int) -> np.ndarray:
        """One clip's poses, float32 (F, 17, 3), metres, world frame, z up."""
        return self.poses_world(slice(int(self.start[clip]), int(self.start[clip + 1])))


def is_mocap17(keys: Collection[str]) -> bool:
    """Whether an .npz with these arrays is meant to be in Mocap-17 layout."""
    return {"root", "joints", "start"} <= set(keys)


def load_mocap17(path: str | Path) -> MotionSet:
    """Read and check a file in Mocap-17 layout. Raises InvalidInput where it is not valid."""
    path = Path(path)
    needed = ("root", "joints", "start", "fps", *_TEXT_KEYS)
    content = read_file(path, "a motion file in Mocap-17 layout (.npz)", DATA_SET)
    try:
        found = read_npz(content, str(path), needed, limits=DATA_SET)
    except InvalidInput as error:
        raise InvalidInput(f"{path}: not a readable .npz without pickled objects ({error})") from error
    # Copies: an array that is read from a file can't be written to, which PyTorch warns of.
    arrays = {key: np.array(array) for key, array in found.items()}
    missing = [key for key in needed if key not in arrays]
    if missing:
        raise InvalidInput(f"{path}: Mocap-17 layout needs the keys {', '.join(needed)}; missing: {', '.join(missing)}")
    root, joints, start = arrays["root"], arrays["joints"], arrays["start"]
    if root.ndim != 2 or root.shape[1] != 3 or not np.issubdtype(root.dtype, np.floating):
        raise InvalidInput(f"{path}: root must be float (F, 3), found {root.dtype} {root.shape}")
    if joints.shape != (root.shape[0], NUM_JOINTS - 1, 3) or joints.dtype != np.int16:
        raise InvalidInput(
            f"{path}: joints must be int16 {(root.shape[0], 16, 3)}, found {joints.dtype} {joints.shape}"
        )
    if not np.isfinite(root).all():
        raise InvalidInput(f"{path}: root holds values that are not finite")
    rising = (
        start.ndim == 1 and len(start) >= 2 and np.issubdtype(start.dtype, np.integer) and (np.diff(start) > 0).all()
    )
    if not rising or start[0] != 0 or start[-1] != root.shape[0]:
        raise InvalidInput(f"{path}: start must rise from 0 to the number of frames, {root.shape[0]}, clip by clip")
    for key in ("fps", *_TEXT_KEYS):
        if arrays[key].shape != (len(start) - 1,):
            raise InvalidInput(f"{path}: {key} must hold one value a clip, {len(start) - 1}, found {arrays[key].shape}")
    for key in _TEXT_KEYS:
        if arrays[key].dtype.kind != "U":
            raise InvalidInput(f"{path}: {key} must hold text, found {arrays[key].dtype}")
    fps = arrays["fps"]
    if fps.dtype.kind not in "fiu" or not (np.isfinite(fps) & (fps > 0)).all():
        raise InvalidInput(f"{path}: fps must be above 0, found {fps[:5].tolist()}")
    return MotionSet(root.astype(np.float32), joints, start, arrays["fps"], *(arrays[key] for key in _TEXT_KEYS))


def in_one_definition(motions: MotionSet) -> MotionSet:
    """The same motion with hip, thorax and spine where `joint_definitions.with_middle_joints` puts them.

    Training and every benchmark take motion in this definition; files keep the one of their source.
    """
    wide = motions.joints.astype(np.int32)
    middle = (wide[:, _RIGHT_HIP] + wide[:, _LEFT_HIP]) // 2
    moved = wide - middle[:, None]
    moved[:, _THORAX] = (moved[:, _LEFT_SHOULDER] + moved[:, _RIGHT_SHOULDER]) // 2
    moved[:, _SPINE] = moved[:, _THORAX] // 2
    limits = np.iinfo(np.int16)
    joints = moved.clip(limits.min, limits.max).astype(np.int16)
    return replace(motions, root=motions.root + middle.astype(np.float32) * np.float32(UNIT_M), joints=joints)


def save_mocap17(motions: MotionSet, path: str | Path) -> None:
    """Write a MotionSet in Mocap-17 layout, whole or not at all. Raises InvalidInput where it can't be written."""
    write_arrays(path, {key: getattr(motions, key) for key in ("root", "joints", "start", "fps", *_TEXT_KEYS)})


def motion_set(clips: list[np.ndarray], fps: float, **labels: list[str]) -> MotionSet:
    """Put clips (each (F, 17, 3) metres, world frame) together. labels: name, source, subject, action, style, one
    string a clip.
    """
    poses = np.concatenate(clips).astype(np.float32)
    relative = (poses[:, 1:] - poses[:, :1]) / UNIT_M
    if np.abs(relative).max(initial=0) > np.iinfo(np.int16).max:
        raise InvalidInput("a joint is more than 3.27 m from the pelvis: Mocap-17 can't store it")
    start = np.concatenate(([0], np.cumsum([len(clip) for clip in clips]))).astype(np.int64)
    text = {key: np.array(labels.get(key) or [""] * len(clips), dtype=np.str_) for key in _TEXT_KEYS}
    return MotionSet(poses[:, 0], np.round(relative).astype(np.int16), start, np.full(len(clips), float(fps)), **text)
