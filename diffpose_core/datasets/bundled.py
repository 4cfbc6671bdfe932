"""The clips in assets/clips: procedural motion seen by one camera and the simulated detector, rebuilt from seeds.

Cameras stand where one limb hides another (a walk from the side hides the far arm), because that is where a
2D pose says least about depth.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from diffpose_core.camera import Camera, look_at_camera
from diffpose_core.datasets.detector import clip_from_motion
from diffpose_core.datasets.procedural import procedural_motion
from diffpose_core.datasets.procedural.kinematics import sample_body
from diffpose_core.io.clips import save_clip
from diffpose_core.structures import InvalidInput, PoseClip2D

FPS = 30.0
LICENCE = (
    "Made by this project. The coefficients behind the motion are aggregate statistics of the Bandai-Namco-Research-"
    "Motiondataset 1 and 2 (CC BY-NC 4.0) and the CMU Graphics Lab Motion Capture Database."
)


@dataclass(frozen=True)
class BundledClip:
    """One row of the table.

    action, seed, seconds: arguments of `procedural_motion`; the seed also decides the detector's errors.
    azimuth_deg: where the camera stands around the person, 0 in front of where they face on average, 90 at their left.
    stature_m: the person's height; one picture does not show it, so the clips' people are about as tall as those that
    the weights learnt from. height_m: the camera's height. clearance_m: its distance from the circle around the root's
    path.
    """

    name: str
    action: str
    seed: int
    seconds: float
    azimuth_deg: float
    stature_m: float
    height_m: float = 1.5
    clearance_m: float = 3.6


BUNDLED: tuple[BundledClip, ...] = (
    BundledClip("walk-from-the-side", "walk", 33, 4.0, -90.0, 1.62),
    BundledClip("run-past", "run", 33, 3.0, 90.0, 1.66),
    BundledClip("wave", "wave", 7, 5.0, 65.0, 1.58),
    BundledClip("bow", "bow", 2, 5.0, -75.0, 1.60),
    BundledClip("jump", "jump", 1, 5.0, 50.0, 1.64),
    BundledClip("sit-down-and-stand-up", "sit-stand", 2, 6.0, 65.0, 1.61, 1.2),
    BundledClip("kick", "kick", 0, 5.0, -80.0, 1.68),
    BundledClip("walk-and-turn", "turn", 28, 5.0, 30.0, 1.57),
    BundledClip("walk-in-a-curve", "walk", 9, 6.0, 150.0, 1.63, 1.9),
)


def bundled_camera(entry: BundledClip, joints_world: np.ndarray) -> Camera:
    """The camera of a row for its motion (F, 17, 3), zoomed so that the whole motion is in the image with a margin."""
    root = joints_world[:, 0].astype(np.float64)
    left = (joints_world[:, 4] - joints_world[:, 1]).astype(np.float64).sum(0)
    facing = math.atan2(-left[0], left[1])
    centre = (root[:, :2].min(0) + root[:, :2].max(0)) / 2
    radius = float(np.linalg.norm(root[:, :2] - centre, axis=1).max())
    azimuth = facing + math.radians(entry.azimuth_deg)
    distance = radius + entry.clearance_m
    ground = centre + distance * np.array([math.cos(azimuth), math.sin(azimuth)])
    middle = (joints_world[..., 2].min() + joints_world[..., 2].max()) / 2
    position, target = np.array([*ground, entry.height_m]), np.array([*centre, float(middle)])
    wide = look_at_camera(position, target, 1000.0)
    points = wide.project(wide.to_cam(joints_world.astype(np.float64)))
    reach = float(np.abs(points - np.array([wide.width, wide.height]) / 2).max())
    # The largest of the usual focal lengths that keeps everybody 60 px away from the border.
    focal = float(np.clip(math.floor(1000.0 * (wide.width / 2 - 60) / reach), 800, 1600))
    return look_at_camera(position, target, focal)


def make_clip(entry: BundledClip) -> PoseClip2D:
    """Build one clip of the table: the same for the same row."""
    body = sample_body(np.random.default_rng(entry.seed), entry.stature_m)
    motion = procedural_motion(entry.action, entry.seed, entry.seconds, FPS, body)
    provenance: dict[str, object] = {
        "source": "procedural",
        **asdict(entry),
        "camera": "fixed",
        "made_by": "python -m diffpose_core make-clips",
        "licence": LICENCE,
    }
    return clip_from_motion(entry.name, motion, bundled_camera(entry, motion), FPS, entry.seed, provenance)


def make_clips(directory: str | Path) -> list[Path]:
    """Build every clip of `BUNDLED` into a directory, as NAME.npz. Returns the files.

    Raises InvalidInput where the directory's path is a file.
    """
    directory = Path(directory)
    if directory.exists() and not directory.is_dir():
        raise InvalidInput(f"{directory}: expected a directory to write clips to, found a file")
    directory.mkdir(parents=True, exist_ok=True)
    paths = []
    for entry in BUNDLED:
        path = directory / f"{entry.name}.npz"
        save_clip(make_clip(entry), path)
        paths.append(path)
    return paths
