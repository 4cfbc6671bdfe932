"""Frames in which a foot stands: found by the ankle's speed and its height above the floor."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

#: Right and left ankle.
ANKLES = (3, 6)
#: Standard deviation, seconds, of the Gaussian that ankles are smoothed with before their speed is taken.
_SMOOTHING_S = 0.05


@dataclass(frozen=True)
class ContactRule:
    """Limits below which a foot stands.

    Attributes:
        surely_m_s: a foot stands where its ankle gets slower than this ...
        still_m_s: ... and as long as it stays slower than this.
        by_hip: share of the hip's speed that is added to both: who runs stands for moments only.
        low_m: its ankle is at most this much higher than that of a standing foot.
        shortest_s: shorter contacts are none.
        drift_m: a contact ends where its ankle has moved this far.
    """

    surely_m_s: float = 0.4
    still_m_s: float = 0.8
    by_hip: float = 0.1
    low_m: float = 0.08
    shortest_s: float = 0.1
    drift_m: float = 0.12


def speeds_of(joints: np.ndarray, fps: float, rays: np.ndarray | None = None) -> np.ndarray:
    """Speeds of joints.

    Args:
        joints: (F, N, 3) metres.
        fps: frames a second.
        rays: (F, 3) unit vectors along which positions are too noisy to count; None where all directions count.

    Returns:
        (F, N) metres a second.
    """
    from scipy.ndimage import gaussian_filter1d

    if len(joints) < 2:
        return np.zeros(joints.shape[:2])
    velocity = gaussian_filter1d(joints, _SMOOTHING_S * fps, axis=0, order=1, mode="nearest") * fps
    if rays is not None:
        velocity = velocity - (velocity * rays[:, None]).sum(-1, keepdims=True) * rays[:, None]
    return np.asarray(np.linalg.norm(velocity, axis=-1))


def find_contacts(speeds: np.ndarray, heights: np.ndarray, fps: float, rule: ContactRule) -> np.ndarray:
    """Frames in which each foot stands, (F, 2) bool.

    Args:
        speeds: (F, 2) metres a second, less what the hip's speed adds to the limits.
        heights: (F, 2) metres, of the ankles above that of a standing foot.
        fps: frames a second.
        rule: the limits.
    """
    from scipy.ndimage import label

    possible = (speeds < rule.still_m_s) & (heights < rule.low_m)
    sure = possible & (speeds < rule.surely_m_s)
    found = np.zeros_like(possible)
    for foot in range(possible.shape[1]):
        runs, count = label(possible[:, foot])
        lengths = np.bincount(runs, minlength=count + 1)
        with_sure = np.bincount(runs, weights=sure[:, foot], minlength=count + 1) > 0
        keep = with_sure & (lengths >= min(rule.shortest_s * fps, len(possible)))
        keep[0] = False
        found[:, foot] = keep[runs]
    return found


def runs_of(standing: np.ndarray, ankle: np.ndarray, drift_m: float) -> list[slice]:
    """Stretches of frames in which one foot keeps its place.

    Args:
        standing: (F,) bool.
        ankle: (F, 3) metres.
        drift_m: a stretch is cut where the ankle has moved this far from where it began.
    """
    edges = np.flatnonzero(np.diff(np.concatenate(([False], standing, [False])).astype(np.int8)))
    found = []
    for begin, end in edges.reshape(-1, 2):
        while begin < end:
            moved = np.linalg.norm(ankle[begin:end, :2] - ankle[begin, :2], axis=-1) > drift_m
            cut = begin + int(moved.argmax()) if moved.any() else end
            found.append(slice(int(begin), int(cut)))
            begin = cut
    return found
