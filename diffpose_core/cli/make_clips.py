"""`diffpose make-clips`: rebuild the bundled clips."""

from __future__ import annotations

import argparse
from pathlib import Path

from diffpose_core.cli.arguments import add_overwrite_argument
from diffpose_core.cli.outputs import check_output, check_output_folder, is_bundled_clip
from diffpose_core.cli.shared import say

HELP = "Rebuild the bundled clips from their seeds."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("-o", "--out", default="assets/clips", help="folder to write to")
    add_overwrite_argument(parser)


def run(args: argparse.Namespace) -> None:
    """Write the clips and print their paths."""
    from diffpose_core.datasets.bundled import BUNDLED, make_clips

    out = Path(args.out)
    check_output_folder(out)
    if out.is_dir():
        for entry in BUNDLED:
            check_output(out / f"{entry.name}.npz", is_own=is_bundled_clip, overwrite=args.overwrite)
    for path in make_clips(out):
        say(str(path))
