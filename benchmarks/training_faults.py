"""Training that is killed and runs out of disk, again and again: `python -m benchmarks.training_faults`.

A tiny encoder and a tiny denoiser are trained by the command line's own code. Every session has one fault: a kill at
any moment, a kill before one of the file operations of saving, a kill in the middle of writing, a disk that fills up
while something is saved. The next session goes on in the same folder until the training is done; then a new one begins.

After every fault each file with a final name must be whole, everything that was saved must still be there, and every
state must be the undisturbed run's of the same epoch, in all tensors. In half of all sessions temporary files belong
to the folder --other, which should lie on another file system.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import multiprocessing
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch

from diffpose_core.cli import main as diffpose
from diffpose_core.config import DenoiserConfig, GraformerConfig, TrainingConfig
from diffpose_core.datasets.procedural import write_procedural_dataset
from diffpose_core.presets import PRESETS
from diffpose_core.training import bank, bank_files, run_state, train_denoiser, train_encoder

NAMES = ("graformer", "diffpose")
RECIPE = TrainingConfig(
    samples_per_epoch=64, epochs=8, batch_size=32, learning_rate=1e-3, muon_factor=5.0, warmup_steps=2, ema_decay=0.9,
    seed=3,
)  # fmt: skip
NETWORKS = {
    "graformer": GraformerConfig(channels=16, num_blocks=1, num_heads=2),
    "diffpose": DenoiserConfig(channels=32, context_channels=16, num_blocks=1, num_heads=2),
}
BANK_VIEWS = 64
#: Kinds of faults. The first three kill, the last two let a disk fill up.
KILLS, FULL = ("moment", "operation", "writing"), ("disk", "limit")
#: File operations that Python tells of before it does them.
OPERATIONS = ("open", "tempfile.mkdtemp", "os.chmod", "os.link", "os.rename", "os.remove", "os.rmdir")
#: A session has many saves; the fault comes at one of the first, so that there are many faults in a training.
FIRST_OPERATIONS, FIRST_SAVES = 60, 8
#: Bytes that are left when a disk fills up or a write is cut: from none to more than a file of this training has.
MOST_LEFT = 60_000
DISK_BYTES = 16 << 20
PATIENCE_S = 180.0


@dataclass(frozen=True)
class Fault:
    """A fault of one session.

    Attributes:
        kind: of KILLS or FULL, or "none".
        at: the number of the file operation or save that it comes at, or the share of a session's seconds.
        left: bytes that can still be written.
    """

    kind: str
    at: float = 0.0
    left: int = 0

    @classmethod
    def draw(cls, kind: str, rng: random.Random) -> Fault:
        """A fault of a kind, at random."""
        at = {"moment": rng.random(), "operation": rng.randint(1, FIRST_OPERATIONS)}.get(
            kind, rng.randint(1, FIRST_SAVES)
        )
        return cls(kind, at, rng.randrange(MOST_LEFT))


@dataclass
class Found:
    """The saved content of a folder.

    Attributes:
        files: path in the folder -> SHA-256, of files that are written once.
        states: network -> epoch -> hash of all values of its state.
    """

    files: dict[str, str] = field(default_factory=dict)
    states: dict[str, dict[int, str]] = field(default_factory=lambda: {name: {} for name in NAMES})


def shrink() -> None:
    """Give the presets networks and recipes of seconds, in this process and its children."""
    for name, network in NETWORKS.items():
        PRESETS[name] = replace(PRESETS[name], network=network, training=RECIPE)
    calibrate = train_encoder.calibrate_encoder
    train_encoder.calibrate_encoder = lambda network, sampler: calibrate(network, sampler, train_encoder._BLOCK_POSES)
    train_encoder._BLOCK_POSES = 100
    bank.BLOCK_VIEWS = bank_files.BLOCK_VIEWS = BANK_VIEWS
    train_denoiser._VALIDATION_VIEWS = train_denoiser._VALIDATION_BATCH = BANK_VIEWS
    torch.set_num_threads(1)


def hash_of(value: Any) -> str:
    """SHA-256 of all tensors, numbers and texts in a state, but for the paths that Lightning notes in it."""
    digest = hashlib.sha256()

    def add(part: Any) -> None:
        if torch.is_tensor(part):
            digest.update(f"{part.dtype} {tuple(part.shape)}".encode())
            digest.update(part.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
        elif isinstance(part, dict):
            for name in sorted(part, key=str):
                if name != "callbacks":
                    digest.update(str(name).encode())
                    add(part[name])
        elif isinstance(part, list | tuple):
            for one in part:
                add(one)
        else:
            digest.update(repr(part).encode())

    add(value)
    return digest.hexdigest()


def train(folder: Path, data: Path, temporary: Path, fault: Fault, say: Connection) -> None:
    """One session, in a process of its own: both trainings from where the last session left them."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    log = os.open(folder.parent / "log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(log, 1)
    os.dup2(log, 2)
    tempfile.tempdir = str(temporary)
    write = run_state.write_state

    def write_and_say(path: Path, state: dict[str, Any]) -> None:
        write(path, state)
        say.send((path.parent.name, int(state["epoch"]), hash_of(state)))

    run_state.write_state = write_and_say
    arm(folder, fault)
    for name in NAMES:
        words = ["train", name, "--data", str(data), "--validation", str(data), "--runs", str(folder), "--quiet"]
        words += ["--accelerator", "cpu"] + (["--bank-size", str(BANK_VIEWS)] if name == "diffpose" else [])
        status = diffpose(words)
        if status:
            os._exit(status)
    os._exit(0)


def arm(folder: Path, fault: Fault) -> None:
    """Let the fault come at its file operation or save. Python tells of each before it does it."""
    inside, seen = f"{folder}{os.sep}", 0

    def is_ours(path: str) -> bool:
        """Whether it is of a folder for unfinished files, or of what stands beside it."""
        return path.startswith(inside) and "log" not in path[len(inside) :].split(os.sep)

    def watch(event: str, details: tuple[Any, ...]) -> None:
        nonlocal seen
        if fault.kind == "operation":
            if event in OPERATIONS and is_ours(str(details[0])):
                seen += 1
                if seen == fault.at:
                    os.kill(os.getpid(), signal.SIGKILL)
        elif event == "tempfile.mkdtemp" and is_ours(details[0]):
            seen += 1
            if seen >= fault.at:  # Again at every later save: Lightning resets signals.
                fill(folder, fault)

    if fault.kind not in ("none", "moment"):
        sys.addaudithook(watch)


def fill(folder: Path, fault: Fault) -> None:
    """Leave little to write to: on the disk, or in one file, whose writing ends the process where it is to be cut."""
    if fault.kind == "disk":
        free = shutil.disk_usage(folder).free
        with contextlib.suppress(OSError), ballast(folder).open("wb", buffering=0) as file:
            file.write(bytes(max(0, free - fault.left)))
        return
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL if fault.kind == "writing" else signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (fault.left, resource.RLIM_INFINITY))


def ballast(folder: Path) -> Path:
    """The file that fills a disk."""
    return folder.parent / "ballast"


def is_unfinished(place: Path) -> bool:
    """Whether a file is of an unfinished save, or a part of a bank that is being prepared."""
    return any(part.startswith(".") for part in place.parts) or ".part" in place.name


def look(folder: Path) -> Found:
    """Read everything that has a final name in a folder.

    Raises:
        InvalidInput: a state is damaged.
    """
    found = Found()
    for path in sorted(folder.rglob("*")):
        place = str(path.relative_to(folder))
        if path.name in (run_state.LAST, run_state.PREVIOUS):
            state = run_state.read_state(path)
            found.states[path.parent.name][int(state["epoch"])] = hash_of(state)
        elif path.is_file() and not is_unfinished(path.relative_to(folder)) and "log" not in path.parts:
            found.files[place] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def compare(before: Found, after: Found, said: list[tuple[str, int, str]], whole: Found) -> None:
    """Compare a folder after a fault with what it held, what was said to be saved, and the undisturbed run.

    Raises:
        AssertionError: something is lost, or other than in the undisturbed run.
    """
    for place, content in after.files.items():
        assert content == whole.files[place], f"{place} differs from the undisturbed run's"
    assert set(before.files) <= set(after.files), f"lost: {set(before.files) - set(after.files)}"
    for name in NAMES:
        for epoch, content in after.states[name].items():
            assert content == whole.states[name][epoch], f"{name}: the state of epoch {epoch + 1} differs"
        saved = [*before.states[name], *(epoch for network, epoch, _ in said if network == name)]
        assert max(saved, default=-1) <= max(after.states[name], default=-1), f"{name}: a saved epoch is lost"


def session(folder: Path, data: Path, temporary: Path, fault: Fault, seconds: float) -> tuple[int, list[Any]]:
    """Run one session. Returns its exit code, negative for a signal's number, and all (network, epoch, hash) saved."""
    folder.mkdir(parents=True, exist_ok=True)
    hear, say = multiprocessing.Pipe(False)
    # Everything is loaded already: a forked process begins at once.
    process = multiprocessing.get_context("fork").Process(target=train, args=(folder, data, temporary, fault, say))
    process.start()
    say.close()
    if fault.kind == "moment":
        process.join(fault.at * seconds)
        process.kill()
    said = []
    with contextlib.suppress(EOFError):
        while hear.poll(PATIENCE_S):
            said.append(hear.recv())
    process.join(PATIENCE_S)
    ballast(folder).unlink(missing_ok=True)
    if process.exitcode is None:
        process.kill()
        raise TimeoutError(f"a session did not end within {PATIENCE_S:.0f} s")
    return process.exitcode, said


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[Path | None]:
    """A file system of 16 MiB in memory, or None where this system does not let us have one."""
    place = folder / "disk"
    place.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(place)]
    if subprocess.run(words, capture_output=True, check=False).returncode:
        yield None
        return
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def run(kills: int, full: int, place: Path, other: Path, seed: int = 0) -> dict[str, Any]:
    """Train under so many faults. Returns the counts.

    Args:
        kills: sessions that are killed.
        full: sessions whose disk fills up.
        place: folder of the runs.
        other: folder of temporary files in half of all sessions.
        seed: of kinds and moments.
    """
    shrink()
    rng = random.Random(seed)
    data = place / "procedural.npz"
    write_procedural_dataset(data, 4, seed=1)
    start = time.monotonic()
    status, said = session(place / "whole" / "runs", data, place, Fault("none"), 0.0)
    assert status == 0, (place / "whole" / "log").read_text()
    seconds, whole = time.monotonic() - start, look(place / "whole" / "runs")
    for name, epoch, content in said:
        whole.states[name][epoch] = content
    counts: Counter[str] = Counter(saves=len(said))
    with small_disk(place) as disk:
        kinds = [KILLS[n % len(KILLS)] for n in range(kills)]
        kinds += [FULL[n % 2] if disk else "limit" for n in range(full)]
        rng.shuffle(kinds)
        homes = {True: disk, False: place}
        trainings = {home: 0 for home in homes}
        held = {home: Found() for home in homes}
        while kinds:
            on_disk = kinds[0] == "disk"
            home = homes[on_disk]
            assert home is not None
            folder = home / f"training-{trainings[on_disk]}" / "runs"
            temporary = (home, other)[rng.randrange(2)]
            fault = Fault.draw(kinds[0], rng)
            status, said = session(folder, data, temporary, fault, seconds)
            found = look(folder)
            compare(held[on_disk], found, said, whole)
            held[on_disk] = found
            counts[f"temporary folder {'other' if temporary == other else 'same'}"] += 1
            if status == 0:  # Done before the fault came: another one of this kind.
                counts["trainings done, equal to the undisturbed one"] += 1
                assert found.files == whole.files, "a training that ended lacks a file"
                files = [path for path in folder.rglob("*") if path.is_file()]
                left = [path.name for path in files if is_unfinished(path.relative_to(folder))]
                assert not left, f"unfinished files are left: {left}"
                shutil.rmtree(folder.parent)
                trainings[on_disk] += 1
                held[on_disk] = Found()
                continue
            _check_end(kinds[0], status, folder.parent / "log")
            counts[kinds.pop(0)] += 1
            if not sum(counts[kind] for kind in (*KILLS, *FULL)) % 10:
                print(json.dumps(counts), f"{time.monotonic() - start:.0f} s", file=sys.stderr, flush=True)
    return {**counts, "seconds": round(time.monotonic() - start)}


def _check_end(kind: str, status: int, log: Path) -> None:
    """A full disk ends a training with a sentence; kills end it with a signal."""
    text = log.read_text(errors="replace")
    expected = {"moment": -signal.SIGKILL, "operation": -signal.SIGKILL, "writing": -signal.SIGXFSZ}
    if kind in expected:
        assert status == expected[kind], f"{kind}: ended with {status}: {text[-2000:]}"
    else:
        assert status in (1, 2) and "Traceback" not in text and "diffpose: " in text, (
            f"{kind}: {status}: {text[-2000:]}"
        )


def main() -> None:
    """Print the counts as JSON; a state or file that is lost or damaged ends it with an AssertionError."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--full", type=int, default=50, help="sessions whose disk fills up")
    parser.add_argument("--other", type=Path, default=Path("/dev/shm"), help="folder on another file system")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as place, tempfile.TemporaryDirectory(dir=args.other) as other:
        print(json.dumps(run(args.kills, args.full, Path(place), Path(other), args.seed), indent=1))


if __name__ == "__main__":
    main()
