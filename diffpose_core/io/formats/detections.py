"""People as a file lists them, before they are linked into tracks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from diffpose_core.io.limits import MAX_NUMBERS
from diffpose_core.structures import InvalidInput


@dataclass
class Detections:
    """People of a clip, one entry a person and frame, in the file's order.

    Attributes:
        name: of the file, for messages.
        frames: numbers of the frames.
        joints: each (J, 3) of x, y and confidence, NaN where the file has none.
        ids: identities in the file, None where it has none.
        scores: of the whole person.
        mixtures: each (J, K, 5) of weight, u, v and both variances, None where there are no heatmaps.
        numbers: size of all joints together.
    """

    name: str
    frames: list[int] = field(default_factory=list)
    joints: list[np.ndarray] = field(default_factory=list)
    ids: list[Any] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    mixtures: list[np.ndarray | None] = field(default_factory=list)
    numbers: int = 0

    def add(
        self, frame: int, joints: np.ndarray, identity: Any = None, score: float = 0.0,
        mixture: np.ndarray | None = None,
    ) -> None:  # fmt: skip
        """Add a person.

        Raises:
            InvalidInput: the clip gets too large.
        """
        self.numbers += joints.size
        if self.numbers > MAX_NUMBERS:
            raise InvalidInput(f"{self.name}: more than {MAX_NUMBERS:,} numbers in one clip; cut it into parts")
        self.frames.append(frame)
        self.joints.append(joints)
        self.ids.append(identity)
        self.scores.append(score)
        self.mixtures.append(mixture)

    def extend(self, people: Detections, frame: int) -> None:
        """Add all people of another, in one frame."""
        parts = (people.joints, people.ids, people.scores, people.mixtures)
        for joints, identity, score, mixture in zip(*parts, strict=True):
            self.add(frame, joints, identity, score, mixture)

    def __len__(self) -> int:
        return len(self.frames)


class Notes:
    """Sentences about assumptions and repairs, each once."""

    def __init__(self) -> None:
        self._said: dict[str, None] = {}

    def add(self, sentence: str) -> None:
        """Add a sentence."""
        self._said[sentence] = None

    def __iter__(self) -> Iterator[str]:
        return iter(self._said)
