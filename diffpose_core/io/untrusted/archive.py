"""Zip archives within bounds of their entries and of their unpacked size."""

from __future__ import annotations

import io
import zipfile

from diffpose_core.io.untrusted import files
from diffpose_core.io.untrusted.files import MIB, Limits, check_size
from diffpose_core.structures import InvalidInput

MAX_ENTRIES = 110_000


def open_zip(content: bytes, name: str, limits: Limits | None = None) -> zipfile.ZipFile:
    """Open an archive after bounding its entries and their unpacked size.

    Args:
        content: the archive.
        name: names the file in messages.
        limits: MAX_FILE_BYTES and MAX_UNPACKED_BYTES by default.

    Raises:
        InvalidInput: damaged, encrypted, beyond a limit, or with entries that lead out of the archive.
    """
    limits = limits or Limits(files.MAX_FILE_BYTES, files.MAX_UNPACKED_BYTES)
    check_size(len(content), name, limits.packed)
    # zipfile makes an object for every entry before anybody can ask for their number.
    entries = content.count(b"PK\x01\x02")
    if entries > MAX_ENTRIES:
        raise InvalidInput(f"{name}: an archive of {entries} files; the limit is {MAX_ENTRIES}")
    try:
        archive = zipfile.ZipFile(io.BytesIO(content))
    # A damaged archive fails inside zipfile in many ways.
    except Exception as error:
        raise InvalidInput(f"{name}: not a readable archive, perhaps truncated ({str(error)[:120]})") from error
    for entry in archive.infolist():
        _check_entry(entry, name)
    unpacked = sum(entry.file_size for entry in archive.infolist())
    if unpacked > limits.unpacked:
        raise InvalidInput(f"{name}: unpacks to {unpacked / MIB:.0f} MiB; the limit is {limits.unpacked // MIB} MiB")
    return archive


def _check_entry(entry: zipfile.ZipInfo, name: str) -> None:
    parts = entry.filename.replace("\\", "/").split("/")
    if ".." in parts or parts[0].endswith(":") or (parts[0] == "" and len(parts) > 1):
        raise InvalidInput(f"{name}: the archive names a file outside itself ({entry.filename[:80]!r}); not read")
    if entry.flag_bits & 1:
        raise InvalidInput(f"{name}: the archive is encrypted; expected one without a password")


def read_entry(archive: zipfile.ZipFile, entry: str, name: str) -> bytes:
    """Bytes of one entry of an archive that `open_zip` opened.

    Raises:
        InvalidInput: the entry is damaged.
    """
    try:
        return archive.read(entry)
    except Exception as error:
        raise InvalidInput(f"{name}: {entry[:80]!r} in the archive is damaged ({str(error)[:120]})") from error
