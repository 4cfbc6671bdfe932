"""Decoding of text."""

from __future__ import annotations

from diffpose_core.structures import InvalidInput

_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")


def decode_text(content: bytes, name: str) -> str:
    """Decode UTF-8, UTF-16 with a byte order mark, or Latin-1; the mark is removed.

    Raises:
        InvalidInput: the content is not text.
    """
    utf16 = content[:2] in _UTF16_MARKS
    try:
        return content.decode("utf-16" if utf16 else "utf-8-sig")
    except UnicodeDecodeError:
        pass
    if utf16 or b"\0" in content[:4096]:
        raise InvalidInput(f"{name}: not text; expected a file in UTF-8")
    # Old spreadsheets write names in Latin-1, in which every byte is a character.
    return content.decode("latin-1")


def to_utf8(content: bytes, name: str) -> bytes:
    """Convert UTF-16 to UTF-8 and remove a byte order mark; other content is returned as it is.

    Raises:
        InvalidInput: the content has the mark of UTF-16 and is not text.
    """
    if content[:2] in _UTF16_MARKS:
        return decode_text(content, name).encode()
    return content.removeprefix(b"\xef\xbb\xbf")
