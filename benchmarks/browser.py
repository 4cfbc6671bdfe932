"""The app in a real browser: a server on a free port and a headless Chromium."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
)

#: Runs before the page: counts what the page sends to the server once it has been told to.
COUNT_MESSAGES = """
window.__sent = 0;
const send = WebSocket.prototype.send;
WebSocket.prototype.send = function (...args) { window.__sent += 1; return send.apply(this, args); };
"""


def missing_browser() -> str | None:
    """Why there is no browser to drive, or None where there is one."""
    if find_chromium() is None:
        return "no chromium on this machine"
    if shutil.which("chromedriver") is None:
        return "no chromedriver on this machine"
    return None


def find_chromium() -> str | None:
    """Path of a Chromium or Chrome."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def wait_for(condition: Callable[[], Any], seconds: float, what: str) -> Any:
    """The condition's first true value. Raises TimeoutError that says what was waited for."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.1)
    raise TimeoutError(f"waited {seconds:.0f} s for {what}")


@contextlib.contextmanager
def serve(seconds: float = 60.0) -> Iterator[str]:
    """The app's address while it runs on a free port; the way in is `streamlit run app` from the root."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", "app", "--server.headless", "true"]
    command += ["--server.port", str(port), "--server.fileWatcherType", "none", "--server.address", "127.0.0.1"]
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            command, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT, env={"OMP_NUM_THREADS": "2", **os.environ}
        )
        url = f"http://127.0.0.1:{port}"

        def up() -> bool:
            if process.poll() is not None:
                log.seek(0)
                raise RuntimeError(f"the server ended: {log.read().decode(errors='replace')[-2000:]}")
            try:
                with urllib.request.urlopen(f"{url}/_stcore/health", timeout=2) as answer:
                    return bool(answer.status == 200)
            except OSError:
                return False

        try:
            wait_for(up, seconds, "the server")
            yield url
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@contextlib.contextmanager
def browser(width: int = 1440, height: int = 900, dark: bool = False) -> Iterator[Any]:
    """A headless Chromium with an empty profile and a viewport of this size, as a selenium driver."""
    from selenium import webdriver

    with tempfile.TemporaryDirectory() as profile:
        options = webdriver.ChromeOptions()
        options.binary_location = find_chromium() or ""
        for flag in (*FLAGS, f"--window-size={width},{height}", f"--user-data-dir={profile}"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver")))
        try:
            size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
            driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
            scheme = {"features": [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]}
            driver.execute_cdp_cmd("Emulation.setEmulatedMedia", scheme)
            driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": COUNT_MESSAGES})
            driver.set_script_timeout(60)
            yield driver
        finally:
            driver.quit()


def stage_ready(driver: Any, stage: str, seconds: float = 60.0) -> Any:
    """Scroll to a stage and wait until its scenes are drawn; returns its element."""
    found = wait_for(
        lambda: driver.execute_script("return document.querySelector(`.dps[data-stage='${arguments[0]}']`)", stage),
        seconds,
        f"the stage {stage}",
    )
    driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", found)
    wait_for(
        lambda: driver.execute_script(
            "return document.querySelector(`.dps[data-stage='${arguments[0]}']`)?.dataset.ready === 'true'", stage
        ),
        seconds,
        f"the scenes of {stage}",
    )
    return driver.execute_script("return document.querySelector(`.dps[data-stage='${arguments[0]}']`)", stage)


def console_errors(driver: Any) -> list[str]:
    """What the browser's console holds of errors."""
    return [entry["message"] for entry in driver.get_log("browser") if entry["level"] == "SEVERE"]
