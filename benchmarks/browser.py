"""The app in a real browser, a server on a free port and a headless Chromium: for tests, pictures and measurements.

`python -m benchmarks.browser` measures the app's promises, with software rendering. A change of the step repaints in
under 50 ms (median, 200 samples a scene). A cold start shows the first 3D picture in under 5 s on two free cores. A
change of the frame in a loaded clip takes under 150 ms. Beside the time on the clock it prints the processor
time, which a machine that is busy with something else lengthens less.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from selenium.common.exceptions import StaleElementReferenceException

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

#: Script that runs before the page: counts the page's messages to the server, once it has been told to.
COUNT_MESSAGES = """
window.__sent = 0;
const send = WebSocket.prototype.send;
WebSocket.prototype.send = function (...args) {
  window.__sent += 1;
  window.__sentAt = performance.now();
  return send.apply(this, args);
};
"""


def missing_browser() -> str | None:
    """The reason that no browser can be driven, or None where one can."""
    if find_chromium() is None:
        return "no chromium on this machine"
    if shutil.which("chromedriver") is None:
        return "no chromedriver on this machine"
    return None


def find_chromium() -> str | None:
    """Path of a Chromium or Chrome."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def wait_for(condition: Callable[[], Any], seconds: float, what: str) -> Any:
    """The condition's first true value. Elements that the page draws anew meanwhile count as missing.

    Args:
        condition: Called again and again.
        seconds: Time limit.
        what: Name of the condition, for the message.

    Raises:
        TimeoutError: The time is over; the message has `what`.
    """
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with contextlib.suppress(StaleElementReferenceException):
            value = condition()
            if value:
                return value
        time.sleep(0.1)
    raise TimeoutError(f"waited {seconds:.0f} s for {what}")


@contextlib.contextmanager
def serve(seconds: float = 60.0) -> Iterator[str]:
    """The app's address while it runs on a free port; the way in is `streamlit run app` from the root."""
    with serve_process(seconds) as (url, _):
        yield url


@contextlib.contextmanager
def serve_process(seconds: float = 60.0, options: Sequence[str] = ()) -> Iterator[tuple[str, int]]:
    """The app's address and the number of its process. options: further ones of Streamlit."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", "app", "--server.headless", "true"]
    command += ["--server.port", str(port), "--server.fileWatcherType", "none", "--server.address", "127.0.0.1"]
    command += options
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
            yield url, process.pid
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@contextlib.contextmanager
def browser(
    width: int = 1440, height: int = 900, dark: bool = False, downloads: Path | None = None, flags: Sequence[str] = ()
) -> Iterator[Any]:
    """A headless Chromium with an empty profile and a viewport of this size, as a selenium driver.

    downloads: the folder that its downloads go to. flags: further ones of Chromium.
    """
    from selenium import webdriver

    with tempfile.TemporaryDirectory() as profile:
        options = webdriver.ChromeOptions()
        options.binary_location = find_chromium() or ""
        for flag in (*FLAGS, *flags, f"--window-size={width},{height}", f"--user-data-dir={profile}"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver")))
        try:
            size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
            driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
            scheme = {"features": [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]}
            driver.execute_cdp_cmd("Emulation.setEmulatedMedia", scheme)
            driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": COUNT_MESSAGES})
            if downloads is not None:
                behaviour = {"behavior": "allow", "downloadPath": str(downloads)}
                driver.execute_cdp_cmd("Browser.setDownloadBehavior", behaviour)
            driver.set_script_timeout(60)
            yield driver
        finally:
            driver.quit()


#: A view shows one frame at once and lifts the others then.
AT_REST = """
const app = document.querySelector("[data-testid=stApp]");
if (!app) return location.protocol === "file:"; // a saved page has no server that could still be busy
return app.dataset.testScriptState === "notRunning" && app.dataset.testConnectionState === "CONNECTED"
  && !document.querySelector("[data-testid=stProgress]");
"""


def stage_ready(driver: Any, stage: str, seconds: float = 60.0) -> Any:
    """Scroll to a stage and wait until its scenes are drawn and all its frames are there; returns its element."""
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
    wait_for(lambda: driver.execute_script(AT_REST), seconds, f"all frames of {stage}")
    return driver.execute_script("return document.querySelector(`.dps[data-stage='${arguments[0]}']`)", stage)


def open_sidebar(driver: Any) -> None:
    """Unfold the sidebar, which begins folded."""
    folded = "return document.querySelector('[data-testid=stSidebar]')?.dataset.collapsed !== 'false'"
    if driver.execute_script(folded):
        driver.find_element("css selector", "[data-testid=stExpandSidebarButton]").click()
        wait_for(lambda: not driver.execute_script(folded), 20, "the sidebar")
        time.sleep(0.5)


def console_errors(driver: Any) -> list[str]:
    """Error messages of the browser's console."""
    return [entry["message"] for entry in driver.get_log("browser") if entry["level"] == "SEVERE"]


# ---- measurements ----

#: Limits in milliseconds.
STEP_MS, COLD_START_MS, FRAME_MS = 50, 5000, 150


def processor_s(root: int) -> float:
    """Processor time of a process and all that it started, in seconds. Only where there is /proc."""
    parents, used = {}, {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        pid = int(path.parent.name)
        parents[pid] = int(fields[1])
        used[pid] = sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")

    def below(pid: int) -> bool:
        while pid > 1:
            if pid == root:
                return True
            pid = parents.get(pid, 0)
        return False

    return sum(seconds for pid, seconds in used.items() if below(pid))


def ask(driver: Any, code: str, *args: Any) -> Any:
    """The value that a promise in the page comes to. STAGE stands for the first stage of the page."""
    body = code.replace("STAGE", "document.querySelector('.dps')")
    return driver.execute_async_script(
        f"const done = arguments[arguments.length - 1]; (async () => {{ {body} }})().then(done)", *args
    )


#: Moves a slider of the stage and waits until the picture after that has been painted.
MOVE = """
const painted = () => new Promise((r) => requestAnimationFrame(() => {
  const c = new MessageChannel(); c.port1.onmessage = () => r(); c.port2.postMessage(0); }));
const [axis, rounds] = arguments, stage = STAGE, slider = stage.querySelector(`input[data-axis=${axis}]`);
const clock = [], draw = [], last = Number(slider.max);
for (let i = 0; i < rounds; i++) {
  slider.value = (i * 7) % (last + 1);
  if (stage.dataset[axis] === slider.value) continue;
  await painted();
  const start = performance.now();
  slider.dispatchEvent(new Event("input", { bubbles: true }));
  await painted();
  clock.push(performance.now() - start);
  draw.push(Number(stage.dataset.drawMs));
}
return { clock, draw };
"""

#: How long it takes from the message to the server until the stage has drawn the new data, in milliseconds. Streamlit
#: itself holds a slider's message back for a moment, in case the hand moves on; that is not counted.
ANSWER = """
const stage = STAGE, old = arguments[0];
while (stage.dataset.drawn === old) {
  if (!stage.isConnected) throw new Error("the stage went away");
  await new Promise((r) => setTimeout(r, 2));
}
return performance.now() - window.__sentAt;
"""


def measure_moves(driver: Any, server: int, axis: str, rounds: int) -> dict[str, float]:
    """Medians over moves of a stage's slider in milliseconds: clock, processor (all of the browser), drawing alone."""

    def browser_s() -> float:
        return processor_s(os.getpid()) - processor_s(server)

    ask(driver, MOVE, axis, 8)
    before = browser_s()
    found = ask(driver, MOVE, axis, rounds)
    spent = browser_s() - before
    return {
        "clock_ms": statistics.median(found["clock"]),
        "fastest_tenth_ms": statistics.quantiles(found["clock"], n=10)[0],
        "draw_ms": statistics.median(found["draw"]),
        "processor_ms": 1000 * spent / len(found["clock"]),
    }


def measure_neighbours(driver: Any, server: int, rounds: int) -> dict[str, float]:
    """Medians over changes of the frame in the sidebar: clock, and processor time of the server."""
    from selenium.webdriver import ActionChains, Keys

    open_sidebar(driver)
    times, spent = [], []
    for _ in range(rounds):
        slider = driver.find_element("css selector", ".st-key-frame [role=slider], .st-key-frame input[type=range]")
        driver.execute_script("arguments[0].focus()", slider)
        drawn = driver.execute_script("return document.querySelector('.dps').dataset.drawn")
        before = processor_s(server)
        ActionChains(driver).send_keys(Keys.ARROW_RIGHT).perform()
        times.append(ask(driver, ANSWER, drawn))
        time.sleep(0.7)  # let the run end
        spent.append(1000 * (processor_s(server) - before))
    return {
        "clock_ms": statistics.median(times),
        "fastest_tenth_ms": statistics.quantiles(times, n=10)[0],
        "server_processor_ms": statistics.median(spent),
    }


#: When the first stage's scenes were on the screen, by the clock that Python reads too.
FIRST_PICTURE = """
const seen = performance.getEntriesByName("diffpose-painted")[0];
return seen && document.querySelector(".dps-scene[data-ready]") ? performance.timeOrigin + seen.startTime : null;
"""


def measure_cold_start() -> dict[str, float]:
    """From the command to the first 3D picture of a browser that is open already."""
    with browser() as driver:
        used = processor_s(os.getpid())
        start, start_s = time.monotonic(), time.time()
        with serve_process() as (url, pid):
            up = time.monotonic() - start
            driver.get(url)
            seen_ms = wait_for(lambda: driver.execute_script(FIRST_PICTURE), 90, "the first scene")
            all_of_it = processor_s(os.getpid()) - used
            return {
                "clock_ms": seen_ms - 1000 * start_s,
                "server_up_ms": 1000 * up,
                "processor_ms": 1000 * all_of_it,
                "server_processor_ms": 1000 * processor_s(pid),
            }


def measure(parts: list[str], rounds: int) -> Iterator[tuple[str, int, dict[str, float]]]:
    """Name, limit in ms and numbers of every measurement, as they are made."""
    if "cold" in parts:
        yield "cold start", COLD_START_MS, measure_cold_start()
    if not {"step", "frame"} & set(parts):
        return
    with serve_process() as (url, pid), browser() as driver:
        for view in ("forward", "reverse"):
            driver.get(f"{url}/?view={view.capitalize()}")
            stage_ready(driver, view, 120)
            time.sleep(2)
            if "step" in parts:
                yield f"step, {view}", STEP_MS, measure_moves(driver, pid, "step", rounds)
            if "frame" in parts:
                if view == "reverse":
                    yield "frame in the stage", FRAME_MS, measure_moves(driver, pid, "frame", rounds)
                yield f"frame in the sidebar, {view}", FRAME_MS, measure_neighbours(driver, pid, 9)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", nargs="*", default=["cold", "step", "frame"], choices=["cold", "step", "frame"])
    parser.add_argument("--rounds", type=int, default=60, help="moves of a slider")
    parser.add_argument("--json", type=Path, help="also write the numbers here")
    args = parser.parse_args()
    results: dict[str, Any] = {"cores": os.cpu_count(), "load_before": os.getloadavg()[0]}
    print(f"{results['cores']} cores, load {results['load_before']:.1f}", flush=True)
    for name, limit_ms, numbers in measure(args.parts, args.rounds):
        words = (f"{key.removesuffix('_ms').replace('_', ' ')} {value:.0f}" for key, value in numbers.items())
        print(f"{name}, in ms: {', '.join(words)} (limit {limit_ms})", flush=True)
        results[name] = numbers | {"limit_ms": limit_ms}
    results["load_after"] = os.getloadavg()[0]
    if args.json:
        args.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
