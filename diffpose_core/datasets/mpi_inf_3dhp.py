"""MPI-INF-3DHP: exact 2D poses and 3D poses of the universal skeleton, in the camera's frame.

Two layouts are read. The npz files that P-STMO's scripts make and most papers use: data_test_3dhp.npz holds data: TS1
... TS6 -> data_2d (F, 17, 2) pixels, data_3d (F, 17, 3) mm, valid (F,); data_train_3dhp.npz holds data: "S1 Seq1" ...
-> [camera -> data_2d, data_3d; frames a second]. And the set's own files: TS1/annot_data.mat (HDF5) and
S1/Seq1/annot.mat, with 28 joints. Sources: Mehta et al. (3DV 2017); Shan et al. (P-STMO, ECCV 2022).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from diffpose_core.camera import Camera, Distortion
from diffpose_core.datasets.benchmark import Recording, check_poses, view_of
from diffpose_core.io.untrusted.files import DATA_SET, check_size, read_file
from diffpose_core.io.untrusted.npz import read_npz
from diffpose_core.structures import Intrinsics, InvalidInput
from diffpose_core.words import short

if TYPE_CHECKING:
    from diffpose_core.io.untrusted.hdf5 import Hdf5

TRAIN_SUBJECTS = tuple(f"S{number}" for number in range(1, 9))
TEST_SEQUENCES = tuple(f"TS{number}" for number in range(1, 7))
#: The 8 of 14 training cameras that the npz files hold: those at the height of a person.
TRAIN_CAMERAS = (0, 1, 2, 4, 5, 6, 7, 8)
#: The test set does not say how many frames a second it has. Errors of velocity are per frame.
TEST_FPS = 25.0
#: The 17 of 28 joints that are annotated everywhere, in the order of the npz files and of the test set: head top, neck,
#: right and left arm, right and left leg, pelvis, spine, head.
RELEVANT_JOINTS = (7, 5, 14, 15, 16, 9, 10, 11, 23, 24, 25, 18, 19, 20, 4, 3, 6)
#: Where this project's joints are among them. Its neck/nose is their head, its head their top of the head.
FROM_RELEVANT = (14, 8, 9, 10, 11, 12, 13, 15, 1, 16, 0, 5, 6, 7, 2, 3, 4)
#: Frames of each training sequence that its video has, and frames a second.
TRAIN_FRAMES: Mapping[str, tuple[int, float]] = {
    "S1 Seq1": (6416, 25), "S1 Seq2": (12430, 50), "S2 Seq1": (6502, 25), "S2 Seq2": (6081, 25),
    "S3 Seq1": (12488, 50), "S3 Seq2": (12283, 50), "S4 Seq1": (6171, 25), "S4 Seq2": (6675, 25),
    "S5 Seq1": (12820, 50), "S5 Seq2": (12312, 50), "S6 Seq1": (6188, 25), "S6 Seq2": (6145, 25),
    "S7 Seq1": (6239, 25), "S7 Seq2": (6320, 25), "S8 Seq1": (6468, 25), "S8 Seq2": (6054, 25),
}  # fmt: skip
TEST_FILE, TRAIN_FILE = "data_test_3dhp.npz", "data_train_3dhp.npz"
_TEST_MAT, _TRAIN_MAT = "annot_data.mat", "annot.mat"


@cache
def mpi_inf_3dhp_cameras() -> Mapping[str, Camera]:
    """Cameras by "TS1" ... "TS6" and by "0" ... "13" of the training set. Poses are given in their frames, so that none
    has a place of its own.
    """
    text = resources.files("diffpose_core.datasets").joinpath("mpi_inf_3dhp_cameras.json").read_text(encoding="utf-8")
    content = json.loads(text)

    def camera(lens: dict[str, Any]) -> Camera:
        bent = None
        if "radial" in lens:
            bent = Distortion(tuple(lens["radial"]), tuple(lens["tangential"]), cross=2.0)
        intrinsics = Intrinsics(*lens["focal_length"], *lens["centre"])
        return Camera(np.eye(3), np.zeros(3), intrinsics, lens["width"], lens["height"], bent)

    inside, outside = camera(content["test"]["TS1-TS4"]), camera(content["test"]["TS5-TS6"])
    cameras = {name: inside if number < 4 else outside for number, name in enumerate(TEST_SEQUENCES)}
    return {**cameras, **{str(number): camera(lens) for number, lens in enumerate(content["train"])}}


@dataclass(frozen=True)
class HpView:
    """One camera's view.

    Attributes:
        camera: its key.
        points_px: (F, 17, 2) pixels, distortion taken out.
        joints_cam: (F, 17, 3) metres, camera frame.
    """

    camera: str
    points_px: np.ndarray
    joints_cam: np.ndarray


@dataclass(frozen=True)
class HpSequence:
    """A sequence by its name, "TS1" or "S1 Seq1". frames: numbers of those that count."""

    name: str
    views: tuple[HpView, ...]
    frames: np.ndarray
    fps: float


class MpiInf3dhp:
    """Sequences of MPI-INF-3DHP: a `Benchmark`, whose "actions" are the sequences. See `load_3dhp`."""

    def __init__(self, sequences: Sequence[HpSequence], data: str) -> None:
        self.sequences = tuple(sequences)
        self.data = data

    def __len__(self) -> int:
        return len(self.sequences)

    def recording(self, number: int) -> Recording:
        """One sequence as its cameras saw it; frames that its authors call invalid don't count."""
        s = self.sequences[number]
        cameras = mpi_inf_3dhp_cameras()
        views = tuple(
            view_of(
                f"{s.name} camera {view.camera}",
                view.points_px,
                view.joints_cam,
                cameras[view.camera].intrinsics,
                (cameras[view.camera].width, cameras[view.camera].height),
                s.fps,
                True,
                {"dataset": "3dhp", "action": s.name},
            )
            for view in s.views
        )
        return Recording(s.name, views, s.frames)

    @property
    def about(self) -> dict[str, Any]:
        """Description of the data for a report."""
        return {
            "dataset": "3dhp",
            "data": self.data,
            "sequences": [s.name for s in self.sequences],
            "views_per_clip": len(self.sequences[0].views),
            "input": "exact 2D",
            "truth": "the universal skeleton's poses (univ_annot3), frames called valid",
            "hidden_joints": "by geometry, as those of the simulated detector",
        }


def load_3dhp(folder: str | Path, train: bool = False, names: Sequence[str] | None = None) -> MpiInf3dhp:
    """Read the test or the training set of MPI-INF-3DHP from a folder in either of its layouts; npz files come first.

    names: of test sequences or training subjects, all by default. Raises InvalidInput where nothing is there, or where
    the files aren't in the layout.
    """
    folder = Path(folder)
    known = TRAIN_SUBJECTS if train else TEST_SEQUENCES
    chosen = known if names is None else tuple(names)
    unknown = [name for name in chosen if name not in known]
    if unknown or not chosen:
        raise InvalidInput(f"expected some of {', '.join(known)}, found {', '.join(unknown) or 'none'}")
    packed = folder / (TRAIN_FILE if train else TEST_FILE)
    if packed.is_file():
        content = read_npz(read_file(packed, "", DATA_SET), packed.name, ("data",), objects=True, limits=DATA_SET)
        data = content.get("data")
        if not isinstance(data, dict):
            raise InvalidInput(f"{packed.name}: expected data, a dict of sequences")
        read = _train_of_npz(data, chosen, packed.name) if train else _test_of_npz(data, chosen, packed.name)
        return MpiInf3dhp(list(read), packed.name)
    mat = _TRAIN_MAT if train else _TEST_MAT
    if not any(folder.glob(f"*/*/{mat}" if train else f"*/{mat}")):
        raise InvalidInput(
            f"{folder}: neither {packed.name} nor {'S1/Seq1' if train else 'TS1'}/{mat} is there "
            f"(docs/datasets.md says how to get them)"
        )
    return MpiInf3dhp(list((_train_of_mat if train else _test_of_mat)(folder, chosen)), mat)


def _view(label: str, camera: str, points: Any, joints: Any, order: tuple[int, ...], size: int) -> HpView:
    """Check and convert one camera's poses. size: joints in the file. order: this project's ones among them."""
    points, joints = check_poses(points, label, (size,), (2,)), check_poses(joints, label, (size,), (3,))
    if len(points) != len(joints):
        raise InvalidInput(f"{label}: {len(points)} 2D poses for {len(joints)} 3D ones")
    picked = mpi_inf_3dhp_cameras()[camera].rectified(points[:, list(order)].astype(np.float64))
    metres = (joints[:, list(order)] / 1000.0).astype(np.float32)
    if not (metres[..., 2] > 0).all():
        raise InvalidInput(f"{label}: 3D poses in the camera's frame expected, in mm and before the camera")
    return HpView(camera, picked.astype(np.float32), metres)


def _valid(flags: Any, count: int, label: str) -> np.ndarray:
    """Numbers of the frames that are flagged."""
    array = np.asarray(flags).reshape(-1)
    if array.size != count or array.dtype.kind not in "fiub":
        raise InvalidInput(f"{label}: valid must hold one number a frame, {count}, found {array.dtype} {array.shape}")
    numbers = np.flatnonzero(array > 0)
    if not numbers.size:
        raise InvalidInput(f"{label}: no frame is valid")
    return numbers


def _part(container: Any, key: str, label: str) -> Any:
    if not isinstance(container, dict) or key not in container:
        raise InvalidInput(f"{label}: {key} is missing")
    return container[key]


def _test_of_npz(data: dict[str, Any], names: Sequence[str], file: str) -> Iterator[HpSequence]:
    for name in names:
        parts, label = _part(data, name, file), f"{file}: {name}"
        points, joints = _part(parts, "data_2d", label), _part(parts, "data_3d", label)
        view = _view(label, name, points, joints, FROM_RELEVANT, len(RELEVANT_JOINTS))
        frames = _valid(_part(parts, "valid", label), len(view.points_px), label)
        yield HpSequence(name, (view,), frames, TEST_FPS)


def _train_of_npz(data: dict[str, Any], subjects: Sequence[str], file: str) -> Iterator[HpSequence]:
    for name in TRAIN_FRAMES:
        if name.split(" ")[0] not in subjects:
            continue
        pair, label = _part(data, name, file), f"{file}: {name}"
        if not isinstance(pair, list) or len(pair) != 2 or not isinstance(pair[0], dict) or not pair[0]:
            raise InvalidInput(f"{label}: expected a dict of cameras and the frames a second")
        views = []
        for camera, parts in pair[0].items():
            of_camera = f"{label} / camera {short(camera, 20)}"
            if camera not in map(str, range(14)):
                raise InvalidInput(f"{of_camera}: cameras are numbered from 0 to 13")
            points, joints = _part(parts, "data_2d", of_camera), _part(parts, "data_3d", of_camera)
            views.append(_view(of_camera, camera, points, joints, FROM_RELEVANT, len(RELEVANT_JOINTS)))
        yield _training_sequence(name, views)


def _training_sequence(name: str, views: Sequence[HpView]) -> HpSequence:
    count = min(len(view.points_px) for view in views)
    return HpSequence(name, tuple(views), np.arange(count), float(TRAIN_FRAMES[name][1]))


def _test_of_mat(folder: Path, names: Sequence[str]) -> Iterator[HpSequence]:
    from diffpose_core.io.untrusted.hdf5 import Hdf5  # h5py takes a moment to load

    for name in names:
        path = folder / name / _TEST_MAT
        label = f"{name}/{_TEST_MAT}"
        if not path.is_file():
            raise InvalidInput(f"{path}: no such file")
        with Hdf5(path, label, DATA_SET) as file:
            found = {key: _hdf5_array(file, key, label) for key in ("annot2", "univ_annot3", "valid_frame")}
        # (F, one person, 17, C): one person is all that the set has.
        points, joints = (found[k].reshape(len(found[k]), 17, -1) for k in ("annot2", "univ_annot3"))
        view = _view(label, name, points, joints, FROM_RELEVANT, len(RELEVANT_JOINTS))
        yield HpSequence(name, (view,), _valid(found["valid_frame"], len(points), label), TEST_FPS)


def _hdf5_array(file: Hdf5, key: str, label: str) -> np.ndarray:
    """An array of numbers in the set's layout."""
    array = file.array(key)
    if array is None:
        raise InvalidInput(f"{label}: {key}, an array of numbers, is missing")
    if key != "valid_frame" and (array.ndim != 4 or array.shape[1:3] != (1, 17)):
        raise InvalidInput(f"{label}: {key} must be (frames, 1, 17, coordinates), found {array.shape}")
    return array


def _train_of_mat(folder: Path, subjects: Sequence[str]) -> Iterator[HpSequence]:
    from scipy.io import loadmat

    order = tuple(RELEVANT_JOINTS[j] for j in FROM_RELEVANT)
    for name, (frames, _) in TRAIN_FRAMES.items():
        subject, sequence = name.split(" ")
        if subject not in subjects:
            continue
        path, label = folder / subject / sequence / _TRAIN_MAT, f"{subject}/{sequence}/{_TRAIN_MAT}"
        if not path.is_file():
            raise InvalidInput(f"{path}: no such file")
        check_size(path.stat().st_size, label, DATA_SET.packed)
        try:
            found = loadmat(path, variable_names=("annot2", "univ_annot3"))
        # A damaged file fails inside scipy's reader in many ways.
        except Exception as error:
            raise InvalidInput(f"{label}: not readable as a MAT file ({short(error, 120)})") from error
        views = []
        for camera in TRAIN_CAMERAS:
            points, joints = (
                _cell(found, key, camera, size, label) for key, size in (("annot2", 2), ("univ_annot3", 3))
            )
            # Annotations run on after the end of some videos.
            views.append(_view(f"{label}: camera {camera}", str(camera), points[:frames], joints[:frames], order, 28))
        yield _training_sequence(name, views)


def _cell(found: Mapping[str, Any], key: str, camera: int, size: int, label: str) -> np.ndarray:
    """Camera's (F, 28, size) of a cell array (14, 1) of (F, 28 size)."""
    cells = found.get(key)
    if not isinstance(cells, np.ndarray) or cells.dtype != object or cells.shape != (14, 1):
        raise InvalidInput(f"{label}: {key} must be a cell array of 14 cameras")
    array = cells[camera, 0]
    if not isinstance(array, np.ndarray) or array.ndim != 2 or array.shape[1] != 28 * size or array.dtype.kind != "f":
        raise InvalidInput(f"{label}: {key} of camera {camera} must be (frames, {28 * size})")
    return array.reshape(len(array), 28, size)
