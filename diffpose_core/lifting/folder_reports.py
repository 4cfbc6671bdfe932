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

from diffpose_core.io.atomic import write_whole
from diffpose_core.io.untrusted.files import read_bytes
from diffpose_core.structures import InvalidInput

#: Names of the files beside the outputs.
JOURNAL, REPORT_CSV, REPORT_JSON = "lift-journal.jsonl", "lift-report.csv", "lift-report.json"

#: Of a journal; more would take minutes to read.
_MOST_LINES = 500_000

Status = Literal["lifted", "done before", "failed"]


@dataclass(frozen=True)
class FileReport:
    """The outcome of one file: a row of the report.

    Attributes:
        file: path below the folder.
        status: lifted in this run, lifted in an earlier one, or failed.
        reason: why it failed, without the file's name.
        clips: clips that were lifted.
        frames: frames that were lifted.
        seconds: time that it took.
        notes: assumptions about the file.
        outputs: size in bytes, by name below the output folder.
        key: hash of the file's content and all settings.
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

    def to_json(self) -> str:
        """The report as one line of JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, line: str) -> FileReport:
        """The report that `to_json` wrote.

        Raises:
            ValueError: the line is cut off, or damaged.
            TypeError: it holds something else.
        """
        report = cls(**json.loads(line))
        texts = (report.file, report.status, report.reason, report.key, *report.notes, *report.outputs)
        numbers = (report.clips, report.frames, report.seconds, *dict(report.outputs).values())
        if not all(isinstance(text, str) for text in texts) or not all(type(n) in (int, float) for n in numbers):
            raise TypeError("fields of other types")
        return replace(report, notes=tuple(report.notes))


def read_journal(path: Path) -> dict[str, FileReport]:
    """The last report of every file, by its path. A line that was cut off or damaged is passed over.

    Raises:
        InvalidInput: the journal is no regular file, too large, or can't be read.
    """
    reports = {}
    content = read_bytes(path) if os.path.lexists(path) else b""
    count = content.count(b"\n")
    if count > _MOST_LINES:
        raise InvalidInput(
            f"{path}: a journal of {count:,} lines; the limit is {_MOST_LINES:,}. Remove it to begin again"
        )
    for line in content.split(b"\n"):
        try:
            report = FileReport.from_json(line.decode())
        except (ValueError, TypeError, RecursionError):
            continue
        reports[report.file] = report
    return reports


def write_reports(reports: Sequence[FileReport], out: Path, about: Mapping[str, Any]) -> None:
    """Write the reports of all files as CSV and JSON.

    Args:
        reports: of all files.
        out: folder of the outputs.
        about: settings of the run, JSON values.

    Raises:
        InvalidInput: they can't be written.
    """
    write_whole(out / REPORT_CSV, _csv_table(reports))
    counts = {status: sum(r.status == status for r in reports) for status in ("lifted", "done before", "failed")}
    summary = {
        "files": len(reports), **{name.replace(" ", "_"): count for name, count in counts.items()},
        **about, "rows": [asdict(report) for report in reports],
    }  # fmt: skip
    write_whole(out / REPORT_JSON, json.dumps(summary, indent=1) + "\n")


def _csv_table(reports: Sequence[FileReport]) -> str:
    """One line a file, below the names of the columns."""
    columns = ("file", "status", "reason", "clips", "frames", "seconds", "notes", "outputs")
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(columns)
    for report in reports:
        single = (getattr(report, name) for name in columns[:-2])
        writer.writerow([*single, " ".join(report.notes), " ".join(report.outputs)])
    return table.getvalue()
