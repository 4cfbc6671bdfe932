"""A lifted clip in the world frame: `in_world` is the whole way in one call."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np

from diffpose_core.lifting.hip_path import hip_path
from diffpose_core.lifting.models import Models
from diffpose_core.lifting.tilt import estimate_tilt
from diffpose_core.lifting.world.contacts import ANKLES, ContactRule, find_contacts, speeds_of
from diffpose_core.lifting.world.feet import hold_feet
from diffpose_core.lifting.world.path import PathTrust, fit_path
from diffpose_core.skeleton import stature
from diffpose_core.structures import Intrinsics, InvalidInput, LiftResult, PoseClip2D, WorldMotion
from diffpose_core.uncertainty.identity import bridged, own_frames
from diffpose_core.uncertainty.mixtures import clip_mixture

#: Height of the ankle above the sole by `skeleton.stature`, which is 0.93 of a person's height. Source: Winter,
#: Biomechanics and Motor Control of Human Movement, figure 4.1 (0.039 of the height).
ANKLE_BY_STATURE = 0.042
#: How often contacts and path are found anew from each other.
_ROUNDS = 3


@dataclass(frozen=True)
class Upright:
    """The direction that is up, for a world frame.

    Attributes:
        up_cam: three numbers, not all of them 0, camera frame.
        source: a person gave it; it was estimated from the clip; or so, and the frames do not agree on it.

    Raises:
        InvalidInput: it is no direction.
    """

    up_cam: tuple[float, ...]
    source: Literal["given", "estimated", "doubtful"]

    def __post_init__(self) -> None:
        up = np.asarray(self.up_cam, dtype=np.float64)
        if up.shape != (3,) or not np.isfinite(up).all() or not np.linalg.norm(up) > 1e-9:
            raise InvalidInput(f"up must be three finite numbers, not all of them 0, found {up.tolist()}")


def upright_of(result: LiftResult, clip: PoseClip2D, models: Models) -> Upright:
    """The direction up that a result was lifted with; where it was lifted without one, its estimate."""
    settings: Mapping[str, Any] = result.provenance.get("settings", {})
    up = settings.get("up")
    if isinstance(up, list):
        return Upright(tuple(up), "estimated" if settings.get("up_estimated") else "given")
    if not models.encoder.takes_conditions:
        # A level camera is the likeliest one where nothing is known.
        return Upright((0.0, -1.0, 0.0), "doubtful")
    tilt = estimate_tilt(clip, models)
    return Upright(tuple(tilt.up_cam.tolist()), "estimated" if tilt.steady else "doubtful")


@dataclass(frozen=True)
class WorldSettings:
    """Numbers of the world frame.

    Attributes:
        hold_feet: whether standing feet are held in their places, legs bending for it.
        contacts: limits below which a foot stands.
        trust: how far the picture, the floor and standing feet may be off.
    """

    hold_feet: bool = True
    contacts: ContactRule = field(default_factory=ContactRule)
    trust: PathTrust = field(default_factory=PathTrust)


def assumed_camera(width: int, height: int) -> Intrinsics:
    """Intrinsics for a camera of which nothing is known: focal length as long as the picture's diagonal.

    That is a field of view of 53 degrees along the diagonal.

    Source: Kissos et al. (2020), "Beyond Weak Perspective for Monocular 3D Human Pose Estimation".
    """
    focal = math.hypot(width, height)
    return Intrinsics(focal, focal, width / 2, height / 2)


def in_world(
    result: LiftResult,
    clip: PoseClip2D,
    up: Upright,
    settings: WorldSettings | None = None,
    beside: LiftResult | None = None,
) -> LiftResult:
    """The result with its motion in the world frame beside it.

    With known intrinsics the hip's path is the result's; else the camera of `assumed_camera` is taken, and poses are
    turned with the ray on which the person is seen. The path is then made to fit standing feet and the floor. Where a
    frame shows somebody else, the path goes on from the frame before to the frame after, and no foot stands.

    Args:
        result: lifted from all frames of the clip.
        clip: the clip.
        up: the direction that is up.
        settings: numbers of the world frame.
        beside: a result in the world frame of another person before the same camera: both get one origin.

    Returns:
        The result with `world`, and what was known and assumed of it under "world" in the provenance.

    Raises:
        InvalidInput: other frames than the clip's, or a hip that can be placed in no frame.
    """
    settings = settings or WorldSettings()
    if len(result) != len(clip):
        raise InvalidInput(f"the world frame needs all frames of a clip, found {len(result)} of {len(clip)}")
    direction = np.array(up.up_cam, dtype=np.float64)
    camera = clip.intrinsics or assumed_camera(clip.width, clip.height)
    pose_cam, path_cam = _seen(result, clip, camera)
    own = own_frames(result.other_person)
    if clip.intrinsics is None and up.source != "given":
        direction = _mean_turned(direction, path_cam[own])
    to_world = world_axes(direction)
    pose, seen = pose_cam @ to_world.T, path_cam @ to_world.T
    motion = _on_the_floor(pose, seen, own, clip.fps, settings)
    shift = np.zeros(2) if beside is None else motion.camera[:2] - beside.provenance["world"]["camera_m"][:2]
    # The hip of the other person's first frame is above the origin.
    placed = motion.pose - [*shift, 0.0]
    about = {
        "up_cam": [round(float(part), 6) for part in to_world[2]],
        "up": up.source,
        "camera": "known" if clip.intrinsics is not None else "assumed",
        "focal_px": round(camera.fx, 3),
        "camera_m": [round(float(part), 5) for part in motion.camera - [*shift, 0.0]],
        "feet_held": settings.hold_feet,
        "notes": _notes(up, camera.fx, clip.intrinsics is not None),
    }
    world = WorldMotion(placed.astype(np.float32), motion.standing)
    return replace(result, world=world, provenance={**result.provenance, "world": about})


def _notes(up: Upright, focal_px: float, known: bool) -> list[str]:
    """Sentences about what was assumed of the world frame."""
    said = []
    if not known:
        said.append(
            f"The camera is not known: a focal length of {focal_px:.0f} px is assumed, as long as the picture's "
            "diagonal. Ways towards the camera and away from it are longer or shorter by as much as it is wrong."
        )
    if up.source == "estimated":
        said.append("The direction up is estimated from the clip; a few degrees of error are usual.")
    if up.source == "doubtful":
        said.append(
            "The direction up is estimated, but the frames do not agree on it: does the camera move? The world frame "
            "is for cameras that stand still."
        )
    return said


def _seen(result: LiftResult, clip: PoseClip2D, camera: Intrinsics) -> tuple[np.ndarray, np.ndarray]:
    """Poses (F, 17, 3), relative to the hip, and the hip's path (F, 3), metres, camera frame."""
    pose = result.pose3d.astype(np.float64)
    if result.root_cam is not None:
        return pose, result.root_cam.astype(np.float64)
    mixture = clip_mixture(clip)
    points = mixture.argmax_px
    if clip.intrinsics is None:
        # Without a camera a pose is lifted as if it were seen in the middle of the picture.
        rays = np.ones((len(pose), 3))
        rays[:, :2] = (points[:, 0] - [camera.cx, camera.cy]) / [camera.fx, camera.fy]
        pose = np.einsum("fji,fnj->fni", _towards(rays), pose)
    found = hip_path(pose, points, np.sqrt(np.square(mixture.std_px).mean(-1)), camera)
    if found is None:
        raise InvalidInput("the world frame needs a hip that can be placed in space; it could be in no frame")
    return pose, found[0].astype(np.float64)


def _towards(rays: np.ndarray) -> np.ndarray:
    """Rotations (F, 3, 3) that bring viewing rays (F, 3) onto the optical axis."""
    import torch

    from diffpose_core.camera import rotation_to_axis

    return rotation_to_axis(torch.from_numpy(rays)).numpy()


def _mean_turned(up: np.ndarray, path_cam: np.ndarray) -> np.ndarray:
    """A direction of the frame around the ray of the person, (3,), in the camera's frame: the mean over frames."""
    turned = np.einsum("fji,j->fi", _towards(path_cam), up / np.linalg.norm(up))
    return np.asarray(turned.mean(0))


def world_axes(up: np.ndarray) -> np.ndarray:
    """Rotation (3, 3) from the camera's frame into the world frame: z up, x to the right, y away from the camera."""
    z = up / np.linalg.norm(up)
    # Ahead of a camera that looks straight down is its picture's upper edge, of one that looks up the lower.
    ahead = np.array([0.0, 0.0, 1.0]) if abs(z[2]) < 0.99 else np.array([0.0, np.sign(z[2]), 0.0])
    x = np.cross(ahead, z)
    x /= np.linalg.norm(x)
    return np.stack([x, np.cross(z, x), z])


@dataclass(frozen=True)
class _Motion:
    """A motion on the floor, and the place of the camera in the same frame, (3,)."""

    pose: np.ndarray
    standing: np.ndarray
    camera: np.ndarray


def _on_the_floor(pose: np.ndarray, seen: np.ndarray, own: np.ndarray, fps: float, settings: WorldSettings) -> _Motion:
    """Poses on the floor.

    Args:
        pose: (F, 17, 3) metres, relative to the hip, world axes.
        seen: (F, 3) metres, the hip's place in each picture, the camera at the origin.
        own: (F,) bool, frames that show the person; at least one.
        fps: frames a second.
        settings: numbers of the world frame.
    """
    seen, ankles = bridged(seen, own), bridged(pose[:, list(ANKLES)], own)
    nobody = np.zeros(ankles.shape[:2], bool)
    path = fit_path(seen, ankles, nobody, 0.0, fps, settings.trust)
    rays: np.ndarray | None = seen / np.maximum(np.linalg.norm(seen, axis=-1, keepdims=True), 1e-9)
    level, standing = 0.0, nobody
    for _ in range(_ROUNDS):
        placed = path[:, None] + ankles
        hip = speeds_of(path[:, None], fps, rays)
        speeds = speeds_of(placed, fps, rays) - settings.contacts.by_hip * hip
        level = _level(placed[own, :, 2], speeds[own], settings.contacts)
        standing = find_contacts(speeds, placed[..., 2] - level, fps, settings.contacts) & own[:, None]
        path = fit_path(seen, ankles, standing, level, fps, settings.trust)
        rays = None
    height = ANKLE_BY_STATURE * stature(pose[own])
    floor = level - height
    start = np.array([*path[0, :2], floor])
    whole = pose + (path - start)[:, None]
    if settings.hold_feet:
        whole[own] = hold_feet(whole, standing, height, fps, settings.contacts.drift_m)[own]
    return _Motion(whole, standing, -start)


def _level(heights: np.ndarray, speeds: np.ndarray, rule: ContactRule) -> float:
    """z of a standing ankle: the median of the lower ankles that are still, else of the lowest of them all.

    Args:
        heights: (F, 2).
        speeds: (F, 2).
        rule: limits below which a foot stands.
    """
    lower = heights.argmin(1)
    frames = np.arange(len(heights))
    z, still = heights[frames, lower], speeds[frames, lower] < rule.surely_m_s
    return float(np.median(z[still]) if still.any() else np.percentile(z, 10))
