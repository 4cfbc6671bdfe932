"""Tables of the page on evidence, from the stored reports."""

from __future__ import annotations

from typing import Any

from benchmarks.hypotheses import SCORES
from benchmarks.results_cells import change, number, seen, signed

#: Groups of the ablation suite that the page shows, of the comparison networks and of the shipped weights.
SHOWN = ("baselines", "chain")
OF_SHIPPED = ("encoder", "best", "ways", "noise")
OF_BUDGET = ("told", "flow", "published")


def groups_of(report: dict[str, Any], names: tuple[str, ...]) -> list[str]:
    """Tables of some groups of the ablation suite and a sentence on their data, as lines of Markdown."""
    parts: list[str] = []
    groups = {group["name"]: group for group in report["groups"]}
    kinds = [(part, metric) for part in ("all", "hidden") for metric in ("mpjpe_mm", "p_mpjpe_mm")]
    for group in (groups[name] for name in names if groups.get(name, {}).get("cells")):
        parts += [
            f"**{group['title']}**",
            "",
            group["note"],
            "",
            "| | MPJPE | P-MPJPE | MPJPE, hidden joints | P-MPJPE, hidden joints | MPJPE against "
            f"{group['reference']} |",
            "| --- |" + " ---: |" * (len(kinds) + 1),
        ]
        for cell in group["cells"]:
            gain = cell["gain_percent"]["all"]["mpjpe_mm"]
            is_reference = cell["label"] == group["reference"]
            against = "" if is_reference else change(gain["value"], gain["interval"])
            values = [number(cell["errors"][part][metric]["value"]) for part, metric in kinds]
            parts.append(f"| {cell['label']} | " + " | ".join([*values, against]) + " |")
        parts.append("")
    said = seen(report["provenance"], report["views"])
    return [*parts, f"{said}. In brackets: 95 % bootstrap intervals over clips.", ""]


def scores_table(report: dict[str, Any]) -> list[str]:
    """Table of the report of `benchmarks.hypotheses` and a sentence on its data, as lines of Markdown."""
    heads = [words + (", mm" if score.endswith("_mm") else ", %") for score, (words, _) in SCORES.items()]
    lines = ["| five hypotheses | " + " | ".join(heads) + " |", "| --- |" + " ---: |" * len(heads)]
    for row in report["scores"]:
        cells = []
        for score in SCORES:
            low, high = row[score]["interval"]
            cells.append(f"{row[score]['value']:.1f} [{low:.1f}, {high:.1f}]")
        lines.append(f"| {row['hypotheses']} | " + " | ".join(cells) + " |")
    said = seen(report["provenance"], report["views"])
    title = "**Five hypotheses as a distribution**"
    return [title, "", *lines, "", f"{said}. In brackets: 95 % bootstrap intervals over clips."]


def mutants_table(report: dict[str, Any]) -> list[str]:
    """Table of the report of `benchmarks.mutants`, as lines of Markdown."""
    lines = [
        "| module | faults | caught by its own tests | by its room's | by others and golden errors | survive |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for path, row in report.items():
        caught = [row[stage] for stage in ("own", "room", "far")]
        cells = [sum(caught) + len(row["survivors"]), *caught, len(row["survivors"])]
        lines.append(f"| `{path.removeprefix('diffpose_core/')}` | " + " | ".join(map(str, cells)) + " |")
    return lines


def better_2d_table(report: dict[str, Any]) -> str:
    """Table of the report of `benchmarks.better_2d`, with a sentence on its data."""
    heads = [
        f"{title}{kind}" for title in report["encoders"] for kind in ("", ", hidden joints", ", against detected 2D")
    ]
    lines = ["| MPJPE | " + " | ".join(heads) + " |", "| --- |" + " ---: |" * len(heads)]
    for rows in zip(*report["encoders"].values(), strict=True):
        cells = []
        for row in rows:
            change = signed(row["change_percent"], row["interval"]) if row["change_percent"] else ""
            cells += [number(row["mpjpe_mm"]), number(row["hidden_mpjpe_mm"]), change]
        lines.append(f"| {rows[0]['known']} | " + " | ".join(cells) + " |")
    return "\n".join([*lines, "", report["said"]])


def mixture_table(report: dict[str, Any]) -> str:
    """Table of the report of `benchmarks.mixture_choice`, with a sentence on its data."""
    lines = [
        "| mixture | fitted draws, nats a pose | new draws | against the default | MPJPE, mm | against the default |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for row in report["rows"]:
        more = changed = ""
        if row["mixture"] != report["default"]:
            low, high = row["held_out_gain_interval"]
            more = f"{row['held_out_gain_nats']:+.2f} [{low:+.2f}, {high:+.2f}]"
            changed = signed(row["change_percent"], row["change_interval"])
        cells = [f"{row[figure]:.2f}" for figure in ("fitted_nats", "held_out_nats", "mpjpe_mm")]
        lines.append(f"| {row['mixture']} | {cells[0]} | {cells[1]} | {more} | {cells[2]} | {changed} |")
    return "\n".join([*lines, "", report["said"]])
