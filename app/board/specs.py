"""Charts of the board as the browser reads them, and builders for them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NotRequired, TypedDict, Unpack


class SeriesWords(TypedDict, total=False):
    """Optional fields of a series.

    Attributes:
        strong: Whether its marks are large and above the others.
        help: Explanation in the tip of its name.
    """

    strong: bool
    help: str


class DotsSeries(SeriesWords):
    """The marks of one method; shape and colour are names that the browser knows."""

    label: str
    colour: str
    shape: str


class DotsRow(TypedDict):
    """One row of marks.

    Attributes:
        values: A number a series, None where there is none.
        text: Words at the right end.
        strong: Whether it is set apart from the others.
    """

    label: str
    values: list[float | None]
    text: NotRequired[str]
    strong: NotRequired[bool]


class DotsWords(TypedDict, total=False):
    """Optional fields of a chart of dots.

    Attributes:
        joined: False leaves out the line through the marks of a strong series.
        note: Words below the title.
    """

    joined: bool
    note: str


class DotsChart(DotsWords):
    """Rows of marks, one mark a series. span: columns that it takes, of twelve."""

    kind: Literal["dots"]
    title: str
    unit: str
    series: list[DotsSeries]
    rows: list[DotsRow]
    span: int


class BarRow(TypedDict):
    """One bar. help: explanation in the tip."""

    label: str
    value: float
    colour: str
    help: NotRequired[str]


class BarsChart(TypedDict):
    """Bars from zero on. note: words below the title."""

    kind: Literal["bars"]
    title: str
    unit: str
    rows: list[BarRow]
    span: int
    note: NotRequired[str]


class GainRow(TypedDict):
    """One gain. help: explanation in the tip."""

    label: str
    value: float
    help: str


class GainsChart(TypedDict):
    """Bars to both sides of zero."""

    kind: Literal["gains"]
    title: str
    unit: str
    note: str
    rows: list[GainRow]
    span: int


BoardChart = DotsChart | BarsChart | GainsChart


def series(label: str, colour: str, shape: str = "circle", **words: Unpack[SeriesWords]) -> DotsSeries:
    """The marks of one method."""
    return {"label": label, "colour": colour, "shape": shape, **words}


def dots(
    title: str,
    unit: str,
    of: Sequence[DotsSeries],
    rows: Sequence[DotsRow],
    span: int,
    **words: Unpack[DotsWords],
) -> DotsChart:
    """Rows of marks.

    Args:
        title: The chart's title.
        unit: Unit of the numbers.
        of: The series.
        rows: The rows, from above.
        span: Columns that it takes, of twelve.
        **words: Its optional fields.
    """
    return {"kind": "dots", "title": title, "unit": unit, "series": [*of], "rows": [*rows], "span": span, **words}


def bars(title: str, unit: str, rows: Sequence[BarRow], span: int) -> BarsChart:
    """Bars from zero on. For the arguments see `dots`."""
    return {"kind": "bars", "title": title, "unit": unit, "rows": [*rows], "span": span}


def gains(title: str, unit: str, note: str, rows: Sequence[GainRow]) -> GainsChart:
    """Bars to both sides of zero, the largest gain first. For the arguments see `dots`; note: words below the title."""
    ordered = sorted(rows, key=lambda row: -row["value"])
    return {"kind": "gains", "title": title, "unit": unit, "note": note, "rows": ordered, "span": 5}
