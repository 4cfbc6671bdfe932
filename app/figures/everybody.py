"""Everybody of a file in one scene, on one floor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from app.stage.payload import Bounds, StagePayload
from app.stage.specs.layers import skeleton
from app.stage.specs.panels import scene
from diffpose_core.skeleton import NUM_JOINTS
from diffpose_core.structures import LiftResult
from diffpose_core.words import short

#: Frames that the scene plays through at most; of longer files every nth.
MOST_FRAMES = 600
#: Room around the people, metres. The sides differ: a box around the origin would be taken for a single person's.
_MARGIN = (0.5, 0.55)
#: How much wider than high the box of a scene may be, so that the eye stays out of it.
_WIDEST = 1.7


@dataclass(frozen=True)
class Placed:
    """A person's motion in the file.

    Attributes:
        result: The motion, in the world frame.
        first_frame: Number of its first frame in the file.
    """

    result: LiftResult
    first_frame: int


def everybody(people: Mapping[str, Placed], source: str, clip: str, frame: int, notes: Sequence[str]) -> bytes:
    """The stage of all people.

    Args:
        people: By their keys, at least one; the clip's own person first, whose first frame is number 0.
        source: Hash of the clip.
        clip: The clip's name.
        frame: Number of the clip's frame that is shown first.
        notes: Sentences on who is not there.
    """
    begin = min(one.first_frame for one in people.values())
    end = max(one.first_frame + len(one.result) for one in people.values())
    frames = np.arange(begin, end, -(-(end - begin) // MOST_FRAMES))
    own = next(iter(people.values()))
    poses = {key: _on_frames(one, frames) for key, one in people.items()}
    payload = StagePayload(
        id="everybody",
        title="Everybody",
        source=source,
        clip=clip,
        steps=[0],
        bounds=_bounds(np.concatenate(list(poses.values()))),
        frames=(frames - own.first_frame).tolist(),
        times_s=((frames - begin) / own.result.fps).tolist(),
        initial_frame=int(np.abs(frames - own.first_frame - frame).argmin()),
        line="Everybody on one floor, in the places and sizes in which they are seen. " + " ".join(notes),
    )
    layers = []
    for number, (key, pose) in enumerate(poses.items()):
        array = payload.add(f"person{number}", pose, ("frame", "joint", "xyz"))
        layers.append(skeleton(array, f"Person {short(key, 24)}", f"component{number % 10}", apart=True))
    caption = "Ways towards the camera are as long as the focal length says: where it is not known, it is assumed."
    payload.panels.append(scene("everybody", "Everybody", layers, caption=caption))
    return payload.pack()


def _on_frames(one: Placed, frames: np.ndarray) -> np.ndarray:
    """Poses at some frames of the file, (F', 17, 3), x right, y away, z up; NaN where the person is not there."""
    assert one.result.world is not None
    poses = np.full((len(frames), NUM_JOINTS, 3), np.nan)
    rows = frames - one.first_frame
    there = (rows >= 0) & (rows < len(one.result))
    poses[there] = one.result.world.pose[rows[there]]
    return poses


def _bounds(poses: np.ndarray) -> Bounds:
    """A box around all places, its middle at half a person's height."""
    lo, hi = np.nanmin(poses, axis=(0, 1)), np.nanmax(poses, axis=(0, 1))
    lo[:2] -= _MARGIN[0]
    hi[:2] += _MARGIN[1]
    height = max(float(hi[2]) + 0.2, float((hi - lo)[:2].max()) / _WIDEST)
    middle = float(hi[2]) / 2
    return Bounds((*lo[:2].tolist(), middle - height / 2), (*hi[:2].tolist(), middle + height / 2), 0.0)
