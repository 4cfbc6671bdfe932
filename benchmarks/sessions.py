"""Several people at once: `python -m benchmarks.sessions` opens sessions of one server, each lifting a clip of its own.

Every session is a tab of a headless Chromium. Each uploads another clip of 300 frames, lifts all of it, and downloads
the result, which must be that clip's. The server's memory is read before, at its most, and after all tabs are closed.
With --rounds that is done again, by other sessions with other clips, to see whether the remaining memory grows.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.browser import browser, open_sidebar, serve_process, stage_ready, wait_for
from diffpose_core.io.clips import clip_from_npz, save_clip
from diffpose_core.lifting.provenance import clip_hash
from diffpose_core.structures import PoseClip2D

MIB = 2**20
#: Streamlit keeps a session whose connection broke for two minutes.
FORGOTTEN_AFTER_S = 125.0


def own_clip(number: int, frames: int) -> PoseClip2D:
    """A clip that no other session has: a person whose joints swing in a way of their own."""
    rng = np.random.default_rng(number)
    standing = np.array([
        (0, 0), (-20, 0), (-22, 80), (-24, 160), (20, 0), (22, 80), (24, 160), (0, -40), (0, -90), (0, -115), (0, -140),
        (28, -88), (40, -40), (44, 5), (-28, -88), (-40, -40), (-44, 5),
    ], dtype=np.float64)  # fmt: skip
    time_s = np.arange(frames)[:, None, None] / 30
    swing = 12 * np.sin(rng.uniform(2, 6, (17, 2)) * time_s + rng.uniform(0, 6, (17, 2)))
    poses = (standing + swing + (400 + 20 * number, 500)).astype(np.float32)
    return PoseClip2D(f"session-{number:02d}", poses, np.full(poses.shape[:2], 0.9, dtype=np.float32), 1000, 1000, 30.0)


def memory_mib(process: int) -> float:
    """Memory of a process (resident set), MiB. process: its id."""
    status = Path(f"/proc/{process}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


class Peak:
    """The most memory that a process holds while this runs."""

    def __init__(self, process: int) -> None:
        self.most = 0.0
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._watch, args=(process,), daemon=True)

    def _watch(self, process: int) -> None:
        while not self._end.wait(0.5):
            self.most = max(self.most, memory_mib(process))

    def __enter__(self) -> Peak:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()


def press(driver: Any, label: str, seconds: float) -> None:
    """Click the button of that label once it is there."""
    script = (
        "const b = [...document.querySelectorAll('button')].find(b => !b.disabled"
        " && b.innerText.trim().split('\\n').pop() === arguments[0]); if (b) b.click(); return Boolean(b);"
    )
    wait_for(lambda: driver.execute_script(script, label), seconds, f"the button {label}")


def begin(driver: Any, url: str, file: Path, seconds: float) -> None:
    """Open the app, upload a clip and start to lift all of it."""
    driver.get(f"{url}/?view=Reverse")
    stage_ready(driver, "reverse", seconds)
    open_sidebar(driver)
    driver.find_element("css selector", "[data-testid=stFileUploader] input[type=file]").send_keys(str(file))
    shown = "return document.querySelector('[data-testid=stSidebar]').innerText.includes(arguments[0])"
    wait_for(lambda: driver.execute_script(shown, f"Shown: {file.stem}"), seconds, f"{file.stem} to be open")
    press(driver, "Download the 3D pose", seconds)
    press(driver, "Lift the clip", seconds)


def lift_in_all(driver: Any, url: str, clips: Path, downloads: Path, frames: int, seconds: float) -> float:
    """Lift each of a folder's clips in a tab of its own, all at once, and close them. Returns the seconds it took.

    Raises RuntimeError where a session gets another one's result.
    """
    files = sorted(clips.glob("*.npz"))
    expected = {file.stem: clip_hash(clip_from_npz(file.read_bytes(), file.name)) for file in files}
    assert len(set(expected.values())) == len(files)
    start = time.monotonic()
    first = driver.current_window_handle
    tabs = {}
    for file in files:
        driver.switch_to.new_window("tab")
        tabs[file.stem] = driver.current_window_handle
        begin(driver, url, file, seconds)
    results = set()
    for name, tab in tabs.items():
        driver.switch_to.window(tab)
        press(driver, "JSON", seconds)
        made = wait_for(lambda n=name: list(downloads.glob(f"{n}*.json")), seconds, f"the result of {name}")[0]
        time.sleep(1)
        results.add(hashlib.sha256(made.read_bytes()).hexdigest())
        result = json.loads(made.read_text())
        if result["provenance"]["clip_sha256"] != expected[name] or len(result["pose3d"]) != frames:
            raise RuntimeError(f"{name} got the result of {result['provenance']['clip']}")
        page = driver.execute_script("return document.body.innerText")
        if any(other in page for other in expected if other != name):
            raise RuntimeError(f"{name} sees another session's clip")
    wall = time.monotonic() - start
    if len(results) != len(files):
        raise RuntimeError(f"{len(files)} sessions made {len(results)} different files")
    for tab in tabs.values():
        driver.switch_to.window(tab)
        driver.close()
    driver.switch_to.window(first)
    driver.get("about:blank")
    return wall


def run(sessions: int, frames: int, seconds: float, rounds: int) -> dict[str, Any]:
    """Lift in all sessions at once, in several rounds. Returns the measurements."""
    found: dict[str, Any] = {"sessions": sessions, "frames": frames, "rounds": []}
    with tempfile.TemporaryDirectory() as folder, serve_process(seconds) as (url, server), browser() as driver:
        downloads = Path(folder, "downloads")
        downloads.mkdir()
        driver.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(downloads)})
        driver.get(url)
        stage_ready(driver, "overview", seconds)  # the networks are loaded: further memory is the sessions' own
        time.sleep(5)
        found["memory_before_mib"] = round(memory_mib(server))
        for number in range(rounds):
            clips = Path(folder, f"round-{number}")
            clips.mkdir()
            for session in range(number * sessions, (number + 1) * sessions):
                clip = own_clip(session, frames)
                save_clip(clip, clips / f"{clip.name}.npz")
            with Peak(server) as peak:
                wall = lift_in_all(driver, url, clips, downloads, frames, seconds)
            time.sleep(FORGOTTEN_AFTER_S)
            driver.get(url)  # sessions that are too old are dropped when the next one begins
            stage_ready(driver, "overview", seconds)
            time.sleep(5)
            measured = {"seconds": round(wall, 1), "peak_mib": round(peak.most), "after_mib": round(memory_mib(server))}
            found["rounds"].append(measured)
            print(json.dumps(measured), file=sys.stderr, flush=True)
    return found


def main() -> None:
    """Print the measurements as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=8)
    parser.add_argument("--frames", type=int, default=300)
    parser.add_argument("--patience", type=float, default=300.0, help="seconds to wait for any one thing")
    parser.add_argument("--rounds", type=int, default=1, help="how often, each time by new sessions with other clips")
    args = parser.parse_args()
    print(json.dumps(run(args.sessions, args.frames, args.patience, args.rounds), indent=1))


if __name__ == "__main__":
    main()
