"""Charts of a stage, and the track of its player."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NotRequired, TypedDict, Unpack

from app.stage.specs.layers import Layer

Axis = Literal["frame", "step"]
Dash = Literal["", "dash", "dot"]


class Series(TypedDict):
    """One curve, or one row of bars.

    Attributes:
        array: Its numbers.
        dash: How the line is broken.
        off_scale: Whether it may leave the plot, so that the others stay readable.
        missing: Words where a number is not known.
    """

    label: str
    array: str
    palette: str
    dash: NotRequired[Dash]
    off_scale: NotRequired[bool]
    missing: NotRequired[str]


class Jump(TypedDict):
    """A button above a chart that goes to a frame or a step.

    Attributes:
        index: Index on the chart's axis.
    """

    label: str
    index: int
    help: str


class ChartWords(TypedDict, total=False):
    """Optional fields of every chart.

    Attributes:
        span: Columns that it takes, of twelve.
        help: Explanation in the title's tip.
        note: Words below it.
        jumps: Buttons above it.
    """

    span: int
    help: str
    note: str
    jumps: list[Jump]


class _Chart(ChartWords):
    id: str
    title: str
    unit: str
    axis: Axis


class LineChart(_Chart):
    """Curves over the frames or the steps."""

    kind: Literal["line"]
    series: list[Series]


class JointsChart(_Chart):
    """One curve a joint.

    Attributes:
        array: Numbers (step, joint).
        series: Curves beside them.
    """

    kind: Literal["joints"]
    array: str
    series: list[Series]


class BarsChart(_Chart):
    """Bars of every joint at one frame and step."""

    kind: Literal["bars"]
    series: list[Series]


class StripChart(_Chart):
    """A row a joint and a column a step.

    Attributes:
        array: Numbers (frame, step, joint).
        settled: Array of the step from which on a joint moves no more.
        top: The number with the strongest colour.
    """

    kind: Literal["strip"]
    array: str
    settled: str
    top: float


class Moment(TypedDict):
    """A frame of a gallery.

    Attributes:
        index: Index among the stage's frames.
        better: "diffpose", "baseline", or "" where neither is known to be better.
    """

    index: int
    better: str
    title: str
    text: str


class GalleryChart(_Chart):
    """Small scenes of chosen frames."""

    kind: Literal["gallery"]
    zoom: float
    moments: list[Moment]
    layers: list[Layer]


class DepthArrays(TypedDict):
    """Densities of depth, and the joint that they are shown of.

    Attributes:
        lo: Depth of the first bin's edge, metres from the hip.
        hi: Depth of the last bin's edge.
        draws: Array of the draws' densities, (step, joint, bin).
        mixture: Array of the fitted mixture's densities, (step, joint, bin).
        truth: Array of the exact depths, (joint,).
    """

    lo: float
    hi: float
    joint: int
    draws: str
    mixture: str
    truth: NotRequired[str]


class DepthsChart(ChartWords, DepthArrays):
    """Depth of every joint."""

    id: str
    kind: Literal["depths"]
    title: str


class DepthChart(ChartWords, DepthArrays):
    """Depth of one joint with the mixture's components.

    Attributes:
        parts: Array of the components' densities, (step, component, bin).
    """

    id: str
    kind: Literal["depth"]
    title: str
    parts: str


Chart = LineChart | JointsChart | BarsChart | StripChart | GalleryChart | DepthsChart | DepthChart


class TrackCurve(TypedDict):
    """The curve of the player's track; the array leads with the frame."""

    array: str
    label: str
    palette: str


class Track(TypedDict, total=False):
    """The player's track along the frames.

    Attributes:
        curve: An error to scrub along.
        guessed: Array of the number of guessed joints, (frame,).
        jumps: Indices of frames to which the person jumps.
        others: Indices of frames that show somebody else.
    """

    curve: TrackCurve
    guessed: str
    jumps: list[int]
    others: list[int]


#: Label, array, palette and dash of a curve.
Curve = tuple[str, str, str, Dash]


def line_chart(
    id_: str,
    title: str,
    unit: str,
    axis: Axis,
    *curves: Curve,
    off_scale: Sequence[str] = (),
    **words: Unpack[ChartWords],
) -> LineChart:
    """Curves over the frames or the steps.

    Args:
        id_: The chart's name within the stage.
        title: Its title.
        unit: Unit of its numbers.
        axis: The axis along which it goes.
        *curves: Its curves.
        off_scale: Labels of curves that may leave the plot, so that the others stay readable.
        **words: Its optional fields.
    """
    rows: list[Series] = [
        {"label": label, "array": array, "palette": palette, "dash": dash, "off_scale": label in off_scale}
        for label, array, palette, dash in curves
    ]
    return {"id": id_, "kind": "line", "title": title, "unit": unit, "axis": axis, "series": rows, **words}
