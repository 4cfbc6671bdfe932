"""Speed of the core, as rates and as ratios within one run: `python -m benchmarks.throughput`.

Checks that the fast paths answer as the plain ones do. Times the stages of `lift`, the networks against a large matrix
product, the batched GMM fit against scikit-learn's, lifting and a training step against networks of the released
code's form, and how time and memory grow. Every time is the least of several, so that other work of the
machine matters little. With --json and --docs it writes its report, and the table and the plot of docs/speed.md. With
`--device cuda` the same is measured on a GPU, and the duration of the supplement's training there and on the
paper's card.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from benchmarks.throughput.bundled import CLIP, looped
from benchmarks.throughput.clips import encoders, growth, long_clip, opening, print_long_clip
from benchmarks.throughput.denoiser import denoiser_shares
from benchmarks.throughput.exactness import exactness
from benchmarks.throughput.machine import machine
from benchmarks.throughput.mixtures import mixtures
from benchmarks.throughput.stages import stages, with_sums
from benchmarks.throughput.text import plot, tables
from benchmarks.throughput.timing import MACHINE
from benchmarks.throughput.training import training
from diffpose_core.io.clips import load_clip
from diffpose_core.lifting.models import load_models
from diffpose_core.structures import InvalidInput

BEGIN, END = "<!-- speed:begin -->", "<!-- speed:end -->"
SECTIONS = ("exactness", "stages", "denoiser", "gmm", "training", "encoders", "opening", "growth", "long")


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=SECTIONS, default=SECTIONS, help="parts of the report")
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 64], help="frames together in the stages")
    parser.add_argument("--poses", type=int, nargs="+", default=[64, 320, 1024], help="noisy poses together in g")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--seconds", type=float, default=4.0, help="time for every figure")
    parser.add_argument("--frames", type=int, default=10_000, help="length of the long clip")
    parser.add_argument("--training-batch", type=int, default=1024)
    parser.add_argument("--seeds", type=int, default=5, help="of the mixture fits")
    parser.add_argument("--json", help="where to write the report")
    parser.add_argument("--docs", help="Markdown file whose marked part is replaced; the plot goes beside it")
    parser.add_argument(
        "--cpu-time",
        action="store_true",
        help="the processor's time, not the clock's: for one thread on a busy machine",
    )
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"), help="processor or GPU")
    parser.add_argument("--lift-only", type=int, help=argparse.SUPPRESS)
    return parser


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """The report of the parts that are asked for. Raises InvalidInput where clip or weights can't be read."""
    clip, models, seconds = load_clip(CLIP), load_models().to(args.device), args.seconds
    network = models.pick()[1]

    def all_stages() -> dict[str, dict[str, float]]:
        return {str(batch): stages(looped(clip, batch), models, batch, seconds) for batch in args.batch}

    work: dict[str, Callable[[], Any]] = {
        "exactness": lambda: exactness(clip, models, 32),
        "stages": all_stages,
        "denoiser": lambda: denoiser_shares(network, args.poses, seconds),
        "gmm": lambda: mixtures(clip, models, seconds, args.seeds),
        "training": lambda: training(network.config, args.training_batch, seconds),
        "encoders": lambda: encoders(clip, models, load_models(setting="video").to(args.device), 512, seconds),
        "opening": lambda: opening(models, 100, seconds),
        "growth": lambda: growth(clip, models, seconds),
        "long": lambda: long_clip(args.frames, args.threads),
    }
    report: dict[str, Any] = {"machine": machine(args.threads)}
    for name in SECTIONS:
        if name in args.only:
            begin = time.perf_counter()
            report[name] = work[name]()
            print(f"{name}: {time.perf_counter() - begin:.0f} s", file=sys.stderr, flush=True)
    if "stages" in report:
        # Again at the end: a slow minute should not decide the times of small operations.
        again = all_stages()
        report["stages"] = {
            batch: with_sums({name: min(taken, again[batch][name]) for name, taken in first.items()})
            for batch, first in report["stages"].items()
        }
    return report


def write_page(page: Path, report: dict[str, Any]) -> None:
    """Replace the marked part of a Markdown file with the report, and put the plot beside it."""
    lines = tables(report)
    if "growth" in report:
        picture = page.with_suffix(".svg")
        picture.write_text(plot(report["growth"]))
        lines += ["", f"![Time against frames, hypotheses and steps]({picture.name})"]
    before, _, rest = page.read_text().partition(BEGIN)
    page.write_text("\n".join([before + BEGIN, *lines, END]) + rest.partition(END)[2])


def main() -> None:
    """Measure, print, and write the report and the page that are asked for."""
    parser = _options()
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    MACHINE.device, MACHINE.cpu_time = torch.device(args.device), args.cpu_time
    if args.lift_only:
        print_long_clip(args.lift_only)
        return
    torch.manual_seed(0)
    try:
        report = measure(args)
    except InvalidInput as error:
        parser.error(str(error))
    print("\n".join(tables(report)))
    if args.json:
        Path(args.json).write_text(json.dumps(report, indent=1) + "\n")
    if args.docs:
        write_page(Path(args.docs), report)


if __name__ == "__main__":
    main()
