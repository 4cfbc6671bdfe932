"""The report for people: its tables, its sentences and its plot."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.throughput.stages import RELEASED
from benchmarks.throughput.timing import PAPERS_CARD
from diffpose_core.presets import PAPER_TRAINING


def _stages_table(found: dict[str, dict[str, float]]) -> list[str]:
    batches = list(found)
    lines = ["| milliseconds | " + " | ".join(f"batch {batch}" for batch in batches) + " |"]
    lines.append("| --- |" + " ---: |" * len(batches))
    for stage in found[batches[0]]:
        cells = (f"{1e3 * found[batch][stage]:.1f}" for batch in batches)
        lines.append(f"| {stage} | " + " | ".join(cells) + " |")
    for stage in ("end to end", "without the fit", RELEASED):
        cells = (f"**{int(batch) / found[batch][stage]:.0f}**" for batch in batches)
        lines.append(f"| poses a second, {stage} | " + " | ".join(cells) + " |")
    return lines


def _denoiser_text(found: dict[str, Any]) -> list[str]:
    lines = ["| g | GFLOP/s | a matmul's | share |", "| --- | ---: | ---: | ---: |"]
    for name, part in found.items():
        for batch, row in part["batches"].items():
            cells = f"{row['gflops']:.0f} | {row['matmul_gflops']:.0f} | {row['share']:.0%}"
            if row["share_of_peak"] is not None:
                cells += f", {row['share_of_peak']:.0%} of the card's peak"
            lines.append(f"| {name}, {batch} noisy poses | {cells} |")
    for name, part in ((name, part) for name, part in found.items() if part["time"]):
        shares = ", ".join(f"{kind} {share:.0%}" for kind, share in part["time"].items())
        lines += ["", f"Where g's time goes in {name}, at 320 noisy poses: {shares}."]
    return lines


def _gmm_text(found: dict[str, Any]) -> list[str]:
    right = found["scikit-learn"]["log_likelihood_nats"]
    lines = [
        "| GMM fit | ms a pose | times as fast | log-likelihood, nats | against scikit-learn | of new draws |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, row in found.items():
        score, new = row["log_likelihood_nats"], row["log_likelihood_of_new_draws"]
        speed = f"{row['ms_a_pose']:.2f} | {row['times_as_fast']:.1f}"
        lines.append(f"| {name} | {speed} | {score:.2f} | {score / right - 1:+.2%} | {new:.2f} |")
    return lines


def _training_text(found: dict[str, Any]) -> list[str]:
    rates, times, sizes = found["poses_a_second"], found["times_as_fast"], found["multiply_adds"]
    listed = ", ".join(f"{name} {rate:.0f} ({times[name]:.1f})" for name, rate in rates.items())
    hours = []
    for precision, of in found["hours_of_the_supplement"].items():
        papers = of[PAPERS_CARD]
        more = "" if papers is None else f" ({papers:.1f} on an {PAPERS_CARD} that reaches the same share of its peak)"
        hours.append(f"{of['here']:.1f} in {precision}{more}")
    return [
        f"Training step at batch {found['batch']}, poses a second: {listed}. In brackets: times the released form's, "
        f"whose layers have {sizes['released form']:,} multiply-adds a pose against {sizes['g']:,}. In float32 g "
        f"reaches {found['share_of_matmul_float32']:.0%} of the matmul rate. The supplement's "
        f"{PAPER_TRAINING.samples_per_epoch * PAPER_TRAINING.epochs:,} poses would take hours, at these rates: "
        f"{', '.join(hours)}."
    ]


def _exactness_text(found: dict[str, float]) -> list[str]:
    listed = ", ".join(f"{name} {value:.1e}" for name, value in found.items())
    return [f"Largest difference from the plain path's answers, metres (f_ST: its own unit): {listed}."]


def _growth_text(curves: dict[str, list[tuple[int, float]]]) -> list[str]:
    parts = []
    for name, points in curves.items():
        n, taken = np.array(points).T
        slope, start = np.polyfit(n, taken, 1)
        off = float(np.abs(slope * n + start - taken).max() / taken.max())
        parts.append(f"{name} {1e3 * slope:.2f} ms each after {1e3 * start:.0f} ms ({off:.1%})")
    return [
        "Time grows on straight lines (in brackets: the largest distance from one, of the longest time): "
        f"{'; '.join(parts)}."
    ]


def _encoders_text(found: dict[str, float]) -> list[str]:
    return [f"Poses a second: {', '.join(f'{name} {rate:,.0f}' for name, rate in found.items())}."]


def _opening_text(found: dict[str, float]) -> list[str]:
    return [
        f"A clip of {found['frames']} frames: {found['first picture']:.2f} s from the file to what the first 3D "
        f"picture needs, {found['whole traces']:.2f} s to whole reverse traces with and without f_ST."
    ]


def _long_text(found: dict[str, float]) -> list[str]:
    return [
        f"A clip of {found['frames']:,} frames through `lift`: {found['seconds']:.0f} s, "
        f"{found['peak_gb']:.2f} GB at most."
    ]


def tables(report: dict[str, Any]) -> list[str]:
    """The report for people, Markdown."""
    m = report["machine"]
    lines = [f"{m['processor']}, torch {m['torch']}, commit {m['commit']}, `{m['command']}`."]
    texts = {
        "exactness": _exactness_text, "stages": _stages_table, "denoiser": _denoiser_text, "gmm": _gmm_text,
        "training": _training_text, "encoders": _encoders_text, "opening": _opening_text, "growth": _growth_text,
        "long": _long_text,
    }  # fmt: skip
    for name, text in texts.items():
        if name in report:
            lines += ["", *text(report[name])]
    return lines


def plot(curves: dict[str, list[tuple[int, float]]]) -> str:
    """Time against frames, hypotheses and steps side by side, an SVG picture."""
    width, height, left, bottom = 240, 150, 50, 30
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {3 * (width + 20)} {height + 20}" '
             'font-family="sans-serif" font-size="11" fill="#777">']  # fmt: skip
    for number, (name, points) in enumerate(curves.items()):
        x0, y0 = number * (width + 20) + left, height - bottom
        right, top = max(n for n, _ in points), max(s for _, s in points)
        places = [(x0 + (width - left) * n / right, y0 - (y0 - 20) * s / top) for n, s in points]
        parts.append(f'<path d="M{x0} 20V{y0}H{x0 + width - left}" fill="none" stroke="#999"/>')
        path = "L".join(f"{x:.1f} {y:.1f}" for x, y in [(x0, y0), *places])
        parts.append(f'<path d="M{path}" fill="none" stroke="#2f7ed8" stroke-width="2"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="#2f7ed8"/>' for x, y in places]
        parts += [f'<text x="{x:.1f}" y="{y0 + 14}" text-anchor="middle">{n}</text>'
                  for (x, _), (n, _) in zip(places[-3:], points[-3:], strict=True)]  # fmt: skip
        parts.append(f'<text x="{x0 + (width - left) / 2}" y="{y0 + 28}" text-anchor="middle">{name}</text>')
        parts.append(f'<text x="{x0 - 4}" y="24" text-anchor="end">{top:.2f} s</text>')
    return "\n".join([*parts, "</svg>", ""])
