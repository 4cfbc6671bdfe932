"""Sums of a benchmark's metrics, of all joints, of hidden and of visible ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from diffpose_core.evaluation.metrics import (
    PCK_JOINTS,
    PCK_THRESHOLD,
    auc_shares,
    bone_length_spread,
    joint_errors,
    procrustes_align,
    scale_align,
    velocity_errors,
)

#: Names of the reported metrics, with the factor from metres or shares to the unit in the name.
METRICS: Mapping[str, float] = {
    "mpjpe_mm": 1000.0, "p_mpjpe_mm": 1000.0, "n_mpjpe_mm": 1000.0, "pck_percent": 100.0, "auc_percent": 100.0,
    "mpjve_mm": 1000.0, "bone_spread_percent": 100.0,
}  # fmt: skip
#: The first metrics, which each joint of each frame has for itself.
_BY_JOINT = 5
#: The metrics by joint that count every joint; the others count `PCK_JOINTS` only.
_OF_EVERY_JOINT = 3


@dataclass
class MetricSums:
    """Running sums of `METRICS`, so that means over many clips can be added up clip by clip.

    Attributes:
        total: (metrics, 3) sums, metres and shares; columns are all joints, hidden joints, visible joints.
        count: (metrics, 3), how many numbers each sum has.
    """

    total: np.ndarray
    count: np.ndarray

    @classmethod
    def empty(cls) -> MetricSums:
        """Sums of nothing."""
        return cls(np.zeros((len(METRICS), 3)), np.zeros((len(METRICS), 3)))

    @classmethod
    def of(cls, predicted: np.ndarray, truth: np.ndarray, frames: np.ndarray, hidden: np.ndarray | None) -> MetricSums:
        """Sums over one camera's frames.

        Args:
            predicted: (F, J, 3) metres, root-relative.
            truth: (F, J, 3) metres, root-relative.
            frames: (F,) frame numbers; velocities are measured where two of them follow each other.
            hidden: (F, J) bool, or None where it is unknown. The hip counts neither as hidden nor as visible, since
                it is never wrong.
        """
        sums = cls.empty()
        masks = [np.ones(truth.shape[:2], dtype=bool)]
        if hidden is not None:
            apart = np.zeros_like(hidden)
            apart[:, 1:] = True
            masks += [hidden & apart, ~hidden & apart]
        counted = np.zeros(truth.shape[1], dtype=bool)
        counted[list(PCK_JOINTS)] = True
        for row, errors in enumerate(joint_scores(predicted, truth)):
            for column, mask in enumerate(masks):
                used = mask if row < _OF_EVERY_JOINT else mask & counted
                sums.total[row, column], sums.count[row, column] = errors[used].sum(), used.sum()
        if len(frames) > 1:
            steps = velocity_errors(predicted, truth)[np.diff(frames) == 1]
            spread = bone_length_spread(predicted)
            for row, values in ((_BY_JOINT, steps), (_BY_JOINT + 1, spread)):
                sums.total[row, 0], sums.count[row, 0] = values.sum(), values.size
        return sums

    def add(self, other: MetricSums) -> None:
        """Add the sums of other frames to these."""
        self.total += other.total
        self.count += other.count

    def report(self, column: int) -> dict[str, float | None]:
        """Means in the metrics' units, None where nothing was counted.

        Args:
            column: 0 for all joints, 1 for hidden, 2 for visible ones.
        """
        rows = list(METRICS.items())[: len(METRICS) if column == 0 else _BY_JOINT]
        return {
            name: float(factor * self.total[row, column] / self.count[row, column]) if self.count[row, column] else None
            for row, (name, factor) in enumerate(rows)
        }


def protocol_errors(predicted: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Joint errors of Protocol 1 (as they are) and Protocol 2 (after Procrustes alignment), (2, F, J) metres."""
    return np.stack((joint_errors(predicted, truth), joint_errors(procrustes_align(predicted, truth), truth)))


def joint_scores(predicted: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Contribution of each joint of each frame to the metrics by joint.

    Args:
        predicted: (F, J, 3) metres, root-relative.
        truth: (F, J, 3) metres, root-relative.

    Returns:
        (5, F, J): the error as it is, after Procrustes alignment and after scaling, metres; 1 where it is within
        150 mm, else 0; and the share of the AUC's thresholds that it is within.
    """
    errors = protocol_errors(predicted, truth)
    scaled = joint_errors(scale_align(predicted, truth), truth)
    return np.stack((*errors, scaled, errors[0] <= PCK_THRESHOLD, auc_shares(errors[0])))
