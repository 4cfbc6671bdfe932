"""Tables of the measurements on real people and on data sets unrelated to the training."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).resolve().parent / "results"
#: Reports by setting: real footage, the open test set, made people who stand upright.
FOOTAGE = {setting: RESULTS / "real" / f"footage_{setting}.json" for setting in ("frame", "video")}
OPEN = RESULTS / "open_test_frame.json"
LEAN = {setting: RESULTS / "real" / f"lean_{setting}.json" for setting in ("frame", "video")}
#: Rows by setting: title, the report's name of the method.
METHODS = {
    "frame": (("Graformer (baseline)", "graformer"), ("DiffPose", "diffpose"), ("without f_ST", "diffpose_no_context"),
              ("standard diffusion", "diffpose_standard")),
    "video": (("MixSTE (baseline)", "mixste"), ("DiffPose, video", "diffpose_video")),
}  # fmt: skip


def _read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def footage_table() -> list[str]:
    """Errors on real footage, with intervals, beside the detector's own 3D."""
    reports = {setting: _read(path) for setting, path in FOOTAGE.items()}
    lines = ["| real footage, mm | N-MPJPE | P-MPJPE |", "| --- | ---: | ---: |"]
    for setting, rows in METHODS.items():
        for title, name in rows:
            row = reports[setting]["methods"][name]
            cells = [f"{row[m]:.0f} {_interval(row['intervals'][m])}" for m in ("n_mpjpe_mm", "p_mpjpe_mm")]
            lines.append(f"| {title} | " + " | ".join(cells) + " |")
    detector = reports["frame"]["methods"]["detector"]
    lines.append(f"| the detector's own 3D | - | {detector['p_mpjpe_mm']:.0f} "
                 f"{_interval(detector['intervals']['p_mpjpe_mm'])} |")  # fmt: skip
    provenance = reports["frame"]["provenance"]
    return [
        *lines,
        "",
        f"One man before four phones, {reports['frame']['frames']} frames and views, MediaPipe's 2D, no camera known,",
        f"tilt {provenance['tilt']}, body {provenance['body']}; twelve limb joints, mean of the cameras, 95 %",
        "intervals. The truth is triangulated and worth a few centimetres: it tells 170 mm from 100, not 40 from 35.",
    ]


def _interval(interval: list[float]) -> str:
    return f"[{interval[0]:.0f}, {interval[1]:.0f}]"


def open_table() -> list[str]:
    """Errors on the open test set: another body, another subject's motions."""
    report = _read(OPEN)
    lines = ["| open test set, mm | MPJPE | N-MPJPE | P-MPJPE |", "| --- | ---: | ---: | ---: |"]
    for title, name in METHODS["frame"]:
        row = report["methods"][name]
        cells = (row["mpjpe_mm"], row["n_mpjpe_mm"], row["p_mpjpe_mm"])
        lines.append(f"| {title} | " + " | ".join(f"{cell:.1f}" for cell in cells) + " |")
    gain = report["gains"]["graformer"]["diffpose"]["mpjpe"]
    low, high = gain["interval"]
    return [
        *lines,
        "",
        f"{report['frames']:,} views of {report['provenance']['data']}, detected 2D of the simulated detector, tilt",
        f"unknown. DiffPose's MPJPE against the Graformer's: {-gain['percent']:+.1f} % [{-high:+.1f}, {-low:+.1f}].",
    ]


def lean_table() -> list[str]:
    """Lean of made people who stand upright, by the way the camera's tilt is known."""
    lines = [
        "| lean, degrees | tilt | level camera, arms at 0, 15, 30, 60 | ten people, mean size | worst |",
        "| --- | --- | --- | ---: | ---: |",
    ]
    for setting, path in LEAN.items():
        for tilt, found in _read(path)["tilts"].items():
            for title, name in METHODS[setting][:2]:
                level, people = found["level"][name], found["people"][name]
                arms = ", ".join(f"{lean:+.1f}" for lean in level["by_person_deg"])
                size, worst = people["absolute_lean_deg"], people["worst_lean_deg"]
                lines.append(f"| {title} | {tilt} | {arms} | {size:.1f} | {worst:+.1f} |")
    return [
        *lines,
        "",
        "Made people in COCO-17 without errors, 4 m before the camera; positive towards it. The ten have shoulders",
        "from 260 to 420 mm and cameras from -5 to 25 degrees.",
    ]


def real_section() -> list[str]:
    """All three tables for the page on results."""
    return ["**Real people**", "", *footage_table(), "", *open_table(), "", *lean_table(), ""]
