"""Arrays of an .npz archive."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from diffpose_core.io.untrusted.archive import Archive
from diffpose_core.io.untrusted.arrays import array_from_bytes
from diffpose_core.io.untrusted.files import Limits, check_size
from diffpose_core.io.untrusted.pickle import restricted_unpickle
from diffpose_core.structures import InvalidInput
from diffpose_core.words import short


def read_npz(
    content: bytes, name: str, keys: Sequence[str], objects: bool = False, limits: Limits | None = None
) -> dict[str, Any]:
    """Read the arrays of an .npz that have the given keys.

    Args:
        content: the archive.
        name: names the file in messages.
        keys: arrays to read; those that the file lacks are left out.
        objects: whether arrays of objects are read too, by `restricted_unpickle`: they come back as nested lists,
            dicts and arrays of numbers.
        limits: of the archive; MAX_FILE_BYTES and MAX_UNPACKED_BYTES by default.

    Raises:
        InvalidInput: damaged, beyond a limit, or with objects where they are not wanted.
    """
    archive = Archive(content, name, limits)
    found = {}
    for entry in archive.names:
        key = entry.removesuffix(".npy")
        if key != entry and key in keys:
            found[key] = _read_npy(archive.read(entry), f"{name}: {short(key)}", objects)
    return found


def read_npy(content: bytes, name: str) -> np.ndarray:
    """Read a bare .npy of numbers or text.

    Raises:
        InvalidInput: damaged, too large, or with objects.
    """
    check_size(len(content), name)
    array: np.ndarray = _read_npy(content, name, objects=False)
    return array


def npz_keys(content: bytes, name: str) -> tuple[str, ...]:
    """Names of the arrays in an .npz.

    Raises:
        InvalidInput: the archive is damaged or beyond a limit.
    """
    return tuple(entry.removesuffix(".npy") for entry in Archive(content, name).names if entry.endswith(".npy"))


def _read_npy(content: bytes, label: str, objects: bool) -> Any:
    file = io.BytesIO(content)
    try:
        version = np.lib.format.read_magic(file)
        reader: Callable[[Any], Any] = (
            np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        )
        shape, fortran, dtype = reader(file)
    # The header is foreign text, read by numpy with ast.literal_eval.
    except Exception as error:
        raise InvalidInput(f"{label} has a damaged header ({short(error, 120)})") from error
    if dtype.hasobject and not objects:
        raise InvalidInput(f"{label} holds pickled objects; expected an array of numbers or text")
    if dtype.hasobject:
        return restricted_unpickle(content[file.tell() :], label)
    # A view: a copy of an array of half a gigabyte would be another half.
    return array_from_bytes(dtype.str, shape, fortran, memoryview(content)[file.tell() :], label)
