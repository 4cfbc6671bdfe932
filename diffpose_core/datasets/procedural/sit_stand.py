"""Sitting down and standing up, authored by hand as key poses; see `keyframes`."""

from __future__ import annotations

import numpy as np

from diffpose_core.datasets.procedural.keyframes import (
    Key,
    authored_joints,
    both_arms,
    curve_through,
    keyed_directions,
    radians,
    stance_of,
    vary,
)
from diffpose_core.datasets.procedural.kinematics import Array, Body, forward_kinematics

_Arm = tuple[float, float, float, float]


def _draw_keys(
    rng: np.random.Generator, seconds: float, hand: _Arm, reach: _Arm, trunk: tuple[float, float, float]
) -> tuple[list[float], list[Key], list[tuple[float, float]]]:
    """Draw times and key poses of every round of sitting down and standing up.

    Args:
        rng: decides the times.
        seconds: length of the clip.
        hand: both arms while the person sits.
        reach: both arms on the way.
        trunk: its lean on the way down, on the way up, and seated, degrees.

    Returns:
        Times in seconds, key poses, and the root's place as shares of the way back and of the way down.
    """
    lean_down, lean_up, seated_trunk = trunk
    rounds = max(1, round(seconds / 5.5))
    times, keys, places = [0.0], [Key()], [(0.0, 0.0)]
    for i in range(rounds):
        begin, room = seconds * i / rounds, seconds / rounds
        rest = room * rng.uniform(0.06, 0.1)
        down, up = room * vary(rng, 0.27, 0.02), room * vary(rng, 0.25, 0.02)
        t0 = begin + rest
        t1, t2 = t0 + 0.5 * down, t0 + down
        t3 = begin + room - rest - up
        t4, t5 = t3 + 0.38 * up, t3 + up
        times += [t0, t1, t2, t2 + 0.3 * (t3 - t2), t3, t4, t5]
        keys += [
            Key(),
            both_arms(reach, trunk=lean_down, spine=10, head=-0.45 * lean_down),
            both_arms(hand, trunk=0.45 * lean_down, spine=8, head=-8),
            both_arms(hand, trunk=seated_trunk, spine=6),
            both_arms(hand, trunk=seated_trunk + 2, spine=6),
            both_arms(reach, trunk=lean_up, spine=10, head=-0.45 * lean_up),
            Key(),
        ]
        # (share of the way back, share of the way down): hips go back before they go down, and come
        # forward before they come up.
        places += [(0, 0), (0.6, 0.45), (1, 1), (1, 1), (1, 1), (0.78, 0.72), (0, 0)]
    times.append(seconds + 0.1)
    keys.append(Key())
    places.append((0.0, 0.0))
    return times, keys, places


def sit_stand(rng: np.random.Generator, body: Body, frames: int, fps: float) -> Array:
    """Draw a person who sits down on a chair, sits, and stands up. Feet stay planted; legs follow from the root's path.

    Returns:
        Joints, (F, 17, 3) metres, z up.
    """
    seconds = frames / fps
    time = np.arange(frames) / fps
    wide = vary(rng, 0.035, 0.012)
    thigh, shank = body.lengths[1], body.lengths[2]
    lean_down, lean_up = vary(rng, 38, 5), vary(rng, 44, 5)
    seated_trunk = vary(rng, 4, 5)
    tilt = radians(vary(rng, 6, 4))  # of the shank: knees a little in front of the ankles
    seat = thigh * np.sin(radians(vary(rng, 4, 4)))
    hand = (vary(rng, 28, 6), vary(rng, 12, 4), vary(rng, 62, 8), vary(rng, 12, 6))
    reach = (vary(rng, 42, 10), vary(rng, 10, 4), vary(rng, 35, 10), 8.0)
    times, keys, places = _draw_keys(rng, seconds, hand, reach, (lean_down, lean_up, seated_trunk))
    local = keyed_directions(rng, frames, fps, times, keys, 0.09)
    stance = stance_of(local[0], body, wide)
    ankle_x = (stance.right[0] + stance.left[0]) / 2
    joints = forward_kinematics(local[:1], np.zeros((1, 3)), body.lengths)[0]
    hip = joints[[1, 4]].mean(0)
    back = ankle_x + shank * np.sin(tilt) - np.sqrt(thigh**2 - seat**2) * 0.985 - hip[0]
    down_to = body.ankle_height + shank * np.cos(tilt) + seat - hip[2]
    share = curve_through(time, times, np.array(places, dtype=float), 0.1, fps)
    root = np.stack([share[:, 0] * back, 0 * time, stance.root_z + share[:, 1] * (down_to - stance.root_z)], axis=1)
    still = np.ones((frames, 1))
    return authored_joints(local, root, (still * stance.right, still * stance.left), body, rng, fps)
