"""Completes what `make sbom` knows of licences: packages that name none are told by the text of their licence.

    python benchmarks/licences.py licences.json sbom.cdx.json licences.md

licences.json is a list that pip-licenses has written, with the texts. A licence that is told by nothing ends it.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

UNKNOWN = ("", "UNKNOWN")
#: Phrases that a text of the licence holds, all of them; the first licence that fits.
PHRASES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("Apache-2.0", ("apache license", "version 2.0")),
    ("MPL-2.0", ("mozilla public license", "version 2.0")),
    ("LGPL-3.0-only", ("gnu lesser general public license", "version 3")),
    ("GPL-3.0-only", ("gnu general public license", "version 3")),
    ("BSD-3-Clause", ("redistribution and use in source and binary forms", "neither the name")),
    ("BSD-2-Clause", ("redistribution and use in source and binary forms",)),
    ("MIT", ("permission is hereby granted, free of charge", 'the software is provided "as is"')),
    ("ISC", ("permission to use, copy, modify, and/or distribute this software for any purpose",)),
)


def licence_of_text(text: str) -> str | None:
    """The SPDX name of a licence by its text, None where it is none of `PHRASES`."""
    words = " ".join(text.lower().split())
    return next((name for name, phrases in PHRASES if all(phrase in words for phrase in phrases)), None)


def completed(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    """The packages, each with a licence. Raises SystemExit with the names of those that have none."""
    found = []
    for row in rows:
        licence = row["License"] if row["License"] not in UNKNOWN else licence_of_text(row["LicenseText"])
        found.append({**row, "License": licence or "UNKNOWN"})
    unknown = [row["Name"] for row in found if row["License"] == "UNKNOWN"]
    if unknown:
        raise SystemExit(f"no licence is known of {', '.join(unknown)}: look at their repositories, and add its text")
    return found


def fill_in(bill: dict[str, Any], rows: list[dict[str, str]]) -> None:
    """Give the components of a CycloneDX bill that name no licence that of the packages."""
    licences = {row["Name"].lower(): row["License"] for row in rows}
    for component in bill["components"]:
        licence = licences.get(component["name"].lower())
        if licence is not None and not component.get("licenses"):
            component["licenses"] = [{"license": {"name": licence}}]


def table(rows: list[dict[str, str]]) -> str:
    """The packages as a table in Markdown."""
    columns = ("Name", "Version", "License", "URL")
    lines = ["| " + " | ".join(columns) + " |", "|" + " --- |" * len(columns)]
    return "\n".join([*lines, *("| " + " | ".join(row[column] for column in columns) + " |" for row in rows)]) + "\n"


def main(listed: str, bill: str, page: str) -> None:
    """Read the two files; write the bill anew, and the page."""
    rows = completed(json.loads(Path(listed).read_text(encoding="utf-8")))
    parts = json.loads(Path(bill).read_text(encoding="utf-8"))
    fill_in(parts, rows)
    Path(bill).write_text(json.dumps(parts, indent=2) + "\n", encoding="utf-8")
    Path(page).write_text(table(rows), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
