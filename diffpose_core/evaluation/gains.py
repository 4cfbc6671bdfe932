"""Gains of every method over reference methods, with intervals, and the rows of a report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from diffpose_core.evaluation.bootstrap import interval, resampled_means
from diffpose_core.evaluation.scores import METRICS, MetricSums
from diffpose_core.lifting.models import ENCODERS

#: How many of the metrics, the first ones, have gains.
_WITH_GAINS = 2
#: Methods that the others' gains are measured against.
REFERENCES = (
    *(f"{encoder}{suffix}" for encoder in ENCODERS.values() for suffix in ("", "_reconciled")),
    *(f"diffpose{setting}{form}" for setting in ("", "_video") for form in ("_no_context", "_standard")),
)


def gains(of_clips: Mapping[int, Mapping[str, MetricSums]]) -> dict[str, dict[str, dict[str, Any]]]:
    """Percent by which each method's errors are lower than each reference's, with 95 % bootstrap intervals.

    Clips are drawn with replacement, the same ones for every method.

    Args:
        of_clips: each clip's sums by its number and by method.

    Returns:
        {REFERENCE: {NAME: {"mpjpe", "p_mpjpe", "hidden_mpjpe", "hidden_p_mpjpe": {"percent", "interval"}}}}.
    """
    clips = [of_clips[number] for number in sorted(of_clips)]

    def mean_error(name: str) -> np.ndarray:
        return resampled_means(
            np.stack([clip[name].total[:_WITH_GAINS] for clip in clips]),
            np.stack([clip[name].count[:_WITH_GAINS] for clip in clips]),
        )

    errors = {name: mean_error(name) for name in clips[0]}
    return {
        reference: {name: _gain(errors[name], errors[reference]) for name in errors if name != reference}
        for reference in REFERENCES
        if reference in errors and len(errors) > 1
    }


def _gain(errors: np.ndarray, reference: np.ndarray) -> dict[str, Any]:
    """Percent by which resampled mean errors, (1 + R, 2, 3), are lower than a reference's."""
    percent = 100.0 * (1.0 - errors / np.maximum(reference, 1e-12))
    ends = interval(percent)
    return {
        kind + metric.removesuffix("_mm"): {
            "percent": float(percent[0, row, column]), "interval": ends[:, row, column].tolist()
        }
        for column, kind in ((0, ""), (1, "hidden_"))
        for row, metric in enumerate(list(METRICS)[:_WITH_GAINS])
    }  # fmt: skip


def method_report(by_action: Mapping[str, MetricSums]) -> dict[str, Any]:
    """A method's row of a report.

    Args:
        by_action: sums by action; the action "" is all of them.

    Returns:
        Means over all frames; over hidden and visible joints; over each action's own frames; and the mean of the
        actions' means, which tables of Human3.6M call the average.
    """
    actions = {action: sums.report(0) for action, sums in sorted(by_action.items()) if action}
    of_actions: dict[str, float | None] = {}
    for metric in METRICS:
        values = [row[metric] for row in actions.values()]
        known = [value for value in values if value is not None]
        of_actions[metric] = sum(known) / len(known) if len(known) == len(values) else None
    whole = by_action[""]
    return {
        **whole.report(0),
        "hidden": whole.report(1),
        "visible": whole.report(2),
        "action_mean": of_actions,
        "actions": actions,
    }
