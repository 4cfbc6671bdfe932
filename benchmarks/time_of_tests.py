"""Processor seconds of test files, each run by itself: `python -m benchmarks.time_of_tests [FILE OR FOLDER ...]`.

All processes that a test starts count: workers, servers, Chromium with its own processes. This one adopts those whose
parents end before them (Linux only). Every file loads torch anew, which takes about 2 of its seconds.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
#: Of Linux' prctl: processes whose parents have ended become children of this one.
_SET_CHILD_SUBREAPER = 36
#: Processes that a file leaves behind may take this long to end.
_PATIENCE_S = 10.0
_COUNT = re.compile(r"(\d+) (passed|failed|errors?|skipped)")


@dataclass(frozen=True)
class Row:
    """The time of a test file.

    Attributes:
        file: below the repository.
        counts: "passed", "failed" and so on: number of tests.
        processor_s: seconds of all processes, user and system.
        clock_s: seconds by the clock.
        left: number of processes that did not end with the tests; what they took is not known.
    """

    file: str
    counts: dict[str, int]
    processor_s: float
    clock_s: float
    left: int

    def __str__(self) -> str:
        others = [f"{count} {word}" for word, count in self.counts.items() if word != "passed"]
        others += [f"{self.left} processes did not end"] if self.left else []
        remark = f" ({', '.join(others)})" if others else ""
        passed = self.counts.get("passed", 0)
        return f"| `{self.file}`{remark} | {passed} | {self.processor_s:.0f} | {self.clock_s:.0f} |"


def adopt_orphans() -> None:
    """Let processes whose parents end become children of this one, so that they can be waited for."""
    if ctypes.CDLL(None, use_errno=True).prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "this system does not hand over processes whose parents have ended")


def measure(path: Path) -> Row:
    """Run a test file; what it prints is passed on where it fails. path: inside or outside the repository."""
    name = str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(path)]
    with tempfile.TemporaryFile("w+") as output:
        begin = time.monotonic()
        tests = subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT)
        processor_s, clock_s, until = 0.0, 0.0, float("inf")
        while time.monotonic() < until:
            try:
                ended, status, usage = os.wait4(-1, os.WNOHANG if clock_s else 0)
            except ChildProcessError:
                break
            if not ended:
                time.sleep(0.05)
                continue
            # With those that the process has waited for itself.
            processor_s += usage.ru_utime + usage.ru_stime
            if ended == tests.pid:
                clock_s = time.monotonic() - begin
                until = time.monotonic() + _PATIENCE_S
                tests.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        said = output.read().strip()
    if tests.returncode:
        print(said, file=sys.stderr)
    counts = {word: int(count) for count, word in _COUNT.findall(said.rpartition("\n")[2])}
    return Row(name, counts, processor_s, clock_s, _children())


def _children() -> int:
    """Number of processes whose parent is this one."""
    return len(Path(f"/proc/self/task/{os.getpid()}/children").read_text().split())


def files_in(places: Sequence[Path]) -> list[Path]:
    """Test files in folders and below, or single ones, in order."""
    found = [path for place in places for path in (sorted(place.rglob("test_*.py")) if place.is_dir() else [place])]
    return [path.resolve() for path in found]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("places", nargs="*", type=Path, default=[ROOT / "tests"], help="all tests by default")
    parser.add_argument("--slowest", type=int, default=None, help="rows to print; all by default")
    args = parser.parse_args()
    if sys.platform != "linux":
        parser.error("only Linux tells how long processes ran whose parents ended before them")
    adopt_orphans()
    rows, loads = [], [os.getloadavg()[0]]
    for path in files_in(args.places):
        rows.append(measure(path))
        loads.append(os.getloadavg()[0])
        print(rows[-1], file=sys.stderr, flush=True)
    rows.sort(key=lambda row: -row.processor_s)
    print(f"{len(rows)} files, {sum(row.processor_s for row in rows):.0f} processor seconds; {os.cpu_count()} cores, "
          f"load {min(loads):.0f} to {max(loads):.0f}\n")  # fmt: skip
    print("| file | tests | processor seconds | clock |\n| --- | ---: | ---: | ---: |")
    for row in rows[: args.slowest]:
        print(row)


if __name__ == "__main__":
    main()
