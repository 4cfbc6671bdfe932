"""`diffpose demo-video`: fetch a short video to try the video input with."""

from __future__ import annotations

import argparse

from diffpose_core.cli.arguments import add_overwrite_argument
from diffpose_core.cli.outputs import check_output
from diffpose_core.cli.shared import progress_printer, say

HELP = "Fetch a short video of one person from the package index, to try `diffpose lift` with."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("-o", "--out", required=True, help="the video to write, .mp4")
    add_overwrite_argument(parser)


def run(args: argparse.Namespace) -> None:
    """Fetch the video, write it, and name its licence."""
    from diffpose_core.io.atomic import write_whole
    from diffpose_core.io.demo_video import LICENCE, demo_video

    check_output(args.out, overwrite=args.overwrite)
    write_whole(args.out, demo_video(progress_printer("bytes", args.quiet)))
    say(f"wrote {args.out}: {LICENCE}")
