"""Foreign text in messages: shortened, and without characters that a terminal would obey."""

from __future__ import annotations

import reprlib
from pathlib import PurePath

#: Lists in lists beyond a few are not spelled out: a message shows the beginning only.
_BEGINNING = reprlib.Repr()
_BEGINNING.maxstring = _BEGINNING.maxother = _BEGINNING.maxlong = 1000
_BEGINNING.maxlist = _BEGINNING.maxtuple = _BEGINNING.maxdict = 20


def printable(text: str) -> str:
    """A text with escapes in place of characters that a terminal would obey; line ends stay."""
    return "".join(c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in text)


def short(value: object, most: int = 40) -> str:
    """The beginning of a value that came from outside, on one line.

    Args:
        value: a text, an exception, or anything else.
        most: characters of it; "..." says that there are more.

    Returns:
        The text, with escapes in place of characters that are not printable.
    """
    return printable(_cut(value, most).strip()).replace("\n", "\\n")


def quoted(value: object, most: int = 40) -> str:
    """As `short`, in quotation marks."""
    return repr(_cut(value, most))


def without_name(message: str, file: str | PurePath) -> str:
    """A message without the name of a file, with or without its folders, that it begins with.

    Readers name their file. Where a list names it already, it would be there twice.

    Args:
        message: such as "walks/a.bvh: not a BVH file".
        file: the file's path, or a part of it.
    """
    folders, name, reason = message.partition(f"{PurePath(file).name}: ")
    begins = not folders or (folders.endswith("/") and ": " not in folders)
    return reason if name and begins else message


def _cut(value: object, most: int) -> str:
    if isinstance(value, int) and abs(value) >= 10**20:
        return "a very large number"
    try:
        text = str(value) if isinstance(value, str | BaseException) else _BEGINNING.repr(value)
    # A list that holds a number of more digits than Python writes.
    except ValueError:
        text = f"a {type(value).__name__}"
    return text if len(text) <= most else f"{text[: most - 3]}..."
