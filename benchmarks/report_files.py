"""Files of a benchmark's report: its figures as JSON, and its table between two marks of a page."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from diffpose_core.io.atomic import write_whole


def write_report(report: Mapping[str, Any], table: str, mark: str, figures: Path | None, page: Path | None) -> None:
    """Write a report where it is wanted.

    Args:
        report: JSON values.
        table: Lines of the page, without a last line break.
        mark: Word of the page's marks: the table stands between <!-- MARK:begin --> and <!-- MARK:end -->.
        figures: JSON file, or None.
        page: Page, or None.
    """
    if figures:
        write_whole(figures, (json.dumps(report, indent=1) + "\n").encode())
    if page:
        begin, end = f"<!-- {mark}:begin -->", f"<!-- {mark}:end -->"
        text = page.read_text(encoding="utf-8")
        part = re.sub(f"{begin}.*?{end}", lambda _: f"{begin}\n{table}\n{end}", text, flags=re.DOTALL)
        write_whole(page, part.encode())
