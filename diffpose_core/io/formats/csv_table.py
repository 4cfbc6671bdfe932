"""Rows of a table as numbers and words."""

from __future__ import annotations

import csv
import io
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from diffpose_core.structures import InvalidInput
from diffpose_core.words import quoted, short

MAX_CELLS = 20_000_000
SEPARATORS = (",", ";", "\t")
_EMPTY = ("", "NaN", "nan", "NA", "N/A", "null", "NULL", "None", "none", "-", "--", "#N/A")
MAX_COLUMNS = 3_000


def separator_of(text: str) -> str:
    """The separator that is in the first line most often."""
    line = next((line for line in text[:100_000].splitlines() if line.strip()), "")
    return max(SEPARATORS, key=line.count)


def first_rows(text: str, separator: str, name: str) -> list[list[str]]:
    """The first rows, empty ones left out."""
    start = text[:1_000_000]
    try:
        rows = [row for _, row in zip(range(12), csv.reader(io.StringIO(start), delimiter=separator), strict=False)]
    except csv.Error as error:
        raise InvalidInput(f"{name}: not readable as a table ({error})") from None
    rows = [row for row in rows if any(cell.strip() for cell in row)]
    if rows and max(len(row) for row in rows) > MAX_COLUMNS:
        raise InvalidInput(f"{name}: {max(len(row) for row in rows)} columns; the limit is {MAX_COLUMNS:,}")
    return rows


def empty_lines(text: str) -> int:
    """Empty lines before the first row."""
    return next((n for n, line in enumerate(text[:100_000].splitlines()) if line.strip()), 0)


def all_numbers(cells: Sequence[str]) -> bool:
    """True if every cell that is not empty is a number, and one at least is not empty."""
    try:
        return bool([float(cell.replace(",", ".")) for cell in cells if cell not in _EMPTY])
    except ValueError:
        return False


@dataclass(frozen=True)
class Table:
    """Rows of a table.

    Attributes:
        numbers: (N, columns) float64, NaN where nothing is read.
        words: column -> its cells.
    """

    numbers: np.ndarray
    words: dict[int, list[str]]

    def __len__(self) -> int:
        return len(self.numbers)


def read_table(text: str, separator: str, columns: int, skip: int, name: str, wanted: Iterable[int],
           words: Sequence[int] = ()) -> Table:  # fmt: skip
    """Read the rows under the header.

    Args:
        text: of the file.
        separator: of cells.
        columns: their number.
        skip: lines of the header.
        name: names the file in messages.
        wanted: columns that must hold numbers.
        words: columns that are read as text.

    Raises:
        InvalidInput: no table, too large, or with other things than numbers in it.
    """
    if text.count(separator) + text.count("\n") > MAX_CELLS:
        raise InvalidInput(f"{name}: more than {MAX_CELLS:,} cells; cut the clip into parts")
    decimal = "," if separator == ";" and "." not in text[:100_000] else "."
    numeric = sorted(set(wanted) - set(words))
    try:
        with warnings.catch_warnings():
            # One column more than there should be, to notice rows that are too long; pandas warns of longer ones.
            warnings.simplefilter("ignore", pd.errors.ParserWarning)
            table = pd.read_csv(
                io.BytesIO(text.encode()), sep=separator, header=None, names=range(columns + 1), index_col=False,
                skiprows=skip, skip_blank_lines=True, na_values=list(_EMPTY),
                keep_default_na=False, decimal=decimal, low_memory=False, dtype={column: str for column in words},
                on_bad_lines="error", skipinitialspace=True,
            )  # fmt: skip
    # The parser of pandas fails on damaged text in ways of its own.
    except Exception as error:
        raise InvalidInput(f"{name}: not readable as a table ({short(error, 160)})") from None
    if not len(table):
        raise InvalidInput(f"{name}: a table without rows of numbers")
    longer = table[columns].notna()
    if longer.any():
        row = int(np.flatnonzero(longer)[0]) + skip + 1
        raise InvalidInput(f"{name}: row {row} has more cells than the {columns} columns of the header")
    kinds = [dtype.kind for dtype in table.dtypes]
    for column in [c for c in numeric if kinds[c] not in "fiu"]:
        cells = table[column].astype(str).str.strip()
        found = pd.to_numeric(cells, errors="coerce")
        wrong = found.isna() & table[column].notna() & ~cells.isin(_EMPTY)
        if wrong.any():
            row = int(np.flatnonzero(wrong)[0])
            raise InvalidInput(
                f"{name}: row {row + skip + 1}, column {column + 1}: {quoted(cells[row], 30)} is no number"
            )
        table[column] = found
    numbers = np.full((len(table), columns), np.nan)
    numbers[:, numeric] = table[numeric].to_numpy(dtype=np.float64)
    return Table(numbers, {column: [str(value)[:200] for value in table[column]] for column in words})
