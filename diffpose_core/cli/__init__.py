"""The command line: `diffpose` or `python -m diffpose_core`."""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import sys

import diffpose_core.environment  # noqa: F401  # Before torch is loaded by anything else.
from diffpose_core.cli import (
    app,
    calibrate,
    data,
    demo_video,
    detector_stats,
    evaluate,
    lift,
    make_clips,
    make_data,
    train,
)
from diffpose_core.cli.shared import warn
from diffpose_core.structures import InvalidInput

#: Modules of the commands, by name. Each has HELP, add_arguments(parser) and run(args).
COMMANDS = {
    "app": app,
    "train": train,
    "evaluate": evaluate,
    "calibrate": calibrate,
    "lift": lift,
    "demo-video": demo_video,
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
        The exit status: 0; 1 if files of a folder failed, or the machine did (disk, memory); 2 for an input that
        can't be used; 130 if it was stopped; 141 if nobody reads the output. The reason is printed.
    """
    words = sys.argv[1:] if argv is None else argv
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal of another encoding, and names that are not text at all, must not end a command.
            stream.reconfigure(errors="backslashreplace")
    try:
        args = parser().parse_args(words)
        args.argv = words
        status = args.run(args) or 0
        if sys.stdout is not None:
            sys.stdout.flush()
        return status
    except KeyboardInterrupt:
        warn("\ndiffpose: stopped")
        return 130
    except BrokenPipeError:
        _leave_output()
        return 141
    except Exception as error:
        if os.environ.get("DIFFPOSE_TRACEBACK"):
            raise
        message, status = _explained(error)
        warn(f"diffpose: {message}")
        if isinstance(error, OSError):
            _leave_output()
        return status


def _explained(error: Exception) -> tuple[str, int]:
    """The message for an error that ended a command, and the exit status."""
    if isinstance(error, InvalidInput):
        return str(error), 2
    # torch's error is a RuntimeError: "can't allocate memory" on the processor, "out of memory" on a GPU.
    short = isinstance(error, RuntimeError) and ("allocate memory" in str(error) or "out of memory" in str(error))
    if isinstance(error, MemoryError) or short:
        return "there was not enough memory; cut the clip into parts, or use fewer processes", 1
    if isinstance(error, OSError):
        name = f"{error.filename}: " if error.filename else ""
        return f"{name}{error.strerror or error}", 1
    kind = type(error).__name__
    return f"unexpected {kind}: {error} (a fault of this program; DIFFPOSE_TRACEBACK=1 shows where)", 1


def _leave_output() -> None:
    """Let Python's last flush go nowhere: a standard output that is closed or full fails there once more."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
