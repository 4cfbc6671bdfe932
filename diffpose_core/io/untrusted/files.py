"""Limits of file sizes, and reading of whole files within them."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path

from diffpose_core.structures import InvalidInput

MIB = 1024 * 1024
MAX_FILE_BYTES = 256 * MIB
MAX_UNPACKED_BYTES = 512 * MIB


@dataclass(frozen=True)
class Limits:
    """Largest size of a file or an archive.

    Attributes:
        packed: bytes on disk.
        unpacked: bytes after unpacking, all entries together.
    """

    packed: int
    unpacked: int


#: A data set that its user has fetched and names on the command line.
DATA_SET = Limits(2048 * MIB, 6144 * MIB)


def check_size(size: int, name: str, limit: int | None = None) -> None:
    """Refuse a file that is larger than a limit.

    Args:
        size: bytes.
        name: names the file in the message.
        limit: bytes; MAX_FILE_BYTES by default.

    Raises:
        InvalidInput: the size is above the limit.
    """
    limit = MAX_FILE_BYTES if limit is None else limit
    if size > limit:
        found, allowed = (f"{n / MIB:.0f} MiB" if limit >= MIB else f"{n:,} bytes" for n in (size, limit))
        raise InvalidInput(f"{name}: {found}; the limit is {allowed}")


@contextmanager
def opened(path: str | Path, limit: int | None = None, name: str | None = None) -> Iterator[BufferedReader]:
    """A regular file, open for reading. Pipes and devices are refused at once; to open one may wait for ever.

    Args:
        path: the file.
        limit: bytes; MAX_FILE_BYTES by default.
        name: names the file in messages; the path by default.

    Raises:
        InvalidInput: no such file, a folder, device or pipe, a larger file, or one that can't be read.
    """
    name = str(path) if name is None else name
    # Without this flag, opening a pipe waits for somebody to write into it.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
    try:
        with open(path, "rb", opener=lambda file, _: os.open(file, flags)) as file:
            facts = os.fstat(file.fileno())
            if not stat.S_ISREG(facts.st_mode):
                raise InvalidInput(f"{name}: can't be read (no regular file: a device or a pipe)")
            check_size(facts.st_size, name, limit)
            yield file
    except FileNotFoundError:
        raise InvalidInput(f"{name}: no such file") from None
    # ValueError: a path that holds a zero byte.
    except (OSError, ValueError) as error:
        if isinstance(error, InvalidInput):
            raise
        raise InvalidInput(f"{name}: can't be read ({getattr(error, 'strerror', None) or error})") from None


def read_bytes(path: str | Path, limit: int | None = None, name: str | None = None) -> bytes:
    """Bytes of a regular file. No more than the limit is read, whatever size the system reports.

    Args:
        path: the file.
        limit: bytes; MAX_FILE_BYTES by default.
        name: names the file in messages; the path by default.

    Raises:
        InvalidInput: as `opened`.
    """
    name = str(path) if name is None else name
    limit = MAX_FILE_BYTES if limit is None else limit
    with opened(path, limit, name) as file:
        content = file.read(os.fstat(file.fileno()).st_size + 1)
        while more := file.read(min(MIB, limit + 1 - len(content))):
            content += more
    check_size(len(content), name, limit)
    return content


def read_beginning(path: str | Path, count: int) -> bytes:
    """The first bytes of a regular file of any size. Raises InvalidInput as `opened`."""
    with opened(path, sys.maxsize) as file:
        return file.read(count)


def read_file(path: str | Path, expected: str, limits: Limits) -> bytes:
    """Bytes of a file of a data set.

    Args:
        path: the file.
        expected: names the expected kind of file in the message.
        limits: `limits.packed` bounds the file's size.

    Raises:
        InvalidInput: as `read_bytes`.
    """
    if not Path(path).is_file():
        raise InvalidInput(f"{path}: no such file; expected {expected}")
    return read_bytes(path, limits.packed)
