"""Arrays, texts and attributes of an HDF5 file, none of which may lead into another file.

The library is written in C, and some damaged files keep it busy for ever: foreign files are read in a process of their
own (`worker`).
"""

from __future__ import annotations

import io
import itertools
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

import h5py
import numpy as np

from diffpose_core.io.untrusted import files
from diffpose_core.io.untrusted.files import MIB, Limits, check_size
from diffpose_core.structures import InvalidInput
from diffpose_core.words import short

_MAX_TEXTS, _MAX_TEXT_BYTES = 10_000, MIB


class Hdf5:
    """An open HDF5 file.

    Args:
        source: the content, or the path of a file.
        name: names it in messages.
        limits: MAX_FILE_BYTES and MAX_UNPACKED_BYTES by default; `unpacked` bounds every array.

    Raises:
        InvalidInput: too large, or damaged.
    """

    def __init__(self, source: bytes | Path, name: str, limits: Limits | None = None) -> None:
        self._name = name
        self._limit = files.MAX_UNPACKED_BYTES if limits is None else limits.unpacked
        size = len(source) if isinstance(source, bytes) else source.stat().st_size
        check_size(size, name, None if limits is None else limits.packed)
        with self._damage():
            self._file = h5py.File(io.BytesIO(source) if isinstance(source, bytes) else source, "r")

    def __enter__(self) -> Hdf5:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()

    @contextmanager
    def _damage(self) -> Iterator[None]:
        """Turns whatever the library says of a damaged file into a refusal."""
        try:
            yield
        except (InvalidInput, MemoryError):
            raise
        except Exception as error:
            raise InvalidInput(f"{self._name}: not readable as HDF5, perhaps damaged ({short(error, 120)})") from error

    def names(self, group: str = "/") -> list[str]:
        """Names in a group, at most a thousand; none where there is no such group."""
        with self._damage():
            found = self._find(group)
            return list(itertools.islice(found, 1000)) if isinstance(found, h5py.Group) else []

    def array(self, path: str, kinds: str = "fiu") -> np.ndarray | None:
        """An array of numbers; None where there is none of that name and kind in this very file.

        Args:
            path: its name, with those of its groups.
            kinds: of numbers, as numpy's dtype.kind.

        Raises:
            InvalidInput: damaged or too large.
        """
        with self._damage():
            found = self._dataset(path)
            return None if found is None or found.dtype.base.kind not in kinds else self._whole(found, path)

    def table(self, path: str, kinds: str) -> np.ndarray | None:
        """A table, each row a record of fields; None where there is none of that name and kind in this very file.

        Args:
            path: its name, with those of its groups.
            kinds: of the fields, as numpy's dtype.kind.

        Raises:
            InvalidInput: damaged or too large.
        """
        with self._damage():
            found = self._dataset(path)
            if found is None or found.ndim != 1 or not _is_plain_record(found.dtype, kinds):
                return None
            return self._whole(found, path)

    def texts(self, path: str) -> list[str] | None:
        """A list of texts; None where there is none of that name in this very file.

        Raises:
            InvalidInput: damaged, too many or too long.
        """
        with self._damage():
            found = self._dataset(path)
            if (
                found is None
                or found.ndim != 1
                or not (found.dtype.kind == "S" or h5py.check_string_dtype(found.dtype))
            ):
                return None
            if len(found) > _MAX_TEXTS:
                raise InvalidInput(f"{self._name}: {path} holds {len(found):,} texts; the limit is {_MAX_TEXTS:,}")
            self._check_size(found, path)
            texts: list[str] = []
            size = 0
            # One by one: many may stand for the same long text.
            for place in range(len(found)):
                text = found[place]
                size += len(text)
                check_size(size, f"{self._name}: {path}", _MAX_TEXT_BYTES)
                texts.append(text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text))
            return texts

    def attribute(self, path: str, key: str) -> bytes:
        """An attribute that is one text; empty where there is none.

        Raises:
            InvalidInput: damaged.
        """
        with self._damage():
            found = self._find(path)
            if found is None or key not in found.attrs:
                return b""
            about = found.attrs.get_id(key)
            if about.shape != () or about.get_storage_size() > self._limit:
                return b""
            if not _is_text(about.dtype):
                return b""
            value = found.attrs[key]
            return value.encode() if isinstance(value, str) else bytes(value) if isinstance(value, bytes) else b""

    def _find(self, path: str) -> Any:
        """An object of this very file; None where there is none, or where a link leads to it."""
        found: Any = self._file
        for part in path.strip("/").split("/"):
            if not part:
                continue
            if not isinstance(found, h5py.Group) or not isinstance(found.get(part, getlink=True), h5py.HardLink):
                return None
            found = found[part]
        return found

    def _dataset(self, path: str) -> Any:
        found = self._find(path)
        # Neither the storage of an array nor a virtual array may lie in another file.
        if not isinstance(found, h5py.Dataset) or found.external is not None or found.is_virtual:
            return None
        return None if found.shape is None else found

    def _whole(self, found: h5py.Dataset, path: str) -> np.ndarray:
        self._check_size(found, path)
        return np.asarray(found[()])

    def _check_size(self, found: h5py.Dataset, path: str) -> None:
        """Refuse an array, or a part of one that is unpacked as a whole, beyond the limit."""
        part = 0 if found.chunks is None else math.prod(found.chunks) * found.dtype.itemsize
        check_size(max(found.nbytes, part), f"{self._name}: {path}", self._limit)


def _is_text(dtype: np.dtype) -> bool:
    return dtype.kind == "S" or h5py.check_string_dtype(dtype) is not None


def _is_plain_record(dtype: np.dtype, kinds: str) -> bool:
    """Whether every field of a table has one of the kinds."""
    return dtype.fields is not None and all(field[0].base.kind in kinds for field in dtype.fields.values())
