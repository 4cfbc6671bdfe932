"""A real browser for the tests of uploads, at an app with small random networks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="module")
def detector_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the app looks for RTMPose's weights."""
    return tmp_path_factory.mktemp("rtmpose")


@pytest.fixture(scope="module")
def driver(tiny_weights: Path, downloads: Path, detector_weights: Path) -> Iterator[Any]:
    """A browser with the sidebar open."""
    from benchmarks.browser import browser, missing_browser, open_sidebar, serve, stage_ready

    reason = missing_browser()
    if reason:
        pytest.skip(reason)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DIFFPOSE_CHECKPOINTS", str(tiny_weights))
        patch.setenv("DIFFPOSE_RTMPOSE", str(detector_weights))
        patch.setenv("DIFFPOSE_BLAZEPOSE", str(detector_weights / "absent"))
        with serve(120) as url, browser() as opened:
            place = {"behavior": "allow", "downloadPath": str(downloads)}
            opened.execute_cdp_cmd("Browser.setDownloadBehavior", place)
            opened.get(f"{url}/?view=Reverse&steps=1&hypotheses=1")
            stage_ready(opened, "reverse", 120)
            open_sidebar(opened)
            opened.refresh()  # it stays open, and its widgets have their full width from the start
            stage_ready(opened, "reverse", 120)
            yield opened
