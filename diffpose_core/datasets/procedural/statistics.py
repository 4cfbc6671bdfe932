"""Coefficients of the procedural motion: statistics over many clips of the training split.

    python -m diffpose_core.datasets.procedural.statistics mocap17_train.npz -o coefficients.json

Every clip (and its mirror image) of an action becomes one vector of series coefficients; the file keeps the
mean of the vectors and a few principal components, never a clip. See `motion` for the model.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from scipy.interpolate import PchipInterpolator
from scipy.ndimage import gaussian_filter1d
from scipy.signal import find_peaks

from diffpose_core.datasets.procedural.kinematics import (
    MIRROR_AXES,
    angles_of,
    bone_directions,
    cosine_basis,
    fourier_basis,
    normalise,
    rotate_z,
)
from diffpose_core.datasets.procedural.series import COSINES, EVENT_PHASES, HARMONICS, MIN_CLIPS, UNIT
from diffpose_core.skeleton import MIRROR
from diffpose_core.structures import InvalidInput

Array = np.ndarray
_SAMPLES = 64  # phase samples that every cycle or one-shot clip is resampled to


@dataclass(frozen=True)
class _Sample:
    """One clip on the phase grid.

    Attributes:
        directions: (S, 16, 3) unit vectors.
        channels: (S, R) of the root.
        scalars: event times, periods and the like.
    """

    directions: Array
    channels: Array
    scalars: dict[str, float]


@dataclass(frozen=True)
class _Clips:
    """The clips of a Mocap-17 file, read one at a time."""

    arrays: dict[str, Array]

    def of(self, actions: Sequence[str], source: str = "") -> Iterator[tuple[str, Array]]:
        """(action, joints_world (F, 17, 3) metres) of every clip of these actions."""
        a = self.arrays
        for c in np.flatnonzero(np.isin(a["action"], actions)):
            if source and not str(a["source"][c]).startswith(source):
                continue
            s, e = int(a["start"][c]), int(a["start"][c + 1])
            # The clips of cmu-8-actions begin with a calibration pose that is no part of the motion.
            s += 2 if a["source"][c] == "cmu-8-actions" else 0
            joints = np.zeros((e - s, 17, 3))
            joints[:, 1:] = a["joints"][s:e] * 1e-4
            yield str(a["action"][c]), joints + a["root"][s:e, None]


def _mirrored(joints: Array) -> Array:
    return joints[:, list(MIRROR)] * MIRROR_AXES


def _facing(joints: Array) -> Array:
    """Heading of the pelvis (F,), radians, unwrapped: at right angles to the line between the hips."""
    left = joints[:, 4] - joints[:, 1]
    return np.unwrap(np.arctan2(-left[:, 0], left[:, 1]))


def _leg(joints: Array) -> float:
    """Length of a straight leg, metres."""
    bones = np.linalg.norm(joints[:, [2, 3, 5, 6]] - joints[:, [1, 2, 4, 5]], axis=-1).mean(0)
    return float(bones.sum() / 2)


def _gait_clip(joints: Array, fps: float) -> _Sample | None:
    """The mean cycle of a straight walk or run, phase 0 where the right foot is farthest in front."""
    if len(joints) < 20:
        return None
    leg = _leg(joints)
    facing = _facing(joints)
    heading = gaussian_filter1d(facing, 0.4 * fps, mode="nearest")
    body = rotate_z(joints - joints[:, :1], -heading)
    apart = gaussian_filter1d(body[:, 3, 0] - body[:, 6, 0], 1.0)
    peaks = find_peaks(apart, height=0.35 * leg, distance=int(0.4 * fps), prominence=0.4 * leg)[0]
    velocity = np.gradient(gaussian_filter1d(joints[:, 0, :2], 1.0, axis=0), axis=0) * fps
    forward = velocity[:, 0] * np.cos(heading) + velocity[:, 1] * np.sin(heading)
    foot_speed = np.linalg.norm(np.gradient(joints[:, 3, :2], axis=0), axis=-1) * fps
    directions = bone_directions(body)
    cycles, channels, flats, periods = [], [], [], []
    for a, b in pairwise(peaks):
        if not 0.45 * fps <= b - a <= 1.8 * fps or abs(heading[b] - heading[a]) > np.radians(20):
            continue
        at = a + (b - a) * np.arange(_SAMPLES) / _SAMPLES
        t = np.arange(a, b + 1)
        cycles.append(np.stack([[np.interp(at, t, directions[a : b + 1, e, i]) for i in range(3)] for e in range(16)]))
        path = joints[a : b + 1, 0]
        mean = float(heading[a : b + 1].mean())
        along = rotate_z((path - path[0])[:, None], np.full(len(path), -mean))[:, 0]
        # The rest of the root's path after a straight, steady advance from cycle start to cycle end.
        along[:, :2] -= np.linspace(0, 1, len(path))[:, None] * along[-1, :2]
        along[:, 2] = path[:, 2] - path[:, 2].mean()
        along[:, :2] -= along[:, :2].mean(0)
        channels.append(np.stack([np.interp(at, t, along[:, i]) for i in range(3)], axis=1) / leg)
        limit = 0.28 * forward[a : b + 1].mean() + 0.05
        flats.append(np.interp(at, t, (foot_speed[a : b + 1] < limit).astype(float)))
        periods.append((b - a) / fps)
    if not cycles:
        return None
    flat = np.mean(flats, axis=0)
    mean_directions = normalise(np.moveaxis(np.mean(cycles, axis=0), 2, 0))
    period = float(np.exp(np.mean(np.log(periods))))
    log_period = np.full((_SAMPLES, 1), np.log(period))
    scalars = {f"flat{n}": float(flat[n]) for n in range(_SAMPLES)}
    return _Sample(mean_directions, np.concatenate([np.mean(channels, axis=0), log_period], axis=1), scalars)


def _shot_clip(joints: Array, signal: Array, fps: float) -> tuple[_Sample, tuple[int, int]] | None:
    """A one-shot clip on its event phases, and the frames of its hold.

    signal (F,): rises from rest, holds and falls back.
    """
    rest = float(np.median(signal[: max(3, len(signal) // 20)]))
    size = float(np.percentile(signal, 90)) - rest
    share = gaussian_filter1d((signal - rest) / max(size, 1e-6), 1.5)
    high = np.flatnonzero(share > 0.85)
    if len(high) < 3:
        return None
    reached, leaving = int(high[0]), int(high[-1])
    low_before = np.flatnonzero(share[:reached] < 0.08)
    low_after = np.flatnonzero(share[leaving:] < 0.12)
    if len(low_before) == 0 or len(low_after) == 0 or leaving - reached < 6:
        return None
    onset, back = int(low_before[-1]), leaving + int(low_after[0])
    last = len(joints) - 1
    if onset < 2 or back > last - 2:
        return None
    leg = _leg(joints)
    heading = np.full(len(joints), float(np.median(_facing(joints)[: onset + 1])))
    origin = joints[:, [3, 6]].mean(1)
    origin[:, 2] = 0
    # Feet stand still in these clips up to small steps, so the root is told from where they are.
    body = rotate_z(joints - origin[:, None], -heading)
    directions = bone_directions(body)
    # Only a short rest before and after: clips differ in how long they idle.
    first, end = max(0, onset - round(0.5 * fps)), min(last, back + round(0.5 * fps))
    frames = PchipInterpolator(EVENT_PHASES, [first, onset, reached, leaving, back, end])
    at = frames(np.linspace(0, 1, _SAMPLES))
    t = np.arange(len(joints))
    resampled = np.stack([[np.interp(at, t, directions[:, e, i]) for i in range(3)] for e in range(16)])
    root = np.stack([np.interp(at, t, body[:, 0, i]) for i in range(3)], axis=1) / leg
    scalars = {
        "log_rise": float(np.log((reached - onset) / fps)),
        "log_fall": float(np.log((back - leaving) / fps)),
    }
    return _Sample(normalise(np.moveaxis(resampled, 2, 0)), root, scalars), (reached, leaving)


def _hold_flat(sample: _Sample) -> _Sample:
    """The sample with the motion during its hold replaced by the hold's mean (the waving is a series of its own)."""
    phase = np.linspace(0, 1, _SAMPLES)
    inside = (phase >= EVENT_PHASES[2]) & (phase <= EVENT_PHASES[3])
    mean = normalise(sample.directions[inside].mean(0))
    weight = gaussian_filter1d(inside.astype(float), 2.0)[:, None, None]
    return _Sample(normalise(sample.directions * (1 - weight) + mean * weight), sample.channels, sample.scalars)


def _swing_clip(joints: Array, hold: tuple[int, int], fps: float) -> tuple[Array, float] | None:
    """The mean waving cycle of the right hand, directions (S, 16, 3), and its period in seconds."""
    a, b = hold
    if b - a < fps:
        return None
    heading = np.full(len(joints), float(np.median(_facing(joints)[a : b + 1])))
    directions = bone_directions(rotate_z(joints - joints[:, :1], -heading))[a : b + 1]
    side = gaussian_filter1d(directions[:, 15, 1], 1.0)
    side = side - gaussian_filter1d(side, 0.6 * fps)
    peaks = find_peaks(side, prominence=0.25, distance=int(0.2 * fps))[0]
    cycles, periods = [], []
    for p, q in pairwise(peaks):
        if not 0.2 * fps <= q - p <= 1.4 * fps:
            continue
        at = p + (q - p) * np.arange(_SAMPLES) / _SAMPLES
        t = np.arange(p, q + 1)
        cycles.append(np.stack([[np.interp(at, t, directions[p : q + 1, e, i]) for i in range(3)] for e in range(16)]))
        periods.append((q - p) / fps)
    if len(cycles) < 2:
        return None
    return normalise(np.moveaxis(np.mean(cycles, axis=0), 2, 0)), float(np.exp(np.mean(np.log(periods))))


def _turn_scalars(joints: Array, fps: float) -> dict[str, float] | None:
    """Angle (radians), duration and slowest pace of the largest turn of a clip."""
    heading = gaussian_filter1d(_facing(joints), 0.25 * fps, mode="nearest")
    rate = np.gradient(heading) * fps
    angle = heading[-1] - heading[0]
    if abs(angle) < np.radians(40):
        return None
    share = (heading - heading[0]) / angle
    first, last = int(np.argmax(share > 0.1)), int(np.argmax(share > 0.9))
    speed = np.linalg.norm(np.gradient(gaussian_filter1d(joints[:, 0, :2], 0.15 * fps, axis=0), axis=0), axis=-1)
    steady = np.abs(rate) < 0.3
    if last - first < 5 or steady.sum() < 10:
        return None
    # A minimum-jerk turn covers the middle 80 % of its angle in 0.45 of its duration.
    pace = float(speed[first : last + 1].mean() / np.percentile(speed[steady], 75))
    return {"angle": abs(float(angle)), "seconds": (last - first) / fps / 0.45, "pace": pace}


def _spread_of(scalars: Sequence[dict[str, float]]) -> dict[str, list[float]]:
    names = [name for name in scalars[0] if not name.startswith("flat")]
    columns = {name: np.array([s[name] for s in scalars]) for name in names}
    return {name: [round(float(np.mean(v)), 4), round(float(np.std(v)), 4)] for name, v in columns.items()}


def _family(vectors: Array, reference: Array, num_basis: int, components: int, clips: int) -> dict[str, Any]:
    """Mean and principal components (scaled to one standard deviation) of vectors (N, D), as stored."""
    if clips < MIN_CLIPS:
        raise InvalidInput(f"a statistic needs at least {MIN_CLIPS} clips, found {clips}")
    mean = vectors.mean(0)
    _, s, vt = np.linalg.svd(vectors - mean, full_matrices=False)
    kept = min(components, clips // 3)
    scaled = vt[:kept] * s[:kept, None] / np.sqrt(len(vectors))
    share = float((s[:kept] ** 2).sum() / (s**2).sum())
    return {
        "clips": clips,
        "variance_kept": round(share, 3),
        "num_basis": num_basis,
        "reference": np.round(reference / UNIT).astype(int).tolist(),
        "mean": np.round(mean / UNIT).astype(int).tolist(),
        "components": np.round(scaled / UNIT).astype(int).tolist(),
        "scalars": {},
    }


def _series(samples: Sequence[_Sample], basis: Array, components: int, clips: int) -> dict[str, Any]:
    directions = np.stack([s.directions for s in samples])
    reference = normalise(directions.mean((0, 1)))
    angles = angles_of(directions, reference).reshape(len(samples), _SAMPLES, -1)
    values = np.concatenate([angles, np.stack([s.channels for s in samples])], axis=2)
    # Channels first, then basis functions: the order in which `series` evaluates them.
    coefficients = np.einsum("ks,nsc->nck", np.linalg.pinv(basis), values)
    return _family(coefficients.reshape(len(samples), -1), reference, basis.shape[1], components, clips)


def _without_outliers(samples: list[_Sample]) -> list[_Sample]:
    """Samples whose directions lie within the nearest 90 % of the median: mistimed events make strange averages."""
    directions = np.stack([s.directions for s in samples])
    middle = normalise(np.median(directions, axis=0))
    distance = np.linalg.norm(directions - middle, axis=-1).mean((1, 2))
    limit = np.quantile(distance, 0.9)
    return [s for s, d in zip(samples, distance, strict=True) if d <= limit]


def _gait_family(clips: _Clips, name: str, actions: Sequence[str], fps: float) -> dict[str, Any]:
    """Walk or run: one cycle of every clip and of its mirror image, and when a foot stands in it."""
    found = [s for _, j in clips.of(actions) if (s := _gait_clip(j, fps))]
    mirrored = [s for _, j in clips.of(actions) if (s := _gait_clip(_mirrored(j), fps))]
    phase = np.arange(_SAMPLES) / _SAMPLES
    kept = _without_outliers(found) + _without_outliers(mirrored)
    family = _series(kept, fourier_basis(phase, HARMONICS[name]), 8, len(kept) // 2)
    flat = np.array([[s.scalars[f"flat{n}"] for n in range(_SAMPLES)] for s in kept]).mean(0)
    on = flat > 0.5 * flat.max()
    middle = int(flat.argmax())
    before = next(n for n in range(_SAMPLES) if not on[(middle - n) % _SAMPLES])
    after = next(n for n in range(_SAMPLES) if not on[(middle + n) % _SAMPLES])
    family["scalars"] = {
        "stance_start": [round((middle - before + 1) / _SAMPLES, 4), 0.0],
        "stance_stop": [round((middle + after - 1) / _SAMPLES, 4), 0.0],
    }
    return family


def _wave_families(clips: _Clips, fps: float) -> dict[str, dict[str, Any]]:
    """The raised arm ("wave") and its swing ("wave-swing")."""
    waves: list[_Sample] = []
    swings: list[Array] = []
    periods: list[dict[str, float]] = []
    for action, joints in clips.of(["wave-right-hand", "wave-left-hand"]):
        right = joints if action == "wave-right-hand" else _mirrored(joints)
        shot = _shot_clip(right, right[:, 16, 2] - right[:, 14, 2], fps)
        if shot is None:
            continue
        waves.append(_hold_flat(shot[0]))
        swing = _swing_clip(right, shot[1], fps)
        if swing is not None:
            swings.append(swing[0])
            periods.append({"log_period": float(np.log(swing[1]))})
    waves = _without_outliers(waves)
    wave = _series(waves, cosine_basis(np.linspace(0, 1, _SAMPLES), COSINES["wave"]), 8, len(waves))
    wave["scalars"] = _spread_of([s.scalars for s in waves])

    reference = normalise(np.stack(swings).mean((0, 1)))
    angles = angles_of(np.stack(swings), reference).reshape(len(swings), _SAMPLES, -1)
    basis = fourier_basis(np.arange(_SAMPLES) / _SAMPLES, HARMONICS["wave-swing"])
    coefficients = np.einsum("ks,nsc->nck", np.linalg.pinv(basis), angles)
    # Only the swing about the raised posture, which "wave" holds.
    coefficients[..., 0] = 0
    swung = _family(coefficients.reshape(len(swings), -1), reference, basis.shape[1], 5, len(swings))
    swung["scalars"] = _spread_of(periods)
    return {"wave": wave, "wave-swing": swung}


def _bow_family(clips: _Clips, fps: float) -> dict[str, Any]:
    bows = []
    for _, joints in clips.of(["bow"]):
        for each in (joints, _mirrored(joints)):
            trunk = bone_directions(each)[:, 7]
            shot = _shot_clip(each, np.arccos(np.clip(trunk[:, 2], -1, 1)), fps)
            if shot is not None:
                bows.append(shot[0])
    family = _series(bows, cosine_basis(np.linspace(0, 1, _SAMPLES), COSINES["bow"]), 4, len(bows) // 2)
    family["scalars"] = _spread_of([s.scalars for s in bows])
    return family


def _stand_family(clips: _Clips, fps: float) -> dict[str, Any]:
    """The posture before a wave, of clips that begin still."""
    stands = []
    for _, joints in clips.of(["wave-right-hand", "wave-left-hand", "wave-both-hands"]):
        for each in (joints, _mirrored(joints)):
            still = np.abs(np.gradient(each[:5], axis=0)).max() * fps
            if still < 0.5:
                heading = np.full(5, float(np.median(_facing(each[:5]))))
                pose = normalise(bone_directions(rotate_z(each[:5] - each[:5, :1], -heading)).mean(0))
                stands.append(_Sample(np.repeat(pose[None], _SAMPLES, 0), np.zeros((_SAMPLES, 0)), {}))
    return _series(stands, np.ones((_SAMPLES, 1)), 6, len(stands) // 2)


def _turn_family(clips: _Clips, fps: float) -> dict[str, Any]:
    turns = [t for _, j in clips.of(["walk-turn-left", "walk-turn-right"]) if (t := _turn_scalars(j, fps))]
    empty: dict[str, Any] = {"num_basis": 0, "reference": [], "mean": [], "components": []}
    return {"clips": len(turns), **empty, "scalars": _spread_of(turns)}


def estimate(path: str | Path) -> dict[str, Any]:
    """Estimate the coefficient file's content from a Mocap-17 training file.

    Raises:
        InvalidInput: too few clips of an action.
    """
    with np.load(path, allow_pickle=False) as data:
        clips = _Clips({key: data[key] for key in data.files})
    fps = float(clips.arrays["fps"][0])
    families = {
        "walk": _gait_family(clips, "walk", ["walk", "walking"], fps),
        "run": _gait_family(clips, "run", ["run", "dash", "running"], fps),
        **_wave_families(clips, fps),
        "bow": _bow_family(clips, fps),
        "stand": _stand_family(clips, fps),
        "turn": _turn_family(clips, fps),
    }
    return {
        "format": "diffpose-procedural-coefficients-1",
        "provenance": {
            "data": Path(path).name,
            "command": "python -m diffpose_core.datasets.procedural.statistics mocap17_train.npz",
            "what": "Means and principal components of joint-angle series over many clips of the training split, "
            "pooled over people and styles and over mirror images. Units of 1e-4 rad, leg lengths or log seconds. "
            "No clip can be rebuilt from it.",
            "sources": "Bandai-Namco-Research-Motiondataset 1 and 2 (CC BY-NC 4.0, arXiv 2306.08861); CMU Graphics Lab "
            "Motion Capture Database (mocap.cs.cmu.edu, funded by NSF EIA-0196217).",
        },
        "families": families,
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Estimate the coefficients and write them as JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("data", type=Path, help="mocap17_train.npz")
    parser.add_argument("-o", "--output", type=Path, default=Path(__file__).with_name("coefficients.json"))
    options = parser.parse_args(arguments)
    content = estimate(options.data)
    text = json.dumps(content, separators=(",", ":"))
    options.output.write_text(text + "\n", encoding="utf-8")
    for name, family in content["families"].items():
        print(f"{name}: {family['clips']} clips, variance kept {family.get('variance_kept')}, {family['scalars']}")
    print(f"{len(text) / 1024:.0f} kB -> {options.output}")


if __name__ == "__main__":
    main()
