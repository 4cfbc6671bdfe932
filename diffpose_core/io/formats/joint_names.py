"""Joints by their names, in the spellings of many programs."""

from __future__ import annotations

import re
from collections.abc import Sequence

from diffpose_core.skeleton import NUM_JOINTS

_MIDDLE = {
    "hip": ("hip", "hips", "pelvis", "root", "midhip", "hipcenter", "hipcentre", "centerhip", "bottomtorso"),
    "spine": ("spine", "torso", "belly", "abdomen", "midspine", "spine1"),
    "thorax": ("thorax", "chest", "upperneck", "sternum", "midshoulder", "shouldercenter"),
    "neck": ("neck", "neckbase"),
    "nose": ("nose", "neckornose", "necknose"),
    "head": ("head", "headtop", "tophead", "topofhead", "crown"),
}
_SIDED = {
    "shoulder": ("shoulder", "sho"), "elbow": ("elbow", "elb"), "wrist": ("wrist", "wri"), "hand": ("hand",),
    "hip": ("hip",), "knee": ("knee",), "ankle": ("ankle", "ank"), "foot": ("foot",), "eye": ("eye",), "ear": ("ear",),
    "eye_inner": ("eyeinner",), "big_toe": ("bigtoe",), "small_toe": ("smalltoe",), "heel": ("heel",),
    "foot_index": ("footindex",),
}  # fmt: skip
_VISION = {"upleg": "hip", "leg": "knee", "foot": "ankle", "forearm": "elbow", "hand": "wrist", "root": "hip"}
#: DeepLabCut's own human: 1 is right, 2 is left, as in MPII, which it was trained on.
_DEEPLABCUT_HUMAN = {
    f"{part}{number}": f"{side}_{part}"
    for part in ("ankle", "knee", "hip", "wrist", "elbow", "shoulder") for number, side in ((1, "right"), (2, "left"))
} | {"chin": "nose", "forehead": "head"}  # fmt: skip
_MIDDLE_OF = {word: part for part, words in _MIDDLE.items() for word in words}
_SIDED_OF = {word: part for part, words in _SIDED.items() for word in words}


def canonical_names(names: Sequence[str]) -> list[str]:
    """Joints' names as `canonical_name` gives them, or as those of DeepLabCut's own human where all of them are."""
    if {spelled(name) for name in names} == set(_DEEPLABCUT_HUMAN):
        return [_DEEPLABCUT_HUMAN[spelled(name)] for name in names]
    return [canonical_name(name) for name in names]


def canonical_name(name: str) -> str:
    """A joint's name as this project writes it ("left_shoulder"), or "" where it isn't known.

    Knows "LShoulder", "l_shoulder", "LEFT SHOULDER", "shoulder.L", "leftShoulder" and the like.
    """
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", name[:80])
    parts = [word for word in re.split(r"[^a-z0-9]+", words.lower()) if word]
    if parts and parts[-1] == "joint":
        # Apple's Vision: left_upLeg_joint, right_shoulder_1_joint, neck_1_joint.
        rest = "".join(part for part in parts[:-1] if part not in ("left", "right") and not part.isdecimal())
        rest = _VISION.get(rest, rest)
        parts = [part for part in parts if part in ("left", "right")] + [rest]
    sides = {"left": "left", "l": "left", "lt": "left", "right": "right", "r": "right", "rt": "right"}
    side = [sides[part] for part in parts if part in sides]
    rest = "".join(part for part in parts if part not in sides)
    if not side:
        if rest in _MIDDLE_OF:
            return _MIDDLE_OF[rest]
        for prefix in ("left", "right", "l", "r"):
            if rest.startswith(prefix) and rest.removeprefix(prefix) in _SIDED_OF:
                return f"{sides[prefix]}_{_SIDED_OF[rest.removeprefix(prefix)]}"
        return ""
    return f"{side[0]}_{_SIDED_OF[rest]}" if len(set(side)) == 1 and rest in _SIDED_OF else ""


def spelled(name: str) -> str:
    """A name without case and signs."""
    return "".join(c for c in name.lower() if c.isalnum())


def sources_of_names(known: Sequence[str]) -> list[tuple[int, ...]]:
    """For each Human3.6M joint the named joints that it is the mean of; none where no name fits.

    Args:
        known: canonical names, "" for joints that are not known.
    """
    place: dict[str, int] = {}
    for number, name in enumerate(known):
        if name:
            place.setdefault(name, number)

    def first(*options: tuple[str, ...]) -> tuple[int, ...]:
        for option in options:
            if all(name in place for name in option):
                return tuple(place[name] for name in option)
        return ()

    hip = first(("hip",), ("left_hip", "right_hip"))
    thorax = first(("thorax",), ("neck",), ("left_shoulder", "right_shoulder"))
    sources: list[tuple[int, ...]] = [()] * NUM_JOINTS
    sources[0], sources[8] = hip, thorax
    # Each end of the spine counts the same, however many joints it is the mean of.
    sources[7] = first(("spine",)) or (hip * len(thorax) + thorax * len(hip) if hip and thorax else ())
    # A neck beside a thorax is Human3.6M's; alone it stands for the thorax.
    neck = (("neck",),) if "thorax" in place else ()
    sources[9] = first(("nose",), *neck, ("left_ear", "right_ear"))
    sources[10] = first(("head",), ("left_eye", "right_eye"), ("left_ear", "right_ear"))
    for joints, side in (((1, 2, 3, 14, 15, 16), "right"), ((4, 5, 6, 11, 12, 13), "left")):
        limbs = (("hip",), ("knee",), ("ankle", "foot"), ("shoulder",), ("elbow",), ("wrist", "hand"))
        for joint, parts in zip(joints, limbs, strict=True):
            sources[joint] = first(*((f"{side}_{part}",) for part in parts))
    return sources
