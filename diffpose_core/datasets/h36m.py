"""Human3.6M in VideoPose3D's files: 3D poses in the world, four cameras, 2D poses detected by CPN or exact.

data_3d_h36m.npz holds positions_3d: subject -> action -> (F, 32, 3) metres, world frame, z up. data_2d_h36m_NAME.npz
holds positions_2d: subject -> action -> four cameras' (F, 17, 2) pixels of the picture. Both are pickles inside, and
are read by `io.untrusted`, which runs nothing in them. Sources: Ionescu et al. (TPAMI 2014); Pavllo et al. (CVPR 2019).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from diffpose_core.camera import Camera, Distortion
from diffpose_core.datasets.benchmark import Recording, check_poses, view_of
from diffpose_core.datasets.mocap17 import MotionSet, motion_set
from diffpose_core.io.untrusted.files import DATA_SET, read_file
from diffpose_core.io.untrusted.npz import read_npz
from diffpose_core.skeleton import LEFT_JOINTS, RIGHT_JOINTS
from diffpose_core.structures import Intrinsics, InvalidInput, PoseClip2D
from diffpose_core.words import quoted, short

TRAIN_SUBJECTS = ("S1", "S5", "S6", "S7", "S8")
TEST_SUBJECTS = ("S9", "S11")
FPS = 50.0
CAMERAS = 4
#: The 15 actions by their names in the files, with the heads of the published tables' columns, in their order.
ACTIONS: Mapping[str, str] = {
    "Directions": "Dir.", "Discussion": "Disc.", "Eating": "Eat", "Greeting": "Greet", "Phoning": "Phone",
    "Photo": "Photo", "Posing": "Pose", "Purchases": "Pur.", "Sitting": "Sit", "SittingDown": "SitD.",
    "Smoking": "Smoke", "Waiting": "Wait", "WalkDog": "WalkD.", "Walking": "Walk", "WalkTogether": "WalkT.",
}  # fmt: skip
#: The 17 of the 32 recorded joints that move by themselves, in this project's order.
KEPT_JOINTS = (0, 1, 2, 3, 6, 7, 8, 12, 13, 14, 15, 17, 18, 19, 25, 26, 27)
POSES_FILE = "data_3d_h36m.npz"
#: VideoPose3D's names of 2D poses: the ones that tables are made with, and the exact ones.
DETECTED, EXACT = "cpn_ft_h36m_dbb", "gt"


@cache
def h36m_cameras() -> Mapping[str, tuple[Camera, ...]]:
    """The four cameras of every subject, in the files' order: metres, world frame, their lenses' distortion."""
    text = resources.files("diffpose_core.datasets").joinpath("h36m_cameras.json").read_text(encoding="utf-8")
    content = json.loads(text)

    def camera(lens: dict[str, Any], place: dict[str, Any]) -> Camera:
        w, x, y, z = place["orientation"]
        to_world = Rotation.from_quat([x, y, z, w]).as_matrix()
        return Camera(
            to_world.T,
            np.array(place["translation"]) / 1000.0,
            Intrinsics(*lens["focal_length"], *lens["centre"]),
            lens["width"],
            lens["height"],
            Distortion(tuple(lens["radial"]), tuple(lens["tangential"])),
        )

    return {
        subject: tuple(camera(lens, place) for lens, place in zip(content["lenses"], places, strict=True))
        for subject, places in content["places"].items()
    }


def _subjects_of(path: Path, key: str) -> dict[str, Any]:
    """subject -> action -> poses of one of VideoPose3D's files, unchecked."""
    content = read_file(path, f"VideoPose3D's {path.name} (docs/datasets.md says how to get it)", DATA_SET)
    arrays = read_npz(content, path.name, (key, "metadata"), objects=True, limits=DATA_SET)
    if not isinstance(arrays.get(key), dict):
        raise InvalidInput(f"{path.name}: expected {key}, a dict of subjects; found {', '.join(arrays) or 'no array'}")
    _check_layout(arrays.get("metadata"), path.name)
    return dict(arrays[key])


def _check_layout(metadata: Any, name: str) -> None:
    """Refuse 2D poses in another joint order, such as Detectron's in COCO's, which have 17 joints as well."""
    if not isinstance(metadata, dict):
        return
    layout = str(metadata.get("layout_name", "h36m"))[:40]
    symmetry = metadata.get("keypoints_symmetry", (LEFT_JOINTS, RIGHT_JOINTS))
    try:
        same = [sorted(int(j) for j in side) for side in symmetry] == [sorted(LEFT_JOINTS), sorted(RIGHT_JOINTS)]
    except (TypeError, ValueError):
        same = False
    if layout.lower() != "h36m" or not same:
        raise InvalidInput(f"{name}: 2D poses in the joint order of Human3.6M expected, found another ({layout!r})")


def _actions(subjects: dict[str, Any], subject: str, name: str) -> dict[str, Any]:
    actions = subjects.get(subject)
    if not isinstance(actions, dict) or not actions:
        raise InvalidInput(
            f"{name}: no actions of subject {subject}; it has {short(', '.join(map(str, subjects)), 80)}"
        )
    return actions


def read_poses(folder: str | Path, subjects: Sequence[str]) -> Iterator[tuple[str, str, np.ndarray]]:
    """(subject, recording, poses) of data_3d_h36m.npz: poses float32 (F, 17, 3), metres, world frame, z up.

    Recordings go by the files' names, such as "WalkDog 1". Raises InvalidInput where the file isn't in the layout.
    """
    name = POSES_FILE
    found = _subjects_of(Path(folder) / name, "positions_3d")
    for subject in subjects:
        for recording, raw in _actions(found, subject, name).items():
            _action_of(recording, name)
            poses = check_poses(raw, f"{name}: {subject} / {short(recording, 60)}", (32, 17), (3,))
            kept = poses[:, KEPT_JOINTS] if poses.shape[1] == 32 else poses
            yield subject, recording, kept.astype(np.float32)


def _action_of(recording: str, name: str) -> str:
    action = recording.split(" ")[0]
    if action not in ACTIONS:
        raise InvalidInput(f"{name}: the action {quoted(recording, 60)} is none of Human3.6M's: {', '.join(ACTIONS)}")
    return action


@dataclass(frozen=True)
class H36mRecording:
    """A subject's recording. poses_world: (F, 17, 3) metres. points_px: each camera's (F, 17, 2), distortion taken
    out.
    """

    subject: str
    name: str
    poses_world: np.ndarray
    points_px: tuple[np.ndarray, ...]


class Human36M:
    """Subjects of Human3.6M with their 2D poses: a `Benchmark`, and the training data. See `load_h36m`."""

    def __init__(self, recordings: Sequence[H36mRecording], detections: str) -> None:
        self.recordings = tuple(recordings)
        self.detections = detections

    def __len__(self) -> int:
        return len(self.recordings)

    def recording(self, number: int) -> Recording:
        """One recording as its four cameras saw it; all frames count."""
        r = self.recordings[number]
        action = _action_of(r.name, POSES_FILE)
        views = tuple(self._view(r, action, camera) for camera in range(CAMERAS))
        return Recording(action, views, np.arange(len(r.poses_world)))

    def _view(self, r: H36mRecording, action: str, number: int) -> PoseClip2D:
        camera = h36m_cameras()[r.subject][number]
        provenance = {"dataset": "h36m", "subject": r.subject, "action": action}
        return view_of(
            f"{r.subject} {r.name} camera {number}",
            r.points_px[number],
            camera.to_cam(r.poses_world.astype(np.float64)),
            camera.intrinsics,
            (camera.width, camera.height),
            FPS,
            self.detections == EXACT,
            provenance,
        )

    @property
    def about(self) -> dict[str, Any]:
        """Description of the data for a report."""
        exact = self.detections == EXACT
        return {
            "dataset": "h36m",
            "data": f"{POSES_FILE} and data_2d_h36m_{self.detections}.npz",
            "subjects": sorted({r.subject for r in self.recordings}),
            "views_per_clip": CAMERAS,
            "input": "exact 2D" if exact else f"detected 2D, {self.detections}",
            "hidden_joints": "by geometry, as those of the simulated detector",
        }


def load_h36m(folder: str | Path, subjects: Sequence[str] = TEST_SUBJECTS, detections: str = DETECTED) -> Human36M:
    """Read subjects of Human3.6M from a folder with VideoPose3D's files.

    detections: NAME in data_2d_h36m_NAME.npz; `EXACT` is taken for the truth. A camera that ran on after the 3D
    recording has its last frames left out. The lens's distortion is taken out of the 2D poses, which VideoPose3D leaves
    in. Raises InvalidInput where a file is missing or isn't in the layout, or where 2D poses are fewer than 3D ones.
    """
    if not detections.replace("_", "").isalnum():
        raise InvalidInput(f"detections are named as in data_2d_h36m_NAME.npz, found {quoted(detections, 60)}")
    unknown = [s for s in subjects if s not in h36m_cameras()]
    if unknown or not subjects:
        raise InvalidInput(
            f"subjects must be some of {', '.join(h36m_cameras())}, found {', '.join(unknown) or 'none'}"
        )
    poses = list(read_poses(folder, subjects))
    name = f"data_2d_h36m_{detections}.npz"
    found = _subjects_of(Path(folder) / name, "positions_2d")
    recordings = []
    for subject, recording, world in poses:
        raw = _actions(found, subject, name).get(recording)
        label = f"{name}: {subject} / {short(recording, 60)}"
        if not isinstance(raw, (list, np.ndarray)) or len(raw) != CAMERAS:
            count = len(raw) if isinstance(raw, (list, np.ndarray)) else 0
            raise InvalidInput(f"{label}: 2D poses of {CAMERAS} cameras expected, found {count}")
        points = []
        for number, (camera, detected) in enumerate(zip(h36m_cameras()[subject], raw, strict=True)):
            checked = check_poses(detected, f"{label} / camera {number}", (17,), (2, 3))
            if len(checked) < len(world):
                raise InvalidInput(
                    f"{label} / camera {number}: {len(checked)} 2D poses for {len(world)} 3D ones; "
                    f"expected as many or more"
                )
            points.append(camera.rectified(checked[: len(world), :, :2].astype(np.float64)).astype(np.float32))
        recordings.append(H36mRecording(subject, recording, world, tuple(points)))
    return Human36M(recordings, detections)


def h36m_motions(folder: str | Path, subjects: Sequence[str] = TRAIN_SUBJECTS) -> MotionSet:
    """Subjects' 3D poses as a motion set (world frame, z up, 50 fps), for cameras and a detector drawn at random."""
    read = list(read_poses(folder, subjects))
    return motion_set(
        [poses for _, _, poses in read],
        FPS,
        name=[f"{subject} {recording}" for subject, recording, _ in read],
        source=["h36m"] * len(read),
        subject=[subject for subject, _, _ in read],
        action=[_action_of(recording, POSES_FILE) for _, recording, _ in read],
    )
