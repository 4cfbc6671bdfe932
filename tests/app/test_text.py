"""Names from outside are shown as text, whatever they hold."""

from __future__ import annotations

import logging
import re

import pytest

from app.text import log_exception, plain

#: What Markdown's extension for links looks for in text (mdast-util-gfm-autolink-literal).
ADDRESS = re.compile(r"(https?://|www(?=\.))[-.\w]+", re.IGNORECASE)
MAIL = re.compile(r"[-.\w+]+@[-\w]+(?:\.[-\w]+)+")


@pytest.mark.parametrize(
    "name",
    ["http://evil.example/x", "see https://evil.example", "www.evil.example", "WWW.evil.example", "me@evil.example",
     "HTTPS://EVIL.EXAMPLE", "mailto:me@evil.example", "[a](https://evil.example)", "<https://evil.example>"],
)  # fmt: skip
def test_addresses_become_no_links(name: str) -> None:
    shown = plain(name)
    unescaped = re.sub(r"\\(.)", r"\1", shown)
    for text in (shown, unescaped):
        assert not ADDRESS.search(text) and not MAIL.search(text), text
    assert unescaped.replace("\u2060", "") == name, "nothing of it is lost"


@pytest.mark.parametrize(
    "name, expected",
    [
        ("walk\n    rm -rf", "walk rm -rf"),
        ("    four spaces", "four spaces"),
        ("a\x1b[31mred", "a\ufffd\\[31mred"),
        ("a\u202egnp.exe", "a\ufffdgnp.exe"),
        ("zero\x00", "zero\ufffd"),
        ("walk-1 (2).json", "walk-1 (2).json"),
        ("Läufer 走る.json", "Läufer 走る.json"),
    ],
)
def test_lines_and_control_characters_become_one_line(name: str, expected: str) -> None:
    assert plain(name) == expected


def test_a_terminal_gets_no_control_characters(caplog: pytest.LogCaptureFixture) -> None:
    try:
        raise ValueError("walk\x1b[2J.json")
    except ValueError:
        log_exception(logging.getLogger("app"), "a file could not be read")
    assert "walk\\x1b[2J.json" in caplog.text and "\x1b" not in caplog.text


def test_no_more_is_shown_than_anybody_reads() -> None:
    assert len(plain("a" * 10**6)) == 20_000
