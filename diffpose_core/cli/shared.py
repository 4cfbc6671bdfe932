"""Helpers that several commands share: messages, progress, small files, the origin of a result."""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from diffpose_core.words import printable


def say(text: str) -> None:
    """Print to the standard output."""
    print(printable(text))


def warn(text: str) -> None:
    """Print to the standard error output."""
    print(printable(text), file=sys.stderr)


def progress_printer(unit: str, quiet: bool) -> Callable[[int, int], None]:
    """A callback that writes progress to the standard error output.

    Args:
        unit: Noun for the things that are counted, such as "frames".
        quiet: True writes nothing.

    Returns:
        A function of the number done and the total; a total of 0 is unknown.
    """

    def show(done: int, total: int) -> None:
        if not quiet:
            end = "\n" if done == total else ""
            text = f"\r{done:,}" + (f" of {total:,}" if total else "") + f" {unit}"
            print(text, end=end, file=sys.stderr, flush=True)

    return show


def without_folders(argv: list[str]) -> list[str]:
    """Replace paths by file names: a command is stored in results, and folders differ between machines."""
    words = []
    for word in argv:
        option, equals, value = word.partition("=") if word.startswith("--") else ("", "", word)
        words.append(option + equals + (Path(value).name if "/" in value else value))
    return words


def command_line(args: argparse.Namespace) -> str:
    """The command as it is stored in results and model cards."""
    return shlex.join(["diffpose", *without_folders(args.argv)])


def made_by(args: argparse.Namespace) -> dict[str, str]:
    """The command and the date, for a report's provenance."""
    return {"command": command_line(args), "date": datetime.now(UTC).date().isoformat()}


def write_report(report: dict[str, Any], path: str) -> None:
    """Write a report as JSON, whole or not at all."""
    from diffpose_core.io.atomic import write_whole

    write_whole(path, json.dumps(report, indent=1) + "\n")


def small_file(path: str) -> bytes:
    """The content of a small file.

    Raises:
        InvalidInput: The file is too large or can't be read.
    """
    from diffpose_core.io.untrusted.files import read_bytes

    return read_bytes(path)
