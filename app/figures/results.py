"""Charts of published and of measured results, as plain values that the board draws."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.board.specs import BarRow, BarsChart, DotsChart, DotsRow, GainRow, GainsChart, bars, dots, gains, series
from app.figures.reports import METRICS, CalibrationReport, Report
from diffpose_core.config import DenoiserConfig
from diffpose_core.io.published import PublishedTable
from diffpose_core.presets import PRESETS
from diffpose_core.skeleton import JOINT_NAMES, joint_label

#: Names of a method's further measurements, beside its answer.
_VARIANT = re.compile(r"(?P<base>.+)_(?P<kind>best|\d+_steps?|\d+_hypothes[ie]s)")
#: Labels of the networks without diffusion; others go by their names.
_BASELINES = {
    "graformer": "Graformer (baseline)",
    "graformer_reconciled": "Graformer, reconciled 2D",
    "mixste": "MixSTE (baseline)",
    "mixste_reconciled": "MixSTE, reconciled 2D",
}
_REGRESSIONS = {
    "regression": "Regression, the size of g",
    "regression_deep": "Regression, five times as deep",
    "regression_mixture": "Regression with the mixtures",
}
#: Published methods: hue and shape by their place in the table; DiffPose always looks the same.
_SHAPES = ("square", "triangle", "diamond", "cross", "down", "square")


@dataclass(frozen=True)
class Method:
    """A measured method: how it is called and drawn. schedule: of its noise, "" for one without any.

    variants: its further measurements by their labels, e.g. {"1 step": "diffpose_1_step"}.
    """

    name: str
    label: str
    schedule: str
    colour: str
    shape: str
    variants: Mapping[str, str]


def _look(name: str, order: int) -> tuple[str, str, str, str]:
    """Label, schedule, colour and shape of a method."""
    preset = PRESETS.get(name)
    config = None if preset is None else preset.network
    if not isinstance(config, DenoiserConfig):
        looks = {"baseline": ("violet", "square"), "reconciled": ("component6", "down")}
        kind = "reconciled" if name.endswith("_reconciled") else "baseline" if name in _BASELINES else ""
        colour, shape = looks.get(kind, (f"component{order % 10}", "square"))
        return _BASELINES.get(name, name.replace("_", " ").capitalize()), "", colour, shape
    if config.diffusion == "none":
        return _REGRESSIONS.get(name, name.replace("_", " ").capitalize()), "", f"component{order % 10}", "down"
    if config.prediction_type == "previous":
        return "DiffPose in the paper's form", config.schedule, "component3", "cross"
    if config.diffusion == "standard":
        label = "DiffPose, standard noise" if config.use_context else "DiffPose, standard noise, no f_ST"
        return label, config.schedule, "component1", "triangle"
    if not config.use_context:
        return "DiffPose, no f_ST", config.schedule, "component0", "diamond"
    return "DiffPose", config.schedule, "teal", "circle"


def measured_methods(report: Report) -> list[Method]:
    """The methods of a report, each with its further measurements, such as `diffpose_1_step` and `diffpose_best`."""
    variants: dict[str, dict[str, str]] = {name: {} for name in report.methods}
    mains = []
    for name in report.methods:
        match = _VARIANT.fullmatch(name)
        if match is None or match["base"] not in report.methods:
            mains.append(name)
            continue
        words = match["kind"].replace("_", " ")
        hypotheses = report.provenance.get("hypotheses")
        if words == "best" and hypotheses:
            words = f"best of {hypotheses}"
        variants[match["base"]][words] = name
    found: list[Method] = []
    for order, name in enumerate(mains):
        label, schedule, colour, shape = _look(name, order)
        if any((m.label, m.schedule) == (label, schedule) for m in found):
            label = f"{label} ({name})"
        found.append(Method(name, label, schedule, colour, shape, variants[name]))
    return found


def schedules(methods: Iterable[Method]) -> list[str]:
    """The schedules among methods, in the order in which they come."""
    return list(dict.fromkeys(m.schedule for m in methods if m.schedule))


def published_by_action(table: PublishedTable) -> DotsChart:
    """P-MPJPE of every method at every action, the printed average last."""
    own = table.methods[-1]
    methods = []
    for index, method in enumerate(table.methods):
        if method is own:
            methods.append(series(method.name, "teal", strong=True, help=method.reference))
        else:
            look = ("violet", "square") if index == len(table.methods) - 2 else (f"component{index}", _SHAPES[index])
            methods.append(series(method.name, *look, help=method.reference))
    rows: list[DotsRow] = [
        {"label": action, "values": [m.values[i] for m in table.methods]} for i, action in enumerate(table.actions)
    ]
    rows.append({"label": "Average", "values": [m.average for m in table.methods], "strong": True})
    note = "Further left is better. Click a name to hide a method."
    return dots(f"{table.metric} by action", "mm", methods, rows, 7, note=note)


def published_averages(table: PublishedTable) -> BarsChart:
    """The printed averages as bars, in the table's order."""
    own = table.methods[-1]
    rows: list[BarRow] = [
        {"label": m.name, "value": m.average, "colour": "teal" if m is own else "grey", "help": m.reference}
        for m in table.methods
    ]
    return bars(f"Average {table.metric}", "mm", rows, 7)


def published_gains(table: PublishedTable) -> GainsChart:
    """Chart of DiffPose's gain over the best other method, action by action, millimetres, largest first."""
    *others, own = table.methods
    rows: list[GainRow] = []
    for i, action in enumerate(table.actions):
        best = min(others, key=lambda m: m.values[i])
        gain = best.values[i] - own.values[i]
        help_ = f"{own.name} {own.values[i]:.1f}, {best.name} {best.values[i]:.1f} mm"
        rows.append({"label": action, "value": round(gain, 4), "help": help_})
    note = "To the right: DiffPose is better. To the left: another method is."
    return gains("DiffPose's gain over the best other method", "mm", note, rows)


def _of(report: Report, name: str, metric: str, part: str | None = None) -> float | None:
    row: Any = report.methods[name]
    if part is not None:
        row = row.get(part) or {}
    value = row.get(metric)
    return None if value is None else float(value)


def _text(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def measured_totals(report: Report, methods: Sequence[Method], metric: str) -> DotsChart:
    """Totals of the methods: the answer, and the variants that were measured beside it."""
    kinds = list(dict.fromkeys(kind for m in methods for kind in m.variants))
    looks = (("grey", "diamond"), ("component4", "triangle"), ("component6", "cross"), ("component8", "square"))
    measured = [series("the answer", "teal", strong=True)]
    measured += [series(kind, *looks[i % len(looks)]) for i, kind in enumerate(kinds)]
    rows: list[DotsRow] = []
    for m in methods:
        answer = _of(report, m.name, metric)
        values = [answer, *(_of(report, m.variants[k], metric) if k in m.variants else None for k in kinds)]
        rows.append({"label": m.label, "values": values, "text": _text(answer)})
    note = "Further left is better. The best hypothesis is picked with the truth at hand: a bound, not an answer."
    return dots(f"{METRICS[metric]} over all test frames", "mm", measured, rows, 6, note=note, joined=False)


def measured_visibility(report: Report, methods: Sequence[Method], metric: str) -> DotsChart:
    """Errors of joints that something hid from the camera, and of those that it saw."""
    rows: list[DotsRow] = [
        {"label": m.label, "values": [_of(report, m.name, metric, part) for part in ("hidden", "visible")]}
        for m in methods
    ]
    return dots(
        f"{METRICS[metric]} of hidden and of visible joints",
        "mm",
        [
            series("hidden joints", "component1", "ring", strong=True),
            series("visible joints", "component0", strong=True),
        ],
        _with_values(rows),
        6,
        note="The hip is the origin and is left out of both.",
        joined=False,
    )


def _with_values(rows: Iterable[DotsRow]) -> list[DotsRow]:
    return [row for row in rows if any(v is not None for v in row["values"])]


def measured_by_action(report: Report, methods: Sequence[Method], metric: str) -> DotsChart:
    """Every method at every action, hardest action of the first method first."""
    actions: dict[str, list[float | None]] = {}
    for i, m in enumerate(methods):
        for action, row in (report.methods[m.name].get("actions") or {}).items():
            actions.setdefault(action, [None] * len(methods))[i] = row.get(metric)
    rows: list[DotsRow] = [{"label": action.replace("-", " "), "values": values} for action, values in actions.items()]

    def hardest(row: DotsRow) -> float:
        known = [v for v in row["values"] if v is not None]
        return -sum(known) / len(known)

    return dots(
        f"{METRICS[metric]} by action",
        "mm",
        [series(m.label, m.colour, m.shape, strong=m.label == "DiffPose") for m in methods],
        sorted(_with_values(rows), key=hardest),
        7,
        note="Hardest first. Click a name to hide a method.",
    )


def measured_gains(report: Report, method: Method, reference: Method, metric: str) -> GainsChart:
    """Chart of one method's gain over another, action by action, millimetres, largest first.

    Args:
        report: The report that has both.
        method: The method with the gain.
        reference: The method that it is compared with.
        metric: "mpjpe_mm" or "p_mpjpe_mm".
    """
    own, other = (report.methods[m.name].get("actions") or {} for m in (method, reference))
    rows: list[GainRow] = []
    for action in own:
        a, b = own[action].get(metric), (other.get(action) or {}).get(metric)
        if a is not None and b is not None:
            words = f"{method.label} {a:.1f}, {reference.label} {b:.1f} mm"
            rows.append({"label": action.replace("-", " "), "value": b - a, "help": words})
    title = f"{method.label}: gain over {reference.label}"
    return gains(title, "mm", "To the right: better. To the left: worse.", rows)


def reliability(report: CalibrationReport) -> DotsChart:
    """Chart of the share of truths inside the hypotheses' central intervals, beside the nominal share."""
    both = report.content["reliability"]
    rows: list[DotsRow] = []
    for number, level in enumerate(report.content["nominal"]):
        drawn, wide = (100 * both[kind]["coverage"][number] for kind in ("before", "after"))
        rows.append({"label": f"{100 * level:.0f} %", "values": [100 * level, drawn, wide], "text": f"{drawn:.0f}"})
    return dots(
        "How often central intervals contain the truth",
        "%",
        [
            series("as it should be", "grey", "ring"),
            series("hypotheses as drawn", "component1", "triangle", strong=True),
            series("widened by the calibration", "teal", strong=True),
        ],
        rows,
        7,
        note="A row for each probability that an interval has by the hypotheses' mean and spread.",
        joined=False,
    )


def _two_errors(title: str, note: str, errors: Iterable[tuple[str, float, float]], span: int) -> DotsChart:
    """Expected beside observed errors. errors: label, expected and observed, mm."""
    rows: list[DotsRow] = [
        {"label": label, "values": [expected, observed], "text": _text(observed)}
        for label, expected, observed in errors
    ]
    both = [series("expected", "violet", "diamond"), series("observed", "teal", strong=True)]
    return dots(title, "mm", both, rows, span, note=note, joined=False)


def expected_by_tenth(report: CalibrationReport) -> DotsChart:
    """Expected and observed error of the tenth of all joints that is expected to err least, of the next tenth, ..."""
    tenths = report.content["expected_error"]["deciles"]
    errors = [(f"tenth {i + 1}", tenth["expected_mm"], tenth["observed_mm"]) for i, tenth in enumerate(tenths)]
    note = "All joints of all test views, sorted by the error that is expected of them without the truth."
    return _two_errors("Expected and observed error", note, errors, 5)


def expected_by_joint(report: CalibrationReport) -> DotsChart:
    """Expected and observed error of every joint, the worst first."""
    joints = report.content["expected_error"]["by_joint"]
    errors = [
        (joint_label(JOINT_NAMES.index(name)), row["expected_mm"], row["observed_mm"]) for name, row in joints.items()
    ]
    errors.sort(key=lambda row: -row[2])
    return _two_errors("Expected and observed error by joint", "The hip is the origin, so it has no error.", errors, 7)


def truth_among_hypotheses(report: CalibrationReport) -> BarsChart:
    """Chart of the share of joints and axes whose truth lies outside of all hypotheses, beside the nominal share."""
    both = report.content["reliability"]
    count = len(both["before"]["ranks"]) - 1
    rows: list[BarRow] = []
    for kind, label, colour in (
        ("before", "as drawn", "component1"),
        ("after", "widened by the calibration", "teal"),
    ):
        ranks = both[kind]["ranks"]
        rows.append({"label": label, "value": 100 * (ranks[0] + ranks[-1]), "colour": colour})
    rows.append({"label": "as it should be", "value": 100 * 2 / (count + 1), "colour": "grey"})
    return bars(f"The truth lies outside of all {count} hypotheses", "% of joints and axes", rows, 5)


def ablation(group: Mapping[str, Any], metric: str) -> DotsChart:
    """Errors of a group of the ablation suite: a row for each setting, or for each number where several ways are
    compared over numbers.
    """
    cells = group["cells"]
    names = list(dict.fromkeys(cell["series"] for cell in cells))
    rows: list[DotsRow]
    if len(names) > 1:
        looks = (("teal", "circle"), ("grey", "ring"), ("component1", "triangle"), ("component0", "diamond"))
        compared = [series(name, *looks[i % len(looks)]) for i, name in enumerate(names)]
        found = {(cell["series"], cell["x"]): cell["errors"]["all"][metric]["value"] for cell in cells}
        numbers = sorted({cell["x"] for cell in cells})
        rows = [{"label": f"{x}", "values": [found.get((name, x)) for name in names]} for x in numbers]
    else:
        compared = [
            series("all joints", "teal", strong=True),
            series("hidden joints", "component1", "ring"),
            series("visible joints", "component0", "diamond"),
        ]
        rows = []
        for cell in cells:
            values = [cell["errors"][part][metric]["value"] for part in ("all", "hidden", "visible")]
            strong = cell["label"] == group["reference"]
            rows.append({"label": cell["label"], "values": values, "text": _text(values[0]), "strong": strong})
    title = f"{METRICS[metric]}: {group['title'][0].lower()}{group['title'][1:]}"
    return dots(title, "mm", compared, rows, 7, note=group["note"], joined=False)


def ablation_gains(group: Mapping[str, Any], metric: str) -> GainsChart:
    """Chart of each setting's gain over the reference, percent of its error; the tip has the interval."""
    rows: list[GainRow] = []
    for cell in group["cells"]:
        if cell["label"] != group["reference"]:
            gain = cell["gain_percent"]["all"][metric]
            low, high = gain["interval"]
            words = f"{gain['value']:+.1f} %, 95 % interval over clips {low:+.1f} to {high:+.1f}"
            rows.append({"label": cell["label"], "value": gain["value"], "help": words})
    note = "To the right: a lower error. To the left: a higher one."
    return gains(f"Error lower than that of {group['reference']}", "%", note, rows)
