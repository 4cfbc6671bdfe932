"""Many visitors, one round after the other: `python -m benchmarks.visitors` opens sessions without a browser.

Every visitor of a round opens the app, uploads a clip that nobody else has, small or of 40 MB, must see its name and no
other visitor's, and leaves. Memory and open descriptors of the server and its readers are taken when the sessions have
expired, after the first round and at the end. Then files of 81 MB come in, while another process asks
`/_stcore/health` twenty times a second; the same is measured with nobody there.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import re
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.browser import serve_process
from benchmarks.sessions import memory_mib, own_clip
from benchmarks.visitor import run_script, texts, upload, visit
from diffpose_core.io.clips import save_clip

#: Streamlit keeps a session whose connection broke for so many seconds; usually 120.
KEPT_S = 10
#: A client without time to answer is no lost one: seconds between two questions of the server, and for their answers.
PING_S = 300
#: The server looks every 30 s for sessions that have expired.
FREED_AFTER_S = KEPT_S + 35.0
SMALL_FRAMES, LARGE_FRAMES = 300, 99_000
LARGE_BYTES, HEAVY_BYTES = 40_000_000, 81_000_000
QUERY = "?view=Overview"


def write_clip(number: int, large: bool, folder: Path) -> Path:
    """A clip that no other visitor has. Large ones are filled up to 40 MB, with an entry that no reader asks for."""
    clip = own_clip(number, LARGE_FRAMES if large else SMALL_FRAMES)
    path = folder / f"{clip.name}.npz"
    save_clip(clip, path)
    if large:
        entries = dict(np.load(path))
        missing = max(0, LARGE_BYTES - sum(entry.nbytes for entry in entries.values()))
        np.savez(path, **entries, filling=np.zeros(missing, dtype=np.uint8))
    return path


def write_heavy(path: Path) -> None:
    """A file of AlphaPose's form and 81 MB."""
    rng = np.random.default_rng(0)
    with path.open("w") as file:
        file.write("[")
        frame = 0
        while file.tell() < HEAVY_BYTES:
            numbers = ", ".join(f"{value:.12f}" for value in rng.uniform(100, 900, 51))
            comma = ", " if frame else ""
            file.write(
                f'{comma}{{"image_id": "{frame}.jpg", "category_id": 1, "keypoints": [{numbers}], "score": 2.5}}'
            )
            frame += 1
        file.write("]")


def one_visit(url: str, file: Path, seconds: float) -> float:
    """Open the app, upload a file and leave. Returns the seconds it took.

    Raises:
        RuntimeError: the visitor does not see the file's clip, or sees another visitor's.
    """
    start = time.monotonic()
    with visit(url) as connection:
        first = run_script(connection, QUERY, seconds)
        shown = texts([*first, *upload(connection, url, first, file, QUERY, seconds)])
    if file.stem not in shown:
        raise RuntimeError(f"{file.name}: the visitor does not see it")
    others = {*re.findall(r"session-\d+", shown)} - {file.stem}
    if others:
        raise RuntimeError(f"{file.name}: the visitor sees {others}")
    return time.monotonic() - start


def family(process: int) -> list[int]:
    """The numbers of a process and its children."""
    children = Path(f"/proc/{process}/task").glob("*/children")
    return [process, *(int(word) for file in children for word in file.read_text().split())]


def held(process: int) -> dict[str, float]:
    """Memory (MiB) of the server and of its readers, and descriptors of the server."""
    server, *readers = family(process)
    return {
        "server_mib": round(memory_mib(server)),
        "readers_mib": round(sum(memory_mib(reader) for reader in readers)),
        "descriptors": len(os.listdir(f"/proc/{server}/fd")),
    }


def ask_health(url: str, say: Connection, end: Any) -> None:
    """Ask for the server's health until the end, in a process of its own, and send the seconds that answers took."""
    taken = []
    say.send("ready")
    while not end.is_set():
        start = time.monotonic()
        with urllib.request.urlopen(f"{url}/_stcore/health", timeout=60):
            taken.append(time.monotonic() - start)
        time.sleep(0.05)
    say.send(taken)


def health_while(url: str, work: Callable[[], object]) -> dict[str, float]:
    """Percentiles of the seconds that the server's health takes to answer while work is done."""
    context = multiprocessing.get_context("spawn")
    hear, say = context.Pipe(False)
    end = context.Event()
    asking = context.Process(target=ask_health, args=(url, say, end))
    asking.start()
    hear.recv()  # It has been loaded, and asks from now on.
    try:
        work()
    finally:
        end.set()
    taken = hear.recv()
    asking.join()
    return {"asked": len(taken), **{f"p{n}_s": round(float(np.percentile(taken, n)), 3) for n in (50, 99, 100)}}


def run(visitors: int, together: int, large: int, heavy: int, minutes: float, patience: float) -> dict[str, Any]:
    """Send the visitors. Returns the measurements.

    Args:
        visitors: in all.
        together: visitors of a round.
        large: of them with a clip of 40 MB.
        heavy: files of 81 MB at the end.
        minutes: after which no new round begins.
        patience: seconds for any one step of a visitor.
    """
    found: dict[str, Any] = {"together": together, "large": large}
    options = ("--server.disconnectedSessionTTL", str(KEPT_S), "--server.websocketPingInterval", str(PING_S))
    with (
        tempfile.TemporaryDirectory() as place,
        serve_process(patience, options) as (url, server),
        ThreadPoolExecutor(together) as pool,
    ):
        folder = Path(place)
        one_visit(url, write_clip(1_000_000, False, folder), patience)  # The networks are loaded.
        start, done, taken = time.monotonic(), 0, []
        while done < visitors and time.monotonic() - start < 60 * minutes:
            files = [write_clip(done + n, n < large, folder) for n in range(together)]
            taken += list(pool.map(lambda file: one_visit(url, file, patience), files))
            for file in files:
                file.unlink()
            done += together
            if done == together or done >= visitors or not (done // together) % 10:
                time.sleep(FREED_AFTER_S)
                found["after_first" if done == together else "at_end"] = measured = {"visitors": done, **held(server)}
                print(json.dumps(measured), file=sys.stderr, flush=True)
        time.sleep(FREED_AFTER_S)
        found |= {"at_end": {"visitors": done, **held(server)}, "seconds_of_a_visit": round(float(np.median(taken)), 1)}
        found["health_alone"] = health_while(url, lambda: time.sleep(20))
        write_heavy(folder / "heavy.json")
        if heavy:
            found["health_81_mb"] = health_while(url, lambda: _send_heavy(url, folder / "heavy.json", heavy, patience))
    return found


def _send_heavy(url: str, file: Path, times: int, patience: float) -> None:
    """Upload a file again and again, each time by another visitor, and wait until it is read."""
    for _ in range(times):
        with visit(url) as connection:
            first = run_script(connection, QUERY, patience)
            if "AlphaPose" not in texts(upload(connection, url, first, file, QUERY, patience)):
                raise RuntimeError("the file of 81 MB was not read")


def main() -> None:
    """Print the measurements as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--visitors", type=int, default=1000)
    parser.add_argument("--together", type=int, default=20, help="visitors of a round")
    parser.add_argument("--large", type=int, default=2, help="of them, with a clip of 40 MB")
    parser.add_argument("--heavy", type=int, default=5, help="files of 81 MB at the end")
    parser.add_argument("--minutes", type=float, default=1e9, help="after which no new round begins")
    parser.add_argument("--patience", type=float, default=300.0, help="seconds to wait for any one thing")
    args = parser.parse_args()
    print(json.dumps(run(args.visitors, args.together, args.large, args.heavy, args.minutes, args.patience), indent=1))


if __name__ == "__main__":
    main()
