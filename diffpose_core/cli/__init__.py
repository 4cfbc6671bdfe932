"""The command line: `diffpose` or `python -m diffpose_core`."""

from __future__ import annotations

import argparse
import sys

from diffpose_core.cli import calibrate, data, detector_stats, evaluate, lift, make_clips, make_data, train
from diffpose_core.structures import InvalidInput

#: Modules of the commands, by name. Each has HELP, add_arguments(parser) and run(args).
COMMANDS = {
    "train": train,
    "evaluate": evaluate,
    "calibrate": calibrate,
    "lift": lift,
    "detector-stats": detector_stats,
    "make-clips": make_clips,
    "data": data,
    "make-data": make_data,
}


def parser() -> argparse.ArgumentParser:
    """The argument parser of all commands."""
    root = argparse.ArgumentParser(
        prog="diffpose", description="Diffusion-based 3D human pose estimation from 2D poses."
    )
    commands = root.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, module in COMMANDS.items():
        command = commands.add_parser(
            name, help=module.HELP, description=module.HELP, formatter_class=argparse.ArgumentDefaultsHelpFormatter
        )
        command.set_defaults(run=module.run)
        command.add_argument("--quiet", action="store_true", help="no progress")
        module.add_arguments(command)
    return root


def main(argv: list[str] | None = None) -> int:
    """Run a command.

    Args:
        argv: The words after `diffpose`; by default those of this process.

    Returns:
        The exit status: 0; 1 if files of a folder failed; 2 for an input that can't be used (the reason is printed);
        130 if it was stopped.
    """
    words = sys.argv[1:] if argv is None else argv
    args = parser().parse_args(words)
    args.argv = words
    try:
        return args.run(args) or 0
    except InvalidInput as error:
        print(f"diffpose: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\ndiffpose: stopped", file=sys.stderr)
        return 130
