"""The supplement's tables, for comparison with own results."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from diffpose_core.bundle import bundled

PUBLISHED = bundled("assets/published_results.json")


@dataclass(frozen=True)
class PublishedMethod:
    """One row of a published table.

    Attributes:
        name: of the method.
        reference: as it was printed.
        average: as it was printed, mm.
        values: one an action, mm.
    """

    name: str
    reference: str
    average: float
    values: tuple[float, ...]


@dataclass(frozen=True)
class PublishedTable:
    """A table of the supplement.

    Attributes:
        number: of the table.
        setting: "video" or "frame".
        title: its caption.
        source, data, metric: as it was printed.
        actions: its columns.
        methods: its rows.
    """

    number: int
    setting: str
    title: str
    source: str
    data: str
    metric: str
    actions: tuple[str, ...]
    methods: tuple[PublishedMethod, ...]


def published_tables(path: Path = PUBLISHED) -> list[PublishedTable]:
    """The supplement's Tables 1 and 2."""
    content = json.loads(path.read_text(encoding="utf-8"))
    return [
        PublishedTable(
            table["number"],
            table["setting"],
            table["title"],
            content["source"],
            content["data"],
            content["metric"],
            tuple(content["actions"]),
            tuple(
                PublishedMethod(row["name"], row["reference"], row["average"], tuple(row["values"]))
                for row in table["methods"]
            ),
        )
        for table in content["tables"]
    ]
