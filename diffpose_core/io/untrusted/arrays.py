"""Arrays of numbers or text from raw bytes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from diffpose_core.structures import InvalidInput
from diffpose_core.words import quoted

#: Of Unicode: its last character, halves of pairs, which are none, and what is put in their place.
_LAST, _HALVES, _NONE = 0x10FFFF, (0xD800, 0xDFFF), ord("?")


def array_from_bytes(dtype_text: str, shape: Any, fortran: bool, data: bytes | memoryview, label: str) -> np.ndarray:
    """Make an array after checking every claim about it.

    Args:
        dtype_text: numpy's name of the type, for example "<f4".
        shape: the claimed shape.
        fortran: whether the first axis runs fastest.
        data: the raw bytes.
        label: names the array in messages.

    Returns:
        A read-only view of `data`.

    Raises:
        InvalidInput: no numbers or text, or another number of bytes than type and shape need.
    """
    try:
        dtype = np.dtype(dtype_text)
    except (TypeError, ValueError):
        dtype = np.dtype("V")
    if dtype.kind not in "fiubUS":
        raise InvalidInput(f"{label}: arrays of numbers or text expected, found {quoted(dtype_text, 20)}")
    check_shape(shape, label)
    if math.prod(shape) * dtype.itemsize != len(data):
        raise InvalidInput(
            f"{label}: an array {shape} of {dtype} needs {math.prod(shape) * dtype.itemsize} bytes, found {len(data)}"
        )
    if not data:
        return np.zeros(shape, dtype)
    if dtype.kind == "U":
        data = _characters(np.frombuffer(data, f"{dtype.byteorder}u4"), label).data
    return np.frombuffer(data, dtype).reshape(shape, order="F" if fortran else "C")


def check_shape(shape: Any, label: str) -> None:
    """Refuse a shape that is no tuple of up to eight sizes.

    Raises:
        InvalidInput: the shape is damaged.
    """
    if not isinstance(shape, tuple) or len(shape) > 8 or not all(type(n) is int and 0 <= n < 2**40 for n in shape):
        raise InvalidInput(f"{label}: the shape of an array is damaged")


def _characters(codes: np.ndarray, label: str) -> np.ndarray:
    """Codes of characters, with question marks in place of halves of pairs, which can't be written as UTF-8.

    Raises:
        InvalidInput: some are no characters; numpy would fail when it makes a text of them.
    """
    if codes.max() > _LAST:
        raise InvalidInput(f"{label}: text with characters that don't exist; perhaps it is damaged")
    halves = (codes >= _HALVES[0]) & (codes <= _HALVES[1])
    if halves.any():
        codes = codes.copy()
        codes[halves] = _NONE
    return codes
