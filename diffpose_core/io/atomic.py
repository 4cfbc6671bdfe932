"""Files that are written whole or not at all.

The content goes to a temporary file in the same folder, is synced to the disk, and then takes the place of the old file
in one step. A full disk, a crash or a kill leaves the old file as it was.
"""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from diffpose_core.structures import InvalidInput


def write_whole(path: str | Path, content: bytes | str, previous: str | Path | None = None) -> None:
    """Write a file whole or not at all.

    Args:
        path: the file; an existing one is replaced.
        content: bytes, or text that is written as UTF-8.
        previous: a path that keeps the file that is replaced.

    Raises:
        InvalidInput: the file can't be written; an older file is unchanged.
    """
    with writing_whole(path, previous) as unfinished:
        unfinished.write_bytes(content.encode() if isinstance(content, str) else content)


@contextmanager
def writing_whole(path: str | Path, previous: str | Path | None = None) -> Iterator[Path]:
    """A temporary path to write to, which takes the place of a file at the end.

    Where the body raises, the temporary file is removed and the file stays as it was. Devices and pipes, such as
    /dev/stdout, are written to directly.

    Args:
        path: the file; an existing one is replaced.
        previous: a path that keeps the file that is replaced.

    Yields:
        A path with the same ending in the same folder.

    Raises:
        InvalidInput: the file can't be written; an older file is unchanged.
    """
    # A link stays a link: the file that it leads to is replaced.
    target = Path(os.path.realpath(path))
    try:
        if target.exists() and not target.is_file() and not target.is_dir():
            yield target
            return
        unfinished = _temporary(target)
        try:
            yield unfinished
            _sync(unfinished)
            if previous is not None and target.exists():
                _keep(target, Path(previous))
            os.replace(unfinished, target)
            _sync(target.parent)
        finally:
            unfinished.unlink(missing_ok=True)
    except OSError as error:
        reason = "it is a folder" if target.is_dir() else error.strerror or str(error)
        raise InvalidInput(f"{path}: can't be written ({reason}); nothing was changed") from error


def _temporary(target: Path) -> Path:
    """An empty file beside the target, with the permissions that the target has or would get."""
    if target.is_dir():
        raise IsADirectoryError
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.stem[:60]}-", suffix=target.suffix)
    os.close(handle)
    unfinished = Path(name)
    with suppress(OSError):
        unfinished.chmod(stat.S_IMODE(target.stat().st_mode) if target.exists() else 0o666 & ~_umask())
    return unfinished


def _umask() -> int:
    """The permissions that new files of this process don't get. It can be read only by setting it."""
    value = os.umask(0o022)
    os.umask(value)
    return value


def _keep(target: Path, previous: Path) -> None:
    """Make `previous` the file that `target` is now, without a moment in which neither is there."""
    unfinished = _temporary(previous)
    unfinished.unlink()
    try:
        os.link(target, unfinished)
    except OSError:
        # A file system without hard links: for a moment, only the previous file is there.
        os.replace(target, previous)
        return
    os.replace(unfinished, previous)


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
