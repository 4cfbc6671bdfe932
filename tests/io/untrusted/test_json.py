"""JSON that is deep, large, or written as people save it."""

import numpy as np
import pytest

from diffpose_core.io.untrusted import json as bounded_json
from diffpose_core.io.untrusted.json import parse_json
from diffpose_core.structures import InvalidInput


def test_deep_json_is_refused_before_it_is_parsed():
    for content in (b"[" * 65, b'{"a":' * 100_000, b"[" * 5_000_000):
        with pytest.raises(InvalidInput, match=r"nested \d+ deep; the limit is 64"):
            parse_json(content, "deep.json")


def test_brackets_that_are_closed_do_not_count():
    assert parse_json(b"[" + b",".join([b"[[[]]]"] * 1000) + b"]", "flat.json")[0] == [[[]]]


@pytest.mark.parametrize("unit", [b"[],", b"{},", b"0,"])
def test_json_that_would_fill_the_memory_is_refused(unit, monkeypatch):
    monkeypatch.setattr(bounded_json, "MAX_JSON_MEMORY", 4 * 1024 * 1024)
    assert len(parse_json(b"[" + unit * 10_000 + b"0]", "slim.json")) == 10_001
    with pytest.raises(InvalidInput, match=r"would take about \d+ MiB of memory; the limit is 4 MiB"):
        parse_json(b"[" + unit * 110_000 + b"0]", "fat.json")


def test_json_as_people_save_it():
    assert parse_json(b"\xef\xbb\xbf[1]", "bom.json") == [1]
    assert parse_json("[1]".encode("utf-16"), "utf16.json") == [1]
    assert np.isnan(parse_json(b"[NaN, 1]", "nan.json")[0])
    assert parse_json(b"[-Infinity]", "inf.json") == [-np.inf]
    assert parse_json(b"[1e999, -1" + b"0" * 9000 + b", 7]", "huge.json") == [np.inf, -np.inf, 7]
    for content in (b"[1", b"[1,]", b"{'a': 1}", b"[NaN", b'["\xff"]', b"[1]]", b"nul"):
        with pytest.raises(InvalidInput, match="not readable as JSON"):
            parse_json(content, "bad.json")


def test_halves_of_surrogate_pairs_become_the_sign_for_what_cannot_be_shown():
    for lone in (b"\\ud800", b"\\udc00", b"\\uD83D\\ud83d"):
        text = parse_json(b'["' + lone + b'x", NaN]', "a.json")[0]
        assert text.encode("utf-8").decode() == "\ufffd" * lone.count(b"u") + "x"
    assert parse_json(b'["\\ud83d\\ude00"]', "a.json") == ["\U0001f600"]
    assert parse_json(b'["\\ud83d\\ude00\\ud83d"]', "a.json") == ["\U0001f600\ufffd"]
