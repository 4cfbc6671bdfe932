"""Labels of clips (name, source, subject, action, style) and their splits, by stated rules."""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Literal

from diffpose_core.io.untrusted.text import decode_text
from diffpose_core.structures import InvalidInput

SplitBy = Literal["subject", "clip"]
SPLITS = ("train", "val", "test")
KEYS = ("name", "source", "subject", "action", "style")
_MAX_TEXT = 200
_MAX_CSV_BYTES = 32_000_000

#: Names of files (without ending, after folders joined by "/") that hold a clip's label.
PATTERNS: dict[str, str] = {
    "Bandai-Namco": r"(?:.*/)?(?P<name>dataset-[12]_(?P<action>[^_/]+)_(?P<style>[^_/]+)_\d+)",
    "CMU": r"(?:.*/)?(?P<subject>\d{2,3})_\d{2,3}",
    "LaFAN1": r"(?:.*/)?(?P<action>[a-zA-Z]+)\d*_(?P<subject>subject\d+)",
    "AMASS": r"(?:.*/)?(?P<subject>[^/]+)/(?P<action>[^/]+)_(?:poses|stageii)",
    "HDM05": r"(?:.*/)?HDM_(?P<subject>[a-z]{2})_.*",
}


@dataclass(frozen=True)
class Labels:
    """Labels of a clip, "" where they are not known.

    Attributes:
        name: unique within a source.
        source: the data set.
        subject: the person.
        action, style: of the motion.
    """

    name: str
    source: str = ""
    subject: str = ""
    action: str = ""
    style: str = ""


def compiled(pattern: str) -> re.Pattern[str]:
    """Compile a pattern of the user's.

    Raises:
        InvalidInput: no regular expression, or without named groups out of KEYS.
    """
    try:
        result = re.compile(pattern)
    except re.error as error:
        raise InvalidInput(f"--pattern is no regular expression ({error})") from None
    if not result.groupindex or not set(result.groupindex) <= set(KEYS):
        raise InvalidInput(f"--pattern needs named groups such as (?P<subject>...), out of {', '.join(KEYS)}")
    return result


def labels_of(
    file: str, source: str, pattern: re.Pattern[str] | None = None, table: Mapping[str, Mapping[str, str]] | None = None
) -> Labels:
    """Labels of a file by its path.

    The name is the path without its ending, "/" replaced by "_". A row of the table comes before the pattern.

    Args:
        file: path below the folder that was given, for example "02/02_01.amc".
        source: the data set.
        pattern: finds labels in the path; by default the first of PATTERNS that fits.
        table: file -> labels, see `read_label_file`.
    """
    stem = file.rpartition(".")[0] or file
    found: dict[str, str] = {"name": stem.replace("/", "_"), "source": source}
    for candidate in [pattern] if pattern is not None else map(re.compile, PATTERNS.values()):
        match = candidate.fullmatch(stem)
        if match:
            found |= {key: word for key, word in match.groupdict().items() if word}
            break
    row = (table or {}).get(file) or (table or {}).get(file.rpartition("/")[2]) or {}
    found |= {key: word for key, word in row.items() if key in KEYS and word}
    # A file's name may hold bytes that are no text, which can't be written as UTF-8.
    return Labels(**{key: word[:_MAX_TEXT].encode("utf-8", "replace").decode() for key, word in found.items()})


def read_label_file(content: bytes, name: str) -> dict[str, dict[str, str]]:
    """Read a CSV with a column `file` and any of KEYS.

    Returns:
        file (a path below the folder, or the name alone) -> labels.

    Raises:
        InvalidInput: no such table.
    """
    if len(content) > _MAX_CSV_BYTES:
        raise InvalidInput(f"{name}: more than {_MAX_CSV_BYTES // 1_000_000} MB")
    try:
        rows = list(csv.DictReader(io.StringIO(decode_text(content, name)), restkey="", strict=True))
    except csv.Error as error:
        raise InvalidInput(f"{name}: not readable as CSV ({error})") from None
    columns = set(rows[0]) if rows else set()
    if "file" not in columns or not columns & set(KEYS):
        raise InvalidInput(f"{name}: expected a column file and some of {', '.join(KEYS)}")
    return {row["file"].strip(): {key: (row.get(key) or "").strip() for key in KEYS} for row in rows if row["file"]}


@dataclass(frozen=True)
class Split:
    """A split of clips into train, val and test.

    Attributes:
        shares: of the three, relative to their sum.
        by: "subject" keeps all clips of a person in one part, "clip" does not.
    """

    shares: tuple[float, float, float] = (80.0, 10.0, 10.0)
    by: SplitBy = "subject"

    def __post_init__(self) -> None:
        if not all(0 <= share < 1e9 for share in self.shares) or sum(self.shares) <= 0:
            raise InvalidInput(f"shares of train, val and test must not be negative, found {self.shares}")

    @property
    def key(self) -> str:
        """The label that decides."""
        return "subject" if self.by == "subject" else "name"

    def of(self, labels: Labels) -> str:
        """Part of a clip: "train", "val" or "test".

        SHA-256 of "source/subject" (or "source/name"), its first eight bytes as a share of 2**64: below train's share
        it is train, then val, then test. Clips that are added later move none of the others.

        Raises:
            InvalidInput: the subject is needed and not known.
        """
        if self.by == "subject" and not labels.subject:
            raise InvalidInput(
                f"{labels.name}: who moves is not known, so that it can't be split by subject; split by clip "
                "(--split-by clip), or say the subject (--labels, --pattern)"
            )
        key = f"{labels.source}/{getattr(labels, self.key)}"
        drawn = int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big") / 2**64
        total, reached = sum(self.shares), 0.0
        for split, share in zip(SPLITS, self.shares, strict=True):
            reached += share / total
            if drawn < reached:
                return split
        return next(split for split, share in zip(SPLITS[::-1], self.shares[::-1], strict=True) if share)


assert tuple(f.name for f in fields(Labels)) == KEYS
