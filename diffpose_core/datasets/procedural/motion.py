"""Procedural human motion of our own: the training data and clips of a clone without motion capture.

A motion is a body (16 bone lengths), a series of bone directions, a path on the floor and feet that stay
where they are planted. The bone directions of an action come from one of two places:

* **statistics** (`series`): walk, run, turn, wave and bow, and the standing posture that the
  authored actions start from. Each bone has two angles about its mean direction in the action. Over the phase
  of the action the angles are a truncated Fourier series (cyclic actions) or a half-range cosine series
  (one-shot actions, the phase warped so that every clip reaches its events together). A clip is thus one
  vector of coefficients. The mean and a few principal components over many clips of the training split,
  and over their mirror images, are all that is kept. They are in `coefficients.json`, made by
  `python -m diffpose_core.datasets.procedural.statistics DATA.npz`. A new motion is a random point of that
  distribution. Nothing is estimated from fewer than five clips, so none can be read back out of it.
* **authored by hand** (`keyframes`): jump, sit down and stand up, and kick, for which the training
  split has too few clips: key poses in anatomical angles, a root path and the times between them.

World frame: z up, floor at z = 0, metres. Body frame: x forward, y left, z up, turned with the heading.
Human3.6M has no toes: its "Foot" joint is the ankle, and a planted one is kept `Body.ankle_height` above the floor.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from diffpose_core.datasets.procedural.jump import jump
from diffpose_core.datasets.procedural.kick import kick
from diffpose_core.datasets.procedural.kinematics import Array, Body, sample_body
from diffpose_core.datasets.procedural.series import bow, run, turn, walk, wave
from diffpose_core.datasets.procedural.sit_stand import sit_stand
from diffpose_core.io.atomic import write_arrays
from diffpose_core.structures import InvalidInput

ACTIONS: tuple[str, ...] = ("walk", "run", "wave", "bow", "jump", "sit-stand", "kick", "turn")
#: Actions whose coefficients are statistics of the training split; the others are authored by hand.
STATISTICAL: tuple[str, ...] = ("walk", "run", "wave", "bow", "turn")

_MAKERS: dict[str, Callable[[np.random.Generator, Body, int, float], Array]] = {
    "walk": walk,
    "run": run,
    "wave": wave,
    "bow": bow,
    "jump": jump,
    "sit-stand": sit_stand,
    "kick": kick,
    "turn": turn,
}


def procedural_motion(
    action: str, seed: int, seconds: float = 5.0, fps: float = 30.0, body: Body | None = None
) -> Array:
    """Draw one motion of one person, the same for the same arguments.

    Args:
        action: one of `ACTIONS`.
        seed: draws body, style, speed, path and heading.
        seconds: 2 to 120.
        fps: frames a second, 10 to 240.
        body: bone lengths to use in place of the drawn ones.

    Returns:
        joints_world, (F, 17, 3) float32 metres, F = round(seconds * fps): z up, the floor at z = 0, the root's path
        centred on the origin. Bone lengths are constant.

    Raises:
        InvalidInput: an unknown action, or seconds or fps outside their range.
    """
    if action not in _MAKERS:
        raise InvalidInput(f"the action must be one of {', '.join(ACTIONS)}, found {action!r}")
    if not (np.isfinite(seconds) and 2 <= seconds <= 120):
        raise InvalidInput(f"a procedural motion lasts 2 to 120 s, found {seconds}")
    if not (np.isfinite(fps) and 10 <= fps <= 240):
        raise InvalidInput(f"fps must lie between 10 and 240, found {fps}")
    rng = np.random.default_rng([ACTIONS.index(action), seed])
    drawn = sample_body(rng)
    joints = _MAKERS[action](rng, drawn if body is None else body, round(seconds * fps), fps)
    path = joints[:, 0, :2]
    joints[..., :2] -= (path.min(0) + path.max(0)) / 2
    return joints.astype(np.float32)


def procedural_dataset(num_clips: int, seed: int, fps: float = 30.0) -> dict[str, Array]:
    """Draw procedural clips of 3 to 8 s in the layout of Mocap-17, the actions in turn.

    Args:
        num_clips: C, at least 1.
        seed: decides everything.
        fps: frames a second.

    Returns:
        Arrays of the .npz: root float32 (F, 3) metres, joints int16 (F, 16, 3) relative to the root in units of
        0.1 mm, start int64 (C + 1,), fps float64 (C,), and name, source, subject, action, style (C,) str.

    Raises:
        InvalidInput: fewer than one clip.
    """
    if num_clips < 1:
        raise InvalidInput(f"a data set needs at least one clip, found {num_clips}")
    rng = np.random.default_rng(seed)
    roots, joints, start, names, actions, subjects = [], [], [0], [], [], []
    for c in range(num_clips):
        action = ACTIONS[c % len(ACTIONS)]
        clip_seed = int(rng.integers(2**31))
        motion = procedural_motion(action, clip_seed, float(rng.uniform(3, 8)), fps).astype(np.float64)
        roots.append(motion[:, 0].astype(np.float32))
        joints.append(np.round((motion[:, 1:] - motion[:, :1]) / 1e-4).astype(np.int16))
        start.append(start[-1] + len(motion))
        names.append(f"procedural_{action}_{clip_seed}")
        actions.append(action)
        subjects.append(f"body-{clip_seed}")
    return {
        "root": np.concatenate(roots),
        "joints": np.concatenate(joints),
        "start": np.array(start, dtype=np.int64),
        "fps": np.full(num_clips, fps, dtype=np.float64),
        "name": np.array(names),
        "source": np.array(["procedural"] * num_clips),
        "subject": np.array(subjects),
        "action": np.array(actions),
        "style": np.array([""] * num_clips),
    }


def write_procedural_dataset(path: str | Path, num_clips: int, seed: int, fps: float = 30.0) -> None:
    """Write `procedural_dataset` as a compressed .npz that reads like mocap17_train.npz, whole or not at all."""
    write_arrays(path, procedural_dataset(num_clips, seed, fps))
