"""Bodies, bone directions and feet of the procedural motion: kinematics only, nothing of an action.

Frames, units and angles as in `motion`. Axes: F frames, E bones (16, in order of the child joint).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.interpolate import PchipInterpolator
from scipy.ndimage import gaussian_filter1d, maximum_filter1d

from diffpose_core.skeleton import BONES, MIRROR, NUM_JOINTS, PARENTS

Array = np.ndarray

NUM_BONES = len(BONES)
#: A leg is never straighter than this share of its length from hip to ankle (a knee flexed by about 8 degrees).
STRAIGHT = 0.9975
MIRROR_AXES = np.array([1.0, -1.0, 1.0])
_MIRROR_BONES = np.array([MIRROR[child] - 1 for _, child in BONES])


@dataclass(frozen=True)
class Body:
    """Bone lengths of one person.

    Attributes:
        lengths: (16,) metres, in order of the child joint.
        ankle_height: metres.
    """

    lengths: Array
    ankle_height: float

    @property
    def leg(self) -> float:
        """Hip to ankle with a straight knee, metres."""
        return float(self.lengths[1] + self.lengths[2])


def sample_body(rng: np.random.Generator, stature: float | None = None) -> Body:
    """Draw a body: stature 1.5 to 1.95 m unless it is given, proportions a few per cent around an adult's.

    The shares of the stature follow anthropometric tables, with the trunk cut where Human3.6M puts Spine, Thorax,
    Neck/Nose and Head.

    Source: Winter, Biomechanics and Motor Control of Human Movement, 4th ed., fig. 4.1.
    """
    drawn = float(np.clip(rng.normal(1.72, 0.11), 1.5, 1.95))
    stature = drawn if stature is None else stature

    def share(mean: float, spread: float) -> float:
        return stature * mean * float(np.exp(np.clip(rng.normal(0.0, spread), -2 * spread, 2 * spread)))

    hip, thigh, shank = share(0.066, 0.12), share(0.243, 0.03), share(0.243, 0.03)
    spine, thorax, neck, head = share(0.128, 0.05), share(0.139, 0.05), share(0.068, 0.06), share(0.066, 0.06)
    shoulder, upper, fore = share(0.085, 0.08), share(0.162, 0.04), share(0.146, 0.04)
    ankle = share(0.046, 0.1)
    leg, arm = [hip, thigh, shank], [shoulder, upper, fore]
    return Body(np.array([*leg, *leg, spine, thorax, neck, head, *arm, *arm]), ankle)


def forward_kinematics(directions: Array, root: Array, lengths: Array) -> Array:
    """Joints (F, 17, 3) from unit bone directions (F, 16, 3), the root's path (F, 3) and bone lengths (16,)."""
    joints = np.zeros((len(directions), NUM_JOINTS, 3))
    joints[:, 0] = root
    for e, (parent, child) in enumerate(BONES):
        joints[:, child] = joints[:, parent] + directions[:, e] * lengths[e]
    return joints


def normalise(x: Array) -> Array:
    """Vectors (..., 3) scaled to length 1; those of no length stay so."""
    return x / np.maximum(np.linalg.norm(x, axis=-1, keepdims=True), 1e-9)


def bone_directions(joints: Array) -> Array:
    """Unit directions (..., 16, 3) of the bones of joints (..., 17, 3)."""
    children = np.arange(1, NUM_JOINTS)
    return normalise(joints[..., children, :] - joints[..., np.array(PARENTS[1:]), :])


def rotate_z(vectors: Array, angle: Array) -> Array:
    """Vectors (F, N, 3) turned about the vertical by angles (F,), anticlockwise seen from above."""
    c, s = np.cos(angle)[:, None], np.sin(angle)[:, None]
    x, y, z = vectors[..., 0], vectors[..., 1], vectors[..., 2]
    return np.stack([c * x - s * y, s * x + c * y, z], axis=-1)


def mirror_directions(directions: Array) -> Array:
    """Left and right exchanged, body frame, (..., 16, 3)."""
    return directions[..., _MIRROR_BONES, :] * MIRROR_AXES


def _tangents(reference: Array) -> tuple[Array, Array]:
    """Two unit vectors orthogonal to each unit vector of `reference` (E, 3) and to each other."""
    # The axis that a bone is least along, so that the basis is well defined for any bone.
    helper = np.eye(3)[np.abs(reference).argmin(-1)]
    first = normalise(np.cross(helper, reference))
    return first, np.cross(reference, first)


def angles_of(directions: Array, reference: Array) -> Array:
    """Two angles a bone in radians (..., 16, 2): the logarithm map on the sphere at `reference` (16, 3)."""
    first, second = _tangents(reference)
    cosine = np.clip((directions * reference).sum(-1), -1, 1)
    a, b = (directions * first).sum(-1), (directions * second).sum(-1)
    factor = np.arccos(cosine) / np.maximum(np.hypot(a, b), 1e-9)
    return np.stack([a * factor, b * factor], axis=-1)


def directions_of(angles: Array, reference: Array) -> Array:
    """Inverse of `angles_of`: unit directions (..., 16, 3)."""
    first, second = _tangents(reference)
    size = np.linalg.norm(angles, axis=-1, keepdims=True)
    tangent = angles[..., :1] * first + angles[..., 1:] * second
    return np.cos(size) * reference + np.sinc(size / np.pi) * tangent


def fourier_basis(phase: Array, harmonics: int) -> Array:
    """(F, 1 + 2 harmonics): 1, cos and sin of every harmonic of a phase in cycles."""
    n = np.arange(1, harmonics + 1)
    arg = 2 * np.pi * phase[:, None] * n
    return np.concatenate([np.ones((len(phase), 1)), np.cos(arg), np.sin(arg)], axis=1)


def cosine_basis(phase: Array, terms: int) -> Array:
    """(F, terms): the half-range cosine series on [0, 1]; its slope is 0 at both ends, so a motion eases in and out."""
    return np.cos(np.pi * np.clip(phase, 0, 1)[:, None] * np.arange(terms))


def ease(u: Array) -> Array:
    """The minimum-jerk step from 0 to 1 (Flash and Hogan 1985)."""
    u = np.clip(u, 0, 1)
    return u**3 * (10 - 15 * u + 6 * u**2)


def smooth_noise(rng: np.random.Generator, frames: int, channels: int, sigma: float) -> Array:
    """Gaussian noise (F, channels) of unit variance with a correlation length of about `sigma` frames."""
    pad = int(4 * sigma) + 1
    noise = gaussian_filter1d(rng.normal(size=(frames + 2 * pad, channels)), sigma, axis=0)[pad : pad + frames]
    # The variance of white noise after a Gaussian filter is 1 / (2 sigma sqrt(pi)).
    return noise * np.sqrt(2 * sigma * np.sqrt(np.pi))


def _smooth_cap(value: Array, limit: float, softness: float) -> Array:
    """`value` where it is well below `limit`, bending smoothly so that it never passes it."""
    excess = (value - limit + softness) / softness
    return np.where(excess <= 0, value, limit - softness + softness * (1 - np.exp(-np.maximum(excess, 0))))


def _solve_leg(hip: Array, ankle: Array, knee_hint: Array, thigh: float, shank: float) -> tuple[Array, Array]:
    """Two-bone inverse kinematics: directions of thigh and shank (F, 3) that bring the ankle to its target.

    The knee stays in the plane that `knee_hint` (F, 3, a direction) spans with the line from hip to ankle.
    """
    line = ankle - hip
    reach = np.linalg.norm(line, axis=-1, keepdims=True)
    axis = line / np.maximum(reach, 1e-9)
    distance = np.clip(reach, abs(thigh - shank) + 1e-3, None)
    distance = _smooth_cap(distance, 0.9995 * (thigh + shank), 0.003 * (thigh + shank))
    pole = normalise(knee_hint - (knee_hint * axis).sum(-1, keepdims=True) * axis)
    cosine = np.clip((thigh**2 + distance**2 - shank**2) / (2 * thigh * distance), -1, 1)
    knee = thigh * (cosine * axis + np.sqrt(1 - cosine**2) * pole)
    return normalise(knee), normalise(axis * distance - knee)


def unlock_elbows(directions: Array) -> Array:
    """Directions (F, 16, 3), body frame, without elbows that bend backwards, as sums of components may have.

    A hanging arm's forearm is brought forward of the upper arm, softly; a raised arm is left alone.
    """
    out = directions.copy()
    across = directions[:, 10] - directions[:, 13]
    forward = normalise(np.cross(across, np.array([0.0, 0.0, 1.0])))
    for upper, fore in ((11, 12), (14, 15)):
        arm = directions[:, upper]
        front = normalise(forward - (forward * arm).sum(-1, keepdims=True) * arm)
        bend = (directions[:, fore] * front).sum(-1)
        allowed = -_smooth_cap(-bend, 0.0, 0.12)
        hanging = ease((-arm[:, 2] - 0.4) / 0.4)
        out[:, fore] = normalise(directions[:, fore] + ((allowed - bend) * hanging)[:, None] * front)
    return out


def plant(position: Array, contact: Array, height: float, fps: float) -> Array:
    """Target (F, 3) of an ankle: fixed at one spot of the floor within every run of `contact` (F,) bool.

    Between two runs the correction moves from one spot's to the next's with matching speeds at both ends,
    so that a foot leaves and meets the floor without a jerk.
    """
    frames = len(position)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], contact.astype(int), [0]])))
    runs = [(a, b - 1) for a, b in zip(edges[::2], edges[1::2], strict=True) if b - a >= 2]
    target = position.copy()
    if runs:
        knots, values = [], []
        for start, stop in runs:
            middle = position[start : stop + 1]
            spot = np.array([*middle.mean(0)[:2], height])
            for t in range(start, stop + 1):
                knots.append(t)
                values.append(spot - position[t])
        if knots[0] > 0:
            knots.insert(0, 0)
            values.insert(0, values[0] * [0.5, 0.5, 1])
        if knots[-1] < frames - 1:
            knots.append(frames - 1)
            values.append(values[-1] * [0.5, 0.5, 1])
        if len(knots) > 1:
            target = position + PchipInterpolator(knots, np.array(values), axis=0)(np.arange(frames))
        else:
            target = position + values[0]
    free = target[:, 2] - height
    # A swinging foot may come close to the floor, never below it.
    free = np.where(contact, 0.0, np.where(free > 0.03, free, 0.03 * np.exp(free / 0.03 - 1)))
    target[:, 2] = height + np.maximum(gaussian_filter1d(free, 0.02 * fps), 0.0)
    return target


def stand_on_feet(
    directions: Array, root: Array, body: Body, targets: tuple[Array, Array], forward: Array, straight: float = STRAIGHT
) -> Array:
    """Joints whose ankles are at their targets; the root is lowered where a leg is too short.

    Args:
        directions: (F, 16, 3) unit vectors of the bones, world frame.
        root: (F, 3) metres.
        body: bone lengths.
        targets: right and left ankle, (F, 3) metres each.
        forward: (F, 3) direction in which knees point.
        straight: largest distance from hip to ankle, as a share of the leg's length.

    Returns:
        (F, 17, 3) metres, z up.
    """
    lengths = body.lengths
    leg = body.leg
    hips = [root + directions[:, e] * lengths[e] for e in (0, 3)]
    need = np.zeros(len(root))
    for hip, target in zip(hips, targets, strict=True):
        gap = target - hip
        flat = np.linalg.norm(gap[:, :2], axis=-1)
        reach = np.sqrt(np.maximum((straight * leg) ** 2 - flat**2, 1e-6))
        need = np.maximum(need, -gap[:, 2] - reach)
    # Widen before smoothing, so that the smoothed drop still covers the need.
    drop = gaussian_filter1d(maximum_filter1d(need, 7), 2.5)
    root = root - drop[:, None] * np.array([0, 0, 1.0])
    out = directions.copy()
    left = np.stack([-forward[:, 1], forward[:, 0], np.zeros(len(root))], axis=1)
    for e, target in zip((0, 3), targets, strict=True):
        hip = root + directions[:, e] * lengths[e]
        # The knee of the series, and a little of the leg's own front (up, when the leg is raised) for legs that are
        # almost straight.
        bend = directions[:, e + 1] - directions[:, e + 2]
        hint = bend + 0.25 * np.cross(normalise(target - hip), left)
        out[:, e + 1], out[:, e + 2] = _solve_leg(hip, target, hint, lengths[e + 1], lengths[e + 2])
    return forward_kinematics(out, root, lengths)
