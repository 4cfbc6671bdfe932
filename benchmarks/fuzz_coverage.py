"""Fuzzing of all readers that is led by coverage: `python -m benchmarks.fuzz_coverage --inputs 100000 --keep corpus`.

It needs Atheris (`pip install atheris`), which keeps every input that reaches new branches of the readers and goes on
from it. Half of the mutations are Atheris' own, half those of `fuzz_readers`, which know JSON, tables and archives. An
input passes as it does there. The first byte of an input names its reader, so that one corpus serves all of them; kept
in a folder, a later run begins with it.
"""

from __future__ import annotations

import argparse
import collections
import hashlib
import logging
import os
import resource
import sys
import time
import traceback
from pathlib import Path

import atheris
import numpy as np

with atheris.instrument_imports(include=["diffpose_core.io", "diffpose_core.datasets", "app.stage.messages"]):
    from benchmarks.fuzz_readers import Maker, fed, mutated
    from benchmarks.fuzz_targets import targets

#: Seconds and MiB after which an input is a fault by itself.
TIMEOUT_S, RSS_MIB = 20, 3000


class Fuzzer:
    """Gives inputs to the readers and counts.

    Attributes:
        failures: last line of a fault and its place -> file of its first input.
    """

    def __init__(self, failed: Path) -> None:
        maker = Maker(0)
        self.names, self.files, self.all = maker.names, maker.files, maker.all
        self.by_seed: collections.Counter[str] = collections.Counter()
        self.read = 0
        self.failures: dict[str, Path] = {}
        self._failed = failed

    def seeds(self) -> dict[str, bytes]:
        """The inputs to begin with."""
        return {name: bytes([number]) + self.files[name] for number, name in enumerate(self.names)}

    def one(self, data: bytes) -> None:
        """Read one input; a fault is kept, and the search goes on."""
        if not data:
            return
        name = self.names[data[0] % len(self.names)]
        content = targets()[name].pack(data[1:]) if name in targets() else data[1:]
        self.by_seed[name] += 1
        try:
            self.read += fed(name, content)
        # Any exception of a reader other than a refusal is a finding.
        except Exception:
            words = traceback.format_exc().splitlines()
            fault = f"{name}: {words[-1][:200]} at {words[-3].strip() if len(words) > 2 else '?'}"
            if fault not in self.failures:
                path = self._failed / hashlib.sha256(content).hexdigest()[:16]
                path.write_bytes(content)
                self.failures[fault] = path

    def mutate(self, data: bytes, most: int, seed: int) -> bytes:
        """The next input of one: by Atheris, or by what knows the kind of file."""
        rng = np.random.default_rng(seed)
        if len(data) < 2 or rng.random() < 0.5:
            return bytes(atheris.Mutate(data, most))
        return (data[:1] + mutated(data[1:], rng, self.all))[:most]


def report(fuzzer: Fuzzer, seconds: float) -> None:
    """Print what was found."""
    count = sum(fuzzer.by_seed.values())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{count} inputs in {seconds:.0f} s: {fuzzer.read} read, {len(fuzzer.failures)} kinds of failures; "
          f"{peak:.0f} MiB")  # fmt: skip
    print("by seed file: " + ", ".join(f"{name} {n}" for name, n in sorted(fuzzer.by_seed.items())))
    for fault, path in fuzzer.failures.items():
        print(f"{fault}\n  {path}")


def main() -> None:
    """Run from the command line; the exit status is 1 where an input failed."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--inputs", type=int, default=100_000, help="how many")
    words.add_argument("--minutes", type=float, default=600.0, help="after which it ends")
    words.add_argument("--keep", type=Path, default=Path("build/corpus"), help="folder of the corpus")
    words.add_argument("--failed", type=Path, default=Path("build/fuzz"), help="folder of inputs that failed")
    args = words.parse_args()
    args.failed.mkdir(parents=True, exist_ok=True)
    logging.disable(logging.ERROR)
    fuzzer, begin = Fuzzer(args.failed), time.monotonic()

    def one(data: bytes) -> None:
        fuzzer.one(data)
        # libFuzzer takes any way out for a fault: the last input reports, and ends the process.
        count = sum(fuzzer.by_seed.values())
        if count >= args.inputs or time.monotonic() - begin > 60 * args.minutes:
            report(fuzzer, time.monotonic() - begin)
            sys.stdout.flush()
            os._exit(1 if fuzzer.failures else 0)

    args.keep.mkdir(parents=True, exist_ok=True)
    for name, content in fuzzer.seeds().items():
        (args.keep / hashlib.sha256(name.encode()).hexdigest()[:16]).write_bytes(content)
    options = [f"-timeout={TIMEOUT_S}", f"-rss_limit_mb={RSS_MIB}", "-max_len=200000",
               f"-artifact_prefix={args.failed}/"]  # fmt: skip
    atheris.Setup([sys.argv[0], *options, str(args.keep)], one, custom_mutator=fuzzer.mutate, internal_libfuzzer=True)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
