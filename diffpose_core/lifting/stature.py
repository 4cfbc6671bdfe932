"""Scales a result to a person of a known height."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from diffpose_core.skeleton import stature
from diffpose_core.structures import InvalidInput, LiftResult

#: Shortest and tallest person that a result is scaled to, metres.
STATURES_M = (0.3, 3.0)


def check_stature(stature_m: float) -> None:
    """Raises InvalidInput where it is no height of a person, in metres."""
    low, high = STATURES_M
    if not low <= stature_m <= high:
        raise InvalidInput(f"a person's height must lie between {low:g} and {high:g} m, found {stature_m:g}")


def scaled_to_stature(result: LiftResult, stature_m: float) -> LiftResult:
    """The result of a person of that stature: one picture can't tell a small person from one further away.

    stature_m: metres, as `skeleton.stature` measures the prediction. Every length (poses, spreads, the hip's path, the
    trace) is multiplied by the same factor, so that the projection into the image stays; provenance says which.
    Raises InvalidInput where it is no stature of a person, or where the prediction has no size.
    """
    check_stature(stature_m)
    predicted = stature(result.pose3d)
    if not predicted > 0:
        raise InvalidInput("the predicted person has no size: all joints lie on one point")
    factor = stature_m / predicted

    def scaled(array: np.ndarray) -> np.ndarray:
        return (array * factor).astype(array.dtype)

    trace = result.trace
    if trace is not None:
        known = trace.pred_x_start
        trace = replace(trace, samples=scaled(trace.samples), pred_x_start=None if known is None else scaled(known))
    return replace(
        result,
        pose3d=scaled(result.pose3d),
        hypotheses=scaled(result.hypotheses),
        joint_std=scaled(result.joint_std),
        expected_error=None if result.expected_error is None else scaled(result.expected_error),
        baseline=scaled(result.baseline),
        root_cam=None if result.root_cam is None else scaled(result.root_cam),
        trace=trace,
        provenance={**result.provenance, "stature_m": stature_m, "scaled_by": factor},
    )
