"""The journal and the reports of a lifted folder."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from diffpose_core.structures import InvalidInput

JOURNAL, REPORT_CSV, REPORT_JSON = "lift-journal.jsonl", "lift-report.csv", "lift-report.json"

Status = Literal["lifted", "done before", "failed"]


@dataclass(frozen=True)
class FileReport:
    """What became of one file: a line of the report.

    file: its path below the folder. reason: why it failed. clips, frames: how many were lifted. notes: what was assumed
    of the file. outputs: name below the output folder -> size in bytes. key: of the file's content and all settings.
    """

    file: str
    status: Status
    reason: str = ""
    clips: int = 0
    frames: int = 0
    seconds: float = 0.0
    notes: tuple[str, ...] = ()
    outputs: Mapping[str, int] = field(default_factory=dict)
    key: str = ""


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that its name never stands for a part of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        unfinished.write_bytes(content)
        os.replace(unfinished, path)
    except OSError as error:
        raise InvalidInput(f"{path}: can't be written ({error.strerror})") from error
    finally:
        unfinished.unlink(missing_ok=True)


def read_journal(path: Path) -> dict[str, FileReport]:
    """The last line of every file. A line that was cut off when the run was killed counts as not there."""
    rows = {}
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else []:
        try:
            row = FileReport(**json.loads(line))
            rows[row.file] = replace(row, notes=tuple(row.notes))
        except (ValueError, TypeError):
            continue
    return rows


def write_reports(rows: Sequence[FileReport], out: Path, about: Mapping[str, Any]) -> None:
    columns = ("file", "status", "reason", "clips", "frames", "seconds", "notes", "outputs")
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow([*(getattr(row, name) for name in columns[:-2]), " ".join(row.notes), " ".join(row.outputs)])
    write_atomically(out / REPORT_CSV, table.getvalue().encode())
    counts = {status: sum(row.status == status for row in rows) for status in ("lifted", "done before", "failed")}
    report = {
        "files": len(rows), **{name.replace(" ", "_"): count for name, count in counts.items()},
        **about, "rows": [asdict(row) for row in rows],
    }  # fmt: skip
    write_atomically(out / REPORT_JSON, (json.dumps(report, indent=1) + "\n").encode())
