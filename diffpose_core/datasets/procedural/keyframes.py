"""Key poses in anatomical angles, and the motion through them: for actions that are authored by hand.

No number here comes from a clip; only the standing posture at the beginning is a statistic over many clips (see
`series`). Degrees in key poses. Body frame: x forward, y left, z up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.interpolate import PchipInterpolator
from scipy.ndimage import gaussian_filter1d

from diffpose_core.datasets.procedural.kinematics import (
    STRAIGHT,
    Array,
    Body,
    forward_kinematics,
    normalise,
    rotate_z,
    smooth_noise,
    stand_on_feet,
)
from diffpose_core.datasets.procedural.series import stand_pose


def radians(degrees: float) -> float:
    """An angle in radians from degrees."""
    return float(np.radians(degrees))


def _pitched(directions: Array, bones: Sequence[int], degrees: float) -> Array:
    """The bones (16, 3) bent forward by an angle about the body's left axis (negative: backward)."""
    out = directions.copy()
    c, s = np.cos(radians(degrees)), np.sin(radians(degrees))
    x, z = directions[bones, 0], directions[bones, 2]
    out[bones, 0], out[bones, 2] = c * x + s * z, -s * x + c * z
    return out


def _limb(side: int, flexion: float, abduction: float, bend: float, inward: float, sense: int) -> tuple[Array, Array]:
    """Directions of the two bones of an arm or a leg.

    Args:
        side: +1 left, -1 right.
        flexion, abduction: of the shoulder or hip, degrees; at 0 the limb hangs straight down.
        bend: flexion of the elbow or knee, degrees.
        inward: turn of the bending plane towards the midline, degrees.
        sense: +1 for an arm (the elbow bends forward), -1 for a leg (the knee bends backward).
    """
    f, a, b, i = radians(flexion), radians(abduction), radians(bend), radians(inward)
    first = np.array([np.sin(f) * np.cos(a), side * np.sin(a), -np.cos(f) * np.cos(a)])
    towards = np.cos(i) * np.array([np.cos(f), 0, np.sin(f)]) * sense + np.sin(i) * np.array([0, -side, 0.0])
    towards = normalise(towards - (towards @ first) * first)
    return first, np.cos(b) * first + np.sin(b) * towards


@dataclass(frozen=True)
class Key:
    """A key pose: bends of the trunk and absolute limb angles in degrees; None leaves the standing posture's limb.

    Attributes:
        trunk: bend of the whole trunk, forward.
        spine: difference of the bend between its upper and its lower half.
        head: bend of the head relative to the trunk.
        twist: turn of the shoulder line to the left.
        hips: turn of the pelvis to the left.
        left, right: (shoulder flexion, abduction, elbow flexion, inward turn) of an arm.
        leg: (hip flexion, abduction, knee flexion) of the free leg, if there is one.
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
        out[turned] = rotate_z(out[turned][None], np.array([radians(self.twist)]))[0]
        out[[0, 3]] = rotate_z(out[[0, 3]][None], np.array([radians(self.hips)]))[0]
        return out


def both_arms(arm: tuple[float, float, float, float], trunk: float = 0, spine: float = 0, head: float = 0) -> Key:
    """A key pose whose arms do the same."""
    return Key(trunk=trunk, spine=spine, head=head, left=arm, right=arm)


def curve_through(time: Array, times: Sequence[float], values: Array, smooth: float = 0.0, fps: float = 30.0) -> Array:
    """Evaluate a monotone curve through values, which rests at every extremum.

    Args:
        time: (F,) seconds.
        times: N rising times of the values, seconds.
        values: (N, ...).
        smooth: standard deviation of a Gaussian filter over time, seconds.
        fps: frames a second.

    Returns:
        (F, ...).

    Source: Fritsch and Butland (1984), as scipy's PCHIP.
    """
    curve = PchipInterpolator(times, values, axis=0)(np.clip(time, times[0], times[-1]))
    return gaussian_filter1d(curve, smooth * fps, axis=0, mode="nearest") if smooth else curve


def keyed_directions(
    rng: np.random.Generator, frames: int, fps: float, times: Sequence[float], keys: Sequence[Key], smooth: float
) -> Array:
    """Bone directions through key poses, on top of a living standing posture.

    Args:
        rng: draws the standing posture.
        frames, fps: of the clip.
        times: of the key poses, seconds.
        keys: the key poses.
        smooth: standard deviation of a Gaussian filter over time, seconds.

    Returns:
        (F, 16, 3) unit vectors, body frame.
    """
    stand = stand_pose(rng, frames, fps)
    middle = normalise(stand.mean(0))
    time = np.arange(frames) / fps
    path = curve_through(time, times, np.stack([key.apply(middle) for key in keys]), smooth, fps)
    # The small sway of the posture around its mean is added to the keyed pose as well.
    return normalise(path + (stand - middle))


def vary(rng: np.random.Generator, value: float, spread: float) -> float:
    """Draw from a Gaussian about `value` with standard deviation `spread`, cut off at two of them."""
    return value + spread * float(np.clip(rng.normal(), -2, 2))


@dataclass(frozen=True)
class Stance:
    """The place of a standing body, body frame, metres.

    Attributes:
        root_z: height of the root.
        right, left: (3,) ankles.
    """

    root_z: float
    right: Array
    left: Array


def stance_of(pose: Array, body: Body, wider: float) -> Stance:
    """Stance of a standing pose, (16, 3) directions, with each foot `wider` metres further out."""
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
    return Stance(float(min(heights)) - 0.002, right, left)


def authored_joints(
    local: Array, root: Array, targets: tuple[Array, Array], body: Body, rng: np.random.Generator, fps: float
) -> Array:
    """Joints in the world from everything in the body frame.

    Args:
        local: (F, 16, 3) bone directions.
        root: (F, 3) metres.
        targets: right and left ankle, (F, 3) metres each.
        body: bone lengths.
        rng: draws the heading and a small sway.
        fps: frames a second.

    Returns:
        (F, 17, 3) metres, z up.
    """
    frames = len(local)
    heading = np.full(frames, rng.uniform(-np.pi, np.pi))
    restless = smooth_noise(rng, frames, 2, 0.9 * fps) * 0.005
    root = root + np.concatenate([restless, np.zeros((frames, 1))], axis=1)
    turned = [rotate_z(path[:, None], heading)[:, 0] for path in (root, *targets)]
    # Knees point forward and a little outward over the feet.
    forward = np.stack([np.cos(heading), np.sin(heading), np.zeros(frames)], -1)
    return stand_on_feet(rotate_z(local, heading), turned[0], body, (turned[1], turned[2]), forward)
