"""Put measured figures into the README: `python benchmarks/results_tables.py [--check]`.

Reads the reports in benchmarks/results (`diffpose evaluate --json` and `diffpose detector-stats` wrote them) and
rewrites the README between its markers. With --check nothing is written; the exit status says whether the README shows
what the reports hold.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
REPORT = ROOT / "benchmarks" / "results" / "mocap17_test_frame.json"
DETECTOR = ROOT / "benchmarks" / "results" / "detector_val.json"
BEGIN, END = "<!-- results:begin -->", "<!-- results:end -->"

#: Rows of the table: what it says, the schedule's column, and the report's method.
ROWS = (
    ("Graformer (baseline)", "", "graformer"),
    ("Graformer on reconciled 2D, no diffusion", "", "graformer_reconciled"),
    ("**DiffPose**: GMM diffusion, f_ST", "converging", "diffpose"),
    ("DiffPose without f_ST", "converging", "diffpose_no_context"),
    ("DiffPose, standard diffusion", "converging", "diffpose_standard"),
    ("DiffPose: GMM diffusion, f_ST", "supplement", "diffpose_supplement"),
    ("DiffPose without f_ST", "supplement", "diffpose_no_context_supplement"),
    ("DiffPose, standard diffusion", "supplement", "diffpose_standard_supplement"),
    ("DiffPose in the paper's form", "supplement", "diffpose_paper"),
)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def totals(report: dict[str, Any]) -> list[str]:
    """The table of all methods."""
    methods = report["methods"]
    lines = [
        "| method | schedule | MPJPE | P-MPJPE | MPJPE, hidden joints | MPJPE, one step | MPJPE, best of 5 |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for title, schedule, name in ROWS:
        if name not in methods:
            continue
        row = methods[name]
        cells = [row["mpjpe_mm"], row["p_mpjpe_mm"], row["hidden"]["mpjpe_mm"]]
        cells += [methods.get(f"{name}_{kind}", {}).get("mpjpe_mm") for kind in ("1_step", "best")]
        lines.append(f"| {title} | {schedule} | " + " | ".join(_number(cell) for cell in cells) + " |")
    return lines


def gains(report: dict[str, Any]) -> list[str]:
    """How much lower DiffPose's errors are than other methods', with intervals."""
    lines = ["| DiffPose's error against | MPJPE | P-MPJPE | MPJPE, hidden joints |", "| --- | ---: | ---: | ---: |"]
    for title, _, name in ROWS:
        if name not in report["gains"]:
            continue
        row = report["gains"][name]["diffpose"]
        cells = []
        for metric in ("mpjpe", "p_mpjpe", "hidden_mpjpe"):
            low, high = row[metric]["interval"]
            cells.append(f"{-row[metric]['percent']:+.1f} % [{-high:+.1f}, {-low:+.1f}]")
        lines.append(f"| {title} | " + " | ".join(cells) + " |")
    return lines


def by_action(report: dict[str, Any]) -> list[str]:
    """MPJPE / P-MPJPE by action of the converging schedule's methods."""
    shown = [name for _, schedule, name in ROWS if schedule != "supplement" and name in report["methods"]]
    lines = ["| action | " + " | ".join(shown) + " |", "| --- |" + " ---: |" * len(shown)]
    for action in report["methods"][shown[0]]["actions"]:
        rows = [report["methods"][name]["actions"][action] for name in shown]
        cells = [f"{_number(row['mpjpe_mm'])} / {_number(row['p_mpjpe_mm'])}" for row in rows]
        lines.append(f"| {action} | " + " | ".join(cells) + " |")
    return lines


def detector_sentence(statistics: dict[str, Any]) -> str:
    """What the simulated detector does, in words."""
    visible, hidden = statistics["visible_error_px"]["mean"], statistics["hidden_error_px"]["mean"]
    return (
        f"The simulated detector on {statistics['data']}: {visible:.1f} px mean error on visible joints and "
        f"{hidden:.1f} px on hidden ones ({statistics['hidden_share']:.0%} of all), "
        f"{statistics['swapped_share_of_limb_ends']:.1%} of limb ends exchanged left to right, "
        f"{statistics['two_mode_share']:.0%} of joints with more than one mode (`diffpose detector-stats`)."
    )


def section(report: dict[str, Any], statistics: dict[str, Any]) -> str:
    """Everything that stands between the markers."""
    p = report["provenance"]
    note = (
        f"Millimetres, on {p['data']}: {report['frames']:,} views (every {p['stride']}th frame of {p['clips']} clips, "
        f"four cameras each), detected 2D of the simulated detector, {p['steps']} DDIM steps, "
        f"{p['hypotheses']} hypotheses, one frame at a time"
        f"{', diffusion networks in bfloat16' if p['mixed_precision'] else ''}."
    )
    folded = [
        "<details><summary>MPJPE / P-MPJPE by action, converging schedule</summary>",
        "",
        *by_action(report),
        "",
        "</details>",
    ]
    between = "In brackets: 95 % bootstrap intervals over clips."
    parts = [BEGIN, note, "", *totals(report), "", *gains(report), "", between, "", *folded]
    return "\n".join([*parts, "", detector_sentence(statistics), END])


def rewritten(readme: str) -> str:
    """The README with its results replaced by those of the stored reports."""
    report, statistics = (json.loads(path.read_text()) for path in (REPORT, DETECTOR))
    head, rest = readme.split(BEGIN, 1)
    return head + section(report, statistics) + rest.split(END, 1)[1]


def main() -> int:
    """Rewrite or check the README."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="change nothing; fail if the README differs")
    args = parser.parse_args()
    before = README.read_text()
    after = rewritten(before)
    if args.check:
        return int(before != after)
    README.write_text(after)
    return 0


if __name__ == "__main__":
    sys.exit(main())
