"""The figures of docs/video.md are those of the stored report."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks.video_detector import table

ROOT = Path(__file__).resolve().parents[3]


def test_the_table_of_the_page_is_that_of_the_report() -> None:
    report = json.loads((ROOT / "benchmarks" / "results" / "video_detector.json").read_text())
    assert table(report) in (ROOT / "docs" / "video.md").read_text()
