"""Messages that no browser would send change nothing, and say in the log what was wrong with them."""

from __future__ import annotations

import logging
from typing import Any

import pytest

pytest.importorskip("streamlit")

from app.stage import messages
from diffpose_core.structures import InvalidInput

#: Values of other types than a number, and numbers that no clip and no joint has.
NONSENSE: list[Any] = [
    "abc", "3", "", [], [3], {}, {"frame": 3}, None, True, False, 3.0, 2.5, float("nan"), float("inf"), -float("inf"),
    -1, -5, -18, 17, 10**9, 10**400, -(10**400), b"3", "\x1b[31m", [[[[]]]],
]  # fmt: skip


@pytest.mark.parametrize("value", NONSENSE, ids=lambda value: ascii(value)[:20])
def test_numbers_out_of_range_and_other_things_are_ignored(value: Any, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert messages.number(value, range(17)) is None
    assert len(caplog.messages) == 1
    assert caplog.messages[0].isprintable() and len(caplog.messages[0]) < 250


@pytest.mark.parametrize("value", [0, 3, 16])
def test_numbers_of_the_range_are_taken(value: int, caplog: pytest.LogCaptureFixture) -> None:
    assert messages.number(value, range(17)) == value
    assert not caplog.messages


@pytest.mark.parametrize(
    "value",
    [
        *NONSENSE,
        {"view": "Reverse"},
        {"frame": 1},
        {"view": "Nowhere", "frame": 1},
        {"view": ["Reverse"], "frame": 1},
        {"view": "Reverse", "frame": -5},
        {"view": "Reverse", "frame": 90},
        {"view": "Reverse", "frame": "1"},
        {"view": "Reverse", "frame": 10**400},
    ],
    ids=lambda value: ascii(value)[:30],
)
def test_wishes_for_a_view_that_can_t_be_met_are_ignored(value: Any, caplog: pytest.LogCaptureFixture) -> None:
    assert messages.open_view(value, ("Reverse", "Compare"), 90) is None
    assert len(caplog.messages) == 1 and caplog.messages[0].isprintable()


def test_a_wish_for_a_view_is_taken() -> None:
    wish = messages.open_view({"view": "Compare", "frame": 89, "more": 1}, ("Reverse", "Compare"), 90)
    assert wish is not None and (wish.view, wish.frame) == ("Compare", 89)


POINT = {"x": 1, "y": 2.5, "z": 0}


@pytest.mark.parametrize(
    "value",
    [
        *NONSENSE,
        {"kind": ["mp4"]},
        {"kind": "npz", "id": 7},
        {"kind": "npz", "name": 7},
        {"kind": "npz", "name": "x" * 501},
        {"kind": "html", "camera": []},
        {"kind": "html", "camera": {"eye": POINT}},
        {"kind": "html", "camera": {"eye": POINT, "center": POINT, "up": {**POINT, "z": float("nan")}}},
        {"kind": "html", "camera": {"eye": POINT, "center": POINT, "up": {**POINT, "z": 1e300}}},
        {"kind": "html", "joint": 17},
        {"kind": "html", "joint": -18},
        {"kind": "html", "step": 10**400},
        {"kind": "html", "frame": -1},
        {"kind": "html", "hidden": [3]},
        {"kind": "html", "hidden": ["x"] * 201},
        {"kind": "html", "theme": 3},
        {"kind": "html", "theme": {"dark": "yes"}},
        {"kind": "gif", "pictures": ["x"] * 401},
        {"kind": "gif", "interval_ms": 0},
        {"kind": "gif", "interval_ms": True},
    ],
    ids=lambda value: ascii(value)[:40],
)
def test_requests_that_make_no_sense_are_refused_in_a_sentence(value: Any) -> None:
    with pytest.raises(InvalidInput, match="the request") as refused:
        messages.file_request(value)
    assert str(refused.value).isprintable() and len(str(refused.value)) < 400


def test_a_request_of_the_browser_is_taken() -> None:
    request = messages.file_request({
        "id": "1764533", "kind": "html", "name": "walk.html", "step": 3, "frame": 0, "joint": None, "ghosts": True,
        "camera": {"eye": POINT, "center": POINT, "up": POINT, "projection": {"type": "perspective"}},
        "hidden": ["Truth"], "theme": {"background": "#fff", "text": "#000", "dark": False, "primary": "#0b7a6b"},
    })  # fmt: skip
    assert (request.kind, request.step, request.joint, request.ghosts) == ("html", 3, None, True)
    assert request.camera is not None and request.camera.eye.y == 2.5


@pytest.mark.parametrize("value, expected", [({"id": "7"}, "7"), ({"id": 7}, ""), ({}, ""), (None, ""), ([], "")])
def test_the_id_of_a_malformed_request(value: Any, expected: str) -> None:
    assert messages.request_id(value) == expected
