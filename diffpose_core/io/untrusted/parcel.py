"""Values and arrays on their way between processes: a line of JSON, and raw arrays, whose claims are checked."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from diffpose_core.io.untrusted.arrays import array_from_bytes


def packed_parcel(header: Any, arrays: Sequence[np.ndarray]) -> bytes:
    """A value that JSON can hold, and arrays of numbers or text, as bytes."""
    whole = [np.ascontiguousarray(array) for array in arrays]
    line = json.dumps(
        [header, [[array.dtype.str, list(given.shape)] for array, given in zip(whole, arrays, strict=True)]]
    )
    return b"".join([line.encode(), b"\n", *(array.tobytes() for array in whole)])


def unpacked_parcel(content: bytes) -> tuple[Any, list[np.ndarray]]:
    """Value and arrays of `packed_parcel`. Arrays are views of the bytes, which can't be written to."""
    place = content.index(b"\n") + 1
    header, claims = json.loads(content[:place])
    arrays = []
    for text, sizes in claims:
        shape = tuple(int(size) for size in sizes)
        end = place + np.dtype(text).itemsize * math.prod(shape)
        arrays.append(array_from_bytes(text, shape, False, memoryview(content)[place:end], "answer"))
        place = end
    return header, arrays
