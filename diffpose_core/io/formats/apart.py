"""Reading of files of poses in a process of its own."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path

from diffpose_core.io.formats.packing import packed, unpacked
from diffpose_core.io.formats.posefile import PoseFile
from diffpose_core.io.formats.read import files_of_path, read_pose_files
from diffpose_core.io.untrusted.worker import Workers


@cache
def workers() -> Workers:
    """The processes that read files for this one; pandas and scipy are loaded before the first file comes."""
    return Workers(modules=(__name__, "pandas", "scipy.optimize"))


def start_reader() -> None:
    """Start a process that reads files, in the background, so that the first file need not wait for it."""

    def start() -> None:
        # The first file meets the same fault, and says it.
        with suppress(RuntimeError, OSError):
            workers().warm_up()

    threading.Thread(target=start, name="reader", daemon=True).start()


def read_pose_path_apart(path: str | Path) -> PoseFile:
    """Read a file or a folder as `read_pose_path` does, in a process of its own.

    Raises:
        InvalidInput: as `read_pose_path`, or reading took too much time or memory.
    """
    return read_pose_files_apart(files_of_path(path))


def read_pose_files_apart(files: Mapping[str, bytes]) -> PoseFile:
    """Read files as `read_pose_files` does, in a process of its own.

    Raises:
        InvalidInput: as `read_pose_files`, or reading took too much time or memory.
    """
    parts = [part for name, content in files.items() for part in (name.encode("utf-8", "replace"), content)]
    return unpacked(workers().run(f"{__name__}:read_parts", parts, next(iter(files), "no file")))


def read_parts(parts: list[bytes]) -> bytes:
    """The job of `read_pose_files_apart`: names and contents in turn."""
    return packed(
        read_pose_files({name.decode(): content for name, content in zip(parts[::2], parts[1::2], strict=True)})
    )
