"""Made people who stand upright in front of a camera, to measure by how much lifted poses lean.

A person is a few lengths; joints are points of a simple skeleton whose trunk is vertical. Cameras look at the middle of
the hips from a given elevation and see COCO-17 without any error, in the conversion that uploaded files go through.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from diffpose_core.io.formats.convert import to_clip
from diffpose_core.io.formats.layouts import COCO17
from diffpose_core.io.formats.posefile import Choice, FileClip, LayoutGuess, PoseFile, PoseTrack
from diffpose_core.structures import Intrinsics, PoseClip2D

FOCAL_PX, DISTANCE_M, SIZE_PX, FPS, FRAMES = 1200.0, 4.0, (1000, 1000), 30.0, 64
#: Of `people`: shoulder widths, elevations of the cameras, and how many people.
SHOULDERS_M, ELEVATIONS_DEG, COUNT = (0.26, 0.42), (-5.0, 25.0), 10
#: Largest swing of `people`'s upper arms, forearms, thighs and shins, radians.
_SWINGS = (0.5, 0.5, 0.35, 0.35)


@dataclass(frozen=True)
class LevelPerson:
    """Lengths and movement of a person with a vertical trunk, and the camera that looks at them.

    Attributes:
        half_shoulders_m: half the distance of the shoulders.
        half_hips_m: half the distance of the hips.
        trunk_m: height of the shoulders above the hips.
        thigh_m: hip to knee.
        shin_m: knee to ankle.
        upper_arm_m: shoulder to elbow.
        forearm_m: elbow to wrist.
        elevation_deg: by how many degrees the camera looks down; 0 is level.
        arms_out_deg: by how many degrees the arms are held away from the body to the sides; 0 hangs straight down.
        turn_deg: by how many degrees the person is turned away from facing the camera.
        swings_rad: largest swing of upper arms, forearms, thighs and shins; 0 stands still.
        phase_rad: where in the swing the clip begins.
    """

    half_shoulders_m: float = 0.17
    half_hips_m: float = 0.10
    trunk_m: float = 0.48
    thigh_m: float = 0.43
    shin_m: float = 0.42
    upper_arm_m: float = 0.29
    forearm_m: float = 0.25
    elevation_deg: float = 0.0
    arms_out_deg: float = 0.0
    turn_deg: float = 0.0
    swings_rad: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    phase_rad: float = 0.0


def people(seed: int = 0) -> tuple[LevelPerson, ...]:
    """Ten people of human widths who gently move arms and legs, seen by cameras from -5 to 25 degrees.

    Widths and elevations are evenly spread and paired at random; the other lengths are those of `LevelPerson`, scaled.

    Args:
        seed: decides every random number.
    """
    generator = np.random.default_rng(seed)
    widths = np.linspace(*SHOULDERS_M, COUNT)
    elevations = generator.permutation(np.linspace(*ELEVATIONS_DEG, COUNT))
    made = []
    usual = LevelPerson()
    for width, elevation in zip(widths, elevations, strict=True):
        size, hips = generator.uniform(0.92, 1.08), generator.uniform(0.9, 1.1)
        made.append(
            LevelPerson(
                half_shoulders_m=float(width / 2),
                half_hips_m=float(width / 2 * hips * usual.half_hips_m / usual.half_shoulders_m),
                **{f"{name}_m": float(size * getattr(usual, f"{name}_m"))
                   for name in ("trunk", "thigh", "shin", "upper_arm", "forearm")},
                elevation_deg=float(elevation),
                arms_out_deg=float(generator.uniform(0, 25)),
                turn_deg=float(generator.uniform(-30, 30)),
                swings_rad=_SWINGS,
                phase_rad=float(generator.uniform(0, 2 * math.pi)),
            )
        )  # fmt: skip
    return tuple(made)


def coco_joints_world(person: LevelPerson, frames: int = FRAMES) -> np.ndarray:
    """COCO-17 joints of every frame, (frames, 17, 3) metres, world frame: z up, the hips' middle at the origin.

    A person who isn't turned faces -y, with the left side at +x.

    Args:
        person: lengths and movement.
        frames: how many; a swing takes two seconds.
    """
    phase = person.phase_rad + math.pi * np.arange(frames) / FPS
    joints = np.zeros((frames, 17, 3))
    for side, (first_arm, first_leg) in ((1.0, (5, 11)), (-1.0, (6, 12))):
        # Arms and legs of one side swing against each other, and against those of the other side.
        swing = side * np.sin(phase)
        bent = 0.5 * (1.0 + side * np.cos(phase))
        arm, elbow, leg, knee = person.swings_rad
        out = side * math.radians(person.arms_out_deg)
        shoulder = np.array([side * person.half_shoulders_m, 0.0, person.trunk_m])
        hip = np.array([side * person.half_hips_m, 0.0, 0.0])
        limbs = (
            (first_arm, shoulder, out, arm * swing, elbow * bent, person.upper_arm_m, person.forearm_m),
            (first_leg, hip, 0.0, -leg * swing, -knee * bent, person.thigh_m, person.shin_m),
        )
        for first, start, outwards, angle, bend, upper, lower in limbs:
            joints[:, first] = start
            joints[:, first + 2] = joints[:, first] + upper * _hanging(angle, outwards)
            joints[:, first + 4] = joints[:, first + 2] + lower * _hanging(angle + bend, outwards)
    top = person.trunk_m
    joints[:, 0] = (0.0, -0.10, top + 0.19)
    for eye, ear, side in ((1, 3, 1.0), (2, 4, -1.0)):
        joints[:, eye] = (0.03 * side, -0.08, top + 0.23)
        joints[:, ear] = (0.07 * side, 0.0, top + 0.21)
    turn = math.radians(person.turn_deg)
    about_z = np.array([[math.cos(turn), -math.sin(turn), 0], [math.sin(turn), math.cos(turn), 0], [0, 0, 1.0]])
    return np.asarray(joints @ about_z.T)


def _hanging(angle: np.ndarray, outwards: float) -> np.ndarray:
    """Unit vectors (F, 3) of limbs that hang down but for a swing to the front and a turn to +x, radians."""
    down = np.cos(angle)
    return np.stack((down * math.sin(outwards), -np.sin(angle), -down * math.cos(outwards)), axis=-1)


def level_rotation(elevation_deg: float) -> np.ndarray:
    """World-to-camera rotation (3, 3) of a camera in front of the person that looks down by an angle in degrees."""
    tilt = math.radians(elevation_deg)
    sin, cos = math.sin(tilt), math.cos(tilt)
    return np.array([[1.0, 0, 0], [0, -sin, -cos], [0, cos, -sin]])


def level_clip(person: LevelPerson, known_camera: bool = False, frames: int = FRAMES) -> PoseClip2D:
    """A person's clip with exact COCO-17 keypoints, and the truth.

    Args:
        person: lengths, movement and camera.
        known_camera: whether the clip carries the camera's intrinsics.
        frames: how many.
    """
    joints_cam = coco_joints_world(person, frames) @ level_rotation(person.elevation_deg).T
    absolute = joints_cam + np.array([0.0, 0.0, DISTANCE_M])
    centre = np.array(SIZE_PX) / 2
    keypoints = (FOCAL_PX * absolute[..., :2] / absolute[..., 2:] + centre).astype(np.float32)
    name = f"person of {2000 * person.half_shoulders_m:.0f} mm, camera at {person.elevation_deg:+.1f} degrees"
    track = PoseTrack("0", np.arange(frames), keypoints, np.ones((frames, 17), dtype=np.float32))
    file = PoseFile(name, COCO17.name, (FileClip("", frames, (track,)),), (LayoutGuess(COCO17, ""),))
    clip = to_clip(file, Choice(image_size=SIZE_PX, fps=FPS)).clip
    pose = np.stack([joints_cam[:, list(parts)].mean(1) for parts in COCO17.sources], axis=1)
    camera = Intrinsics(FOCAL_PX, FOCAL_PX, *map(float, centre))
    return replace(
        clip,
        name=name,
        intrinsics=camera if known_camera else None,
        pose3d_cam=(pose - pose[:, :1]).astype(np.float32),
    )
