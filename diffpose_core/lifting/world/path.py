"""The hip's path through the world: what the picture says, made to fit standing feet, the floor and a body's inertia.

All terms are squares of linear functions of the path, so that it has a closed form: one banded system for the clip.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_AXES = 3
#: Upper diagonals of the system: three frames share an acceleration.
_BAND = 3 * _AXES - 1


@dataclass(frozen=True)
class PathTrust:
    """Spreads of what the path is fitted to.

    Attributes:
        across: of the hip's place across its viewing ray, by its distance.
        along: the same along the ray.
        acceleration_m_s2: of the hip.
        slip_m: of a standing ankle, from one frame to the next.
        floor_m: of a standing ankle's height.
    """

    across: float = 0.003
    along: float = 0.02
    acceleration_m_s2: float = 3.0
    slip_m: float = 0.005
    floor_m: float = 0.02


def fit_path(
    seen: np.ndarray,
    ankles: np.ndarray,
    standing: np.ndarray,
    level: float,
    fps: float,
    trust: PathTrust,
) -> np.ndarray:
    """The path of the hip.

    Args:
        seen: (F, 3) metres, the hip's place in each picture; world axes, the camera at the origin.
        ankles: (F, 2, 3) metres, relative to the hip, world axes.
        standing: (F, 2) bool.
        level: z of a standing ankle, metres.
        fps: frames a second.
        trust: how far everything may be off.

    Returns:
        (F, 3) metres.
    """
    from scipy.linalg import solveh_banded

    system = _System(len(seen))
    distance = np.linalg.norm(seen, axis=-1)
    rays = seen / np.maximum(distance, 1e-9)[:, None]
    along = rays[:, :, None] * rays[:, None]
    weight = along / np.square(trust.along * distance)[:, None, None]
    weight += (np.eye(_AXES) - along) / np.square(trust.across * distance)[:, None, None]
    system.add_block(weight, np.einsum("fij,fj->fi", weight, seen))
    if len(seen) >= 3:
        system.add_difference((1.0, -2.0, 1.0), np.full(len(seen) - 2, (fps**2 / trust.acceleration_m_s2) ** 2))
    for foot in range(ankles.shape[1]):
        down = standing[:, foot].astype(np.float64)
        upright = np.zeros((len(seen), _AXES, _AXES))
        upright[:, 2, 2] = down / trust.floor_m**2
        goal = np.zeros_like(seen)
        goal[:, 2] = upright[:, 2, 2] * (level - ankles[:, foot, 2])
        system.add_block(upright, goal)
        both = down[1:] * down[:-1] / trust.slip_m**2
        system.add_difference((-1.0, 1.0), both, -np.diff(ankles[:, foot], axis=0))
    return np.asarray(solveh_banded(system.bands, system.right.ravel(), check_finite=False)).reshape(-1, _AXES)


class _System:
    """Normal equations of a path, upper bands as `scipy.linalg.solveh_banded` takes them."""

    def __init__(self, frames: int) -> None:
        self.bands = np.zeros((_BAND + 1, frames * _AXES))
        self.right = np.zeros((frames, _AXES))

    def add_block(self, matrix: np.ndarray, right: np.ndarray) -> None:
        """Add terms of single frames. matrix: (F, 3, 3), right: (F, 3)."""
        for row in range(_AXES):
            for column in range(row, _AXES):
                self.bands[_BAND + row - column, column::_AXES] += matrix[:, row, column]
        self.right += right

    def add_difference(self, factors: tuple[float, ...], weight: np.ndarray, goal: np.ndarray | None = None) -> None:
        """Add weight * |sum of factors[i] * path[t + i] - goal[t]|^2 for every t.

        Args:
            factors: of frames in a row.
            weight: (T,).
            goal: (T, 3), 0 by default.
        """
        count = len(weight)
        for first, one in enumerate(factors):
            for second in range(first, len(factors)):
                for axis in range(_AXES):
                    columns = slice(second * _AXES + axis, (second + count) * _AXES, _AXES)
                    self.bands[_BAND - (second - first) * _AXES, columns] += one * factors[second] * weight
            if goal is not None:
                self.right[first : first + count] += one * weight[:, None] * goal
