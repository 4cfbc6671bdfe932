"""The ablation suite in one command: `python -m benchmarks.ablations --data mocap17_val.npz --out FOLDER`.

Measures every setting of `diffpose_core.evaluation.ablation_suite` and writes report.html, which stands alone,
ablations.csv and ablations.json. `--from FOLDER/ablations.json` draws the report again without measuring; several
reports, measured on the same views with `--only`, become one. Weights that are not shipped are looked for in the
folders given with --also; the report lists the missing ones and the commands that train them.
"""

from __future__ import annotations

import argparse
import csv
import html
import json
import shlex
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
import torch
from plotly.offline import get_plotlyjs

from diffpose_core.datasets.mocap17 import load_mocap17
from diffpose_core.datasets.sampling import PoseSampler, Variation
from diffpose_core.evaluation.ablation_poses import find_weights
from diffpose_core.evaluation.ablation_suite import groups
from diffpose_core.evaluation.ablations import COLUMNS, AblationSettings, ablate, rows
from diffpose_core.evaluation.population import measure_population
from diffpose_core.lifting.models import load_models
from diffpose_core.structures import InvalidInput

COLOURS = {"all": "#0b7a6b", "hidden": "#d9730d", "visible": "#6b43d8"}
DASHES = ("solid", "dash", "dot", "dashdot")
METRICS = {"mpjpe_mm": "MPJPE", "p_mpjpe_mm": "P-MPJPE"}
STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 68rem; padding: 0 1rem; color: #1c1c28; }
h1 { font-size: 1.7rem; } h2 { font-size: 1.25rem; margin-top: 2.6rem; } .note { color: #555; }
table { border-collapse: collapse; font-size: .9rem; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: .3rem .6rem; border-bottom: 1px solid #ddd; vertical-align: top; }
th:first-child, td:first-child { text-align: left; } small { color: #666; white-space: nowrap; }
.scroll { overflow-x: auto; } pre { background: #f4f4f7; padding: .8rem; overflow-x: auto; font-size: .85rem; }
tr.reference td { font-weight: 650; }
"""


def _spread(figure: dict[str, Any]) -> tuple[float, float]:
    """Lengths of an interval above and below its value."""
    low, high = figure["interval"]
    return high - figure["value"], figure["value"] - low


def curve(group: dict[str, Any], metric: str) -> go.Figure:
    """Errors over the numbers that a group varies, one line a series and kind of joints."""
    figure = go.Figure()
    series = list(dict.fromkeys(cell["series"] for cell in group["cells"]))
    for number, name in enumerate(series):
        cells = sorted((c for c in group["cells"] if c["series"] == name), key=lambda c: c["x"])
        for part in ("all", "hidden") if len(series) == 1 else ("all",):
            values = [cell["errors"][part][metric] for cell in cells]
            above, below = zip(*map(_spread, values), strict=True)
            figure.add_scatter(
                x=[cell["x"] for cell in cells],
                y=[value["value"] for value in values],
                error_y={"type": "data", "array": above, "arrayminus": below, "thickness": 1},
                name=name or {"all": "all joints", "hidden": "hidden joints"}[part],
                mode="lines+markers",
                line={"dash": DASHES[number % len(DASHES)], "color": COLOURS[part] if len(series) == 1 else None},
            )
    figure.update_xaxes(title=group["axis"], type="log", tickvals=sorted({c["x"] for c in group["cells"]}))
    figure.update_yaxes(title=f"{METRICS[metric]} (mm)")
    return figure


def bars(group: dict[str, Any], metric: str) -> go.Figure:
    """A row for each cell: errors of all, hidden and visible joints."""
    figure = go.Figure()
    labels = [cell["label"] for cell in group["cells"]]
    for part, colour in COLOURS.items():
        values = [cell["errors"][part][metric] for cell in group["cells"]]
        above, below = zip(*map(_spread, values), strict=True)
        figure.add_scatter(
            x=[value["value"] for value in values],
            y=labels,
            error_x={"type": "data", "array": above, "arrayminus": below, "thickness": 1.5},
            mode="markers",
            marker={"size": 10, "color": colour},
            name=f"{part} joints",
        )
    figure.update_yaxes(autorange="reversed", automargin=True)
    figure.update_xaxes(title=f"{METRICS[metric]} (mm)")
    return figure


def _chart(group: dict[str, Any], metric: str) -> str:
    is_curve = bool(group["axis"])
    figure = curve(group, metric) if is_curve else bars(group, metric)
    height = 380 if is_curve else 120 + 34 * len(group["cells"])
    figure.update_layout(
        template="plotly_white", height=height, margin={"l": 10, "r": 10, "t": 40, "b": 40},
        legend={"orientation": "h", "y": 1.0, "yanchor": "bottom"},
    )  # fmt: skip
    return figure.to_html(full_html=False, include_plotlyjs=False, config={"displaylogo": False, "responsive": True})


def _number(figure: dict[str, Any], sign: str = "") -> str:
    low, high = figure["interval"]
    return f"{figure['value']:{sign}.1f} <small>[{low:{sign}.1f}, {high:{sign}.1f}]</small>"


def _table(group: dict[str, Any]) -> str:
    head = "<tr><th></th><th>MPJPE</th><th>P-MPJPE</th><th>MPJPE, hidden</th><th>MPJPE, visible</th>"
    head += f"<th>lower than <i>{html.escape(group['reference'])}</i>, %</th></tr>"
    lines = []
    for cell in group["cells"]:
        errors, kind = cell["errors"], "reference" if cell["label"] == group["reference"] else ""
        values = [errors["all"]["mpjpe_mm"], errors["all"]["p_mpjpe_mm"]]
        values += [errors[part]["mpjpe_mm"] for part in ("hidden", "visible")]
        gain = "-" if kind else _number(cell["gain_percent"]["all"]["mpjpe_mm"], "+")
        cells = "".join(f"<td>{value}</td>" for value in (*map(_number, values), gain))
        lines.append(f"<tr class='{kind}'><td>{html.escape(cell['label'])}</td>{cells}</tr>")
    return f"<div class='scroll'><table>{head}{''.join(lines)}</table></div>"


def page(report: dict[str, Any]) -> str:
    """The whole report as one HTML file that needs nothing else."""
    p, clips = report["provenance"], report["clips"]
    seen = (
        f"{html.escape(p['data'])}, every {p['stride']}th frame of {clips} clip{'s' * (clips > 1)}, four "
        f"cameras each: {report['views']:,} views"
    )
    intervals = "In brackets: 95 % bootstrap intervals over clips." if clips > 1 else "One clip has no interval."
    parts = [
        "<!doctype html><html lang='en'><meta charset='utf-8'><title>DiffPose: ablations</title>",
        "<meta name='viewport' content='width=device-width, initial-scale=1'>",
        f"<style>{STYLE}</style><script>{get_plotlyjs()}</script>",
        "<h1>DiffPose: what each part brings</h1>",
        f"<p>One setting is changed at a time; the rest is GMM diffusion with f<sub>ST</sub>, five DDIM steps, five "
        f"hypotheses, M = 5, N<sub>GMM</sub> = 1000, detected 2D. Errors in mm on {seen}. "
        f"{intervals} A gain is how much lower an error is than the reference's, on the same views.</p>",
        f"<pre>{html.escape(p.get('command', ''))}</pre>",
    ]
    for group in report["groups"]:
        if not group["cells"]:
            continue
        parts += [
            f"<h2>{html.escape(group['title'])}</h2><p class='note'>{html.escape(group['note'])}</p>",
            _chart(group, "mpjpe_mm"),
            _table(group),
            f"<p class='note'><small>{seen}</small></p>",
        ]
    if report["missing"]:
        parts.append("<h2>Not measured: weights that are not at hand</h2><p>These commands train them.</p>")
        for entry in report["missing"]:
            commands = html.escape("\n".join(entry["commands"]))
            parts.append(f"<p>{html.escape(entry['label'])} ({html.escape(entry['network'])})</p><pre>{commands}</pre>")
    weights = "\n".join(f"{name} {digest}" for name, digest in p["weights_sha256"].items())
    parts += [
        "<h2>Where this is from</h2>",
        f"<p>{html.escape(p['software'])}; {p['seconds'] / 60:.0f} minutes; {html.escape(p.get('date', ''))}. "
        f"SHA-256 of the weights:</p><pre>encoder {p['encoder_sha256']}\n{html.escape(weights)}</pre></html>",
    ]
    return "\n".join(parts)


def write(report: dict[str, Any], out: Path) -> None:
    """Write the report's three files into a folder."""
    out.mkdir(parents=True, exist_ok=True)
    (out / "ablations.json").write_text(json.dumps(report, indent=1) + "\n")
    (out / "report.html").write_text(page(report), encoding="utf-8")
    with (out / "ablations.csv").open("w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(COLUMNS)
        table.writerows(rows(report))


def joined(reports: list[dict[str, Any]]) -> dict[str, Any]:
    """One report of the groups of several. Raises InvalidInput where views, settings or weights of theirs differ."""
    first, *others = reports
    report = {**first, "provenance": dict(first["provenance"])}
    p = report["provenance"]
    for other in others:
        q = other["provenance"]
        settings = ("data", "clips", "stride", "seed", "detector_seed", "mixed_precision", "encoder_sha256")
        differ = [f"{name}: {p[name]} and {q[name]}" for name in settings if p[name] != q[name]]
        ours, theirs = p["weights_sha256"], q["weights_sha256"]
        differ += [f"weights of {name}" for name in ours if theirs.get(name, ours[name]) != ours[name]]
        if differ:
            raise InvalidInput(f"reports to join are of the same views and weights; these differ: {', '.join(differ)}")
        order = [group.name for group in groups()]
        report["groups"] = sorted([*report["groups"], *other["groups"]], key=lambda group: order.index(group["name"]))
        report["missing"] = [*report["missing"], *(m for m in other["missing"] if m not in report["missing"])]
        command = f"{p['command']}\n{q['command']}"
        p |= {"weights_sha256": ours | theirs, "seconds": p["seconds"] + q["seconds"], "command": command}
    return report


def _command(argv: list[str]) -> str:
    """The command with files by their names: folders differ from machine to machine."""
    return shlex.join(["python", "-m", "benchmarks.ablations", *(Path(w).name if "/" in w else w for w in argv)])


def _show(done: int, total: int) -> None:
    print(f"\r{done} of {total} clips", end="", file=sys.stderr, flush=True)


def main(argv: list[str] | None = None) -> int:
    """Measure, or read an earlier measurement, and write the report."""
    words = sys.argv[1:] if argv is None else argv
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", help="motions in Mocap-17 layout (.npz)")
    parser.add_argument("--from", dest="measured", nargs="+", help="ablations.json to draw again instead of measuring")
    parser.add_argument("--out", required=True, help="folder to write to")
    parser.add_argument("--weights", default=None, help="folder of checkpoints; by default the bundled ones")
    parser.add_argument("--also", nargs="*", default=[], help="folders of further weights, e.g. runs/tuned runs")
    parser.add_argument("--train", help="training motions (.npz), for rows without the encoder")
    parser.add_argument("--train-views", type=int, default=8192, help="views to average over")
    parser.add_argument("--only", nargs="*", default=[], choices=[g.name for g in groups()], help="groups")
    parser.add_argument("--stride", type=int, default=25, help="every how many frames")
    parser.add_argument("--clip-stride", type=int, default=1, help="every how many clips")
    parser.add_argument("--clips", type=int, default=None, help="only the first clips")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1, help="of torch")
    parser.add_argument("--exact-numbers", action="store_true", help="float32 instead of bfloat16 in the networks")
    args = parser.parse_args(words)
    if (args.data is None) == (args.measured is None):
        parser.error("either --data or --from is needed")
    torch.set_num_threads(args.threads)
    try:
        if args.measured:
            report = joined([json.loads(Path(path).read_text()) for path in args.measured])
        else:
            weights = find_weights(load_models(args.weights), args.also)
            if args.train:
                sampler = PoseSampler(load_mocap17(args.train), Variation())
                population = measure_population(weights.models.encoder, sampler, args.train_views)
                weights = replace(weights, population=population)
            clips = range(0, args.clips or len(load_mocap17(args.data)), max(args.clip_stride, 1))
            settings = AblationSettings(args.stride, args.seed, clips, tuple(args.only), not args.exact_numbers)
            report = ablate(args.data, weights, settings, _show)
            report["provenance"] |= {"command": _command(words), "date": datetime.now(UTC).date().isoformat()}
    except InvalidInput as error:
        print(f"ablations: {error}", file=sys.stderr)
        return 2
    write(report, Path(args.out))
    print(f"\nwrote report.html, ablations.csv and ablations.json to {args.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
