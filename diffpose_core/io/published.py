"""The supplement's own tables, which results are put beside."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

PUBLISHED = Path(__file__).resolve().parents[2] / "assets" / "published_results.json"


@dataclass(frozen=True)
class PublishedMethod:
    """One row of a published table. values: one an action, mm. average: as it was printed."""

    name: str
    reference: str
    average: float
    values: tuple[float, ...]


@dataclass(frozen=True)
class PublishedTable:
    """A table of the supplement. setting: "video" or "frame". source, data, metric: what it says of itself."""

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
