"""A moving skeleton, which every motion file is read into: a tree of joints, their rotations and places."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from scipy.spatial.transform import Rotation

from diffpose_core.structures import InvalidInput

Axis = Literal["x", "y", "z"]

#: No skeleton of a person, its fingers, face and clothes included, has more joints, or hangs deeper.
MAX_JOINTS, MAX_DEPTH = 1000, 200
#: Numbers that a clip may hold (a frame of a CMU clip holds about 100), and its frames: 2.7 hours at 30 fps.
MAX_VALUES, MAX_FRAMES = 20_000_000, 300_000


@dataclass(frozen=True)
class Rig:
    """A moving skeleton of N joints over F frames, in the file's own unit and axes.

    Attributes:
        names: of the joints; the end of a chain without a name of its own is called PARENT_end.
        parents: index of each joint's parent, always smaller than its own; -1 for the root.
        offsets: (N, 3), from the parent at rest, in the parent's frame.
        rotations: joint -> its F rotations relative to its parent; joints that never turn are left out.
        translations: joint -> (F, 3), in place of its offset.
        frames: F.
        fps: frames a second.
        unit_m: metres of the file's unit, None where the format does not define it.
        up: the axis that points up, as is usual in the format.
        notes: assumptions about the file.
    """

    names: tuple[str, ...]
    parents: tuple[int, ...]
    offsets: np.ndarray
    rotations: Mapping[int, Rotation]
    translations: Mapping[int, np.ndarray]
    frames: int
    fps: float
    unit_m: float | None = None
    up: Axis = "y"
    notes: tuple[str, ...] = field(default=())

    def ancestors(self, joint: int) -> list[int]:
        """The joints on the way from a joint up to the root: its parent first."""
        way = []
        while (joint := self.parents[joint]) >= 0:
            way.append(joint)
        return way

    def children(self, joint: int) -> list[int]:
        """The joints that hang from a joint."""
        return [child for child, parent in enumerate(self.parents) if parent == joint]

    def positions(self, joints: Sequence[int]) -> np.ndarray:
        """Places of some joints by forward kinematics, (F, len(joints), 3) float64, in the file's unit and axes."""
        return self.places_and_turns(joints, ())[0]

    def places_and_turns(
        self, joints: Sequence[int], turning: Sequence[int]
    ) -> tuple[np.ndarray, dict[int, Rotation | None]]:
        """Places of some joints and rotations of others by forward kinematics.

        Args:
            joints: those whose places are wanted.
            turning: those whose rotations are wanted.

        Returns:
            Places, (F, len(joints), 3), and joint -> rotations relative to the world, None where it never turns.
        """
        needed = {ancestor for joint in (*joints, *turning) for ancestor in (joint, *self.ancestors(joint))}
        turns: dict[int, Rotation | None] = {-1: None}
        places: dict[int, np.ndarray] = {}
        for joint in sorted(needed):
            parent = self.parents[joint]
            offset = self.translations.get(joint, self.offsets[joint])
            turn, own = turns[parent], self.rotations.get(joint)
            place = offset if turn is None else turn.apply(offset)
            places[joint] = np.broadcast_to(place if parent < 0 else places[parent] + place, (self.frames, 3))
            turns[joint] = own if turn is None else turn if own is None else turn * own
        return np.stack([places[joint] for joint in joints], axis=1), {joint: turns[joint] for joint in turning}


def check_counts(joints: int, frames: int, values_a_frame: int, name: str) -> None:
    """Refuse a clip that is larger than any of a person, before memory is taken for it.

    Raises:
        InvalidInput: too many joints, frames or numbers.
    """
    if joints > MAX_JOINTS:
        raise InvalidInput(f"{name}: a skeleton of more than {MAX_JOINTS} joints")
    if not 1 <= frames <= MAX_FRAMES:
        raise InvalidInput(f"{name}: {frames} frames; expected 1 to {MAX_FRAMES:,}")
    if frames * values_a_frame > MAX_VALUES:
        raise InvalidInput(
            f"{name}: {frames} frames of {values_a_frame} numbers; the limit is {MAX_VALUES:,} in all. "
            "Cut the clip into parts"
        )


def check_fps(fps: float, name: str) -> float:
    """Return a frame rate between 1 and 2000; refuse others.

    Raises:
        InvalidInput: outside of this range.
    """
    if not 1.0 <= fps <= 2000.0:
        raise InvalidInput(f"{name}: {fps:g} frames a second; expected 1 to 2000 (or give --fps)")
    return fps


def check_finite(values: np.ndarray, name: str, what: str) -> None:
    """Refuse NaN, infinities, and numbers that would overflow later.

    Raises:
        InvalidInput: names the first frame with one.
    """
    bad = ~(np.abs(values) < 1e9)
    if bad.any():
        frame = int(np.argwhere(bad)[0][0])
        raise InvalidInput(f"{name}: {what} are not finite, plausible numbers (first in frame {frame})")


def euler(order: str, angles_rad: np.ndarray) -> Rotation:
    """Rotations about several axes one after the other, each in the frame that the one before has turned.

    Args:
        order: the axes, for example "zxy"; one at least.
        angles_rad: (F, len(order)).

    Returns:
        F rotations.
    """
    if len(order) == 3 and len(set(order)) == 3:
        return Rotation.from_euler(order.upper(), angles_rad)
    turn = Rotation.from_euler(order[0].upper(), angles_rad[:, :1])
    for number, axis in enumerate(order[1:], start=1):
        turn = turn * Rotation.from_euler(axis.upper(), angles_rad[:, [number]])
    return turn
