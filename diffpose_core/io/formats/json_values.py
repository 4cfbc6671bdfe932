"""Values as JSON files write them: lists of numbers, scores, identities, frame labels, image sizes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from diffpose_core.io.limits import MAX_FPS, MAX_IMAGE_SIDE, MIN_FPS
from diffpose_core.structures import InvalidInput

_FRAME_KEYS = ("frame_id", "frame", "frame_number", "frame_index", "frame_idx", "image_id", "img_name", "image_name",
               "file_name", "filename", "index")  # fmt: skip
_INFO_KEYS = ("video_info", "video", "info", "metadata", "meta", "meta_info")
_SIZE_KEYS = (
    ("width", "image_width", "img_width", "w", "res_w"),
    ("height", "image_height", "img_height", "h", "res_h"),
)
_FPS_KEYS = ("fps", "frame_rate", "framerate", "frameRate")
_TIME_KEYS = ("timestamp", "timestamp_ms", "timestampMs", "time", "time_s", "timestamp_s", "time_ms", "t")


def numbers(values: Any, columns: int, label: str) -> np.ndarray:
    """Convert a flat or nested list of numbers.

    Args:
        values: the list.
        columns: numbers a joint.
        label: names the list in messages.

    Returns:
        (J, columns) float64.

    Raises:
        InvalidInput: no list of numbers, or another number of them.
    """
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        raise InvalidInput(f"{label}: a list of numbers expected, found something else in it") from None
    if array.size == 0 or array.size % columns or (array.ndim > 1 and array.shape[-1] != columns):
        raise InvalidInput(f"{label}: {array.size} numbers; expected {columns} a joint")
    return array.reshape(-1, columns)


def score_of(value: Any) -> float:
    """A person's score: a number, or a list of one; else 0."""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    return float(value) if isinstance(value, (int, float)) and abs(value) < 1e30 else 0.0


def identity_of(value: Any) -> Any:
    """An identity as files write it: a number, text, or either in a list of one; else None."""
    while isinstance(value, list) and len(value) == 1:
        value = value[0]
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    return value if not isinstance(value, int) or abs(value) < 2**63 else str(value % 10**18)


def frame_label(item: Any, number: int) -> Any:
    """The name or number that a frame gives itself, or its place in the file."""
    if isinstance(item, dict):
        for key in _FRAME_KEYS:
            value = item.get(key)
            if isinstance(value, (int, str)) or (isinstance(value, float) and value.is_integer()):
                return value
    return number


def time_of(item: Any) -> tuple[Any, str]:
    """The time that a frame gives itself and its key; (None, "") where it has none."""
    if isinstance(item, dict):
        for key in _TIME_KEYS:
            if isinstance(item.get(key), (int, float, str)) and not isinstance(item[key], bool):
                return item[key], key
    return None, ""


def size_and_fps(header: Mapping[str, Any]) -> tuple[tuple[int, int] | None, float | None]:
    """Image size and frame rate where an object has them under a usual name, in itself or in its video information."""
    size: tuple[int, int] | None = None
    fps: float | None = None
    for part in _parts(header):
        width, height = (_number(part, 1, MAX_IMAGE_SIDE, *keys) for keys in _SIZE_KEYS)
        if size is None and width and height:
            size = (int(width), int(height))
        fps = fps or _number(part, MIN_FPS, MAX_FPS, *_FPS_KEYS)
    return size, fps


def _parts(header: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield header
    for key in _INFO_KEYS:
        if isinstance(header.get(key), dict):
            yield header[key]


def _number(part: Mapping[str, Any], low: float, high: float, *keys: str) -> float | None:
    for key in keys:
        value = part.get(key)
        if isinstance(value, (int, float)) and not isinstance(value, bool) and low <= value <= high:
            return float(value)
    return None
