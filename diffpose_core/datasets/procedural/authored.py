"""Jump, sit down and stand up, and kick: procedural motion authored by hand, as key poses in anatomical angles.

The training split has too few clips of these for a statistic, so no number here comes from a clip; only the standing
posture that they start from is one (over many clips, see `procedural.series`). Degrees in key poses.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.interpolate import CubicHermiteSpline, PchipInterpolator
from scipy.ndimage import gaussian_filter1d

from diffpose_core.datasets.procedural.kinematics import (
    MIRROR_AXES,
    STRAIGHT,
    Array,
    Body,
    ease,
    forward_kinematics,
    normalise,
    rotate_z,
    smooth_noise,
    stand_on_feet,
)
from diffpose_core.datasets.procedural.series import stand_pose
from diffpose_core.skeleton import MIRROR

_GRAVITY = 9.81  # metres a second squared


def _rad(degrees: float) -> float:
    return float(np.radians(degrees))


def _pitched(directions: Array, bones: Sequence[int], degrees: float) -> Array:
    """The bones (16, 3) bent forward by an angle about the body's left axis (negative: backward)."""
    out = directions.copy()
    c, s = np.cos(_rad(degrees)), np.sin(_rad(degrees))
    x, z = directions[bones, 0], directions[bones, 2]
    out[bones, 0], out[bones, 2] = c * x + s * z, -s * x + c * z
    return out


def _limb(side: int, flexion: float, abduction: float, bend: float, inward: float, sense: int) -> tuple[Array, Array]:
    """Directions of the two bones of an arm (sense +1, the elbow bends forward) or a leg (sense -1, backward).

    side: +1 left, -1 right. Degrees; at 0 the limb hangs straight down. inward turns the bending plane
    towards the midline.
    """
    f, a, b, i = _rad(flexion), _rad(abduction), _rad(bend), _rad(inward)
    first = np.array([np.sin(f) * np.cos(a), side * np.sin(a), -np.cos(f) * np.cos(a)])
    towards = np.cos(i) * np.array([np.cos(f), 0, np.sin(f)]) * sense + np.sin(i) * np.array([0, -side, 0.0])
    towards = normalise(towards - (towards @ first) * first)
    return first, np.cos(b) * first + np.sin(b) * towards


@dataclass(frozen=True)
class _Key:
    """A key pose: bends of the trunk and absolute limb angles in degrees; None leaves the standing posture's limb.

    left, right: (shoulder flexion, abduction, elbow flexion, inward turn). leg: (hip flexion, abduction, knee
    flexion) of the free leg, if there is one. twist: the shoulder line turned to the left; hips: the pelvis.
    """

    trunk: float = 0.0
    spine: float = 0.0
    head: float = 0.0
    twist: float = 0.0
    hips: float = 0.0
    left: tuple[float, float, float, float] | None = None
    right: tuple[float, float, float, float] | None = None
    leg: tuple[float, float, float] | None = None

    def apply(self, stand: Array) -> Array:
        """Directions (16, 3) of this key pose from those of a standing posture."""
        # Bones by index: 0-5 legs (right, left), 6 spine, 7 thorax, 8 neck, 9 head, 10-12 left arm, 13-15 right arm.
        out = _pitched(stand, [6], self.trunk - self.spine / 2)
        out = _pitched(out, [7, 10, 13], self.trunk + self.spine / 2)
        out = _pitched(out, [8, 9], self.trunk + self.spine / 2 + self.head)
        # A hanging arm stays near the vertical when the trunk bends.
        out = _pitched(out, [11, 12, 14, 15], 0.15 * self.trunk)
        if self.left is not None:
            out[11], out[12] = _limb(1, *self.left, sense=1)
        if self.right is not None:
            out[14], out[15] = _limb(-1, *self.right, sense=1)
        if self.leg is not None:
            out[1], out[2] = _limb(-1, *self.leg, 0.0, sense=-1)
        turned = [7, 8, 9, 10, 11, 12, 13, 14, 15]
        out[turned] = rotate_z(out[turned][None], np.array([_rad(self.twist)]))[0]
        out[[0, 3]] = rotate_z(out[[0, 3]][None], np.array([_rad(self.hips)]))[0]
        return out


def _both_arms(arm: tuple[float, float, float, float], trunk: float = 0, spine: float = 0, head: float = 0) -> _Key:
    """A key pose whose arms do the same."""
    return _Key(trunk=trunk, spine=spine, head=head, left=arm, right=arm)


def _through(time: Array, times: Sequence[float], values: Array, smooth: float = 0.0, fps: float = 30.0) -> Array:
    """A curve through `values` (N, ...) at `times`, that rests at every extremum; optionally smoothed (seconds)."""
    curve = PchipInterpolator(times, values, axis=0)(np.clip(time, times[0], times[-1]))
    return gaussian_filter1d(curve, smooth * fps, axis=0, mode="nearest") if smooth else curve


def _keyed(
    rng: np.random.Generator, frames: int, fps: float, times: Sequence[float], keys: Sequence[_Key], smooth: float
) -> Array:
    """Directions (F, 16, 3) through key poses, on top of a living standing posture."""
    stand = stand_pose(rng, frames, fps)
    middle = normalise(stand.mean(0))
    time = np.arange(frames) / fps
    path = _through(time, times, np.stack([key.apply(middle) for key in keys]), smooth, fps)
    # What the posture's own small sway adds to its mean is added to the keyed pose as well.
    return normalise(path + (stand - middle))


def _vary(rng: np.random.Generator, value: float, spread: float) -> float:
    return value + spread * float(np.clip(rng.normal(), -2, 2))


@dataclass(frozen=True)
class _Stance:
    """Where a standing body is, body frame: the root's height above x = y = 0 and the two ankles, metres."""

    root_z: float
    right: Array
    left: Array


def _stance_of(pose: Array, body: Body, wider: float) -> _Stance:
    joints = forward_kinematics(pose[None], np.zeros((1, 3)), body.lengths)[0]
    right, left = joints[3].copy(), joints[6].copy()
    middle = (right[0] + left[0]) / 2
    for ankle, side in ((right, -1), (left, 1)):
        ankle[0] = middle + 0.6 * (ankle[0] - middle)
        ankle[1] += side * wider
        ankle[2] = body.ankle_height
    # As high as almost straight legs allow with the feet where they are.
    heights = []
    for hip, ankle in ((joints[1], right), (joints[4], left)):
        flat = float(np.hypot(*(ankle[:2] - hip[:2])))
        heights.append(body.ankle_height - hip[2] + np.sqrt((STRAIGHT * body.leg) ** 2 - flat**2))
    return _Stance(float(min(heights)) - 0.002, right, left)


def _authored(
    local: Array, root: Array, targets: tuple[Array, Array], body: Body, rng: np.random.Generator, fps: float
) -> Array:
    """Joints in the world from everything in the body frame (targets: right and left ankle, (F, 3))."""
    frames = len(local)
    heading = np.full(frames, rng.uniform(-np.pi, np.pi))
    restless = smooth_noise(rng, frames, 2, 0.9 * fps) * 0.005
    root = root + np.concatenate([restless, np.zeros((frames, 1))], axis=1)
    turned = [rotate_z(path[:, None], heading)[:, 0] for path in (root, *targets)]
    # Knees point forward and a little outward over the feet.
    forward = np.stack([np.cos(heading), np.sin(heading), np.zeros(frames)], -1)
    return stand_on_feet(rotate_z(local, heading), turned[0], body, (turned[1], turned[2]), forward)


def jump(rng: np.random.Generator, body: Body, frames: int, fps: float) -> Array:
    """Countermovement jumps: crouch, push off, fly, land, absorb, stand.

    The root's height is a constant push, a ballistic flight and a constant brake, so that its speed is continuous.
    """
    seconds = frames / fps
    time = np.arange(frames) / fps
    jumps = max(1, int(seconds / 2.4))
    wide = _vary(rng, 0.03, 0.01)
    heel = 0.082 * body.leg  # how far the ankles rise before the toes leave the floor
    times, keys = [0.0], [_Key()]
    knots = [(0.0, 0.0, 0.0, 0.0)]  # time, height over standing, upward speed, distance covered
    flights: list[tuple[float, float, float, float]] = []  # take-off, landing, distance covered, tuck
    distance = 0.0
    for i in range(jumps):
        start = max(seconds * i / jumps + _vary(rng, 0.25, 0.05), times[-1] + 0.05)
        height = float(np.clip(_vary(rng, 0.3, 0.09), 0.14, 0.45)) * body.leg
        along = max(0.0, _vary(rng, 0.25, 0.25)) if rng.uniform() < 0.7 else 0.0
        crouch, absorb = body.leg * _vary(rng, 0.3, 0.04), body.leg * _vary(rng, 0.23, 0.04)
        speed = float(np.sqrt(2 * _GRAVITY * height))
        down, rise = _vary(rng, 0.55, 0.05), _vary(rng, 0.6, 0.06)
        # Constant acceleration over a way s to or from a speed v takes 2 s / v.
        push, fly, brake = 2 * (crouch + heel) / speed, 2 * speed / _GRAVITY, 2 * (absorb + heel) / speed
        low, off = start + down, start + down + 0.05 + push
        land = off + fly
        rest = land + brake
        # Standing up again is what a short clip hurries.
        stand = max(min(rest + 0.05 + rise, seconds * (i + 1) / jumps), rest + 0.3)
        ahead = 0.12 * along
        knots += [
            (start, 0.0, 0.0, distance),
            (low, -crouch, 0.0, distance),
            (low + 0.05, -crouch, 0.0, distance + 0.2 * ahead),
            (off, heel, speed, distance + ahead),
            (land, heel, -speed, distance + along - ahead),
            (rest, -absorb, 0.0, distance + along),
            (rest + 0.05, -absorb, 0.0, distance + along),
            (stand, 0.0, 0.0, distance + along),
        ]
        flights.append((off, land, along, _vary(rng, 0.1, 0.03) * body.leg))
        distance += along
        back, up, elbow = _vary(rng, -42, 8), min(_vary(rng, 92, 14), 112), _vary(rng, 35, 10)
        out, trunk = _vary(rng, 14, 4), _vary(rng, 42, 6)
        poses = [
            (start, _Key()),
            (low - 0.08, _both_arms((back, out, 25, 0), trunk=trunk, spine=8, head=-0.55 * trunk)),
            (low + 0.06, _both_arms((back + 22, out, 22, 0), trunk=trunk, spine=8, head=-0.5 * trunk)),
            (off - 0.4 * push, _both_arms((26, out, 25, 5), trunk=0.6 * trunk, head=-0.4 * trunk)),
            (off + 0.03, _both_arms((up, out, elbow, 10), trunk=3, spine=-6, head=-8)),
            ((off + land) / 2, _both_arms((up - 35, out + 12, elbow + 10, 10), trunk=6)),
            (land, _both_arms((45, out + 10, 45, 10), trunk=14, spine=4, head=-2)),
            (rest, _both_arms((20, out, 50, 15), trunk=0.75 * trunk, spine=8, head=-12)),
            (stand, _Key()),
        ]
        times += [when for when, _ in poses]
        keys += [key for _, key in poses]
    if times[-1] < seconds:
        times.append(seconds + 0.1)
        keys.append(_Key())
        knots.append((seconds + 0.1, 0.0, 0.0, distance))
    local = _keyed(rng, frames, fps, times, keys, 0.055)
    stance = _stance_of(local[0], body, wide)
    knot = np.array(knots)
    height_curve = CubicHermiteSpline(knot[:, 0], knot[:, 1], knot[:, 2])(time)
    along_curve = _through(time, list(knot[:, 0]), knot[:, 3], 0.04, fps)
    # Hips go back as they go down, which keeps the weight over the feet.
    along_curve = along_curve - 0.3 * np.maximum(-height_curve, 0)
    root = np.stack([along_curve, np.zeros(frames), stance.root_z + height_curve], axis=1)
    feet = np.zeros((frames, 3))
    for off, land, along, tuck in flights:
        flight = np.clip((time - off) / (land - off), 0, 1)
        feet[:, 0] += along * _smooth_ramp(flight)
        # The heels come up just before the flight and go down just after it. At take-off they are as fast as the
        # root, so that knees don't stop with a jerk: 3 heel / span is the speed at the end of this cubic.
        span = 3 * heel / (_GRAVITY * (land - off) / 2)
        away = np.where(time < off, off - time, time - land)
        ground = heel * np.clip(1 - away / span, 0, 1) ** 3
        flying = height_curve + tuck * np.sin(np.pi * flight) ** 2
        feet[:, 2] += np.where((time >= off) & (time <= land), flying, ground)
    return _authored(local, root, (stance.right + feet, stance.left + feet), body, rng, fps)


def _smooth_ramp(u: Array) -> Array:
    """From 0 to 1 with a steady middle: a foot in flight moves at nearly constant speed."""
    u = np.clip(u, 0, 1)
    return 0.5 * u + 0.5 * ease(u)


def sit_stand(rng: np.random.Generator, body: Body, frames: int, fps: float) -> Array:
    """Sit down on a chair, sit, stand up. Feet stay planted; the legs follow from the root's path."""
    seconds = frames / fps
    time = np.arange(frames) / fps
    rounds = max(1, round(seconds / 5.5))
    wide = _vary(rng, 0.035, 0.012)
    thigh, shank = body.lengths[1], body.lengths[2]
    lean_down, lean_up = _vary(rng, 38, 5), _vary(rng, 44, 5)
    seated_trunk = _vary(rng, 4, 5)
    tilt = _rad(_vary(rng, 6, 4))  # of the shank: knees a little in front of the ankles
    seat = thigh * np.sin(_rad(_vary(rng, 4, 4)))
    hand = (_vary(rng, 28, 6), _vary(rng, 12, 4), _vary(rng, 62, 8), _vary(rng, 12, 6))
    reach = (_vary(rng, 42, 10), _vary(rng, 10, 4), _vary(rng, 35, 10), 8.0)
    times, keys, places = [0.0], [_Key()], [(0.0, 0.0)]
    for i in range(rounds):
        begin, room = seconds * i / rounds, seconds / rounds
        rest = room * rng.uniform(0.06, 0.1)
        down, up = room * _vary(rng, 0.27, 0.02), room * _vary(rng, 0.25, 0.02)
        t0 = begin + rest
        t1, t2 = t0 + 0.5 * down, t0 + down
        t3 = begin + room - rest - up
        t4, t5 = t3 + 0.38 * up, t3 + up
        times += [t0, t1, t2, t2 + 0.3 * (t3 - t2), t3, t4, t5]
        keys += [
            _Key(),
            _both_arms(reach, trunk=lean_down, spine=10, head=-0.45 * lean_down),
            _both_arms(hand, trunk=0.45 * lean_down, spine=8, head=-8),
            _both_arms(hand, trunk=seated_trunk, spine=6),
            _both_arms(hand, trunk=seated_trunk + 2, spine=6),
            _both_arms(reach, trunk=lean_up, spine=10, head=-0.45 * lean_up),
            _Key(),
        ]
        # (share of the way back, share of the way down): hips go back before they go down, and come
        # forward before they come up.
        places += [(0, 0), (0.6, 0.45), (1, 1), (1, 1), (1, 1), (0.78, 0.72), (0, 0)]
    times.append(seconds + 0.1)
    keys.append(_Key())
    places.append((0.0, 0.0))
    local = _keyed(rng, frames, fps, times, keys, 0.09)
    stance = _stance_of(local[0], body, wide)
    ankle_x = (stance.right[0] + stance.left[0]) / 2
    joints = forward_kinematics(local[:1], np.zeros((1, 3)), body.lengths)[0]
    hip = joints[[1, 4]].mean(0)
    back = ankle_x + shank * np.sin(tilt) - np.sqrt(thigh**2 - seat**2) * 0.985 - hip[0]
    down_to = body.ankle_height + shank * np.cos(tilt) + seat - hip[2]
    share = _through(time, times, np.array(places, dtype=float), 0.1, fps)
    root = np.stack([share[:, 0] * back, 0 * time, stance.root_z + share[:, 1] * (down_to - stance.root_z)], axis=1)
    still = np.ones((frames, 1))
    return _authored(local, root, (still * stance.right, still * stance.left), body, rng, fps)


def kick(rng: np.random.Generator, body: Body, frames: int, fps: float) -> Array:
    """Kicks with one leg from the stand, as at a ball or a pad; the other foot stays planted."""
    seconds = frames / fps
    time = np.arange(frames) / fps
    kicks = max(1, int(seconds / 2.4))
    wide = _vary(rng, 0.035, 0.012)
    peak = float(np.clip(_vary(rng, 62, 16), 38, 92))  # hip flexion at the end of the kick, degrees
    times, keys = [0.0], [_Key()]
    shift: list[tuple[float, float, float]] = [(0.0, 0.0, 0.0)]  # root: forward, towards the standing foot, down
    swings: list[tuple[float, float]] = []
    for i in range(kicks):
        start = max(seconds * i / kicks + _vary(rng, 0.3, 0.06), times[-1] + 0.05)
        back, knee = _vary(rng, -28, 5), _vary(rng, 78, 10)
        high = peak * _vary(rng, 1.0, 0.05)
        lean = -0.16 * high
        tempo = _vary(rng, 1.0, 0.08) * (high / 62) ** 0.3  # a high kick takes a little longer
        steps = np.cumsum([start, 0.42 * tempo, 0.3 * tempo, 0.19 * tempo, 0.16 * tempo, 0.26 * tempo, 0.42 * tempo])
        times += [*steps, steps[-1] + 0.35]
        arm, counter = _vary(rng, 38, 8), _vary(rng, -32, 6)
        keys += [
            _Key(),
            _Key(trunk=4, twist=4, left=(14, 16, 28, 5), right=(4, 16, 25, 5), leg=(2, 2, 22)),
            _Key(
                trunk=12,
                head=-6,
                twist=-16,
                hips=-14,
                left=(arm, 34, 30, 0),
                right=(counter, 22, 25, 0),
                leg=(back, 5, knee),
            ),
            _Key(
                trunk=6,
                head=2,
                twist=0,
                hips=4,
                left=(12, 36, 35, 5),
                right=(0, 24, 35, 5),
                leg=(0.55 * high, 3, knee - 8),
            ),
            _Key(
                trunk=lean,
                spine=10,
                head=8,
                twist=16,
                hips=16,
                left=(counter, 32, 35, 0),
                right=(arm, 26, 50, 5),
                leg=(high, 1, 9),
            ),
            _Key(
                trunk=0.5 * lean,
                spine=8,
                head=6,
                twist=10,
                hips=9,
                left=(-12, 28, 35, 5),
                right=(22, 22, 45, 5),
                leg=(0.62 * high, 2, 58),
            ),
            _Key(trunk=4, twist=2, hips=0, left=(6, 16, 25, 5), right=(8, 16, 25, 5), leg=(6, 3, 16)),
            _Key(),
        ]
        over = 0.85  # almost all of the weight goes over the standing foot
        shift += [
            (0, 0, 0),
            (0.0, over, 0.015),
            (0.01, over, 0.03),
            (0.05, over, 0.035),
            (0.09, over, 0.01),
            (0.05, over, 0.02),
            (0.01, 0.5, 0.012),
            (0, 0, 0),
        ]
        swings.append((steps[0] + 0.22 * tempo, steps[-1] - 0.02))
    if times[-1] < seconds + 0.1:
        times.append(seconds + 0.2)
        keys.append(_Key())
        shift.append((0.0, 0.0, 0.0))
    local = _keyed(rng, frames, fps, times, keys, 0.03)
    stance = _stance_of(local[0], body, wide)
    moved = _through(time, times, np.array(shift), 0.06, fps)
    root = np.stack([moved[:, 0], moved[:, 1] * stance.left[1], stance.root_z - moved[:, 2] * body.leg], axis=1)
    posed = forward_kinematics(local, root, body.lengths)
    free = np.zeros(frames)
    for lift, land in swings:
        free = np.maximum(free, ease((time - lift) / 0.24) * ease((land - time) / 0.3))
    right = stance.right + free[:, None] * (posed[:, 3] - stance.right)
    right[:, 2] = np.maximum(right[:, 2], body.ankle_height)
    left = np.ones((frames, 1)) * stance.left
    joints = _authored(local, root, (right, left), body, rng, fps)
    if rng.uniform() < 0.4:  # left-footed
        joints = joints[:, list(MIRROR)] * MIRROR_AXES
    return joints
