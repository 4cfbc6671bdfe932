"""`diffpose detector-stats`: measure the simulated detector."""

from __future__ import annotations

import argparse
import json

from diffpose_core.cli.arguments import add_clips_argument, first_clips
from diffpose_core.cli.shared import say

HELP = "Measure the simulated detector on a file in Mocap-17 layout."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("--data", required=True, help="motions in Mocap-17 layout (.npz)")
    add_clips_argument(parser)


def run(args: argparse.Namespace) -> None:
    """Print the detector's statistics as JSON."""
    from diffpose_core.evaluation.detector_statistics import detector_statistics

    say(json.dumps(detector_statistics(args.data, first_clips(args)), indent=1))
