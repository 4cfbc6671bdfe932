"""`diffpose make-clips`: rebuild the bundled clips."""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = "Rebuild the bundled clips from their seeds."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("-o", "--out", default="assets/clips", help="folder to write to")


def run(args: argparse.Namespace) -> None:
    """Write the clips and print their paths."""
    from diffpose_core.datasets.bundled import make_clips

    for path in make_clips(Path(args.out)):
        print(path)
