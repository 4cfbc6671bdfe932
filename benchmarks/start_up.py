"""Processor seconds of starting, each the least of several processes: `python -m benchmarks.start_up`.

Processor seconds, user and system together, lengthen less than the clock's on a busy machine.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ROWS = {
    "Python alone": "pass",
    "the parser of `diffpose`, which `--help` needs": "from diffpose_core.cli import parser; parser()",
    "`import torch`": "import torch",
    "`import diffpose_core.lifting.lift`, torch included": "import diffpose_core.lifting.lift",
    "`import streamlit`": "import streamlit",
    "all views of the app, torch and Streamlit included": "import app.compute.networks, app.widgets.sidebar, "
    "app.views.compare, app.views.forward, app.views.learn, app.views.overview, app.views.results, "
    "app.views.reverse, app.views.uncertainty",
}


def processor_seconds(code: str, repeats: int) -> float:
    """The least processor time of a Python process that runs the code, seconds, on one thread."""
    found = []
    for _ in range(repeats):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, check=True, capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        found.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(found)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5, help="processes a row")
    args = parser.parse_args()
    print("| step | processor seconds |\n| --- | ---: |")
    for words, code in ROWS.items():
        print(f"| {words} | {processor_seconds(code, args.repeats):.2f} |", flush=True)


if __name__ == "__main__":
    main()
