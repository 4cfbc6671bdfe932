"""Jumps, authored by hand as key poses; see `keyframes`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.interpolate import CubicHermiteSpline

from diffpose_core.datasets.procedural.keyframes import (
    Key,
    authored_joints,
    both_arms,
    curve_through,
    keyed_directions,
    stance_of,
    vary,
)
from diffpose_core.datasets.procedural.kinematics import Array, Body, ease

_GRAVITY = 9.81  # metres a second squared
#: Height of the ankles before the toes leave the floor, as a share of the leg's length.
_HEEL_SHARE = 0.082


@dataclass(frozen=True)
class _Jump:
    """One jump.

    Attributes:
        start, low, off, land, rest, stand: seconds at which it begins, is lowest, takes off, lands, has braked, stands.
        push: seconds of the push before take-off.
        crouch, absorb: metres that the root goes down before and after the flight.
        heel: metres of the ankles' rise before take-off.
        speed: metres a second, upward, at take-off.
        covered: metres covered before this jump.
        along: metres covered by it.
        tuck: metres that the feet are drawn up in the flight.
    """

    start: float
    low: float
    off: float
    land: float
    rest: float
    stand: float
    push: float
    crouch: float
    absorb: float
    heel: float
    speed: float
    covered: float
    along: float
    tuck: float

    def knots(self) -> list[tuple[float, float, float, float]]:
        """Time, height over standing, upward speed and distance covered, at the ends of all phases."""
        ahead = 0.12 * self.along
        end = self.covered + self.along
        return [
            (self.start, 0.0, 0.0, self.covered),
            (self.low, -self.crouch, 0.0, self.covered),
            (self.low + 0.05, -self.crouch, 0.0, self.covered + 0.2 * ahead),
            (self.off, self.heel, self.speed, self.covered + ahead),
            (self.land, self.heel, -self.speed, end - ahead),
            (self.rest, -self.absorb, 0.0, end),
            (self.rest + 0.05, -self.absorb, 0.0, end),
            (self.stand, 0.0, 0.0, end),
        ]


def _draw_jump(
    rng: np.random.Generator, body: Body, earliest: float, begin: float, end: float, covered: float
) -> _Jump:
    """Draw one jump between `begin` and `end`, seconds, that does not start before `earliest`."""
    heel = _HEEL_SHARE * body.leg
    start = max(begin + vary(rng, 0.25, 0.05), earliest)
    height = float(np.clip(vary(rng, 0.3, 0.09), 0.14, 0.45)) * body.leg
    along = max(0.0, vary(rng, 0.25, 0.25)) if rng.uniform() < 0.7 else 0.0
    crouch, absorb = body.leg * vary(rng, 0.3, 0.04), body.leg * vary(rng, 0.23, 0.04)
    speed = float(np.sqrt(2 * _GRAVITY * height))
    down, rise = vary(rng, 0.55, 0.05), vary(rng, 0.6, 0.06)
    # Constant acceleration over a way s to or from a speed v takes 2 s / v.
    push, fly, brake = 2 * (crouch + heel) / speed, 2 * speed / _GRAVITY, 2 * (absorb + heel) / speed
    off = start + down + 0.05 + push
    land = off + fly
    rest = land + brake
    # In a short clip, standing up again is the part that is hurried.
    stand = max(min(rest + 0.05 + rise, end), rest + 0.3)
    tuck = vary(rng, 0.1, 0.03) * body.leg
    return _Jump(
        start, start + down, off, land, rest, stand, push, crouch, absorb, heel, speed, covered, along, tuck
    )  # fmt: skip


def _draw_keys(rng: np.random.Generator, jump: _Jump) -> list[tuple[float, Key]]:
    """Draw the key poses of a jump: (seconds, pose)."""
    back, up, elbow = vary(rng, -42, 8), min(vary(rng, 92, 14), 112), vary(rng, 35, 10)
    out, trunk = vary(rng, 14, 4), vary(rng, 42, 6)
    return [
        (jump.start, Key()),
        (jump.low - 0.08, both_arms((back, out, 25, 0), trunk=trunk, spine=8, head=-0.55 * trunk)),
        (jump.low + 0.06, both_arms((back + 22, out, 22, 0), trunk=trunk, spine=8, head=-0.5 * trunk)),
        (jump.off - 0.4 * jump.push, both_arms((26, out, 25, 5), trunk=0.6 * trunk, head=-0.4 * trunk)),
        (jump.off + 0.03, both_arms((up, out, elbow, 10), trunk=3, spine=-6, head=-8)),
        ((jump.off + jump.land) / 2, both_arms((up - 35, out + 12, elbow + 10, 10), trunk=6)),
        (jump.land, both_arms((45, out + 10, 45, 10), trunk=14, spine=4, head=-2)),
        (jump.rest, both_arms((20, out, 50, 15), trunk=0.75 * trunk, spine=8, head=-12)),
        (jump.stand, Key()),
    ]


def _feet(jumps: list[_Jump], time: Array, height: Array) -> Array:
    """Displacement of both ankles from where they stand at first, (F, 3) metres."""
    feet = np.zeros((len(time), 3))
    for jump in jumps:
        flight = np.clip((time - jump.off) / (jump.land - jump.off), 0, 1)
        # A foot in flight moves at a nearly constant speed.
        feet[:, 0] += jump.along * (0.5 * flight + 0.5 * ease(flight))
        # The heels come up just before the flight and go down just after it. At take-off they are as fast as the
        # root, so that knees don't stop with a jerk: 3 heel / span is the speed at the end of this cubic.
        span = 3 * jump.heel / (_GRAVITY * (jump.land - jump.off) / 2)
        away = np.where(time < jump.off, jump.off - time, time - jump.land)
        ground = jump.heel * np.clip(1 - away / span, 0, 1) ** 3
        flying = height + jump.tuck * np.sin(np.pi * flight) ** 2
        feet[:, 2] += np.where((time >= jump.off) & (time <= jump.land), flying, ground)
    return feet


def jump(rng: np.random.Generator, body: Body, frames: int, fps: float) -> Array:
    """Draw countermovement jumps: crouch, push off, fly, land, absorb, stand.

    The root's height is a constant push, a ballistic flight and a constant brake, so that its speed is continuous.

    Returns:
        Joints, (F, 17, 3) metres, z up.
    """
    seconds = frames / fps
    time = np.arange(frames) / fps
    count = max(1, int(seconds / 2.4))
    wide = vary(rng, 0.03, 0.01)
    times, keys = [0.0], [Key()]
    knots = [(0.0, 0.0, 0.0, 0.0)]
    jumps: list[_Jump] = []
    covered = 0.0
    for i in range(count):
        one = _draw_jump(rng, body, times[-1] + 0.05, seconds * i / count, seconds * (i + 1) / count, covered)
        covered += one.along
        jumps.append(one)
        knots += one.knots()
        poses = _draw_keys(rng, one)
        times += [when for when, _ in poses]
        keys += [key for _, key in poses]
    if times[-1] < seconds:
        times.append(seconds + 0.1)
        keys.append(Key())
        knots.append((seconds + 0.1, 0.0, 0.0, covered))
    local = keyed_directions(rng, frames, fps, times, keys, 0.055)
    stance = stance_of(local[0], body, wide)
    knot = np.array(knots)
    height = CubicHermiteSpline(knot[:, 0], knot[:, 1], knot[:, 2])(time)
    along = curve_through(time, list(knot[:, 0]), knot[:, 3], 0.04, fps)
    # Hips go back as they go down, which keeps the weight over the feet.
    along = along - 0.3 * np.maximum(-height, 0)
    root = np.stack([along, np.zeros(frames), stance.root_z + height], axis=1)
    feet = _feet(jumps, time, height)
    return authored_joints(local, root, (stance.right + feet, stance.left + feet), body, rng, fps)
