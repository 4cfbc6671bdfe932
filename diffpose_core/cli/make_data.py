"""`diffpose make-data`: make a procedural training set."""

from __future__ import annotations

import argparse

HELP = "Make a procedural training set in Mocap-17 layout."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("-o", "--out", required=True, help="the file to write (.npz)")
    parser.add_argument("--clips", type=int, default=400, help="how many clips")
    parser.add_argument("--seed", type=int, default=0, help="decides every clip")


def run(args: argparse.Namespace) -> None:
    """Write the data set and print its size."""
    from diffpose_core.datasets.mocap17 import load_mocap17
    from diffpose_core.datasets.procedural import write_procedural_dataset

    write_procedural_dataset(args.out, args.clips, args.seed)
    motions = load_mocap17(args.out)
    print(f"wrote {args.out}: {len(motions)} clips, {motions.num_frames} frames")
