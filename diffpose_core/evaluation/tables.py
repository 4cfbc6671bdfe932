"""Text tables of an evaluation's report, for a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from diffpose_core.datasets.h36m import ACTIONS
from diffpose_core.io.published import published_tables

#: Columns of the table of totals: head, part of a method's row ("" is the row itself), metric.
_TOTALS = (
    ("MPJPE", "", "mpjpe_mm"),
    ("P-MPJPE", "", "p_mpjpe_mm"),
    ("N-MPJPE", "", "n_mpjpe_mm"),
    ("MPJVE", "", "mpjve_mm"),
    ("PCK %", "", "pck_percent"),
    ("AUC %", "", "auc_percent"),
    ("bones %", "", "bone_spread_percent"),
    ("hidden", "hidden", "mpjpe_mm"),
    ("visible", "visible", "mpjpe_mm"),
)
_NAME_WIDTH = 37


def _number(value: float | None, width: int = 8) -> str:
    return f"{'-':>{width}s}" if value is None else f"{value:{width}.1f}"


def main_methods(report: Mapping[str, Any]) -> list[str]:
    """Names of a report's methods without their further measurements: single steps, single and best hypotheses."""
    return [name for name in report["methods"] if not name.endswith(("_1_step", "_1_hypothesis", "_best"))]


def results_table(report: Mapping[str, Any]) -> str:
    """An evaluation's report as text: totals of every method, then by action, as the data's own tables have it.

    A metric that a report does not have, such as one of an earlier version, is shown as "-".
    """
    p = report["provenance"]
    lines = [
        f"{p['data']}, {p.get('input', 'detected 2D')}, {report['frames']} frames and views, millimetres",
        f"{'method':{_NAME_WIDTH}s}" + "".join(f"{head:>8s}" for head, _, _ in _TOTALS),
    ]
    for name, row in report["methods"].items():
        cells = ((row.get(part) or {}) if part else row for _, part, _ in _TOTALS)
        values = (cell.get(metric) for cell, (_, _, metric) in zip(cells, _TOTALS, strict=True))
        lines.append(f"{name:{_NAME_WIDTH}s}" + "".join(_number(value) for value in values))
    dataset = p.get("dataset", "mocap17")
    if dataset == "h36m":
        return "\n".join(lines + _h36m_tables(report))
    metrics = [("MPJPE", "mpjpe_mm"), ("P-MPJPE", "p_mpjpe_mm")]
    if dataset == "3dhp":
        metrics = [("PCK %", "pck_percent"), ("AUC %", "auc_percent"), *metrics]
    for title, metric in metrics:
        lines += _by_action(report, title, metric)
    return "\n".join(lines)


def _by_action(report: Mapping[str, Any], title: str, metric: str) -> list[str]:
    """One row an action, one column a method."""
    methods = report["methods"]
    main = main_methods(report)
    head = f"{title + ' by action':24s}" + "".join(f" {name.replace('diffpose', 'dp')[:14]:>14s}" for name in main)
    rows = [
        f"{action:24s}" + "".join(f" {_number(methods[name]['actions'][action].get(metric), 14)}" for name in main)
        for action in methods[main[0]]["actions"]
    ]
    return ["", head, *rows]


def _h36m_tables(report: Mapping[str, Any]) -> list[str]:
    """P-MPJPE with the supplement's rows above, and MPJPE: one column an action, in the published tables' order."""
    p = report["provenance"]
    table = next(t for t in published_tables() if t.setting == p["setting"])
    published = [(f"{m.name} *", (*m.values, m.average)) for m in table.methods]
    lines: list[str] = []
    for title, metric, above in (("P-MPJPE", "p_mpjpe_mm", published), ("MPJPE", "mpjpe_mm", [])):
        measured = [(name, _h36m_row(report["methods"][name], metric)) for name in main_methods(report)]
        lines += ["", f"{title:{_NAME_WIDTH}s}" + "".join(f"{head:>7s}" for head in (*ACTIONS.values(), "Avg"))]
        lines += [f"{name:{_NAME_WIDTH}s}" + "".join(_number(v, 7) for v in row) for name, row in above + measured]
    return [
        *lines,
        "",
        f"* as printed in Table {table.number} of {table.source}: {table.data}. Avg is the mean of the actions.",
    ]


def _h36m_row(row: Mapping[str, Any], metric: str) -> Sequence[float | None]:
    actions = row["actions"]
    return [*(actions.get(action, {}).get(metric) for action in ACTIONS), row["action_mean"][metric]]


def footage_table(report: Mapping[str, Any]) -> str:
    """Report on real footage as text: every method, mean of the cameras and camera by camera."""
    p, cameras = report["provenance"], report["provenance"]["views_per_clip"]
    heads = ("mean of cameras", "95 % interval", *(f"camera {number}" for number in range(cameras)))
    tilt = f"tilt {p['tilt']}, intrinsics {'known' if p['known_camera'] else 'unknown'}"
    lines = [f"{p['data']}, {report['frames']} frames and views, {p['joints']}, {tilt}, millimetres"]
    titles = ("N-MPJPE", "P-MPJPE", "N-MPJPE, from the middle of the hips")
    for title, metric in zip(titles, ("n_mpjpe_mm", "p_mpjpe_mm", "n_mpjpe_hips_mm"), strict=True):
        lines += ["", f"{title:{_NAME_WIDTH}s}" + "".join(f"{head:>16s}" for head in heads)]
        for name in main_methods(report):
            row = report["methods"][name]
            low, high = row["intervals"][metric]
            ends = "-" if row[metric] is None else f"[{low:.1f}, {high:.1f}]"
            cells = [_number(row[metric], 16), f"{ends:>16s}", *(_number(c[metric], 16) for c in row["cameras"])]
            lines.append(f"{name:{_NAME_WIDTH}s}" + "".join(cells))
    return "\n".join(lines)


def lean_table(report: Mapping[str, Any]) -> str:
    """Report on made upright people as text: leans in degrees by the way the camera's tilt is known."""
    arms = report["provenance"]["arms_deg"]
    heads = (*(f"arms {angle:.0f}" for angle in arms), "ten people", "absolute", "worst", "N-MPJPE mm")
    lines = [
        "Lean towards the camera of people who stand upright, degrees: a person in front of a level camera with arms",
        "held out by some degrees, and ten people of other widths seen from other elevations",
    ]
    for tilt, found in report["tilts"].items():
        lines += ["", f"{'tilt ' + tilt:{_NAME_WIDTH}s}" + "".join(f"{head:>12s}" for head in heads)]
        for name in main_methods({"methods": found["people"]}):
            row = found["people"][name]
            leans = (row[f"{kind}lean_deg"] for kind in ("", "absolute_", "worst_"))
            values = (*found["level"][name]["by_person_deg"], *leans, row["n_mpjpe_mm"])
            lines.append(f"{name:{_NAME_WIDTH}s}" + "".join(_number(v, 12) for v in values))
    return "\n".join([*lines, *(f"\ntilt {tilt}: {reason}" for tilt, reason in report["missing"].items())])
