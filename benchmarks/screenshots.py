"""Pictures of every view, at four sizes of the window and in both themes: `python -m benchmarks.screenshots`."""

from __future__ import annotations

import argparse
import base64
import contextlib
import itertools
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.browser import ROOT, browser, console_errors, serve, stage_ready, wait_for
from benchmarks.live import fake_camera, poses_shown, start_camera
from diffpose_core.io.demo_video import demo_video
from diffpose_core.io.detectors import blazepose_weights

SIZES = {"small": (1366, 650), "laptop": (1440, 757), "large": (1920, 950), "phone": (390, 700)}
PAGES = ("overview", "uncertainty", "forward", "reverse", "compare", "results", "learn", "live")
#: Place of every stage's timeline in its picture, 0 to 1: a step that is typical of the view.
STEPS = {"overview": 0.4, "uncertainty": 0.7, "forward": 1.0, "reverse": 0.4, "compare": 1.0, "learn": 0.5}
#: Poses after which the camera is pictured.
LIVE_POSES = 20
#: A visitor who knows the app.
NO_HINTS = "try { localStorage.setItem('diffpose-tour', 'done'); } catch {}"
#: Charts that the results page has instead of a stage.
CHARTS = ".dpb-chart svg[role=img]"


def set_step(driver: Any, stage: str, share: float) -> None:
    """Move a stage's step slider to a share of its way."""
    driver.execute_script(
        "const s = document.querySelector(`.dps[data-stage='${arguments[0]}'] input[data-axis=step]`);"
        "s.value = Math.round(arguments[1] * s.max); s.dispatchEvent(new Event('input', {bubbles: true}));",
        stage,
        share,
    )


def picture(driver: Any, path: Path) -> None:
    """Save the first screen, as a visitor sees it."""
    answer = driver.execute_cdp_cmd("Page.captureScreenshot", {"format": "png"})
    path.write_bytes(base64.b64decode(answer["data"]))


def open_page(driver: Any, url: str, page: str) -> None:
    """Open a view and wait until it shows what is typical of it."""
    if page == "live":
        start_camera(driver, url)
        wait_for(lambda: poses_shown(driver) >= LIVE_POSES, 120, "poses of the camera")
        return
    driver.get(f"{url}/?view={page.capitalize()}&lesson=3")  # the tour is pictured at its live equation
    if page in STEPS:
        stage = "learn-equation" if page == "learn" else page
        stage_ready(driver, stage)
        set_step(driver, stage, STEPS[page])
    else:
        wait_for(lambda: driver.find_elements("css selector", CHARTS), 60, "the charts")
    driver.execute_script("document.querySelector('[data-testid=stMain]').scrollTo(0, 0)")
    time.sleep(1.0)


def main() -> None:
    """Take the pictures and print their paths and any console error."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", help="address of a running app; without it, one is started")
    parser.add_argument("--out", type=Path, default=ROOT / "screenshots")
    parser.add_argument("--sizes", nargs="*", default=list(SIZES), choices=list(SIZES))
    parser.add_argument("--themes", nargs="*", default=["light", "dark"], choices=["light", "dark"])
    parser.add_argument("--pages", nargs="*", default=PAGES, choices=PAGES)
    parser.add_argument("--video", type=Path, help="what the camera of Live sees; by default the demo video, fetched")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        flags: tuple[str, ...] = ()
        if "live" in args.pages:
            blazepose_weights.get_weights()
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            flags = fake_camera(args.video or demo_video(), folder / "camera.mjpeg")
        url = args.url or stack.enter_context(serve())
        for size, theme in itertools.product(args.sizes, args.themes):
            width, height = SIZES[size]
            with browser(width, height, dark=theme == "dark", flags=flags) as driver:
                driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": NO_HINTS})
                for page in args.pages:
                    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
                    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
                    open_page(driver, url, page)
                    path = args.out / f"{page}_{size}_{theme}.png"
                    picture(driver, path)
                    print(path, flush=True)
                for message in console_errors(driver):
                    print("console error:", message, flush=True)


if __name__ == "__main__":
    main()
