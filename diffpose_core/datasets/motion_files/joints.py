"""The 17 joints of Human3.6M among those of a file's skeleton, by their names or by a JSON file.

Known: the names of CMU (ASF and BVH), Bandai-Namco, LaFAN1, Mixamo, MotionBuilder, 3ds Max (Biped), Biovision and
100STYLE, Xsens, Rokoko, Daz, Blender (Rigify), Unreal, VRM, SMPL, and of this project's own BVH export.

Hip, hips, knees, ankles, shoulders, elbows and wrists are the file's joints of that name. Thorax is where the neck
begins, Neck/Nose where the head begins, Head the top of the head. Spine is the joint between Hip and Thorax if there
is just one, else the place halfway along the chain of joints between them. Files that end at the head's joint
(Bandai-Namco) get the two upper joints by proportion, as in the Mocap-17 files: see `HEAD_PARTS`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from diffpose_core.datasets.motion_files.rig import Rig
from diffpose_core.io.untrusted.json import parse_json
from diffpose_core.skeleton import JOINT_NAMES, NUM_JOINTS
from diffpose_core.structures import InvalidInput
from diffpose_core.words import quoted, short

#: Neck and head of a file without a top of the head, in lengths of a leg: Mocap-17's Bandai-Namco clips have 0.1145 m
#: and 0.115 m over legs of 0.801 m.
HEAD_PARTS = (0.143, 0.1436)
#: A top of the head that is further from the thorax, or nearer, in lengths of a leg, is none.
_TOP_RANGE = (0.15, 0.5)

#: Names without side, spaces and signs, most telling first: "LeftArm" is the upper arm where it exists, else
#: "LeftShoulder" is, which other families call the collar bone.
_LIMBS: dict[str, tuple[str, ...]] = {
    "Hip": ("femur", "upleg", "upperleg", "thigh", "hip"),
    "Knee": ("tibia", "leg", "lowleg", "lowerleg", "calf", "shin", "knee"),
    "Foot": ("ankle", "foot"),
    "Shoulder": ("humerus", "arm", "uparm", "upperarm", "shldr", "shoulder"),
    "Elbow": ("radius", "forearm", "lowarm", "lowerarm", "elbow"),
    "Wrist": ("wrist", "hand"),
}
_MIDDLE: dict[str, tuple[str, ...]] = {
    "Hip": ("hips", "pelvis", "hip", "root", "cog"),
    "Thorax": ("lowerneck", "thorax", "neck", "neck0", "neck1", "neck01", "neckbase"),
    "Neck/Nose": ("necknose", "head"),
    "Head": ("headtop", "headtopend", "headend", "headnub", "headsite", "vertex"),
}
_SIDED = {word for words in _LIMBS.values() for word in words}
_SIDES = {"left": "L", "l": "L", "lft": "L", "right": "R", "r": "R", "rgt": "R"}
#: Prefixes that programs write before every name.
_PREFIX = re.compile(
    r"^(?:.*[:|]|mixamorig\d*_?|bip0*1[ _]?|biped\d*[ _]|character\d*_|def[-_.]|j_bip_c_|j_bip_(?=[lr]_)|[mf]_avg_)",
    re.IGNORECASE,
)
_MAX_JSON_BYTES = 100_000


@dataclass(frozen=True)
class JointMap:
    """Sources of the Human3.6M joints.

    Attributes:
        sources: for each of the 17 the indices of the file's joints whose mean it is; none where it is estimated.
        notes: assumptions.
    """

    sources: tuple[tuple[int, ...], ...]
    notes: tuple[str, ...] = ()


def side_and_part(name: str) -> tuple[str, str]:
    """Side and part of a joint's name in any usual spelling.

    Returns:
        "L", "R" or "", and the rest of the name in lower case, letters and digits only.
    """
    bare = name
    while (shorter := _PREFIX.sub("", bare, count=1)) != bare and shorter:
        bare = shorter
    for pattern in (
        r"^(?P<side>left|right)[ _.-]?(?P<part>.+)$",
        r"^(?P<part>.+?)[ _.-]?(?P<side>left|right)$",
        r"^(?P<side>l|r|lft|rgt)[ _.-](?P<part>.+)$",
        r"^(?P<part>.+)[ _.-](?P<side>l|r|lft|rgt)$",
    ):
        found = re.match(pattern, bare, re.IGNORECASE)
        if found:
            return _SIDES[found["side"].lower()], _plain(found["part"])
    if bare[:1].lower() in ("l", "r") and _plain(bare[1:]) in _SIDED:
        return bare[0].upper(), _plain(bare[1:])
    return "", _plain(bare)


def _plain(word: str) -> str:
    return re.sub(r"[^a-z0-9]", "", word.lower())


def read_joint_file(content: bytes, name: str) -> dict[str, tuple[str, ...] | None]:
    """Read a JSON file that maps Human3.6M joints to joints of a skeleton.

    Values are a joint, a list of joints whose mean it is, or null for an estimated place (Spine, Neck/Nose and Head
    only).

    Raises:
        InvalidInput: no such file.
    """
    if len(content) > _MAX_JSON_BYTES:
        raise InvalidInput(f"{name}: more than {_MAX_JSON_BYTES // 1000} kB; expected a list of 17 joints' names")
    data = parse_json(content, name)
    if not isinstance(data, dict) or not data:
        raise InvalidInput(
            f'{name}: expected an object such as {{"RHip": "RightUpLeg", "Spine": ["Spine1", "Spine2"]}}'
        )
    result: dict[str, tuple[str, ...] | None] = {}
    for key, value in data.items():
        if key not in JOINT_NAMES:
            raise InvalidInput(f"{name}: {quoted(key)} is no joint of {', '.join(JOINT_NAMES)}")
        words = [value] if isinstance(value, str) else value
        if value is None and key in ("Spine", "Neck/Nose", "Head"):
            result[key] = None
        elif isinstance(words, list) and words and all(isinstance(word, str) for word in words):
            result[key] = tuple(words)
        else:
            raise InvalidInput(f"{name}: {key}: expected a joint's name or a list of names")
    return result


def map_joints(rig: Rig, name: str, given: Mapping[str, tuple[str, ...] | None] | None = None) -> JointMap:
    """Find the 17 joints of Human3.6M.

    Args:
        rig: the skeleton.
        name: names the file in messages.
        given: joints that are known already, see `read_joint_file`.

    Raises:
        InvalidInput: names the joints that were not found and the file's joints.
    """
    parts: dict[tuple[str, str], int] = {}
    for joint, word in enumerate(rig.names):
        parts.setdefault(side_and_part(word), joint)
    found: dict[str, tuple[int, ...]] = {}
    for target, words in _MIDDLE.items():
        _first(parts, "", words, target, found)
    if ("", "necknose") in parts:
        # This project's own names: Head is the top, and joints that hang from it mean nothing.
        _first(parts, "", ("head",), "Head", found)
    for side in ("R", "L"):
        for target, words in _LIMBS.items():
            _first(parts, side, words, f"{side}{target}", found)
    for target, chosen in (given or {}).items():
        found.pop(target, None)
        if chosen is not None:
            found[target] = tuple(_named(rig, word, name) for word in chosen)
    notes = []
    if "Hip" not in found and {"RHip", "LHip"} <= found.keys():
        common = _common(rig, found["RHip"][0], found["LHip"][0])
        found["Hip"] = (common,)
        notes.append(f"Hip taken as {rig.names[common]!r}, from which both legs hang")
    missing = [target for target in JOINT_NAMES if target not in found and target not in ("Spine", "Neck/Nose", "Head")]
    if "Neck/Nose" not in found and "Head" not in found:
        missing.append("Neck/Nose (the head's joint)")
    if missing:
        raise InvalidInput(
            f"{name}: not found among its joints: {', '.join(missing)}. Its joints are "
            f"{', '.join(short(word) for word in rig.names[:60])}{' ...' if len(rig.names) > 60 else ''}. "
            "Say which they are in a JSON file (--joints)"
        )
    if "Head" not in found and (given is None or "Head" not in given):
        ends = [child for child in rig.children(found["Neck/Nose"][0]) if rig.names[child].endswith("_end")]
        if len(ends) == 1:
            found["Head"] = (ends[0],)
    if "Head" in found and "Head" not in (given or {}) and not _plausible_top(rig, found):
        del found["Head"]
    if "Head" not in found:
        notes.append("no top of the head: Neck/Nose and Head placed by proportion")
    given_names = set(given or {})
    _check_tree(rig, {key: value for key, value in found.items() if key not in given_names}, name)
    if "Spine" not in found:
        between = _between(rig, found)
        if len(between) == 1 and (given is None or "Spine" not in given):
            found["Spine"] = (between[0],)
    return JointMap(tuple(found.get(target, ()) for target in JOINT_NAMES), tuple(notes))


def _first(
    parts: Mapping[tuple[str, str], int],
    side: str,
    words: tuple[str, ...],
    target: str,
    found: dict[str, tuple[int, ...]],
) -> None:
    for word in words:
        if (side, word) in parts:
            found[target] = (parts[side, word],)
            return


def _named(rig: Rig, word: str, name: str) -> int:
    for joint, own in enumerate(rig.names):
        if own == word or own.rpartition(":")[2] == word:
            return joint
    raise InvalidInput(
        f"{name}: --joints names {quoted(word, 60)}, which it does not have; its joints are "
        f"{', '.join(short(own) for own in rig.names[:60])}"
    )


def _common(rig: Rig, a: int, b: int) -> int:
    above = {a, *rig.ancestors(a)}
    return next(joint for joint in (b, *rig.ancestors(b)) if joint in above)


def _between(rig: Rig, found: Mapping[str, tuple[int, ...]]) -> list[int]:
    """The joints between Hip and Thorax that lie at neither of them at rest, from the lower to the upper."""
    way = rig.ancestors(found["Thorax"][0])
    if found["Hip"][0] not in way or len(found["Thorax"]) > 1:
        return []
    chain = [found["Thorax"][0], *way[: way.index(found["Hip"][0])]]
    lengths = np.array([np.linalg.norm(rig.offsets[joint]) for joint in chain[::-1]])
    along = np.cumsum(lengths)
    total = along[-1]
    return [joint for joint, at in zip(chain[:0:-1], along[:-1], strict=True) if 0.02 * total < at < 0.98 * total]


def _leg(rig: Rig, found: Mapping[str, tuple[int, ...]]) -> float:
    """Length of the legs at rest, mean of both sides."""
    rest = _rest(rig)
    places = {key: rest[list(found[key])].mean(0) for key in ("RHip", "RKnee", "RFoot", "LHip", "LKnee", "LFoot")}
    bones = (("RHip", "RKnee"), ("RKnee", "RFoot"), ("LHip", "LKnee"), ("LKnee", "LFoot"))
    return float(sum(np.linalg.norm(places[a] - places[b]) for a, b in bones) / 2)


def _rest(rig: Rig) -> np.ndarray:
    rest = rig.offsets.copy()
    for joint, parent in enumerate(rig.parents):
        if parent >= 0:
            rest[joint] += rest[parent]
    return rest


def _plausible_top(rig: Rig, found: Mapping[str, tuple[int, ...]]) -> bool:
    rest = _rest(rig)
    thorax, top = (rest[list(found[key])].mean(0) for key in ("Thorax", "Head"))
    neck = rest[list(found["Neck/Nose"])].mean(0) if "Neck/Nose" in found else thorax
    leg = _leg(rig, found)
    way = np.linalg.norm(top - neck) + np.linalg.norm(neck - thorax)
    return bool(leg > 0 and _TOP_RANGE[0] < way / leg < _TOP_RANGE[1] and np.linalg.norm(top - neck) > 0.05 * leg)


#: (child, ancestor) in every body, however many joints are between.
_HANGS = (
    *((f"{s}{child}", f"{s}{parent}") for s in "RL" for child, parent in (
        ("Knee", "Hip"), ("Foot", "Knee"), ("Elbow", "Shoulder"), ("Wrist", "Elbow"))),
    ("Neck/Nose", "Thorax"),
)  # fmt: skip


def _check_tree(rig: Rig, found: Mapping[str, tuple[int, ...]], name: str) -> None:
    for child, parent in _HANGS:
        if child in found and parent in found and found[parent][0] not in rig.ancestors(found[child][0]):
            raise InvalidInput(
                f"{name}: {child} was taken to be {quoted(rig.names[found[child][0]])}, but it does not hang from "
                f"{parent}, {quoted(rig.names[found[parent][0]])}. Say which joints they are in a JSON file (--joints)"
            )


def joint_places(rig: Rig, joints: JointMap) -> np.ndarray:
    """Places of the 17 joints, float64 (F, 17, 3), in the file's unit and axes."""
    found = {JOINT_NAMES[j]: source for j, source in enumerate(joints.sources) if source}
    chain = [] if "Spine" in found else _spine_chain(rig, found)
    head_from = found.get("Neck/Nose", ())
    wanted = sorted({joint for source in joints.sources for joint in source} | {joint for joint, _ in chain})
    column = {joint: number for number, joint in enumerate(wanted)}
    turning = head_from if "Head" not in found else ()
    places, turns = rig.places_and_turns(wanted, turning)
    pose = np.zeros((rig.frames, NUM_JOINTS, 3))
    for j, source in enumerate(joints.sources):
        if source:
            pose[:, j] = places[:, [column[joint] for joint in source]].mean(1)
    spine, thorax, neck, head = (JOINT_NAMES.index(word) for word in ("Spine", "Thorax", "Neck/Nose", "Head"))
    if "Spine" not in found:
        weights = chain or [(found["Hip"][0], 0.5), (found["Thorax"][0], 0.5)]
        pose[:, spine] = sum(weight * places[:, column[joint]] for joint, weight in weights)
    if "Head" not in found:
        # The line from the neck to the head's joint, then on as the head has turned.
        base, leg = head_from[0], _leg(rig, found)
        way = places[:, column[base]] - pose[:, thorax]
        length = np.linalg.norm(way, axis=-1, keepdims=True)
        if float(length.min()) <= 1e-6 * leg:
            raise InvalidInput("the head's joint lies on the thorax: say where the head is in a JSON file (--joints)")
        rest = _rest(rig)
        ahead = rest[base] - rest[found["Thorax"][0]]
        ahead = ahead / np.linalg.norm(ahead) if np.linalg.norm(ahead) > 0 else ahead
        turn = turns[base]
        pose[:, neck] = pose[:, thorax] + HEAD_PARTS[0] * leg * way / length
        pose[:, head] = pose[:, neck] + HEAD_PARTS[1] * leg * (ahead if turn is None else turn.apply(ahead))
    elif "Neck/Nose" not in found:
        pose[:, neck] = (pose[:, thorax] + pose[:, head]) / 2
    return pose


def _spine_chain(rig: Rig, found: Mapping[str, tuple[int, ...]]) -> list[tuple[int, float]]:
    """Joints and weights whose mean is halfway along the chain from Hip to Thorax; none where they are not in line."""
    hip, thorax = found["Hip"][0], found["Thorax"][0]
    way = rig.ancestors(thorax)
    if hip not in way:
        return []
    chain = [hip, *way[: way.index(hip)][::-1], thorax]
    along = np.concatenate(([0.0], np.cumsum([np.linalg.norm(rig.offsets[joint]) for joint in chain[1:]])))
    upper = int(np.searchsorted(along, along[-1] / 2))
    if upper == 0 or along[upper] == along[upper - 1]:
        return []
    share = (along[-1] / 2 - along[upper - 1]) / (along[upper] - along[upper - 1])
    return [(chain[upper - 1], 1 - share), (chain[upper], share)]
