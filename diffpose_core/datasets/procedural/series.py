"""Walk, run, turn, wave and bow: procedural motion whose coefficients are statistics of many clips.

`motion` describes the model; `statistics` makes the coefficients.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources

import numpy as np
from scipy.interpolate import PchipInterpolator
from scipy.ndimage import gaussian_filter1d

from diffpose_core.datasets.procedural.kinematics import (
    MIRROR_AXES,
    NUM_BONES,
    STRAIGHT,
    Array,
    Body,
    angles_of,
    cosine_basis,
    directions_of,
    ease,
    forward_kinematics,
    fourier_basis,
    mirror_directions,
    normalise,
    plant,
    rotate_z,
    smooth_noise,
    stand_on_feet,
    unlock_elbows,
)
from diffpose_core.skeleton import BONES

COEFFICIENTS = "coefficients.json"
MIN_CLIPS = 5
HARMONICS = {"walk": 5, "run": 5, "wave-swing": 3}
COSINES = {"wave": 18, "bow": 16}
UNIT = 1e-4  # coefficients are stored as integers of this many radians, leg lengths or log seconds
#: Seconds that one gait cycle (two steps) may take.
_PERIODS = {"walk": (0.85, 1.7), "run": (0.5, 0.95)}
#: Bones above the pelvis, arms included. Bone e ends at joint e + 1.
_UPPER = np.array([child - 1 for _, child in BONES if child >= 7])


@dataclass(frozen=True)
class Family:
    """The distribution of one action's coefficient vectors.

    Attributes:
        reference: (16, 3) mean bone directions.
        mean: (N,).
        components: (P, N) principal components, one standard deviation long.
        num_basis: functions of the series.
        scalars: mean and standard deviation of an event time, a period and the like.
    """

    reference: Array
    mean: Array
    components: Array
    num_basis: int
    scalars: dict[str, tuple[float, float]]

    def draw(self, rng: np.random.Generator, frames: int, fps: float, spread: float, drift: float) -> Array:
        """Coefficient vectors (F, N): one draw for the clip, and a slow drift of it over time."""
        z = np.clip(rng.normal(size=len(self.components)), -1.8, 1.8) * spread
        slow = smooth_noise(rng, frames, len(z), 1.2 * fps) * drift
        return self.mean + (z + slow) @ self.components

    def scalar(self, name: str, rng: np.random.Generator) -> float:
        """Draw one of the scalars, cut off at 1.8 standard deviations."""
        mean, std = self.scalars[name]
        return mean + std * float(np.clip(rng.normal(), -1.8, 1.8))


@lru_cache(maxsize=1)
def families() -> dict[str, Family]:
    """All families of the coefficient file, by name."""
    text = resources.files("diffpose_core.datasets.procedural").joinpath(COEFFICIENTS).read_text(encoding="utf-8")
    families = {}
    for name, entry in json.loads(text)["families"].items():
        families[name] = Family(
            reference=normalise(np.array(entry["reference"], dtype=float).reshape(-1, 3) * UNIT),
            mean=np.array(entry["mean"]) * UNIT,
            components=np.array(entry["components"]) * UNIT,
            num_basis=int(entry["num_basis"]),
            scalars={key: (float(m), float(s)) for key, (m, s) in entry["scalars"].items()},
        )
    return families


def evaluate(family: Family, coefficients: Array, basis: Array) -> tuple[Array, Array]:
    """Directions (F, 16, 3) and root channels (F, R) of coefficients (F, N) at a basis (F, num_basis)."""
    channels = (coefficients.reshape(len(basis), -1, family.num_basis) * basis[:, None]).sum(-1)
    angles, rest = channels[:, : 2 * NUM_BONES].reshape(-1, NUM_BONES, 2), channels[:, 2 * NUM_BONES :]
    return unlock_elbows(directions_of(angles, family.reference)), rest


def stand_pose(rng: np.random.Generator, frames: int, fps: float) -> Array:
    """A standing posture with its small sway, directions (F, 16, 3), body frame."""
    family = families()["stand"]
    coefficients = family.draw(rng, frames, fps, spread=0.8, drift=0.06)
    local, _ = evaluate(family, coefficients, np.ones((frames, 1)))
    return local


def _heading_path(rng: np.random.Generator, frames: int, fps: float, max_rate: float) -> Array:
    """Heading (F,) in radians of a straight (a third of all draws) or smoothly curved path."""
    start = rng.uniform(-np.pi, np.pi)
    if rng.uniform() < 1 / 3:
        rate = np.zeros(frames)
    else:
        constant = rng.uniform(-max_rate, max_rate)
        wobble = smooth_noise(rng, frames, 1, 1.0 * fps)[:, 0] * 0.25 * max_rate
        rate = np.clip(constant + wobble, -1.3 * max_rate, 1.3 * max_rate)
    return start + np.cumsum(rate) / fps


def _locomotion(
    name: str, rng: np.random.Generator, body: Body, frames: int, fps: float, heading: Array, pace: Array, lead: Array
) -> Array:
    """Joints of a walk or run.

    Args:
        name: "walk" or "run".
        rng: draws the style.
        body: bone lengths.
        frames, fps: of the clip.
        heading: (F,) radians.
        pace: (F,) relative to the drawn one.
        lead: (F,) radians that trunk and head are turned ahead of the pelvis.

    Returns:
        (F, 17, 3) metres, z up.
    """
    family = families()[name]
    coefficients = family.draw(rng, frames, fps, spread=0.85, drift=0.12)
    harmonics = (family.num_basis - 1) // 2
    # The last channel's constant is the log of the cycle's duration, so that a stride and its time go together.
    periods = np.exp(np.clip(coefficients[:, -family.num_basis], *np.log(_PERIODS[name])))
    period = float(periods.mean())
    cadence = pace**0.45 * (1 + 0.02 * smooth_noise(rng, frames, 1, 0.8 * fps)[:, 0]) / periods
    phase = rng.uniform() + np.cumsum(cadence) / fps
    basis = fourier_basis(phase, harmonics)
    # A slower walk takes shorter steps: the swing about the mean posture shrinks with the pace.
    basis[:, 1:] *= (pace**0.55)[:, None]
    local, channels = evaluate(family, coefficients, basis)

    posed = forward_kinematics(local, np.zeros((frames, 3)), body.lengths)
    stance = [_stance(family, phase, side) for side in (0, 1)]
    # Fluctuations of the root about a steady advance, in leg lengths: forward, left, up.
    sway = channels[:, :3] * body.leg
    speed = _advance(posed[:, [3, 6]] + sway[:, None] * np.array([1.0, 1.0, 0]), stance, period, fps)
    step = np.stack([np.cos(heading), np.sin(heading)], axis=1) * speed[:, None] / fps
    root = np.zeros((frames, 3))
    root[:, :2] = np.cumsum(step, axis=0) - step[0]
    # The sway must turn with the heading, so it is added as a displacement, not integrated.
    offset = rotate_z(np.stack([sway[:, 0], sway[:, 1], np.zeros(frames)], -1)[:, None], heading)[:, 0]
    root += offset

    # A lean into the curve (centripetal acceleration over gravity), about the feet.
    turn_rate = gaussian_filter1d(np.gradient(heading) * fps, 0.15 * fps, mode="nearest")
    lean = np.clip(0.8 * np.arctan(speed * turn_rate / 9.81), -0.15, 0.15)
    local = _roll(local, lean)
    local[:, _UPPER] = rotate_z(local[:, _UPPER], lead)
    directions = rotate_z(local, heading)
    posed = forward_kinematics(directions, np.zeros((frames, 3)), body.lengths)
    height = sway[:, 2]
    stand = np.concatenate([(-posed[:, j, 2] - height)[m] for j, m in zip((3, 6), stance, strict=True)])
    root[:, 2] = height + float(np.median(stand)) + body.ankle_height
    joints = forward_kinematics(directions, root, body.lengths)
    targets = (
        plant(joints[:, 3], stance[0], body.ankle_height, fps),
        plant(joints[:, 6], stance[1], body.ankle_height, fps),
    )
    forward = np.stack([np.cos(heading), np.sin(heading), np.zeros(frames)], -1)
    return stand_on_feet(directions, root, body, targets, forward, straight=0.992)


def _advance(ankles: Array, stance: Sequence[Array], period: float, fps: float) -> Array:
    """Speed (F,) of the root, metres a second, under which standing feet slip the least.

    Args:
        ankles: (F, 2, 3) relative to a root that advances steadily, body frame: while a foot stands, they show how
            fast the root must move over it.
        stance: (F,) bool a foot.
        period: of a cycle, seconds; the speed is averaged over about one.
        fps: frames a second.
    """
    slip = np.gradient(ankles[..., 0], axis=0) * fps
    weights = np.stack(stance, axis=1).astype(float)
    width = max(period * fps / 2, 1.0)
    total = gaussian_filter1d(weights.sum(1), width, mode="nearest")
    return -gaussian_filter1d((slip * weights).sum(1), width, mode="nearest") / np.maximum(total, 1e-3)


def _stance(family: Family, phase: Array, side: int) -> Array:
    """Frames (F,) bool in which a foot (0 right, 1 left) stands flat, from the mean window of the phase."""
    start, stop = family.scalars["stance_start"][0], family.scalars["stance_stop"][0]
    local = np.mod(phase - 0.5 * side - start, 1.0)
    return local <= stop - start


def _roll(directions: Array, angle: Array) -> Array:
    """Directions (F, 16, 3) in the body frame, leaned to the left by angles (F,) about the forward axis."""
    c, s = np.cos(angle)[:, None], np.sin(angle)[:, None]
    x, y, z = directions[..., 0], directions[..., 1], directions[..., 2]
    # Anticlockwise about x takes up (z) to the right (-y); a lean to the left is the other way.
    return np.stack([x, c * y + s * z, -s * y + c * z], axis=-1)


def walk(rng: np.random.Generator, body: Body, frames: int, fps: float) -> Array:
    """A walk along a straight or curved path."""
    heading = _heading_path(rng, frames, fps, 0.55)
    return _locomotion("walk", rng, body, frames, fps, heading, *_steady(rng, heading, fps))


def run(rng: np.random.Generator, body: Body, frames: int, fps: float) -> Array:
    """A run along a straight or gently curved path."""
    heading = _heading_path(rng, frames, fps, 0.45)
    return _locomotion("run", rng, body, frames, fps, heading, *_steady(rng, heading, fps))


def _steady(rng: np.random.Generator, heading: Array, fps: float) -> tuple[Array, Array]:
    """A drawn constant pace, and the lead of a person who follows a heading."""
    pace = np.full(len(heading), float(np.exp(np.clip(rng.normal(0, 0.08), -0.15, 0.15))))
    return pace, _look_ahead(heading, 0.25, fps)


def _look_ahead(heading: Array, seconds: float, fps: float) -> Array:
    """Radians (F,) that the heading will turn within `seconds`: head and trunk are turned by so much beforehand."""
    shift = round(seconds * fps)
    later = np.concatenate([heading[shift:], np.full(shift, heading[-1])])[: len(heading)]
    return np.clip(gaussian_filter1d(later - heading, 0.12 * fps, mode="nearest"), -0.3, 0.3)


def turn(rng: np.random.Generator, body: Body, frames: int, fps: float) -> Array:
    """A walk, a turn within a few steps, and a walk on. Angle and time are statistics of real turns."""
    family = families()["turn"]
    time = np.arange(frames) / fps
    seconds = frames / fps
    heading = np.full(frames, rng.uniform(-np.pi, np.pi))
    pace = np.full(frames, float(np.exp(np.clip(rng.normal(0, 0.08), -0.15, 0.15))))
    slow = float(np.clip(family.scalar("pace", rng), 0.45, 0.95))
    turns = max(1, round((seconds - 1.0) / 3.2))
    sign = rng.choice([-1.0, 1.0])
    for i in range(turns):
        # Real turns of the training split are near a right angle; two in one go make a turn back.
        angle = float(np.clip(abs(family.scalar("angle", rng)), 0.8, 2.0)) * (1.7 if rng.uniform() < 0.3 else 1.0)
        took = float(np.clip(family.scalar("seconds", rng), 0.8, 2.0)) * max(1.0, angle / 1.6) ** 0.8
        middle = seconds * (i + 0.5) / turns + rng.uniform(-0.2, 0.2)
        heading = heading + sign * angle * ease((time - middle) / took + 0.5)
        depth = 1 - slow ** max(1.0, angle / 1.6)
        pace = pace * (1 - depth * np.exp(-0.5 * ((time - middle) / (0.42 * took)) ** 2))
        sign = -sign if rng.uniform() < 0.5 else sign
    return _locomotion("walk", rng, body, frames, fps, heading, pace, _look_ahead(heading, 0.3, fps))


def _in_place(
    local: Array,
    sway: Array,
    body: Body,
    rng: np.random.Generator,
    fps: float,
    heading: Array | None = None,
) -> Array:
    """Joints of an action on planted feet: directions (F, 16, 3) and root offsets (F, 3, metres) in the body frame."""
    frames = len(local)
    if heading is None:
        heading = np.full(frames, rng.uniform(-np.pi, np.pi))
    directions = rotate_z(local, heading)
    # People never stand quite still.
    restless = smooth_noise(rng, frames, 2, 0.9 * fps) * 0.006
    offset = sway + np.concatenate([restless, np.zeros((frames, 1))], axis=1)
    root = rotate_z(offset[:, None], heading)[:, 0]
    posed = forward_kinematics(directions, np.zeros((frames, 3)), body.lengths)
    # Retargeted motion capture stands with its knees more bent than people do: half of the height missing
    # to straight legs is added to the root's height.
    first = posed[0]
    spare = np.sqrt(np.maximum((STRAIGHT * body.leg) ** 2 - ((first[[3, 6], :2] - first[[1, 4], :2]) ** 2).sum(-1), 0))
    straight = float((spare - first[[1, 4], 2]).min())
    root[:, 2] += body.ankle_height + 0.5 * (straight - float(first[[3, 6], 2].mean()))
    joints = forward_kinematics(directions, root, body.lengths)
    targets = []
    for j in (3, 6):
        spot = np.array([*joints[0, j, :2], body.ankle_height])
        targets.append(np.repeat(spot[None], frames, axis=0))
    forward = np.stack([np.cos(heading), np.sin(heading), np.zeros(frames)], -1)
    return stand_on_feet(directions, root, body, (targets[0], targets[1]), forward)


def _warp(time: Array, events: Sequence[float], phases: Sequence[float]) -> Array:
    """Phase (F,) in [0, 1] at each time, running through `phases` at the times `events`, without corners."""
    return np.clip(PchipInterpolator(events, phases, extrapolate=False)(np.clip(time, events[0], events[-1])), 0, 1)


#: Phase at which every clip reaches its events: start, onset, reached, leaving, back, end.
EVENT_PHASES = (0.0, 0.1, 0.35, 0.65, 0.9, 1.0)


def _one_shot_times(family: Family, rng: np.random.Generator, seconds: float) -> list[float]:
    """Times of the six events of a one-shot action that lasts `seconds`."""
    rise = float(np.clip(np.exp(family.scalar("log_rise", rng)), 0.35, 2.0))
    fall = float(np.clip(np.exp(family.scalar("log_fall", rng)), 0.35, 2.0))
    rest = rng.uniform(0.08, 0.16) * seconds
    hold = seconds - rise - fall - 2 * rest
    if hold < 0.15 * seconds:  # a short clip: everything a little faster
        squeeze = (0.85 * seconds - 2 * rest) / (rise + fall)
        rise, fall, hold = rise * squeeze, fall * squeeze, 0.15 * seconds
    return list(np.cumsum([0.0, rest, rise, hold, fall, rest]))


def bow(rng: np.random.Generator, body: Body, frames: int, fps: float) -> Array:
    """One bow, or two in a long clip."""
    family = families()["bow"]
    repeats = 1 if frames / fps < 6.5 else 2
    seconds = frames / fps / repeats
    time = np.arange(frames) / fps
    phase = np.zeros(frames)
    for i in range(repeats):
        local_time = time - i * seconds
        inside = (local_time >= 0) & (local_time < seconds)
        phase[inside] = _warp(local_time, _one_shot_times(family, rng, seconds), EVENT_PHASES)[inside]
    coefficients = family.draw(rng, frames, fps, spread=0.6, drift=0.05)
    local, channels = evaluate(family, coefficients, cosine_basis(phase, family.num_basis))
    if repeats > 1:  # the series' two ends are not the same pose: pass from one to the other slowly
        local = normalise(gaussian_filter1d(local, 0.12 * fps, axis=0))
        channels = gaussian_filter1d(channels, 0.12 * fps, axis=0)
    return _in_place(local, _root_offset(channels, body), body, rng, fps)


def _root_offset(channels: Array, body: Body) -> Array:
    """Root channels (F, 3, leg lengths) as metres from where the clip starts."""
    return (channels - channels[0]) * body.leg


def wave(rng: np.random.Generator, body: Body, frames: int, fps: float) -> Array:
    """One hand is raised, waved and lowered."""
    family, swing = families()["wave"], families()["wave-swing"]
    time = np.arange(frames) / fps
    events = _one_shot_times(family, rng, frames / fps)
    phase = _warp(time, events, EVENT_PHASES)
    coefficients = family.draw(rng, frames, fps, spread=0.8, drift=0.08)
    local, channels = evaluate(family, coefficients, cosine_basis(phase, family.num_basis))
    # The waving itself: a cyclic series of its own, added while the hand is up.
    period = float(np.exp(swing.scalar("log_period", rng)))
    rate = (1 + 0.05 * smooth_noise(rng, frames, 1, 0.5 * fps)[:, 0]) / period
    turns = np.cumsum(rate) / fps - events[2] / period
    harmonics = (swing.num_basis - 1) // 2
    basis = fourier_basis(turns, harmonics)
    edge = 0.45 * period
    envelope = ease((time - events[2] + 1.3 * edge) / (2 * edge)) * ease((events[3] + edge - time) / (2 * edge))
    amplitude = envelope * float(np.clip(rng.normal(1.0, 0.15), 0.7, 1.3))
    coefficients = swing.draw(rng, frames, fps, spread=0.8, drift=0.15)
    swings = (coefficients.reshape(frames, -1, swing.num_basis) * basis[:, None]).sum(-1).reshape(frames, NUM_BONES, 2)
    angles = angles_of(local, swing.reference)
    # Angles about the raised arm's direction mean little while the arm hangs (the map's far side), and the
    # envelope is 0 there: only frames with some swing go through the map.
    swung = directions_of(angles + swings * amplitude[:, None, None], swing.reference)
    local = np.where((amplitude > 1e-6)[:, None, None], swung, local)
    if rng.uniform() < 0.5:
        local, channels = mirror_directions(local), channels * MIRROR_AXES
    return _in_place(local, _root_offset(channels, body), body, rng, fps)
