"""Parsing of JSON within bounds of depth and memory."""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np
import orjson

from diffpose_core.io.untrusted.files import MIB, check_size
from diffpose_core.io.untrusted.text import to_utf8
from diffpose_core.structures import InvalidInput
from diffpose_core.words import short

MAX_JSON_DEPTH = 64
#: Memory of parsed JSON, estimated from its text.
MAX_JSON_MEMORY = 512 * MIB
#: Bytes of a parsed number or name, of a list and of an object.
_NUMBER_COST, _LIST_COST, _OBJECT_COST = 40, 100, 250
#: Half of a pair that stands for one character, without the other half: no text, and no program can write it as UTF-8.
_LONE_SURROGATE = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])|(?<!\\u[dD][89abAB][0-9a-fA-F]{2})\\u[dD][c-fC-F][0-9a-fA-F]{2}"
)


def parse_json(content: bytes, name: str) -> Any:
    """Parse JSON after bounding its depth and its memory.

    NaN and Infinity are read as Python writes them. A number beyond the range of a double becomes infinity. Half a
    surrogate pair in a text becomes the sign for a character that can't be shown.

    Args:
        content: JSON in UTF-8, or in UTF-16 with a byte order mark.
        name: names the file in messages.

    Raises:
        InvalidInput: the content is no JSON, or beyond a bound.
    """
    check_size(len(content), name)
    content = to_utf8(content, name)
    _check_bounds(content, name)
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError as error:
        reason = str(error)
    # Strict JSON has no NaN, Python's does, and so have many files. The slower parser runs only for these.
    if b"NaN" in content or b"Infinity" in content or "infinity" in reason or "surrogate" in reason:
        try:
            text = _LONE_SURROGATE.sub(rb"\\ufffd", content).decode()
            return json.loads(text, parse_int=_parse_int)
        except (ValueError, RecursionError) as error:
            reason = str(error)
    raise InvalidInput(f"{name}: not readable as JSON ({short(reason, 120)})")


def _check_bounds(content: bytes, name: str) -> None:
    depth = _depth(content)
    if depth > MAX_JSON_DEPTH:
        raise InvalidInput(f"{name}: JSON nested {depth} deep; the limit is {MAX_JSON_DEPTH}")
    memory = (
        len(content) + _NUMBER_COST * content.count(b",") + _LIST_COST * content.count(b"[")
        + _OBJECT_COST * content.count(b"{")
    )  # fmt: skip
    if memory > MAX_JSON_MEMORY:
        raise InvalidInput(
            f"{name}: this JSON would take about {memory // MIB} MiB of memory; the limit is "
            f"{MAX_JSON_MEMORY // MIB} MiB. Cut the clip into parts"
        )


def _parse_int(digits: str) -> int | float:
    # Python refuses whole numbers of thousands of digits, numpy those of more than 64 bits.
    return int(digits) if len(digits) < 19 else float(digits)


def _depth(content: bytes) -> int:
    """Deepest nesting of brackets, brackets in strings included; 0 where there are too few for the limit."""
    deepest = level = 0
    if content.count(b"[") + content.count(b"{") <= MAX_JSON_DEPTH:
        return deepest
    for begin in range(0, len(content), 4 * MIB):
        part = np.frombuffer(content, np.uint8, min(4 * MIB, len(content) - begin), begin)
        # One of [ ] { } and a few characters that the next line leaves out.
        brackets = part[(part | 0x26) == 0x7F]
        steps = np.isin(brackets, (0x5B, 0x7B)).astype(np.int32) - np.isin(brackets, (0x5D, 0x7D))
        if steps.size:
            levels = level + np.cumsum(steps)
            deepest, level = max(deepest, int(levels.max())), int(levels[-1])
    return deepest
