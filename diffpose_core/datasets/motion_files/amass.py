"""AMASS: poses of the SMPL family (.npz). Where joints are follows from a body model, which AMASS does not hold.

A file brings rotations (axis-angle), the path, shape parameters and a gender. The body model (SMPL-H, SMPL-X or SMPL as
.npz) turns shape into a mesh at rest, and the mesh into joints: J = J_regressor (v_template + shapedirs betas). Source:
Loper et al., "SMPL: a skinned multi-person linear model", 2015. Only rotations of the body's 22 joints are used.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from diffpose_core.datasets.motion_files.rig import Rig, check_counts, check_finite, check_fps
from diffpose_core.io.untrusted.files import read_bytes
from diffpose_core.io.untrusted.npz import read_npz
from diffpose_core.structures import InvalidInput
from diffpose_core.words import quoted

#: The body's joints, first in every model of the family.
NAMES = (
    "pelvis", "left_hip", "right_hip", "spine1", "left_knee", "right_knee", "spine2", "left_ankle", "right_ankle",
    "spine3", "left_foot", "right_foot", "neck", "left_collar", "right_collar", "head", "left_shoulder",
    "right_shoulder", "left_elbow", "right_elbow", "left_wrist", "right_wrist",
)  # fmt: skip
PARENTS = (-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19)
GENDERS = ("neutral", "female", "male")
HEAD = NAMES.index("head")
_MODEL_KEYS = ("J_regressor", "v_template", "shapedirs", "kintree_table")
MODEL_HELP = (
    "AMASS files hold rotations of a body model but no places of joints. Give the model that they were made with by "
    "--body-model: its .npz (keys J_regressor, v_template, shapedirs, kintree_table), or a folder with one a gender "
    "such as male/model.npz. SMPL-H for AMASS is at https://mano.is.tue.mpg.de (after registration)"
)


@dataclass(frozen=True)
class BodyModel:
    """The part of a body model that places joints.

    Attributes:
        regressor: (22, V).
        template: (V, 3) metres, y up.
        shapes: (V, 3, B).
    """

    regressor: np.ndarray
    template: np.ndarray
    shapes: np.ndarray

    def rest(self, betas: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Joints and crown of a body at rest.

        Args:
            betas: shape parameters; those beyond the model's are left out.

        Returns:
            (22, 3) and (3,) metres, y up.
        """
        count = min(len(betas), self.shapes.shape[2])
        mesh = self.template + self.shapes[:, :, :count] @ betas[:count]
        return self.regressor @ mesh, mesh[mesh[:, 1].argmax()]


def is_amass(keys: tuple[str, ...]) -> bool:
    """True if an .npz with these arrays is a clip of AMASS."""
    return "trans" in keys and ("poses" in keys or {"root_orient", "pose_body"} <= set(keys))


def is_body_model(keys: tuple[str, ...]) -> bool:
    """True if an .npz with these arrays is a body model."""
    return set(_MODEL_KEYS) <= set(keys)


@lru_cache(maxsize=4)
def load_body_model(path: Path, gender: str) -> BodyModel:
    """Read a body model: a file, or the gender's of a folder.

    Raises:
        InvalidInput: no body model, or none of this gender.
    """
    if path.is_dir():
        tries = [*path.glob(f"{gender}/*.npz"), *(file for file in path.glob("*.npz") if _names(file.stem, gender))]
        if not tries:
            raise InvalidInput(f"{path}: holds no body model for {gender!r}; expected {gender}/model.npz")
        path = min(tries)
    if path.suffix.lower() != ".npz" or not path.is_file():
        raise InvalidInput(f"{path}: no body model; expected an .npz. Pickled models (.pkl) are not read")
    arrays = read_npz(read_bytes(path), str(path), _MODEL_KEYS)
    missing = [key for key in _MODEL_KEYS if key not in arrays]
    if missing:
        raise InvalidInput(f"{path}: not a body model; missing: {', '.join(missing)}")
    for key in _MODEL_KEYS:
        if arrays[key].dtype.kind not in ("iu" if key == "kintree_table" else "fiu"):
            raise InvalidInput(f"{path}: {key} must hold numbers, found {arrays[key].dtype}")
    regressor, template, shapes, tree = (arrays[key] for key in _MODEL_KEYS)
    vertices, joints = len(template), len(NAMES)
    fits = (
        template.shape == (vertices, 3) and vertices > 0 and regressor.ndim == 2 and regressor.shape[0] >= joints
        and regressor.shape[1] == vertices and shapes.ndim == 3 and shapes.shape[:2] == (vertices, 3)
        and tree.ndim == 2 and tree.shape[0] == 2 and tree.shape[1] >= joints
    )  # fmt: skip
    if not fits or tuple(tree[0, 1:joints].astype(np.int64)) != PARENTS[1:]:
        raise InvalidInput(f"{path}: arrays that don't fit together, or joints in another order than SMPL's")
    model = BodyModel(*(array.astype(np.float64) for array in (regressor[:joints], template, shapes)))
    if not all(np.isfinite(array).all() for array in (model.regressor, model.template, model.shapes)):
        raise InvalidInput(f"{path}: holds values that are not finite")
    return model


def _names(stem: str, gender: str) -> bool:
    return stem.lower().endswith(f"_{gender}") or stem.lower() == gender


def read_amass(content: bytes, name: str, body_model: Path | None, fps: float | None = None) -> Rig:
    """Read a clip of AMASS; metres, z up.

    Args:
        content: the .npz.
        name: names the file in messages.
        body_model: a file or folder.
        fps: in place of the file's.

    Raises:
        InvalidInput: damaged, beyond a bound, or without a body model.
    """
    keys = (
        "poses", "root_orient", "pose_body", "trans", "betas", "gender", "mocap_framerate", "mocap_frame_rate",
    )  # fmt: skip
    arrays = read_npz(content, name, keys)
    if body_model is None:
        raise InvalidInput(f"{name}: {MODEL_HELP}")
    if "poses" in arrays:
        poses = _array(arrays, "poses", 2, name)
    else:
        parts = [_array(arrays, key, 2, name) for key in ("root_orient", "pose_body")]
        if len(parts[0]) != len(parts[1]):
            raise InvalidInput(f"{name}: root_orient and pose_body have different numbers of frames")
        poses = np.concatenate(parts, axis=1)
    trans = _array(arrays, "trans", 2, name)
    joints = len(NAMES)
    if poses.shape[1] < 3 * joints or poses.shape[1] % 3 or trans.shape != (len(poses), 3):
        raise InvalidInput(
            f"{name}: expected poses (F, 66 or more) and trans (F, 3), found {poses.shape} and {trans.shape}"
        )
    check_counts(joints, len(poses), poses.shape[1], name)
    poses = poses[:, : 3 * joints].astype(np.float64).reshape(-1, joints, 3)
    check_finite(poses, name, "poses")
    check_finite(trans, name, "trans")
    betas = _array(arrays, "betas", None, name).reshape(-1).astype(np.float64) if "betas" in arrays else np.zeros(0)
    if len(betas) > 1000 or not (np.abs(betas) < 100).all():
        raise InvalidInput(f"{name}: betas are not plausible shape parameters")
    rate = fps or _fps(arrays, name)
    gender, notes = _gender(arrays)
    rest, crown = load_body_model(body_model, gender).rest(betas)
    offsets = np.zeros((joints + 1, 3))
    offsets[1:joints] = rest[1:] - rest[list(PARENTS[1:])]
    offsets[joints] = crown - rest[HEAD]
    rotations = {joint: Rotation.from_rotvec(poses[:, joint]) for joint in range(joints)}
    return Rig(
        (*NAMES, "head_end"), (*PARENTS, HEAD), offsets, rotations, {0: trans.astype(np.float64) + rest[0]}, len(poses),
        check_fps(rate, name), 1.0, "z", notes,
    )  # fmt: skip


def _array(arrays: dict[str, Any], key: str, axes: int | None, name: str) -> np.ndarray:
    array = arrays.get(key)
    if array is None or array.dtype.kind not in "fiu" or (axes is not None and array.ndim != axes):
        raise InvalidInput(f"{name}: {key} must be an array of numbers" + (f" with {axes} axes" if axes else ""))
    return array


def _fps(arrays: dict[str, Any], name: str) -> float:
    for key in ("mocap_framerate", "mocap_frame_rate"):
        if key in arrays:
            rate = _array(arrays, key, None, name)
            if rate.size == 1:
                return float(rate.reshape(()))
    raise InvalidInput(f"{name}: no mocap_framerate; give --fps")


def _gender(arrays: dict[str, Any]) -> tuple[str, tuple[str, ...]]:
    array = arrays.get("gender")
    word = ""
    if array is not None and array.size == 1 and array.dtype.kind in "SU":
        value = array.reshape(()).item()
        word = (value.decode("latin-1") if isinstance(value, bytes) else value).strip().lower()
    if word in GENDERS:
        return word, ()
    return "neutral", (f"gender {quoted(word, 20)}: the neutral body model is used",)
