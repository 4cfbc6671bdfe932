"""Pieces of a clip's reverse process: put together in order, taken up where they were left."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from app.jobs.lifting import Blocks, Lifted
from diffpose_core.structures import DiffusionTrace


def piece(frames: tuple[int, ...]) -> Lifted:
    """Poses that tell their frame: every number is the frame's, plus a tenth of the hypothesis's."""
    rows = np.array(frames, dtype=float)
    samples = np.zeros((len(rows), 3, 4, 17, 3)) + rows[:, None, None, None, None]
    samples += 0.1 * np.arange(4)[:, None, None]
    trace = DiffusionTrace(np.array([50, 25, 0]), samples, samples)
    return Lifted(np.array(frames), trace, samples[:, 0, 0], samples[:, 0], "Graformer", 0.01 * samples[:, 0, 0, :, 0],
                  rows > 3)  # fmt: skip


def test_parts_are_merged_in_order_and_each_frame_once() -> None:
    whole = Lifted.merged([piece((4, 6)), piece((0, 2)), piece((3,)), piece((2,))])
    assert whole.frames.tolist() == [0, 2, 3, 4, 6]
    assert whole.trace.samples[:, 0, 0, 0, 0].tolist() == [0, 2, 3, 4, 6]
    assert whole.trace.pred_x_start is not None
    assert whole.trace.pred_x_start.shape == (5, 3, 4, 17, 3)
    assert whole.baseline_cam[:, 0, 0].tolist() == [0, 2, 3, 4, 6]
    assert whole.expected_error is not None
    assert whole.expected_error[:, 5].tolist() == [0, 0.02, 0.03, 0.04, 0.06]
    assert whole.unlike is not None
    assert whole.unlike.tolist() == [False, False, False, True, True]
    assert whole.known_error is not None
    assert np.isnan(whole.known_error).all(-1).tolist() == whole.unlike.tolist()
    assert whole.known_error[:3].tolist() == whole.expected_error[:3].tolist()
    uncalibrated = replace(piece((7,)), expected_error=None, unlike=None)
    merged = Lifted.merged([piece((4,)), uncalibrated])
    assert merged.expected_error is None and merged.unlike is None and merged.known_error is None


def test_a_frame_is_lifted_only_where_no_part_has_it() -> None:
    asked: list[int] = []

    def lift() -> Lifted:
        asked.append(3)
        return piece((3,))

    parts = [piece((4, 6)), piece((0, 2))]
    assert Lifted.with_frame(4, parts, lift).frames.tolist() == [0, 2, 4, 6]
    assert asked == []
    assert Lifted.with_frame(3, parts, lift).frames.tolist() == [0, 2, 3, 4, 6]
    assert Lifted.with_frame(3, [], lift).frames.tolist() == [3]
    assert asked == [3, 3]


def test_averaged_keeps_the_mean_of_the_hypotheses() -> None:
    mean = piece((1, 2)).averaged()
    assert mean.trace.samples.shape == (2, 3, 1, 17, 3)
    np.testing.assert_allclose(mean.trace.samples[:, 0, 0, 0, 0], [1.15, 2.15])
    assert Lifted.merged([mean, piece((5,)).averaged()]).frames.tolist() == [1, 2, 5]


def test_blocks_are_lifted_once_and_taken_up_where_they_were_left() -> None:
    asked: list[tuple[int, ...]] = []

    def lift(frames: tuple[int, ...]) -> Lifted:
        asked.append(frames)
        if frames == (2, 3) and asked.count(frames) == 1:
            raise KeyboardInterrupt  # the page is left in the middle
        return piece(frames)

    blocks = Blocks(np.arange(5), 2, lift)
    blocks.advance()
    assert (blocks.done, blocks.complete) == (2, False)
    with pytest.raises(KeyboardInterrupt):
        blocks.advance()
    assert blocks.done == 2
    while not blocks.complete:
        blocks.advance()
    blocks.advance()
    assert asked == [(0, 1), (2, 3), (2, 3), (4,)]
    assert Lifted.merged(blocks.parts).frames.tolist() == [0, 1, 2, 3, 4]
