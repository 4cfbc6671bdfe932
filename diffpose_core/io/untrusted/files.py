"""Limits of what is read, and reading of whole files within them."""

from __future__ import annotations

from dataclasses import dataclass
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
        raise InvalidInput(f"{name}: {size / MIB:.0f} MiB; the limit is {limit // MIB} MiB")


def read_file(path: str | Path, expected: str, limits: Limits) -> bytes:
    """Bytes of a file of a data set.

    Args:
        path: the file.
        expected: names the expected kind of file in the message.
        limits: `limits.packed` bounds the file's size.

    Raises:
        InvalidInput: no such file, or a larger one.
    """
    path = Path(path)
    if not path.is_file():
        raise InvalidInput(f"{path}: no such file; expected {expected}")
    check_size(path.stat().st_size, str(path), limits.packed)
    return path.read_bytes()
