"""Text that came from outside, such as names of files, made safe for a page and for a terminal."""

from __future__ import annotations

import logging
import re
import traceback

from diffpose_core.words import printable

_SPECIAL = re.compile(r"([\\`*_\[\]<>#!|~$:])")
#: Where Markdown would make a link by itself: addresses of pages and of people.
_LINKS = re.compile(r"(?<=:)(?=//)|(?<=www)(?=\.)|(?<=@)", re.IGNORECASE)
#: Invisible and without width: with it, an address is no address any more.
_WORD_JOINER = "\u2060"
#: Characters that are shown; nobody reads more.
_LONGEST = 20_000


def plain(text: str) -> str:
    """Markdown that shows a text and does nothing else: no links, pictures, formulas, colours or blocks."""
    text = text[:_LONGEST]
    line = " ".join("".join(c if c.isprintable() else " " if c.isspace() else "\ufffd" for c in text).split())
    return _SPECIAL.sub(r"\\\1", _LINKS.sub(_WORD_JOINER, line))


def log_exception(logger: logging.Logger, words: str) -> None:
    """Log the exception that is being handled; names of files in it can't write to the terminal."""
    logger.error("%s\n%s", words, printable(traceback.format_exc()[:_LONGEST]))
