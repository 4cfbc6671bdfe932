"""Errors of the world frame and of joint angles on motion capture: `python -m benchmarks.world_frame --data FILE`.

Every clip is seen by one of the benchmark's four cameras (1.6 m high) and the simulated detector, lifted, and put into
the world frame. Reported are means over clips:

- sliding: mm a frame that an ankle moves where the true one stands (below 5 mm a frame, within 4 cm of the floor),
  before (the hip's path as each frame alone gives it) and after;
- floor: mm between the height of ankles in these frames and that of a standing ankle; the angle between the true and
  the found direction up;
- place: mm between joints and truth in the world, after one shift and one turn about the vertical for the clip;
- joints: mm relative to the hip, before and after, which shows what holding the feet costs;
- angles: degrees between the joint angles of result and truth.

`--unknown-camera` takes the intrinsics away; `--smooth 6` smooths; `--json FILE` stores the figures.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from diffpose_core.camera import Camera, evaluation_cameras
from diffpose_core.datasets.detector import clip_from_motion
from diffpose_core.datasets.mocap17 import MotionSet, in_one_definition, load_mocap17
from diffpose_core.evaluation.evaluate import weights_provenance
from diffpose_core.io.frame import positions_y_up
from diffpose_core.joint_angles import joint_angles
from diffpose_core.lifting.finish import Finish, finished
from diffpose_core.lifting.hip_path import hip_path
from diffpose_core.lifting.lift import lift
from diffpose_core.lifting.models import Models, load_models
from diffpose_core.lifting.world.contacts import ANKLES
from diffpose_core.lifting.world.frame import ANKLE_BY_STATURE, assumed_camera, upright_of, world_axes
from diffpose_core.skeleton import stature
from diffpose_core.structures import LiftResult, PoseClip2D, WorldMotion
from diffpose_core.uncertainty.mixtures import clip_mixture

#: A true foot stands where its ankle moves less than this a frame and is at most this much above the lowest.
STILL_M, LOW_M = 0.005, 0.04
#: A true foot that moves more than this a frame doesn't stand.
MOVING_M = 0.02
_ANKLES = list(ANKLES)


@dataclass(frozen=True)
class Case:
    """A clip with its truth. motion: (F, 17, 3) metres, z up."""

    motion: np.ndarray
    camera: Camera
    clip: PoseClip2D


def cases(motions: MotionSet, count: int, frames: int, known: bool) -> list[Case]:
    """Evenly spread clips of a motion file, each before one of the four cameras in turn."""
    found = []
    for turn, number in enumerate(np.unique(np.linspace(0, len(motions) - 1, count).round().astype(int))):
        motion = motions.clip_world(int(number))[:frames].astype(np.float64)
        camera = evaluation_cameras(motion[:, 0])[turn % 4]
        clip = clip_from_motion(str(motions.name[number]), motion, camera, float(motions.fps[number]), int(number))
        found.append(Case(motion, camera, clip if known else replace(clip, intrinsics=None)))
    return found


def standing(motion: np.ndarray) -> np.ndarray:
    """Steps in which a true foot stands, (F - 1, 2) bool."""
    ankles = motion[:, _ANKLES]
    lowest = np.percentile(ankles[..., 2].min(1), 10)
    return (np.linalg.norm(np.diff(ankles, axis=0), axis=-1) < STILL_M) & (ankles[1:, :, 2] < lowest + LOW_M)


def placed(pose: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Poses (F, 17, 3) after the shift and the turn about z that bring them closest to the truth."""
    centre, goal = pose.mean((0, 1)), truth.mean((0, 1))
    moved, wanted = pose - centre, truth - goal
    sine = (moved[..., 0] * wanted[..., 1] - moved[..., 1] * wanted[..., 0]).sum()
    cosine = (moved[..., :2] * wanted[..., :2]).sum()
    angle = np.arctan2(sine, cosine)
    turn = np.array([[np.cos(angle), np.sin(angle), 0], [-np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    return np.asarray(moved @ turn + goal)


def frame_by_frame(result: LiftResult, clip: PoseClip2D, axes: np.ndarray) -> np.ndarray:
    """The motion in world axes with the hip's path as each frame alone gives it, (F, 17, 3)."""
    path = result.root_cam
    if path is None:
        mixture = clip_mixture(clip)
        std = np.sqrt(np.square(mixture.std_px).mean(-1))
        found = hip_path(result.pose3d, mixture.argmax_px, std, assumed_camera(clip.width, clip.height))
        assert found is not None
        path = found[0]
    return np.asarray((result.pose3d + path[:, None]) @ axes.T)


def angle_errors(result: LiftResult, motion: np.ndarray) -> dict[str, float]:
    """Mean distance of every joint angle from the true one, degrees; headings after their mean difference."""
    truth = replace(result, world=WorldMotion(motion, np.zeros((len(motion), 2), bool)))
    found, errors = joint_angles(positions_y_up(result)), {}
    for name, exact in joint_angles(positions_y_up(truth)).items():
        apart = (found[name] - exact + 180) % 360 - 180
        if name == "pelvis_heading":
            # The world's x is the camera's, the truth's is the studio's.
            turns = np.exp(1j * np.radians(apart))
            apart = np.degrees(np.angle(turns / turns.mean()))
        known = np.abs(apart[np.isfinite(apart)])
        errors.setdefault(name.removeprefix("right_").removeprefix("left_"), []).extend(known)
    return {name: float(np.mean(values)) if len(values) else np.nan for name, values in errors.items()}


def measure(case: Case, models: Models, finish: Finish) -> dict[str, Any]:
    """Figures of one clip."""
    clip, motion = case.clip, case.motion
    lifted = lift(clip, models, keep_hypotheses=False)
    result = finished(lifted, clip, finish, lambda: upright_of(lifted, clip, models))
    assert result.world is not None and clip.pose3d_cam is not None
    pose, axes = result.world.pose.astype(np.float64), world_axes(np.array(result.provenance["world"]["up_cam"]))
    before, still = frame_by_frame(lifted, clip, axes), standing(motion)
    steps = {
        name: 1000 * np.linalg.norm(np.diff(p[:, _ANKLES], axis=0), axis=-1)
        for name, p in (("before", before), ("after", pose))
    }
    down = result.world.standing[1:] & result.world.standing[:-1]
    swinging = np.linalg.norm(np.diff(motion[:, _ANKLES], axis=0), axis=-1) > MOVING_M
    to_true = axes @ case.camera.rotation

    def away_mm(found: np.ndarray, exact: np.ndarray) -> float:
        return float(1000 * np.linalg.norm(found - exact, axis=-1).mean())

    row: dict[str, Any] = {
        "up_deg": float(np.degrees(np.arccos(np.clip(axes[2] @ case.camera.rotation[:, 2], -1, 1)))),
        "place_before_mm": away_mm(placed(before, motion), motion),
        "place_mm": away_mm(placed(pose, motion), motion),
        "joints_before_mm": away_mm(lifted.pose3d, clip.pose3d_cam),
        "joints_mm": away_mm(pose - pose[:, :1], (motion - motion[:, :1]) @ to_true.T),
        "swinging_held_percent": float(100 * down[swinging].mean()) if swinging.any() else np.nan,
        "angles_deg": angle_errors(result, motion),
    }
    if still.any():
        height = ANKLE_BY_STATURE * stature(result.pose3d)
        row |= {
            "sliding_before_mm": float(steps["before"][still].mean()),
            "sliding_mm": float(steps["after"][still].mean()),
            "standing_found_percent": float(100 * down[still].mean()),
            "floor_mm": float(1000 * np.abs(pose[1:, _ANKLES, 2][still] - height).mean()),
        }
    return row


def means(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Means over clips, each clip counting once."""
    flat = [{**{k: v for k, v in row.items() if k != "angles_deg"}, **row["angles_deg"]} for row in rows]
    names = list(dict.fromkeys(name for row in flat for name in row))
    found = {name: round(float(np.nanmean([row.get(name, np.nan) for row in flat])), 2) for name in names}
    angles = rows[0]["angles_deg"]
    rest = {name: value for name, value in found.items() if name not in angles}
    return {**rest, "angles_deg": {name: found[name] for name in angles}}


def main() -> None:
    """Measure, print and store."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--clips", type=int, default=40)
    parser.add_argument("--frames", type=int, default=120, help="of a clip at most")
    parser.add_argument("--unknown-camera", action="store_true")
    parser.add_argument("--smooth", type=float, metavar="HZ")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    models, begun = load_models(), time.monotonic()
    motions = in_one_definition(load_mocap17(args.data))
    rows = []
    for case in cases(motions, args.clips, args.frames, not args.unknown_camera):
        rows.append(measure(case, models, Finish(None, args.smooth, True)))
        said = {name: round(value, 1) for name, value in rows[-1].items() if isinstance(value, float)}
        print(case.clip.name, len(case.motion), said, flush=True)
    report = {
        **means(rows),
        "provenance": {
            "data": args.data.name, "clips": len(rows), "frames": args.frames, "smooth_hz": args.smooth,
            "camera": "unknown" if args.unknown_camera else "known", **weights_provenance(models),
            "seconds": round(time.monotonic() - begun, 1),
        },
    }  # fmt: skip
    print(json.dumps(report, indent=1))
    if args.json:
        args.json.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
