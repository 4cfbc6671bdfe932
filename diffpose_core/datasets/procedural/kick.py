"""Kicks, authored by hand as key poses; see `keyframes`."""

from __future__ import annotations

import numpy as np

from diffpose_core.datasets.procedural.keyframes import (
    Key,
    authored_joints,
    curve_through,
    keyed_directions,
    stance_of,
    vary,
)
from diffpose_core.datasets.procedural.kinematics import MIRROR_AXES, Array, Body, ease, forward_kinematics
from diffpose_core.skeleton import MIRROR

#: Share of the way over the standing foot that the root goes: almost all of the weight.
_OVER = 0.85
#: The root at each key pose: metres forward, share of the way towards the standing foot, leg lengths down.
_SHIFTS: tuple[tuple[float, float, float], ...] = (
    (0, 0, 0), (0.0, _OVER, 0.015), (0.01, _OVER, 0.03), (0.05, _OVER, 0.035), (0.09, _OVER, 0.01),
    (0.05, _OVER, 0.02), (0.01, 0.5, 0.012), (0, 0, 0),
)  # fmt: skip


def _draw_keys(rng: np.random.Generator, high: float, back: float, knee: float, lean: float) -> list[Key]:
    """Draw the key poses of one kick with the right leg.

    Args:
        rng: decides the arms.
        high: hip flexion at the end, degrees.
        back: hip flexion when the leg is drawn back, degrees.
        knee: knee flexion then, degrees.
        lean: of the trunk at the end, degrees.
    """
    arm, counter = vary(rng, 38, 8), vary(rng, -32, 6)
    return [
        Key(),
        Key(trunk=4, twist=4, left=(14, 16, 28, 5), right=(4, 16, 25, 5), leg=(2, 2, 22)),
        Key(
            trunk=12,
            head=-6,
            twist=-16,
            hips=-14,
            left=(arm, 34, 30, 0),
            right=(counter, 22, 25, 0),
            leg=(back, 5, knee),
        ),
        Key(
            trunk=6,
            head=2,
            twist=0,
            hips=4,
            left=(12, 36, 35, 5),
            right=(0, 24, 35, 5),
            leg=(0.55 * high, 3, knee - 8),
        ),
        Key(
            trunk=lean,
            spine=10,
            head=8,
            twist=16,
            hips=16,
            left=(counter, 32, 35, 0),
            right=(arm, 26, 50, 5),
            leg=(high, 1, 9),
        ),
        Key(
            trunk=0.5 * lean,
            spine=8,
            head=6,
            twist=10,
            hips=9,
            left=(-12, 28, 35, 5),
            right=(22, 22, 45, 5),
            leg=(0.62 * high, 2, 58),
        ),
        Key(trunk=4, twist=2, hips=0, left=(6, 16, 25, 5), right=(8, 16, 25, 5), leg=(6, 3, 16)),
        Key(),
    ]


def kick(rng: np.random.Generator, body: Body, frames: int, fps: float) -> Array:
    """Draw kicks with one leg from the stand, as at a ball or a pad; the other foot stays planted.

    Returns:
        Joints, (F, 17, 3) metres, z up.
    """
    seconds = frames / fps
    time = np.arange(frames) / fps
    kicks = max(1, int(seconds / 2.4))
    wide = vary(rng, 0.035, 0.012)
    peak = float(np.clip(vary(rng, 62, 16), 38, 92))  # hip flexion at the end of the kick, degrees
    times, keys = [0.0], [Key()]
    shift: list[tuple[float, float, float]] = [(0.0, 0.0, 0.0)]
    swings: list[tuple[float, float]] = []
    for i in range(kicks):
        start = max(seconds * i / kicks + vary(rng, 0.3, 0.06), times[-1] + 0.05)
        back, knee = vary(rng, -28, 5), vary(rng, 78, 10)
        high = peak * vary(rng, 1.0, 0.05)
        lean = -0.16 * high
        tempo = vary(rng, 1.0, 0.08) * (high / 62) ** 0.3  # a high kick takes a little longer
        steps = np.cumsum([start, 0.42 * tempo, 0.3 * tempo, 0.19 * tempo, 0.16 * tempo, 0.26 * tempo, 0.42 * tempo])
        times += [*steps, steps[-1] + 0.35]
        keys += _draw_keys(rng, high, back, knee, lean)
        shift += _SHIFTS
        swings.append((steps[0] + 0.22 * tempo, steps[-1] - 0.02))
    if times[-1] < seconds + 0.1:
        times.append(seconds + 0.2)
        keys.append(Key())
        shift.append((0.0, 0.0, 0.0))
    local = keyed_directions(rng, frames, fps, times, keys, 0.03)
    stance = stance_of(local[0], body, wide)
    moved = curve_through(time, times, np.array(shift), 0.06, fps)
    root = np.stack([moved[:, 0], moved[:, 1] * stance.left[1], stance.root_z - moved[:, 2] * body.leg], axis=1)
    posed = forward_kinematics(local, root, body.lengths)
    free = np.zeros(frames)
    for lift, land in swings:
        free = np.maximum(free, ease((time - lift) / 0.24) * ease((land - time) / 0.3))
    right = stance.right + free[:, None] * (posed[:, 3] - stance.right)
    right[:, 2] = np.maximum(right[:, 2], body.ankle_height)
    left = np.ones((frames, 1)) * stance.left
    joints = authored_joints(local, root, (right, left), body, rng, fps)
    if rng.uniform() < 0.4:  # left-footed
        joints = joints[:, list(MIRROR)] * MIRROR_AXES
    return joints
