"""Files that are written whole or not at all.

The content goes to a temporary file in a hidden folder beside the old file, is synced to the disk, and then takes the
old file's place in one step. A full disk, a crash or a kill leaves the old file as it was.
"""

from __future__ import annotations

import glob
import os
import platform
import shutil
import stat
import tempfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np

from diffpose_core.structures import InvalidInput


def write_whole(path: str | Path, content: bytes | str, previous: str | Path | None = None) -> None:
    """Write a file whole or not at all.

    Args:
        path: the file; an existing one is replaced.
        content: bytes, or text that is written as UTF-8; what is no text in a file's name is escaped.
        previous: a path that keeps the file that is replaced.

    Raises:
        InvalidInput: the file can't be written; an older file is unchanged.
    """
    with writing_whole(path, previous) as unfinished:
        unfinished.write_bytes(content.encode(errors="backslashreplace") if isinstance(content, str) else content)


def write_arrays(path: str | Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write a compressed .npz whole or not at all.

    Args:
        path: the file; an existing one is replaced.
        arrays: by name.

    Raises:
        InvalidInput: the file can't be written; an older file is unchanged.
    """
    with writing_whole(path) as unfinished, open(unfinished, "wb") as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]


@contextmanager
def writing_whole(path: str | Path, previous: str | Path | None = None) -> Iterator[Path]:
    """A temporary path to write to, which takes the place of a file at the end.

    Where the body raises, the temporary file is removed and the file stays as it was. Devices and pipes, such as
    /dev/stdout, are written to directly.

    Args:
        path: the file; an existing one is replaced.
        previous: a path that keeps the file that is replaced.

    Yields:
        A path with the same ending, on the same file system.

    Raises:
        InvalidInput: the file can't be written; an older file is unchanged.
    """
    # A link stays a link: the file that it leads to is replaced.
    target = Path(os.path.realpath(path))
    try:
        if target.exists() and not target.is_file() and not target.is_dir():
            yield target
            return
        with _beside(target) as unfinished:
            unfinished.touch()
            yield unfinished
            # A library may have put a file of its own in this one's place.
            with suppress(OSError):
                unfinished.chmod(stat.S_IMODE(target.stat().st_mode) if target.exists() else 0o666 & ~_umask())
            _sync(unfinished)
            if previous is not None and target.exists():
                _keep(target, Path(previous))
            os.replace(unfinished, target)
            _sync(target.parent)
    except OSError as error:
        reason = "it is a folder" if target.is_dir() else error.strerror or str(error)
        raise InvalidInput(f"{path}: can't be written ({reason}); nothing was changed") from error


@contextmanager
def _beside(target: Path) -> Iterator[Path]:
    """A path with the target's ending, in a hidden folder beside it that is removed in the end.

    The folder's name tells whose it is: the folder of a process that was killed is removed by the next one that writes
    the same file, with all that a library may have left in it.
    """
    if target.is_dir():
        raise IsADirectoryError
    name = f".{target.name[:40]}-{zlib.crc32(platform.node().encode()):08x}-"
    for left in target.parent.glob(f"{glob.escape(name)}*-*"):
        owner = left.name[len(name) :].split("-")[0]
        if owner.isdecimal() and len(owner) < 10 and not _is_running(int(owner)):
            shutil.rmtree(left, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(dir=target.parent, prefix=f"{name}{os.getpid()}-"))
    try:
        yield folder / f"unfinished{target.suffix}"
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _is_running(process: int) -> bool:
    """Whether a process of this number runs on this machine; where that can't be told, it does."""
    if os.name != "posix":
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass  # It is somebody else's.
    return True


def _umask() -> int:
    """The permissions that new files of this process don't get. It can be read only by setting it."""
    value = os.umask(0o022)
    os.umask(value)
    return value


def _keep(target: Path, previous: Path) -> None:
    """Make `previous` the file that `target` is now, without a moment in which neither is there."""
    with _beside(previous) as linked:
        try:
            os.link(target, linked)
        except OSError:
            # A file system without hard links: for a moment, only the previous file is there.
            linked = target
        os.replace(linked, previous)


def _sync(path: Path) -> None:
    """Flush a file or a folder to the disk. Some systems can't sync folders, which is no fault."""
    flags = os.O_RDONLY if path.is_dir() else os.O_RDWR
    try:
        handle = os.open(path, flags)
    except OSError:
        if path.is_dir():
            return
        raise
    try:
        os.fsync(handle)
    except OSError:
        if not path.is_dir():
            raise
    finally:
        os.close(handle)
