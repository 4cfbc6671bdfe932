"""Charts of hypotheses as a distribution: proper scores, calibration, and how much of the spread is one rotation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from app.board.specs import BarRow, BarsChart, bars

#: Scores of a report of `python -m benchmarks.hypotheses`, and their words.
SCORES = {
    "mean_mm": "MPJPE of the mean",
    "best_mm": "MPJPE, best of five",
    "energy_mm": "Energy score",
    "crps_mm": "CRPS, mean of the joints",
    "hidden_crps_mm": "CRPS, hidden joints",
    "spread_mm": "Spread of a joint",
    "rigid_percent": "One rotation's share of the squared spread",
    "calibration_percent": "Expected calibration error",
}
#: Those that have a chart, and what to read in it.
SHOWN = {
    "best_mm": "Picked by the truth. Turned poses know nothing beyond one pose, and do well.",
    "energy_mm": "A proper score of whole poses: lower is better.",
    "crps_mm": "A proper score of each joint: lower is better.",
    "calibration_percent": "Mean difference between the level of central intervals and the share of truths in them.",
    "rigid_percent": "100 %: hypotheses are one pose, turned as a whole.",
}
_COLOURS = {"turned": "grey", "widened": "component1"}


def charts(content: Mapping[str, Any]) -> list[BarsChart]:
    """A chart for each score that is shown, a row for each way to draw hypotheses.

    Args:
        content: a report of `python -m benchmarks.hypotheses`.
    """
    return [_chart(content["scores"], score, note) for score, note in SHOWN.items()]


def _chart(rows: Sequence[Mapping[str, Any]], score: str, note: str) -> BarsChart:
    # Millimetres in the left column, percent in the right one.
    span = 7 if score.endswith("_mm") else 5
    unit = "mm" if score.endswith("_mm") else "%"
    found: list[BarRow] = []
    for row in rows:
        low, high = row[score]["interval"]
        colour = next((colour for word, colour in _COLOURS.items() if word in row["hypotheses"]), "teal")
        words = f"{row[score]['value']:.1f} {unit}, 95 % interval over clips {low:.1f} to {high:.1f}"
        found.append({"label": row["hypotheses"], "value": row[score]["value"], "colour": colour, "help": words})
    return {**bars(SCORES[score], unit, found, span), "note": note}
