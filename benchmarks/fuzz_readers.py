"""Feeds damaged and hostile files to every reader: `python -m benchmarks.fuzz_readers --inputs 200000 --processes 2`.

Every input is made from a seed by mutations of its bytes, of its parsed JSON, of its table's cells, of the files in its
archive or of its header. Seeds are files of 2D poses (`fuzz_seeds.py`), which are made clips of, and those of all other
readers, the app's messages among them (`fuzz_targets.py`). An input depends on its own number only: a run can be cut
into pieces (--first), and one input made again (--show). It passes where it is read, or refused with InvalidInput,
within --seconds of processor time and without the process growing by a gigabyte.
"""

from __future__ import annotations

import argparse
import collections
import copy
import io
import itertools
import json
import logging
import multiprocessing
import pickle
import resource
import signal
import struct
import sys
import time
import traceback
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from benchmarks.fuzz_seeds import seeds
from benchmarks.fuzz_targets import is_safetensors, targets
from diffpose_core.io.formats import Choice, read_pose_file, to_clip
from diffpose_core.structures import InvalidInput

MEMORY_BYTES = 1024**3
#: An input that takes longer, on a machine that may be busy, is ended, and counts as a hang.
ENDED_AFTER_S = 20


_BYTES = (
    b"\0", b"\xff", b"{", b"[", b"]", b"}", b'"', b",", b"-", b"e999", b"NaN", b"\n", b"\xef\xbb\xbf", b"0" * 40, b";",
    b"\x80\x04",
)  # fmt: skip
_VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 10**9, 10**30, -(2**63), 2**64, 1e308, -1e308, 1e-320, float("nan"), float("inf"), 0.5,
    "", "x", "12", "1e5", "\0", "nan", "é" * 50, [], {}, [[]], [{}], [0], [0, 0, 0], [None], {"x": 1, "y": 2},
    {"people": []}, {"instances": []}, [1.5] * 51, [[1.0, 2.0]] * 17, "9" * 5000, ["a"] * 17, -0.0,
)  # fmt: skip
_CELLS = (
    "", "NaN", "inf", "-1", "1e400", "abc", "0", '"', "1;2", "nose_x", "frame", "x", "999999999999999999999", " ", "\t",
    "é",
)  # fmt: skip
_ENTRIES = ("../x.npy", "/abs.json", "C:\\x", "é" * 90, "keypoints.npy", "boxes.npy", "a.json")


def _mutate_bytes(data: bytes, rng: np.random.Generator, others: list[bytes]) -> bytes:
    out = bytearray(data)
    for _ in range(int(rng.integers(1, 5))):
        place = int(rng.integers(0, len(out) + 1))
        length = int(rng.integers(1, 2 ** int(rng.integers(1, 9))))
        kind = rng.integers(0, 8)
        if kind == 0 and out:
            out[place % len(out)] ^= 1 << int(rng.integers(0, 8))
        elif kind == 1 and out:
            out[place % len(out)] = int(rng.integers(0, 256))
        elif kind == 2:
            del out[place : place + length]
        elif kind == 3:
            out[place:place] = _BYTES[int(rng.integers(0, len(_BYTES)))]
        elif kind == 4:
            out[place:place] = out[place : place + length]
        elif kind == 5:
            del out[place:]
        elif kind == 6:
            other = others[int(rng.integers(0, len(others)))]
            start = int(rng.integers(0, len(other)))
            out[place : place + length] = other[start : start + length]
        else:
            out[place : place + 4] = int(rng.integers(0, 2**32)).to_bytes(4, "little")
    return bytes(out)


def _mutate_tree(tree: Any, rng: np.random.Generator) -> Any:
    """The parsed JSON with some of its values replaced, left out or doubled."""
    for _ in range(int(rng.integers(1, 4))):
        parent, key = None, None
        node = tree
        while isinstance(node, (dict, list)) and node and (parent is None or rng.random() < 0.75):
            parent = node
            keys = list(node) if isinstance(node, dict) else range(len(node))
            key = keys[int(rng.integers(0, len(node)))]
            node = node[key]
        value = copy.deepcopy(_VALUES[int(rng.integers(0, len(_VALUES)))])
        if parent is None:
            return value
        kind = rng.integers(0, 6)
        if kind == 0:
            del parent[key]
        elif kind == 1 and isinstance(parent, list):
            parent.extend(parent[: int(rng.integers(0, 40))])
        elif kind == 2 and isinstance(parent, dict):
            parent[str(value)[:40]] = parent.pop(key)
        elif kind == 3 and isinstance(node, (int, float)) and not isinstance(node, bool):
            parent[key] = node * float(rng.choice([0.0, -1.0, 1e-9, 1e9, 1e200]))
        else:
            parent[key] = value
    return tree


def _mutate_table(text: str, rng: np.random.Generator) -> str:
    usual = "," if "," in text else " "
    rows = [line.split(usual) for line in text.splitlines()]
    for _ in range(int(rng.integers(1, 5))):
        row = int(rng.integers(0, len(rows)))
        kind = rng.integers(0, 7)
        if kind <= 2 and rows[row]:
            rows[row][int(rng.integers(0, len(rows[row])))] = _CELLS[int(rng.integers(0, len(_CELLS)))]
        elif kind == 3:
            rows.insert(row, list(rows[int(rng.integers(0, len(rows)))]))
        elif kind == 4 and len(rows) > 1:
            del rows[row]
        elif kind == 5:
            cut = int(rng.integers(0, len(rows[row]) + 1))
            rows[row] = rows[row][:cut]
        else:
            rows[row] += rows[row][: int(rng.integers(0, 50))]
    separator = usual if rng.random() < 0.8 else str(rng.choice([";", "\t", "|", ",,"]))
    return "\n".join(separator.join(row) for row in rows)


def _mutate_archive(data: bytes, rng: np.random.Generator, others: list[bytes]) -> bytes:
    """The archive packed again after mutating the bytes of a file in it, or its name."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(buffer, "w") as new:
        entries = old.namelist()
        hit = int(rng.integers(0, len(entries)))
        for number, entry in enumerate(entries):
            content = old.read(entry)
            if number == hit:
                kind = rng.integers(0, 10)
                if kind == 0:
                    entry = _ENTRIES[int(rng.integers(0, len(_ENTRIES)))]
                elif kind == 1:
                    continue
                elif kind == 2 and content.startswith(b"\x93NUMPY"):
                    content = _pickled(rng)
                else:
                    content = _mutate_bytes(content, rng, others)
            new.writestr(entry, content)
    return buffer.getvalue()


def _mutate_header(data: bytes, rng: np.random.Generator) -> bytes:
    """A safetensors file with other values in its JSON header, or in the JSON that its metadata holds."""
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    inner = header.get("__metadata__", {}).get("diffpose")
    if inner is not None and rng.random() < 0.6:
        header["__metadata__"]["diffpose"] = json.dumps(_mutate_tree(json.loads(inner), rng))
    else:
        header = _mutate_tree(header, rng)
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data[8 + length :]


def _pickled(rng: np.random.Generator) -> bytes:
    """An array of objects that holds something else than expected."""
    values: tuple[Any, ...] = (
        {"S1": [1, 2]}, {1: {2: 3}}, [[], []], "text", b"bytes", 7, {"w": 1e30, "h": -1}, {(1, 2): 3}, set(), 1j,
        {"layout_name": 5}, {"layout_name": "coco"}, [[[], np.zeros((1, 4, 17))]] * 3, np.array([None, None]),
        {"S1": {"W": np.zeros((0, 17, 2))}}, {"S1": {"W": [None]}}, {"S1": {"W": [np.array(["a"])]}},
        *({"S1": {"W": [array]}} for array in (
            np.zeros((2, 17, 2)), np.full((3, 17, 2), np.inf), np.zeros((3, 17, 2), ">f8"), np.zeros((3, 17, 5, 5)),
            np.zeros((3, 17, 2), complex), np.zeros((3, 1, 2)), np.ones((3, 17, 3, 5)), np.full((3, 17, 2, 5), 1e30),
        )),
    )  # fmt: skip
    value = values[int(rng.integers(0, len(values)))]
    array = np.empty((), dtype=object)
    array[()] = value
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, array, allow_pickle=True)
    if rng.random() < 0.3:
        head = buffer.getvalue()[:128]
        return head + pickle.dumps(value, protocol=int(rng.integers(0, 6)))
    return buffer.getvalue()


class Maker:
    """Makes input number n, the same one whenever it is asked."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.files = seeds() | {name: target.seed for name, target in targets().items()}
        self.names = list(self.files)
        self.all = list(self.files.values())

    def make(self, number: int) -> tuple[str, bytes]:
        """(name of the seed, content of the input)."""
        rng = np.random.default_rng((self.seed, number))
        name = self.names[int(rng.integers(0, len(self.names)))]
        content = mutated(self.files[name], rng, self.all)
        return name, targets()[name].pack(content) if name in targets() else content


def mutated(data: bytes, rng: np.random.Generator, others: list[bytes]) -> bytes:
    """A file with mutations of the kind that suits its content. others: files to take pieces of."""
    try:
        if rng.random() >= 0.3:
            if data[:2] == b"PK":
                return _mutate_archive(data, rng, others)
            if data[:1] in (b"{", b"["):
                return json.dumps(_mutate_tree(json.loads(data), rng)).encode()
            if is_safetensors(data):
                return _mutate_header(data, rng)
            if data.isascii() and b"\0" not in data:
                return _mutate_table(data.decode(), rng).encode()
    # A file that was mutated before may be no archive, table or JSON any more.
    except Exception:
        pass
    return _mutate_bytes(data, rng, others)


@dataclass
class Tally:
    """Counts of read, refused and failed inputs."""

    read: int = 0
    refused: int = 0
    failures: list[str] = field(default_factory=list)
    slowest_s: float = 0.0
    slowest: str = ""
    by_seed: collections.Counter[str] = field(default_factory=collections.Counter)

    def add(self, other: Tally) -> None:
        """Add another's counts."""
        self.read += other.read
        self.refused += other.refused
        self.failures += other.failures
        self.by_seed += other.by_seed
        if other.slowest_s > self.slowest_s:
            self.slowest_s, self.slowest = other.slowest_s, other.slowest


def check(content: bytes) -> bool:
    """Read one input as the app would. True where a clip came of it, False where it was refused."""
    read = False
    try:
        poses = read_pose_file(content, "input")
        for clip in poses.clips[:3]:
            for guess in poses.layouts:
                chosen = to_clip(poses, Choice(clip=clip.key, layout=guess.layout.name))
                assert np.array_equal(chosen.clip.guessed, chosen.clip.confidence == 0)
                assert clip.original is not None or chosen.clip.mixture is not None
                assert chosen.source_px.shape[0] == len(chosen.clip)
                read = True
    except InvalidInput as error:
        text = str(error)
        assert "not enough memory" not in text, text
        assert 10 < len(text) < 1500, f"a message of {len(text)} characters"
    return read


def fed(name: str, content: bytes) -> bool:
    """Give an input to the reader of its seed. True where something came of it, False where it was refused."""
    target = targets().get(name)
    if target is None:
        return check(content)
    try:
        return target.read(content)
    except InvalidInput as error:
        text = str(error)
        assert "not enough memory" not in text, text
        assert 10 < len(text) < 1500, f"a message of {len(text)} characters"
    return False


class Hang(BaseException):
    """An input that is not done after ENDED_AFTER_S."""


def _alarm(*_: Any) -> None:
    raise Hang


def run(seed: int, numbers: range, seconds: float, progress: Callable[[int], None] | None = None) -> Tally:
    """Feed the inputs of these numbers to the readers."""
    maker, tally = Maker(seed), Tally()
    signal.signal(signal.SIGALRM, _alarm)
    for done, number in enumerate(numbers):
        name, content = maker.make(number)
        begin = time.process_time()
        signal.alarm(ENDED_AFTER_S)
        try:
            if fed(name, content):
                tally.read += 1
            else:
                tally.refused += 1
        except Hang:
            tally.failures.append(f"input {number} ({name}): not done after {ENDED_AFTER_S} s")
        # Any other exception of a reader is a finding.
        except Exception:
            where = "".join(traceback.format_exc().splitlines(keepends=True)[-5:])
            tally.failures.append(f"input {number} ({name}):\n{where}")
        finally:
            signal.alarm(0)
        took = time.process_time() - begin
        tally.by_seed[name] += 1
        if took > tally.slowest_s:
            tally.slowest_s, tally.slowest = took, f"input {number} ({name})"
        if took > seconds:
            tally.failures.append(f"input {number} ({name}): {took:.1f} s of processor time")
        if progress is not None and done % 1000 == 999:
            progress(done + 1)
    return tally


def _limit_memory() -> None:
    """Growing by a gigabyte fails from here on. Messages that the app ignores are not logged."""
    logging.disable(logging.ERROR)
    # Libraries reserve address space of their own when they are first used.
    for name, content in Maker(0).files.items():
        fed(name, targets()[name].pack(content) if name in targets() else content)
    with open("/proc/self/statm") as file:
        now = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (now + MEMORY_BYTES, now + MEMORY_BYTES))


def _worker(job: tuple[int, range, float, bool]) -> tuple[Tally, float]:
    seed, numbers, seconds, quiet = job
    _limit_memory()

    def progress(done: int) -> None:
        if not quiet:
            print(f"{numbers.start + done} of {numbers.start} to {numbers.stop}", file=sys.stderr, flush=True)

    tally = run(seed, numbers, seconds, progress)
    return tally, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> int:
    """Run from the command line; the exit status is 1 where an input failed."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--inputs", type=int, default=200_000, help="how many")
    words.add_argument("--first", type=int, default=0, help="number of the first input")
    words.add_argument("--seed", type=int, default=0, help="of all random numbers")
    words.add_argument("--processes", type=int, default=2, help="how many at once")
    words.add_argument("--seconds", type=float, default=2.0, help="processor time that an input may take")
    words.add_argument("--show", type=int, default=None, help="write this input to the standard output, and end")
    words.add_argument("--quiet", action="store_true", help="no progress")
    args = words.parse_args()
    if args.show is not None:
        sys.stdout.buffer.write(Maker(args.seed).make(args.show)[1])
        return 0
    begin = time.perf_counter()
    edges = np.linspace(args.first, args.first + args.inputs, args.processes + 1).astype(int)
    jobs = [(args.seed, range(int(a), int(b)), args.seconds, args.quiet) for a, b in itertools.pairwise(edges)]
    total, memory = Tally(), 0.0
    with multiprocessing.get_context("spawn").Pool(args.processes) as pool:
        for tally, used in pool.imap_unordered(_worker, jobs):
            total.add(tally)
            memory = max(memory, used)
        # Left to itself the block ends the processes before they remove their files.
        pool.close()
        pool.join()
    count = total.read + total.refused + sum("\n" in failure or "not done" in failure for failure in total.failures)
    print(f"{count} inputs (numbers {args.first} to {args.first + args.inputs - 1}, seed {args.seed}) in "
          f"{time.perf_counter() - begin:.0f} s: {total.read} read, {total.refused} refused, "
          f"{len(total.failures)} failures")  # fmt: skip
    print(f"slowest {total.slowest_s:.2f} s ({total.slowest}); largest process {memory:.0f} MiB")
    print("by seed file: " + ", ".join(f"{name} {n}" for name, n in sorted(total.by_seed.items())))
    for failure in total.failures[:20]:
        print(failure)
    return 1 if total.failures else 0


if __name__ == "__main__":
    sys.exit(main())
