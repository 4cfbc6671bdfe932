"""Joint orders of detectors, and how each becomes Human3.6M's 17 joints.

Every Human3.6M joint is the mean of some of the detector's joints (a joint that is named twice counts twice).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from diffpose_core.io.formats.joint_names import canonical_names, sources_of_names, spelled
from diffpose_core.skeleton import BONES, JOINT_NAMES, NUM_JOINTS
from diffpose_core.structures import InvalidInput
from diffpose_core.words import short

#: Of these Human3.6M joints, on the head, some of the parts will do; half a hip or half a neck would be wrong.
HEAD_JOINTS = (9, 10)
#: Confidence that is left where a joint of the head comes from some of its parts only.
_PARTIAL = 0.5


@dataclass(frozen=True)
class Layout:
    """A joint order.

    Attributes:
        name: of the order.
        names: of the J joints.
        bones: pairs of joints to draw.
        sources: for each of the 17 Human3.6M joints the detector's joints that it is the mean of (none: it is always
            guessed).
    """

    name: str
    names: tuple[str, ...]
    bones: tuple[tuple[int, int], ...]
    sources: tuple[tuple[int, ...], ...]

    def __len__(self) -> int:
        return len(self.names)


def to_human36m(layout: Layout, keypoints: np.ndarray, confidence: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Bring detected joints to Human3.6M's order.

    Args:
        layout: the joint order.
        keypoints: (T, J, 2), NaN where missing.
        confidence: (T, J) in [0, 1].

    Returns:
        (T, 17, 2), NaN where missing, and (T, 17): the least confidence of the parts, 0 where missing.
    """
    count = keypoints.shape[0]
    poses = np.full((count, NUM_JOINTS, 2), np.nan, dtype=np.float32)
    sure = np.zeros((count, NUM_JOINTS), dtype=np.float32)
    for joint, parts in enumerate(layout.sources):
        if not parts:
            continue
        places, known = keypoints[:, parts], confidence[:, parts]
        there = ~np.isnan(places[..., 0])
        enough = there.all(1) if joint not in HEAD_JOINTS else there.any(1)
        total = np.where(there[..., None], places, 0.0).sum(1)
        poses[enough, joint] = total[enough] / there.sum(1)[enough, None]
        least = np.where(there, known, 1.0).min(1) * np.where(there.all(1), 1.0, _PARTIAL)
        sure[enough, joint] = least[enough]
    return poses, sure


def mixture_to_human36m(
    layout: Layout, mixture: tuple[np.ndarray, np.ndarray, np.ndarray]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Bring detected joints' mixtures to Human3.6M's order; shapes as in PoseTrack.

    A joint that is the mean of several has one mode: the mean of their means and, since detectors err alike on
    neighbouring joints, the mean of their variances.
    """
    weights, means, variances = mixture
    shape = (weights.shape[0], NUM_JOINTS, weights.shape[2])
    out_w = np.zeros(shape, dtype=np.float32)
    out_m = np.zeros((*shape, 2), dtype=np.float32)
    out_v = np.ones((*shape, 2), dtype=np.float32)
    mean = (weights[..., None] * means).sum(2)
    variance = (weights[..., None] * (variances + np.square(means - mean[:, :, None]))).sum(2)
    for joint, parts in enumerate(layout.sources):
        if len(parts) == 1:
            out_w[:, joint], out_m[:, joint], out_v[:, joint] = (a[:, parts[0]] for a in mixture)
        elif parts:
            out_w[:, joint, 0] = 1.0
            out_m[:, joint, 0] = mean[:, parts].mean(1)
            out_v[:, joint, 0] = variance[:, parts].mean(1)
    return out_w, out_m, out_v


def _bones(names: Sequence[str], pairs: Sequence[tuple[str, str]]) -> tuple[tuple[int, int], ...]:
    place = {name: number for number, name in enumerate(names)}
    return tuple((place[a], place[b]) for a, b in pairs if a in place and b in place)


_LIMBS = tuple(
    (f"{side}_{a}", f"{side}_{b}")
    for side in ("left", "right")
    for a, b in (
        ("shoulder", "elbow"), ("elbow", "wrist"), ("hip", "knee"), ("knee", "ankle"), ("ankle", "heel"),
        ("ankle", "big_toe"), ("big_toe", "small_toe"), ("heel", "foot_index"), ("ankle", "foot_index"),
        ("eye", "ear"), ("wrist", "index"), ("wrist", "pinky"), ("wrist", "thumb"),
    )
)  # fmt: skip
_TRUNK = (
    ("left_shoulder", "right_shoulder"), ("left_hip", "right_hip"), ("left_shoulder", "left_hip"),
    ("right_shoulder", "right_hip"), ("nose", "left_eye"), ("nose", "right_eye"),
)  # fmt: skip
#: With a neck and a hip in the middle, the trunk is drawn along the spine.
_SPINE = (
    ("neck", "left_shoulder"), ("neck", "right_shoulder"), ("neck", "nose"), ("nose", "left_eye"),
    ("nose", "right_eye"), ("neck", "head"), ("neck", "hip"), ("hip", "left_hip"), ("hip", "right_hip"),
)  # fmt: skip

#: Without a hip in the middle, the trunk is drawn from the neck to both hips.
_NECK = (*_SPINE, ("neck", "left_hip"), ("neck", "right_hip"))

_COCO = (
    "nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder", "left_elbow",
    "right_elbow", "left_wrist", "right_wrist", "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle",
    "right_ankle",
)  # fmt: skip
_COCO18 = (
    "nose", "neck", "right_shoulder", "right_elbow", "right_wrist", "left_shoulder", "left_elbow", "left_wrist",
    "right_hip", "right_knee", "right_ankle", "left_hip", "left_knee", "left_ankle", "right_eye", "left_eye",
    "right_ear", "left_ear",
)  # fmt: skip
_BODY25 = (
    "nose", "neck", "right_shoulder", "right_elbow", "right_wrist", "left_shoulder", "left_elbow", "left_wrist",
    "hip", "right_hip", "right_knee", "right_ankle", "left_hip", "left_knee", "left_ankle", "right_eye", "left_eye",
    "right_ear", "left_ear", "left_big_toe", "left_small_toe", "left_heel", "right_big_toe", "right_small_toe",
    "right_heel",
)  # fmt: skip
_HALPE = (
    *_COCO, "head", "neck", "hip", "left_big_toe", "right_big_toe", "left_small_toe", "right_small_toe", "left_heel",
    "right_heel",
)  # fmt: skip
_MEDIAPIPE = (
    "nose", "left_eye_inner", "left_eye", "left_eye_outer", "right_eye_inner", "right_eye", "right_eye_outer",
    "left_ear", "right_ear", "mouth_left", "mouth_right", "left_shoulder", "right_shoulder", "left_elbow",
    "right_elbow", "left_wrist", "right_wrist", "left_pinky", "right_pinky", "left_index", "right_index", "left_thumb",
    "right_thumb", "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle", "left_heel",
    "right_heel", "left_foot_index", "right_foot_index",
)  # fmt: skip


def _sided(order: str, *parts: str) -> tuple[str, ...]:
    """Names of parts on both sides: "rl" right first, part by part."""
    sides = {"r": "right", "l": "left"}
    return tuple(f"{sides[side]}_{part}" for part in parts for side in order)


#: Joint orders of 14 to 16 joints.
_SMALL: dict[str, tuple[str, ...]] = {
    "MPI-15 (OpenPose)": (
        "head", "neck", *(f"{side}_{part}" for part_of in (("shoulder", "elbow", "wrist"), ("hip", "knee", "ankle"))
                          for side in ("right", "left") for part in part_of), "spine",
    ),
    "MPII-16": (
        "right_ankle", "right_knee", "right_hip", "left_hip", "left_knee", "left_ankle", "hip", "thorax", "neck",
        "head", "right_wrist", "right_elbow", "right_shoulder", "left_shoulder", "left_elbow", "left_wrist",
    ),
    "AIC-14": (
        *(f"{side}_{part}" for part_of in (("shoulder", "elbow", "wrist"), ("hip", "knee", "ankle"))
          for side in ("right", "left") for part in part_of), "head", "neck",
    ),
    "CrowdPose-14": (*_sided("lr", "shoulder", "elbow", "wrist", "hip", "knee", "ankle"), "head", "neck"),
    "JHMDB-15": ("neck", "spine", "head", *_sided("rl", "shoulder", "hip", "elbow", "knee", "wrist", "ankle")),
}  # fmt: skip

_COCO_SOURCES = (
    (11, 12), (12,), (14,), (16,), (11,), (13,), (15,), (11, 12, 5, 6), (5, 6), (0,), (1, 2),
    (5,), (7,), (9,), (6,), (8,), (10,),
)  # fmt: skip
_HALPE_SOURCES = (
    (19,), (12,), (14,), (16,), (11,), (13,), (15,), (18, 19), (18,), (0,), (17,), (5,), (7,), (9,), (6,), (8,), (10,),
)  # fmt: skip


def _layout(name: str, names: Sequence[str], trunk: Sequence[tuple[str, str]], sources: Sequence[tuple[int, ...]],
            joints: int | None = None) -> Layout:  # fmt: skip
    more = tuple(f"point {n}" for n in range(len(names), joints or 0))
    return Layout(name, (*names, *more), _bones(names, (*trunk, *_LIMBS)), tuple(sources))


HUMAN36M = Layout("Human3.6M-17", JOINT_NAMES, BONES, tuple((joint,) for joint in range(NUM_JOINTS)))
COCO17 = _layout("COCO-17", _COCO, _TRUNK, _COCO_SOURCES)

#: All joint orders with a fixed number of joints, by name.
LAYOUTS: Mapping[str, Layout] = {
    layout.name: layout
    for layout in (
        HUMAN36M,
        COCO17,
        _layout("COCO-18 (OpenPose)", _COCO18, (*_SPINE, ("neck", "left_hip"), ("neck", "right_hip")), (
            (8, 11), (8,), (9,), (10,), (11,), (12,), (13,), (1, 1, 8, 11), (1,), (0,), (14, 15),
            (5,), (6,), (7,), (2,), (3,), (4,),
        )),
        _layout("BODY_25 (OpenPose)", _BODY25, _SPINE, (
            (8,), (9,), (10,), (11,), (12,), (13,), (14,), (1, 8), (1,), (0,), (15, 16),
            (5,), (6,), (7,), (2,), (3,), (4,),
        )),
        _layout("Halpe-26", _HALPE, _SPINE, _HALPE_SOURCES),
        _layout("MediaPipe-33", _MEDIAPIPE, _TRUNK, (
            (23, 24), (24,), (26,), (28,), (23,), (25,), (27,), (11, 12, 23, 24), (11, 12), (11, 12, 7, 8), (7, 8),
            (11,), (13,), (15,), (12,), (14,), (16,),
        )),
        _layout("COCO-WholeBody-133", _COCO, _TRUNK, _COCO_SOURCES, 133),
        _layout("Halpe-136", _HALPE, _SPINE, _HALPE_SOURCES, 136),
        *(_layout(name, names, _NECK, sources_of_names(names)) for name, names in _SMALL.items()),
    )
}  # fmt: skip


def layouts_of(joints: int) -> tuple[Layout, ...]:
    """The joint orders with that many joints."""
    return tuple(layout for layout in LAYOUTS.values() if len(layout) == joints)


def _reordered(layout: Layout, names: Sequence[str], place: Sequence[int]) -> Layout:
    """A known joint order whose joint j is the file's joint place[j]."""
    bones = tuple((place[a], place[b]) for a, b in layout.bones)
    sources = tuple(tuple(place[part] for part in parts) for parts in layout.sources)
    return Layout(f"{layout.name} in another order", tuple(names), bones, sources)


def layout_of_names(names: Sequence[str]) -> Layout:
    """The joint order of a file that names its joints.

    Where the names are those of a known order it is that one, rearranged where need be. Else every Human3.6M joint is
    taken from the names that fit; joints without a name are always guessed.

    Args:
        names: of the file's joints.

    Raises:
        InvalidInput: no hips or no shoulders among them.
    """
    known = canonical_names(names)
    written = [spelled(name) for name in names]
    for layout in LAYOUTS.values():
        own = [spelled(name) for name in layout.names]
        if written == own or (len(layout) == len(names) and known == canonical_names(layout.names)):
            return layout
        if sorted(written) == sorted(own):
            return _reordered(layout, names, [written.index(name) for name in own])
    sources = sources_of_names(known)
    needed = {"left_hip": 4, "right_hip": 1, "left_shoulder": 11, "right_shoulder": 14}
    absent = [name for name, joint in needed.items() if not sources[joint]]
    if absent:
        shown = ", ".join(short(name, 24) for name in list(names)[:20])
        raise InvalidInput(f"no joint is named {', '.join(absent).replace('_', ' ')}; the names found: {shown}")
    for layout in LAYOUTS.values():
        if len(layout) == len(names) and layout.sources == tuple(sources):
            return layout
    trunk = _SPINE if {"neck", "hip"} <= set(known) else _TRUNK
    return Layout("names in the file", tuple(names), _bones([n or f"?{i}" for i, n in enumerate(known)],
                                                            (*trunk, *_LIMBS)), tuple(sources))  # fmt: skip
