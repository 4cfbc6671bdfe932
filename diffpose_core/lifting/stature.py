"""Scales a result to a person of a known height."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from diffpose_core.skeleton import stature
from diffpose_core.structures import DiffusionTrace, InvalidInput, LiftResult
from diffpose_core.uncertainty.identity import own_frames

#: Shortest and tallest person that a result is scaled to, metres.
STATURES_M = (0.3, 3.0)


def check_stature(stature_m: float) -> None:
    """Check the height of a person.

    Raises:
        InvalidInput: nobody has this height.
    """
    low, high = STATURES_M
    if not low <= stature_m <= high:
        raise InvalidInput(f"a person's height must lie between {low:g} and {high:g} m, found {stature_m:g}")


def predicted_stature(result: LiftResult) -> float:
    """Height of a result's person by `skeleton.stature`, metres, from the frames that show nobody else."""
    return stature(result.pose3d[own_frames(result.other_person)])


def scaled_to_stature(result: LiftResult, stature_m: float) -> LiftResult:
    """The result for a person of a known height: one picture can't tell a small person from one further away.

    Every length (poses, spreads, the hip's path, the trace) is multiplied by the same factor, so that the projection
    into the image stays. Provenance gets height and factor.

    Args:
        result: of `lift`.
        stature_m: metres, as `predicted_stature` measures.

    Raises:
        InvalidInput: nobody has this height, or the prediction has no size.
    """
    check_stature(stature_m)
    predicted = predicted_stature(result)
    if not predicted > 0:
        raise InvalidInput("the predicted person has no size: all joints lie on one point")
    factor = stature_m / predicted

    def scaled(array: np.ndarray) -> np.ndarray:
        return (array * factor).astype(array.dtype)

    def scaled_trace(trace: DiffusionTrace) -> DiffusionTrace:
        predictions = trace.pred_x_start
        return replace(
            trace, samples=scaled(trace.samples), pred_x_start=None if predictions is None else scaled(predictions)
        )

    return replace(
        result,
        pose3d=scaled(result.pose3d),
        hypotheses=scaled(result.hypotheses),
        joint_std=scaled(result.joint_std),
        expected_error=None if result.expected_error is None else scaled(result.expected_error),
        baseline=scaled(result.baseline),
        root_cam=None if result.root_cam is None else scaled(result.root_cam),
        trace=None if result.trace is None else scaled_trace(result.trace),
        world=None if result.world is None else replace(result.world, pose=scaled(result.world.pose)),
        provenance={**result.provenance, "stature_m": stature_m, "scaled_by": factor},
    )
