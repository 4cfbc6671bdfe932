"""`diffpose make-data`: make a procedural training set."""

from __future__ import annotations

import argparse

from diffpose_core.cli.arguments import add_overwrite_argument, add_seed_argument
from diffpose_core.cli.options import MOST_CLIPS, add_whole
from diffpose_core.cli.outputs import check_output, is_procedural
from diffpose_core.cli.shared import say

HELP = "Make a procedural training set in Mocap-17 layout."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("-o", "--out", required=True, help="the file to write (.npz)")
    add_whole(parser, "--clips", 1, MOST_CLIPS, 400, help="how many clips")
    add_seed_argument(parser, "decides every clip")
    add_overwrite_argument(parser)


def run(args: argparse.Namespace) -> None:
    """Write the data set and print its size."""
    from diffpose_core.datasets.mocap17 import load_mocap17
    from diffpose_core.datasets.procedural import write_procedural_dataset

    check_output(args.out, is_own=is_procedural, overwrite=args.overwrite)
    write_procedural_dataset(args.out, args.clips, args.seed)
    motions = load_mocap17(args.out)
    say(f"wrote {args.out}: {len(motions)} clips, {motions.num_frames} frames")
