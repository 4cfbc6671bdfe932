"""Lifted frames of a clip in blocks: work that can be paused and resumed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from diffpose_core.structures import DiffusionTrace


@dataclass(frozen=True)
class Lifted:
    """Lifted frames of a clip, with all that the views show of them. Metres, root-relative, camera frame.

    Attributes:
        frames: (F',) their numbers.
        trace: The reverse process.
        baseline_cam: (F', 17, 3) prediction of the context encoder alone.
        goal_cam: (F', G, 17, 3) draws of each frame's fitted mixture.
        baseline: Name of the encoder.
        expected_error: (F', 17) expected error of the hypotheses' mean, or None where the weights are not calibrated.
        unlike: (F',) bool, frames whose expected error means nothing, or None where there is none.
    """

    frames: np.ndarray
    trace: DiffusionTrace
    baseline_cam: np.ndarray
    goal_cam: np.ndarray
    baseline: str
    expected_error: np.ndarray | None = None
    unlike: np.ndarray | None = None

    @classmethod
    def merged(cls, parts: Sequence[Lifted]) -> Lifted:
        """The frames of all parts in order, each once: a frame's result depends on no other frame."""
        numbers, first = np.unique(np.concatenate([part.frames for part in parts]), return_index=True)

        def rows(of: Callable[[Lifted], np.ndarray]) -> np.ndarray:
            return np.concatenate([of(part) for part in parts])[first]

        predicted = [part.trace.pred_x_start for part in parts]
        known = [p for p in predicted if p is not None]
        trace = DiffusionTrace(
            parts[0].trace.k,
            rows(lambda part: part.trace.samples),
            np.concatenate(known)[first] if len(known) == len(parts) else None,
        )
        baseline_cam, goal_cam = rows(lambda part: part.baseline_cam), rows(lambda part: part.goal_cam)

        def rows_where_known(of: Callable[[Lifted], np.ndarray | None]) -> np.ndarray | None:
            known = [values for values in map(of, parts) if values is not None]
            return np.concatenate(known)[first] if len(known) == len(parts) else None

        expected, unlike = rows_where_known(lambda p: p.expected_error), rows_where_known(lambda p: p.unlike)
        return cls(numbers, trace, baseline_cam, goal_cam, parts[0].baseline, expected, unlike)

    @classmethod
    def with_frame(cls, frame: int, parts: Sequence[Lifted], lift: Callable[[], Lifted]) -> Lifted:
        """All parts, and a frame that may be missing from them: lift makes it then."""
        known = any(frame in part.frames for part in parts)
        return cls.merged(parts if known else [*parts, lift()])

    @property
    def known_error(self) -> np.ndarray | None:
        """The expected error, (F', 17), NaN in frames where it means nothing; None where there is none."""
        if self.expected_error is None or self.unlike is None:
            return self.expected_error
        return np.where(self.unlike[:, None], np.nan, self.expected_error)

    def averaged(self) -> Lifted:
        """The same with the mean of the hypotheses alone, to be kept for many frames."""
        mean = DiffusionTrace(self.trace.k, self.trace.samples.mean(2, keepdims=True))
        return replace(self, trace=mean, goal_cam=self.goal_cam[:, :0])


class Blocks:
    """Frames that are lifted block by block, so that a page can show how far it is and be left at any time.

    frames: (F',) their numbers. size: frames in a block. lift: makes a Lifted of a block of frame numbers.
    """

    def __init__(self, frames: np.ndarray, size: int, lift: Callable[[tuple[int, ...]], Lifted]) -> None:
        self.frames = frames
        self._lift = lift
        self._blocks = np.array_split(frames, range(size, len(frames), size))
        self._done: dict[int, Lifted] = {}

    @property
    def complete(self) -> bool:
        """True where every block is lifted."""
        return len(self._done) == len(self._blocks)

    @property
    def done(self) -> int:
        """Number of lifted frames."""
        return sum(len(part.frames) for part in list(self._done.values()))

    @property
    def parts(self) -> list[Lifted]:
        """The blocks that are lifted, in no particular order."""
        return list(self._done.values())

    def advance(self) -> None:
        """Lift the next block that is missing, if there is one."""
        for number, block in enumerate(self._blocks):
            if number not in self._done:
                self._done[number] = self._lift(tuple(int(f) for f in block))
                return
