"""Zip archives within bounds of their entries and of their unpacked size."""

from __future__ import annotations

import io
import zipfile

from diffpose_core.io.untrusted import files
from diffpose_core.io.untrusted.files import MIB, Limits, check_size
from diffpose_core.structures import InvalidInput
from diffpose_core.words import quoted, short

MAX_ENTRIES = 110_000
#: Other methods pack a gigabyte into a few hundred bytes, and nobody uses them for poses.
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


class Archive:
    """An archive whose entries are unpacked one by one, never more than a limit in all.

    Args:
        content: the archive.
        name: names the file in messages.
        limits: MAX_FILE_BYTES and MAX_UNPACKED_BYTES by default.

    Raises:
        InvalidInput: damaged, encrypted, beyond a limit, with entries that lead out of the archive, or two of one name.
    """

    def __init__(self, content: bytes, name: str, limits: Limits | None = None) -> None:
        self._name = name
        self._limit = files.MAX_UNPACKED_BYTES if limits is None else limits.unpacked
        check_size(len(content), name, None if limits is None else limits.packed)
        # zipfile makes an object for every entry before anybody can ask for their number.
        entries = content.count(b"PK\x01\x02")
        if entries > MAX_ENTRIES:
            raise InvalidInput(f"{name}: an archive of {entries} files; the limit is {MAX_ENTRIES}")
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(content))
        # A damaged archive fails inside zipfile in many ways.
        except Exception as error:
            raise InvalidInput(f"{name}: not a readable archive, perhaps truncated ({short(error, 120)})") from error
        for entry in self._zip.infolist():
            _check_entry(entry, name)
        self.names = tuple(self._zip.namelist())
        if len(set(self.names)) < len(self.names):
            raise InvalidInput(f"{name}: two files of the archive have the same name; it can't be told which is meant")
        self._check_unpacked(sum(entry.file_size for entry in self._zip.infolist()))
        self._unpacked = 0

    def read(self, entry: str) -> bytes:
        """Bytes of one entry.

        Raises:
            InvalidInput: the entry is damaged, or packed by a method other than deflate.
        """
        info = self._zip.getinfo(entry)
        if info.compress_type not in _METHODS:
            method = zipfile.compressor_names.get(info.compress_type, f"method {info.compress_type}")  # type: ignore[attr-defined]
            raise InvalidInput(
                f"{self._name}: {quoted(entry, 80)} in the archive is packed by {method}; expected stored or deflated "
                "files"
            )
        # The declared size was checked, but may be wrong: bytes are counted as they come.
        content = io.BytesIO()
        try:
            with self._zip.open(info) as file:
                while part := file.read(MIB):
                    self._unpacked += len(part)
                    self._check_unpacked(self._unpacked)
                    content.write(part)
        except (InvalidInput, MemoryError):
            raise
        except Exception as error:
            raise InvalidInput(
                f"{self._name}: {quoted(entry, 80)} in the archive is damaged ({short(error, 120)})"
            ) from error
        return content.getvalue()

    def _check_unpacked(self, size: int) -> None:
        if size > self._limit:
            raise InvalidInput(f"{self._name}: unpacks to {size / MIB:.0f} MiB; the limit is {self._limit // MIB} MiB")


def _check_entry(entry: zipfile.ZipInfo, name: str) -> None:
    parts = entry.filename.replace("\\", "/").split("/")
    if ".." in parts or parts[0].endswith(":") or (parts[0] == "" and len(parts) > 1):
        raise InvalidInput(f"{name}: the archive names a file outside itself ({quoted(entry.filename, 80)}); not read")
    if entry.flag_bits & 1:
        raise InvalidInput(f"{name}: the archive is encrypted; expected one without a password")
