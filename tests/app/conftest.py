"""Fixtures of the app: the trained weights, the app, its address in a real browser, and files to upload."""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from diffpose_core.io.clips import load_clip, save_clip
from diffpose_core.structures import InvalidInput

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def trained_weights() -> None:
    """Skips where checkpoints/ has no trained weights."""
    networks = pytest.importorskip("app.compute.networks")
    try:
        networks.models("frame")
    except InvalidInput as error:
        pytest.skip(f"no trained weights in checkpoints/: {error}")


@pytest.fixture
def app() -> object:
    """The app as Streamlit's AppTest runs it, not started yet."""
    testing = pytest.importorskip("streamlit.testing.v1")
    return testing.AppTest.from_file(str(ROOT / "app" / "streamlit_app.py"), default_timeout=120)


@pytest.fixture(scope="module")
def address(trained_weights: None) -> Iterator[str]:
    """Where a real browser finds the app; skips where there is none."""
    from benchmarks.browser import missing_browser, serve

    reason = missing_browser()
    if reason:
        pytest.skip(reason)
    with serve() as url:
        yield url


@pytest.fixture(scope="module")
def downloads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that a real browser's downloads go to."""
    return tmp_path_factory.mktemp("downloads")


@pytest.fixture(scope="module")
def driver(address: str, downloads: Path) -> Iterator[Any]:
    """A real browser at the reverse view. Modules that begin elsewhere have a driver of their own."""
    from benchmarks.browser import browser, stage_ready
    from tests.app.stage_driver import SETTINGS

    with browser(downloads=downloads) as opened:
        opened.get(f"{address}/?view=Reverse&{SETTINGS}")
        stage_ready(opened, "reverse", 60)
        yield opened


@pytest.fixture(autouse=True)
def no_error_in_the_browser(request: pytest.FixtureRequest) -> Iterator[None]:
    """Whatever a test does in a real browser, nothing of it ends in an error on its console or on the page."""
    yield
    if "driver" in request.fixturenames:
        from benchmarks.browser import console_errors

        driver = request.getfixturevalue("driver")
        assert console_errors(driver) == []
        assert driver.find_elements("css selector", "[data-testid=stException]") == []


@pytest.fixture
def clip_file() -> Callable[..., bytes]:
    """Makes a clip file of some frames of the first bundled clip; blind: with nothing but the detected 2D pose."""
    clips = pytest.importorskip("app.compute.clips")

    def make(frames: int = 3, blind: bool = False) -> bytes:
        clip = load_clip(clips.bundled_clips()[clips.FIRST_CLIP]).frames(slice(0, frames))
        if blind:
            clip = dataclasses.replace(clip, mixture=None, pose3d_cam=None, hidden=None, intrinsics=None)
        file = io.BytesIO()
        save_clip(clip, file)
        return file.getvalue()

    return make
