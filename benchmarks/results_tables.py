"""Put measured figures into README and docs: `python benchmarks/results_tables.py [--check]`.

Reads the reports in benchmarks/results, which `diffpose evaluate --json`, `diffpose detector-stats` and the programs
beside this one wrote (`ablations`, `hypotheses`, `mixture_choice`, `better_2d`, `fewer_steps`, `throughput`), and
rewrites README, docs/results.md, docs/evidence.md and docs/speed.md between their markers. With --check nothing is
written; the exit status tells whether they agree with the reports.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from benchmarks.results_cells import change, number, seen, signed
from benchmarks.results_evidence import (
    OF_BUDGET,
    OF_SHIPPED,
    SHOWN,
    better_2d_table,
    groups_of,
    mixture_table,
    mutants_table,
    scores_table,
)
from benchmarks.results_real import footage_table, real_section

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
RESULTS = ROOT / "docs" / "results.md"
REPORT = ROOT / "benchmarks" / "results" / "mocap17_test_frame.json"
VIDEO = ROOT / "benchmarks" / "results" / "mocap17_test_video.json"
#: Of the frame setting, where every method is told the camera's tilt and the body's proportions.
FIXED_CAMERA = ROOT / "benchmarks" / "results" / "mocap17_test_frame_fixed_camera.json"
#: Reports on input as files of other detectors bring it.
OTHERS = [
    ROOT / "benchmarks" / "results" / f"mocap17_test_{kind}.json"
    for kind in ("frame_confidences", "frame_gaps", "frame_fixed_camera_confidences", "video_confidences")
]
DETECTOR = ROOT / "benchmarks" / "results" / "detector_val.json"
EVIDENCE = ROOT / "docs" / "evidence.md"
ABLATIONS = ROOT / "benchmarks" / "results" / "ablations.json"
#: Of the shipped weights.
ABLATIONS_SHIPPED = ROOT / "benchmarks" / "results" / "ablations_shipped.json"
#: Of networks that were trained from random weights for the same short time.
ABLATIONS_BUDGET = ROOT / "benchmarks" / "results" / "ablations_budget.json"
MUTANTS = ROOT / "benchmarks" / "results" / "mutants.json"
HYPOTHESES = ROOT / "benchmarks" / "results" / "hypotheses_test.json"
SPEED = ROOT / "docs" / "speed.md"
BETTER_2D = ROOT / "benchmarks" / "results" / "better_2d_test.json"
MIXTURE = ROOT / "benchmarks" / "results" / "mixture_choice_val.json"
FEWER_STEPS = ROOT / "benchmarks" / "results" / "fewer_steps_val.json"
#: Of the speed benchmark: this commit's, then older ones of other processors.
THROUGHPUT = [ROOT / "benchmarks" / "results" / f"throughput{of}.json" for of in ("", "_420_gflops", "_amx")]
BEGIN, END = "<!-- results:begin -->", "<!-- results:end -->"
MUTANTS_BEGIN, MUTANTS_END = "<!-- mutants:begin -->", "<!-- mutants:end -->"
MIXTURE_BEGIN, MIXTURE_END = "<!-- mixture:begin -->", "<!-- mixture:end -->"
BETTER_2D_BEGIN, BETTER_2D_END = "<!-- better2d:begin -->", "<!-- better2d:end -->"
BUDGET_BEGIN, BUDGET_END = "<!-- budget:begin -->", "<!-- budget:end -->"
SHIPPED_BEGIN, SHIPPED_END = "<!-- shipped:begin -->", "<!-- shipped:end -->"
PROCESSORS_BEGIN, PROCESSORS_END = "<!-- processors:begin -->", "<!-- processors:end -->"

#: Rows of the table: title, schedule, and the method's name in the report.
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
VIDEO_ROWS = (
    ("MixSTE (baseline)", "", "mixste"),
    ("MixSTE on reconciled 2D, no diffusion", "", "mixste_reconciled"),
    ("**DiffPose**: GMM diffusion, f_ST", "converging", "diffpose_video"),
    ("DiffPose without f_ST", "converging", "diffpose_video_no_context"),
    ("DiffPose, standard diffusion", "converging", "diffpose_video_standard"),
)
Rows = tuple[tuple[str, str, str], ...]


def totals(report: dict[str, Any], rows: Rows) -> list[str]:
    """The table of all methods; velocities where consecutive frames were evaluated."""
    methods = report["methods"]
    heads = ["MPJPE", "N-MPJPE", "P-MPJPE", "MPJPE, hidden joints", "MPJPE, one step", "MPJPE, best of 5"]
    moving = any(row.get("mpjve_mm") is not None for row in methods.values())
    heads += ["MPJVE", "MPJVE, one hypothesis"] if moving else []
    lines = ["| method | schedule | " + " | ".join(heads) + " |", "| --- | --- |" + " ---: |" * len(heads)]
    for title, schedule, name in rows:
        if name not in methods:
            continue
        row = methods[name]
        cells = [row["mpjpe_mm"], row.get("n_mpjpe_mm"), row["p_mpjpe_mm"], row["hidden"]["mpjpe_mm"]]
        cells += [methods.get(f"{name}_{kind}", {}).get("mpjpe_mm") for kind in ("1_step", "best")]
        if moving:
            cells += [row.get("mpjve_mm"), methods.get(f"{name}_1_hypothesis", {}).get("mpjve_mm")]
        lines.append(f"| {title} | {schedule} | " + " | ".join(number(cell) for cell in cells) + " |")
    return lines


def gains(report: dict[str, Any], rows: Rows, own: str) -> list[str]:
    """Table of the gains of the method `own` over other methods, with intervals.

    Args:
        report: An evaluation's report.
        rows: Rows of the table, one for a method.
        own: Name of the method with the gains.

    Returns:
        Lines of Markdown.
    """
    lines = ["| DiffPose's error against | MPJPE | P-MPJPE | MPJPE, hidden joints |", "| --- | ---: | ---: | ---: |"]
    for title, _, name in rows:
        if name not in report["gains"]:
            continue
        lines.append(f"| {title} | " + " | ".join(_gain_cells(report["gains"][name][own])) + " |")
    return lines


def other_inputs(reports: list[dict[str, Any]]) -> list[str]:
    """Table of DiffPose and its baseline on input as files of other detectors bring it, as lines of Markdown."""
    lines = [
        "Clips as other detectors' files bring them, without heatmaps:",
        "",
        "| what is known | frames | views | baseline, MPJPE | DiffPose, MPJPE | DiffPose's MPJPE | its P-MPJPE | "
        "hidden joints |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for report in reports:
        p, methods = report["provenance"], report["methods"]
        baseline, own = ("mixste", "diffpose_video") if p["setting"] == "video" else ("graformer", "diffpose")
        kind = "video" if p["setting"] == "video" else "single"
        kind += ", tilt estimated" if p.get("tilt") == "estimated" else ""
        errors = [number(methods[name]["mpjpe_mm"]) for name in (baseline, own)]
        cells = [p["input"], kind, f"{report['frames']:,}", *errors, *_gain_cells(report["gains"][baseline][own])]
        lines.append("| " + " | ".join(cells) + " |")
    return [*lines, ""]


def _gain_cells(row: dict[str, Any]) -> list[str]:
    cells = []
    for metric in ("mpjpe", "p_mpjpe", "hidden_mpjpe"):
        cells.append(change(row[metric]["percent"], row[metric]["interval"]))
    return cells


def by_action(report: dict[str, Any], rows: Rows) -> list[str]:
    """MPJPE / P-MPJPE by action of the converging schedule's methods."""
    shown = [name for _, schedule, name in rows if schedule != "supplement" and name in report["methods"]]
    lines = ["| action | " + " | ".join(shown) + " |", "| --- |" + " ---: |" * len(shown)]
    for action in report["methods"][shown[0]]["actions"]:
        of_action = [report["methods"][name]["actions"][action] for name in shown]
        cells = [f"{number(row['mpjpe_mm'])} / {number(row['p_mpjpe_mm'])}" for row in of_action]
        lines.append(f"| {action} | " + " | ".join(cells) + " |")
    return lines


def detector_sentence(statistics: dict[str, Any]) -> str:
    """A sentence on the errors of the simulated detector."""
    visible, hidden = statistics["visible_error_px"]["mean"], statistics["hidden_error_px"]["mean"]
    return (
        f"The simulated detector on {statistics['data']}: {visible:.1f} px mean error on visible joints and "
        f"{hidden:.1f} px on hidden ones ({statistics['hidden_share']:.0%} of all), "
        f"{statistics['swapped_share_of_limb_ends']:.1%} of limb ends exchanged left to right, "
        f"{statistics['two_mode_share']:.0%} of joints with more than one mode (`diffpose detector-stats`)."
    )


def _conditions(report: dict[str, Any]) -> str:
    p = report["provenance"]
    context = "one frame at a time" if p["setting"] == "frame" else "context of 27 frames"
    facts = {"tilt": "the camera's tilt", "body": "the body's proportions"}
    told = [words for fact, words in facts.items() if p.get(fact) == "estimated"]
    if told:
        context += f", every method told {' and '.join(told)}, estimated from the whole clip"
    return (
        f"{seen(p, report['frames'])}, detected 2D of the simulated detector, {p['steps']} DDIM steps, "
        f"{p['hypotheses']} hypotheses, {context}{', diffusion networks in bfloat16' if p['mixed_precision'] else ''}."
    )


def _tables(report: dict[str, Any], rows: Rows, own: str) -> list[str]:
    """Conditions, errors and gains of a report, as lines of Markdown."""
    return [
        _conditions(report),
        "",
        *totals(report, rows),
        "",
        *gains(report, rows, own),
        "",
        "In brackets: 95 % bootstrap intervals over clips.",
        "",
        "<details><summary>MPJPE / P-MPJPE by action, converging schedule</summary>",
        "",
        *by_action(report, rows),
        "",
        "</details>",
        "",
    ]


def section(
    report: dict[str, Any],
    fixed: dict[str, Any] | None,
    video: dict[str, Any] | None,
    others: list[dict[str, Any]],
    statistics: dict[str, Any],
) -> str:
    """Everything that stands between the markers."""
    parts = [BEGIN, *real_section(), "**Single frames**", "", *_tables(report, ROWS, "diffpose")]
    if fixed is not None:
        shown = tuple(row for row in ROWS if row[1] != "supplement")
        parts += ["**Single frames, told what the whole clip shows**", "", *_tables(fixed, shown, "diffpose")]
    if video is not None:
        parts += ["**Video**", "", *_tables(video, VIDEO_ROWS, "diffpose_video")]
    if others:
        parts += ["**Other detectors**", "", *other_inputs(others)]
    return "\n".join([*parts, detector_sentence(statistics), END])


def fewer_steps_table(report: dict[str, Any]) -> str:
    """Table of the report of `benchmarks.fewer_steps`, with a sentence on its data."""
    lines = ["| way | MPJPE | against five steps |", "| --- | ---: | ---: |"]
    for row in report["rows"]:
        shown = "" if row["way"] == report["reference"] else signed(row["change_percent"], row["interval"])
        lines.append(f"| {row['way']} | {row['mpjpe_mm']:.2f} | {shown} |")
    other = report["other_cameras"]
    seen = (
        f"On {other['views']:,} views of cameras as in training, at any tilt, Graformer has "
        f"{other['encoder_mm']:.1f} mm, and such a correction makes {other['corrected_mm']:.1f} mm of it."
    )
    return "\n".join([*lines, "", f"{report['said']} {seen}"])


def processors_table(reports: list[dict[str, Any]]) -> str:
    """Poses a second and the time of whole clips on several processors, a row a report of `benchmarks.throughput`."""
    released = "released form, without a fit"
    shown = {
        "poses a second, batch 1": ("end to end", "1"), "batch 64": ("end to end", "64"),
        "batch 64 without the fit": ("without the fit", "64"),
        "released form, batch 1": (released, "1"), "released form, batch 64": (released, "64"),
    }  # fmt: skip
    heads = [
        "processor",
        "commit",
        "a matmul's GFLOP/s, float32",
        "bfloat16",
        *shown,
        "100 frames, s",
        "10,000 frames, s",
    ]
    lines = ["| " + " | ".join(heads) + " |", "| --- | --- |" + " ---: |" * (len(heads) - 2)]
    for report in reports:
        cells = [report["machine"]["processor"], report["machine"]["commit"]]
        for precision in ("float32", "bfloat16"):
            measured = report["denoiser"][precision]["batches"].values()
            cells.append(f"{max(row['matmul_gflops'] for row in measured):,.0f}")
        for way, batch in shown.values():
            taken = report["stages"][batch].get(way)
            cells.append("" if taken is None else f"{int(batch) / taken:.0f}")
        cells += [f"{report['opening']['whole traces']:.2f}", f"{report['long']['seconds']:.0f}"]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _between(page: str, content: str, begin: str = BEGIN, end: str = END) -> str:
    head, rest = page.split(begin, 1)
    return head + content + rest.split(end, 1)[1]


#: Rows of the README's small table: kind of frames, method, the report's name of it.
SUMMARY_ROWS = (
    ("single frames", "Graformer (baseline)", "graformer"),
    ("single frames", "DiffPose", "diffpose"),
    ("video", "MixSTE (baseline)", "mixste"),
    ("video", "DiffPose", "diffpose_video"),
)


def summary(report: dict[str, Any], video: dict[str, Any]) -> str:
    """The README's small table and the sentence below it, from marker to marker."""
    lines = [BEGIN, "| mm | method | MPJPE | P-MPJPE | MPJPE, hidden joints | MPJPE, best of 5 |"]
    lines.append("| --- | --- |" + " ---: |" * 4)
    methods = {**report["methods"], **video["methods"]}
    for kind, title, name in SUMMARY_ROWS:
        row = methods[name]
        best = methods.get(f"{name}_best", {}).get("mpjpe_mm")
        cells = [row["mpjpe_mm"], row["p_mpjpe_mm"], row["hidden"]["mpjpe_mm"], best]
        lines.append(f"| {kind} | {title} | " + " | ".join(number(cell) for cell in cells) + " |")
    changes = {
        name: f"{-of['gains'][name][own]['mpjpe']['percent']:+.1f} %"
        for of, own in ((report, "diffpose"), (video, "diffpose_video"))
        for name in of["gains"]
        if name in ("graformer", "graformer_reconciled", "mixste", "mixste_reconciled")
    }
    provenance = report["provenance"]
    lines += [
        "",
        f"Measured on {provenance['data']}, motion capture with simulated detections, not on Human3.6M. Against its",
        f"baseline, DiffPose's error changes by {changes['graformer']} in single frames and by {changes['mixste']} in "
        "video. Against the same",
        "baseline on 2D poses that were reconciled with the whole heatmaps, without any diffusion, it changes by",
        f"{changes['graformer_reconciled']} and {changes['mixste_reconciled']}. The best of 5 is picked by the truth.",
    ]
    return "\n".join([*lines, "", *footage_table(), END])


def rewritten(readme: str) -> str:
    """The README with its small table replaced by one of the stored reports."""
    return _between(readme, summary(*(json.loads(path.read_text()) for path in (REPORT, VIDEO))))


def rewritten_results(page: str) -> str:
    """The page on results with its tables replaced by those of the stored reports."""
    report, statistics = (json.loads(path.read_text()) for path in (REPORT, DETECTOR))
    fixed, video = (json.loads(path.read_text()) if path.is_file() else None for path in (FIXED_CAMERA, VIDEO))
    others = [json.loads(path.read_text()) for path in OTHERS if path.is_file()]
    return _between(page, section(report, fixed, video, others, statistics))


def rewritten_evidence(page: str) -> str:
    """The page on evidence with its tables replaced by those of the stored reports."""
    old, better_2d = (json.loads(path.read_text()) for path in (ABLATIONS, BETTER_2D))
    page = _between(page, "\n".join([BEGIN, *groups_of(old, SHOWN), END]))
    table = "\n".join([BETTER_2D_BEGIN, better_2d_table(better_2d), BETTER_2D_END])
    page = _between(page, table, BETTER_2D_BEGIN, BETTER_2D_END)
    mixture = mixture_table(json.loads(MIXTURE.read_text()))
    page = _between(page, "\n".join([MIXTURE_BEGIN, mixture, MIXTURE_END]), MIXTURE_BEGIN, MIXTURE_END)
    if MUTANTS.is_file():
        table = mutants_table(json.loads(MUTANTS.read_text()))
        page = _between(page, "\n".join([MUTANTS_BEGIN, *table, MUTANTS_END]), MUTANTS_BEGIN, MUTANTS_END)
    if ABLATIONS_BUDGET.is_file():
        tables = groups_of(json.loads(ABLATIONS_BUDGET.read_text()), OF_BUDGET)
        page = _between(page, "\n".join([BUDGET_BEGIN, *tables, BUDGET_END]), BUDGET_BEGIN, BUDGET_END)
    if not (ABLATIONS_SHIPPED.is_file() and HYPOTHESES.is_file()):
        return page
    shipped, scores = (json.loads(path.read_text()) for path in (ABLATIONS_SHIPPED, HYPOTHESES))
    found = [SHIPPED_BEGIN, *groups_of(shipped, OF_SHIPPED), *scores_table(scores), SHIPPED_END]
    return _between(page, "\n".join(found), SHIPPED_BEGIN, SHIPPED_END)


def rewritten_speed(page: str) -> str:
    """The page on speed with its tables of processors and of fewer steps replaced by those of the stored reports."""
    processors = processors_table([json.loads(path.read_text()) for path in THROUGHPUT])
    page = _between(page, "\n".join([PROCESSORS_BEGIN, processors, PROCESSORS_END]), PROCESSORS_BEGIN, PROCESSORS_END)
    return _between(page, "\n".join([BEGIN, fewer_steps_table(json.loads(FEWER_STEPS.read_text())), END]))


def main() -> int:
    """Rewrite or check the pages."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="change nothing; fail if a page differs")
    args = parser.parse_args()
    stale = 0
    for path, rewrite in (
        (README, rewritten),
        (RESULTS, rewritten_results),
        (EVIDENCE, rewritten_evidence),
        (SPEED, rewritten_speed),
    ):
        before = path.read_text()
        after = rewrite(before)
        stale |= before != after
        if not args.check:
            path.write_text(after)
    return int(args.check and stale)


if __name__ == "__main__":
    sys.exit(main())
