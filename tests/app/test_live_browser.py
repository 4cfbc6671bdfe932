"""The live camera in a real browser, whose camera plays a video: poses come, and the last seconds become a clip."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks.browser import browser, console_errors, wait_for
from tests.demo_video import demo_video, real_weights

pytest.importorskip("selenium")
pytest.importorskip("av", reason="needs what the extra `video` installs")
pytest.importorskip("ai_edge_litert", reason="needs what the extra `video` installs")
pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture(scope="module", autouse=True)
def weights(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """BlazePose's weights, where they can be had; the server of `address` takes them from the environment."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DIFFPOSE_BLAZEPOSE", str(tmp_path_factory.getbasetemp() / "blazepose"))
        real_weights()
        yield


def words(driver: Any) -> str:
    return str(driver.execute_script("return document.querySelector('.dps-live-words').textContent"))


def test_a_camera_is_lifted_and_its_last_seconds_are_kept(address: str, tmp_path: Path) -> None:
    from benchmarks.live import fake_camera, poses_shown, start_camera

    with browser(1366, 650, flags=fake_camera(demo_video(), tmp_path / "camera.mjpeg")) as driver:
        start_camera(driver, f"{address}")
        wait_for(lambda: poses_shown(driver) >= 5, 120, "poses")
        chips = driver.execute_script("return [...document.querySelectorAll('.dps-chip')].map((c) => c.textContent)")
        assert any("latency" in chip and "ms" in chip for chip in chips)
        keep = driver.find_element("css selector", ".dps-live-keep")
        wait_for(keep.is_enabled, 60, "a second to keep")
        keep.click()
        dialog = wait_for(lambda: driver.find_elements("css selector", "[role=dialog]"), 60, "the dialog")[0]
        wait_for(lambda: "BlazePose" in dialog.text, 30, "what was recorded")
        assert not driver.find_elements("css selector", ".dps-live[data-on=true]"), "the camera is off"
        assert console_errors(driver) == []


def test_no_camera_and_no_permission_are_said(address: str) -> None:
    from benchmarks.live import start_camera

    with browser(1366, 650) as driver:
        start_camera(driver, address)
        wait_for(lambda: words(driver).startswith(("No camera was found", "The browser may not")), 30, "the reason")
        refuse = "navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('', 'NotAllowedError'))"
        driver.execute_script(refuse)
        driver.find_element("css selector", ".dps-live-start").click()
        wait_for(lambda: "Allow it for this page" in words(driver), 30, "the reason")
        assert driver.find_element("css selector", ".dps-live-start").text == "Start the camera"
