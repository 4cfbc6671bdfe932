"""One motion file made into poses of Mocap-17: 17 joints, metres, z up, 30 frames a second, and checked.

The unit is guessed by the stature, left and right are checked by the bend of knees and elbows; notes name the guesses.
A clip that does not fit is refused, with a way to mend it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from scipy.interpolate import CubicSpline

from diffpose_core.datasets.mocap17 import MotionSet, is_mocap17, load_mocap17
from diffpose_core.datasets.motion_files.amass import is_amass, is_body_model, read_amass
from diffpose_core.datasets.motion_files.amc import INCH_M, find_asf, read_amc, read_asf
from diffpose_core.datasets.motion_files.bvh import read_bvh
from diffpose_core.datasets.motion_files.joints import joint_places, map_joints
from diffpose_core.datasets.motion_files.rig import Axis, Rig, check_fps
from diffpose_core.io.untrusted.files import MIB, read_bytes
from diffpose_core.io.untrusted.npz import npz_keys
from diffpose_core.skeleton import BONES, bone_lengths, stature
from diffpose_core.structures import InvalidInput
from diffpose_core.words import short

FPS = 30.0
#: Endings of files that are looked at; skeletons (.asf) are read with the motions that need them.
ENDINGS = (".bvh", ".amc", ".npz")
MAX_BYTES = 128 * MIB
#: Metres of a unit. "cmu": the CMU database's, 1 / 0.45 inch.
UNITS: dict[str, float] = {"m": 1.0, "cm": 0.01, "mm": 0.001, "inch": INCH_M, "cmu": INCH_M / 0.45}
#: Statures, ankle to top of the head along the bones, of which a unit is guessed. The ranges of two units don't meet.
PLAUSIBLE_STATURE_M = (1.2, 2.05)
#: A bone that changes its length by more than this share within a clip is reported.
STRETCH = 0.05
#: Length of the trunk, Hip to Thorax, in lengths of a leg: 0.4 to 0.55 in Mocap-17 and Human3.6M.
_TRUNK_OF_LEG = (0.35, 0.75)
#: Metres a second that no pelvis moves.
_MAX_SPEED = 15.0
#: Bones between joints that are a bone in every skeleton; spine, neck and shoulders bend between theirs.
_RIGID = tuple(e for e, (_, child) in enumerate(BONES) if child in (1, 2, 3, 4, 5, 6, 12, 13, 15, 16))
#: How far knees and elbows stand out, on average, before they tell the sides. In all of Mocap-17's training clips it is
#: above 0, the least being 0.6 cm.
_SIDE_EVIDENCE_M = 0.01
_UP_TURNS: dict[Axis, tuple[tuple[int, int], ...]] = {
    # For each axis of the world (x, y, z) the file's axis and its sign; all are proper rotations.
    "z": ((0, 1), (1, 1), (2, 1)),
    "y": ((0, 1), (2, -1), (1, 1)),
    "x": ((2, -1), (1, 1), (0, 1)),
}


@dataclass(frozen=True)
class Settings:
    """Settings of reading motion files.

    Attributes:
        unit: a key of UNITS, None to guess it by the stature.
        up: axis that points up, None for the format's usual one.
        fps: in place of the file's.
        joints: see `joints.read_joint_file`.
        body_model: a file or folder, for AMASS.
        min_seconds: shorter clips are left out.
    """

    unit: str | None = None
    up: Axis | None = None
    fps: float | None = None
    joints: Mapping[str, tuple[str, ...] | None] | None = None
    body_model: Path | None = None
    min_seconds: float = 0.5

    def __post_init__(self) -> None:
        if self.unit is not None and self.unit not in UNITS:
            raise InvalidInput(f"unit {self.unit!r}; expected one of {', '.join(UNITS)}")
        if self.fps is not None:
            check_fps(self.fps, "--fps")
        if not 0 <= self.min_seconds < 1e6:
            raise InvalidInput(f"the shortest clip must be given in seconds, found {self.min_seconds:g}")


@dataclass(frozen=True)
class Clip:
    """A clip at 30 frames a second.

    Attributes:
        poses: (F, 17, 3) float32 metres, world frame, z up.
        labels: of a Mocap-17 file that was read, else empty.
    """

    poses: np.ndarray
    labels: Mapping[str, str] = field(default_factory=dict)


def read_clips(path: Path, settings: Settings) -> tuple[list[Clip], list[str]]:
    """Read a motion file.

    Returns:
        Its clips (several of a Mocap-17 file, else one or none), and notes on everything assumed or left out.

    Raises:
        InvalidInput: the file can't be used.
    """
    name = path.name
    content = read_bytes(path, MAX_BYTES, name)
    if path.suffix.lower() == ".npz":
        keys = npz_keys(content, name)
        if is_mocap17(keys):
            return _of_mocap17(load_mocap17(path), settings)
        if is_body_model(keys):
            return [], ["a body model, no motion"]
        if not is_amass(keys):
            raise InvalidInput(
                f"{name}: neither AMASS (poses, trans ...) nor Mocap-17 (root, joints ...); its arrays are "
                f"{', '.join(short(key, 30) for key in keys[:20])}"
            )
        rig = read_amass(content, name, settings.body_model, settings.fps)
    elif path.suffix.lower() == ".amc":
        asf = find_asf(path)
        rig = read_amc(content, name, read_asf(read_bytes(asf, MAX_BYTES, asf.name), asf.name), settings.fps)
    else:
        rig = read_bvh(content, name, settings.fps)
    return convert(rig, name, settings)


def convert(rig: Rig, name: str, settings: Settings) -> tuple[list[Clip], list[str]]:
    """Convert a rig to a clip of Mocap-17: joints, unit, axes, frame rate, checks.

    Returns and raises as `read_clips`.
    """
    if rig.frames / rig.fps < settings.min_seconds:
        return [], [_too_short(rig.frames / rig.fps, settings)]
    joints = map_joints(rig, name, settings.joints)
    notes = [*rig.notes, *joints.notes]
    places = joint_places(rig, joints)
    unit, note = _unit(stature(places), rig.unit_m, settings.unit, name)
    notes += note
    up = settings.up or rig.up
    poses, note = without_rest_frame(z_up(places * unit, up))
    notes += note
    notes += _check_up(poses, up, settings.up is not None, name)
    _check_sides(poses, name)
    notes += implausible(poses, rig.fps)
    poses, note = resampled(poses, rig.fps)
    _check_size(poses, name)
    return [Clip(poses.astype(np.float32))], notes + note


def _of_mocap17(motions: MotionSet, settings: Settings) -> tuple[list[Clip], list[str]]:
    clips, notes = [], []
    for number in range(len(motions)):
        labels = {key: str(getattr(motions, key)[number]) for key in ("name", "source", "subject", "action", "style")}
        poses, fps = motions.clip_world(number), float(motions.fps[number])
        if len(poses) / fps < settings.min_seconds:
            notes.append(f"{labels['name']}: {_too_short(len(poses) / fps, settings)}")
            continue
        poses, note = resampled(poses.astype(np.float64), check_fps(fps, labels["name"]))
        notes += [f"{labels['name']}: {word}" for word in note]
        clips.append(Clip(poses.astype(np.float32), labels))
    return clips, notes


def _too_short(seconds: float, settings: Settings) -> str:
    return f"left out: {seconds:.2f} s long, the shortest is {settings.min_seconds:g} s (--min-seconds)"


def _unit(height: float, of_format: float | None, chosen: str | None, name: str) -> tuple[float, list[str]]:
    """Metres of the file's unit. height: stature in that unit."""
    low, high = PLAUSIBLE_STATURE_M
    if chosen is not None:
        return UNITS[chosen], [] if low <= height * UNITS[chosen] <= high else [_odd(height * UNITS[chosen])]
    if of_format is not None and low <= height * of_format <= high:
        return of_format, []
    for unit, metres in UNITS.items():
        if low <= height * metres <= high:
            return metres, [f"unit taken as {unit}: stature {height * metres:.2f} m"]
    raise InvalidInput(
        f"{name}: from ankle to top of the head it measures {height:.4g} of the file's units, which is no person in "
        f"{', '.join(UNITS)}; give --unit"
    )


def _odd(metres: float) -> str:
    return f"stature {metres:.2f} m, ankle to top of the head: is the unit right?"


def z_up(places: np.ndarray, up: Axis) -> np.ndarray:
    """Places (..., 3) turned so that the axis `up` becomes z; a y-up file's (x, y, z) becomes (x, -z, y)."""
    return np.stack([sign * places[..., axis] for axis, sign in _UP_TURNS[up]], axis=-1)


def _check_up(poses: np.ndarray, up: Axis, chosen: bool, name: str) -> list[str]:
    """Refuse a body that stands along another axis; one that lies or bends is a note."""
    upwards = poses[:, 8] - (poses[:, 3] + poses[:, 6]) / 2
    share = upwards.mean(0) / max(float(np.linalg.norm(upwards, axis=-1).mean()), 1e-9)
    if share[2] > 0.5:
        return []
    standing = int(np.abs(share).argmax())
    if chosen or abs(share[standing]) < 0.8:
        return ["the thorax is not above the feet on average: the person lies or bends, or another axis is up (--up)"]
    axis = "xyz"[_UP_TURNS[up][standing][0]]
    if standing == 2:
        raise InvalidInput(f"{name}: the person hangs upside down along {up}; turn the file so that an axis points up")
    raise InvalidInput(
        f"{name}: the person stands along {axis}, not along {up}, on average over the clip. Give --up {axis}, or "
        f"--up {up} if they really lie"
    )


def bending_sides(poses: np.ndarray) -> float:
    """Mean distance by which knees stand out in front and elbows behind.

    The front follows from left and right: knees that bend backwards mean that the sides are exchanged.

    Args:
        poses: (F, 17, 3), z up.

    Returns:
        Metres; negative in a mirror.
    """

    def out(begin: int, middle: int, end: int) -> np.ndarray:
        line = poses[:, end] - poses[:, begin]
        arm = poses[:, middle] - poses[:, begin]
        along = (arm * line).sum(-1, keepdims=True) / np.maximum((line * line).sum(-1, keepdims=True), 1e-9)
        return arm - along * line

    trunk = poses[:, 8] - poses[:, 0]
    front_legs = np.cross(poses[:, 4] - poses[:, 1], trunk)
    front_arms = np.cross(poses[:, 11] - poses[:, 14], trunk)
    total = 0.0
    for front, limbs, sign in (
        (front_legs, ((1, 2, 3), (4, 5, 6)), 1.0),
        (front_arms, ((11, 12, 13), (14, 15, 16)), -1.0),
    ):
        front = front / np.maximum(np.linalg.norm(front, axis=-1, keepdims=True), 1e-9)
        for limb in limbs:
            total += sign * float((out(*limb) * front).sum(-1).mean())
    return total / 4


def _check_sides(poses: np.ndarray, name: str) -> None:
    evidence = bending_sides(poses)
    if evidence < -_SIDE_EVIDENCE_M:
        raise InvalidInput(
            f"{name}: knees bend backwards ({-100 * evidence:.0f} cm on average): left and right are exchanged, or the "
            "file is mirrored. Name the joints the other way round in a JSON file (--joints), or mirror the file"
        )


def implausible(poses: np.ndarray, fps: float) -> list[str]:
    """Notes on implausible motion: limbs that change their lengths, jumps.

    Args:
        poses: (F, 17, 3) metres.
        fps: frames a second.
    """
    lengths = bone_lengths(poses)[:, _RIGID]
    middle = np.median(lengths, axis=0)
    stretch = np.abs(lengths / np.maximum(middle, 1e-6) - 1).max(0)
    notes = []
    median = np.median(bone_lengths(poses), axis=0)
    trunk = float(median[[6, 7]].sum() / max(median[[1, 2, 4, 5]].sum() / 2, 1e-6))
    if not _TRUNK_OF_LEG[0] <= trunk <= _TRUNK_OF_LEG[1]:
        notes.append(f"the trunk is {trunk:.2f} times as long as the legs: are joints missing, or taken for others?")
    if stretch.max() > STRETCH:
        child = BONES[_RIGID[int(stretch.argmax())]][1]
        notes.append(
            f"bones stretch by up to {100 * stretch.max():.0f} % within the clip (the one that ends at joint {child})"
        )
    if (middle < 0.02).any():
        notes.append("a limb's bone is shorter than 2 cm")
    if len(poses) > 1:
        speed = float(np.linalg.norm(np.diff(poses[:, 0], axis=0), axis=-1).max() * fps)
        if speed > _MAX_SPEED:
            notes.append(f"the pelvis jumps: up to {speed:.0f} m/s")
    return notes


def without_rest_frame(poses: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """Poses without a first frame in which the skeleton is at rest, as many BVH files have it.

    It is at rest if joints jump from it by more than 0.1 m on average, relative to the hip, and ten times as far as
    between any of the next hundred frames.

    Returns:
        The poses, and a note where one was left out.
    """
    if len(poses) < 3:
        return poses, []
    relative = poses[:102] - poses[:102, :1]
    steps = np.linalg.norm(np.diff(relative, axis=0), axis=-1).mean(-1)
    if steps[0] > max(0.1, 10 * float(steps[1:].max())):
        return poses[1:], ["the first frame, the skeleton at rest, was left out"]
    return poses, []


def resampled(poses: np.ndarray, fps: float) -> tuple[np.ndarray, list[str]]:
    """Resample poses to 30 frames a second, without smoothing.

    Where fps is a multiple of 30 (to a thousandth), frames are left out. Else positions are interpolated by a cubic
    spline through all frames, which changes bone lengths less than straight lines do.

    Args:
        poses: (F, 17, 3).
        fps: frames a second.

    Returns:
        The poses, and a note where they were interpolated.
    """
    ratio = fps / FPS
    step = round(ratio)
    if step >= 1 and abs(ratio / step - 1) < 1e-3:
        return poses[::step], []
    note = [f"interpolated from {fps:.4g} to {FPS:g} frames a second"]
    if len(poses) == 1:
        return poses, note
    times = np.arange(int(np.floor((len(poses) - 1) / ratio + 1e-9)) + 1) * ratio
    return CubicSpline(np.arange(len(poses)), poses, axis=0)(times), note


def _check_size(poses: np.ndarray, name: str) -> None:
    reach = float(np.abs(poses[:, 1:] - poses[:, :1]).max())
    if reach > 3.27:
        raise InvalidInput(f"{name}: a joint is {reach:.1f} m from the pelvis; Mocap-17 stores up to 3.27 m")
    far = float(np.abs(poses[:, 0]).max())
    if far > 10_000:
        raise InvalidInput(f"{name}: the pelvis is {far:.0f} m from the origin; is the unit right?")
