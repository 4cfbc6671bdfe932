"""A second line behind the readers' bounds: foreign bytes are read in a process of its own, which may be killed.

The process is bounded in memory and processor time, writes no files, and answers in plain bytes, which are never
unpickled. It stays for the next file; one that grew is replaced, so that its memory goes back to the system.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import BinaryIO

from diffpose_core.io.untrusted.files import MIB
from diffpose_core.io.untrusted.worker_main import read_parts, write_parts
from diffpose_core.structures import InvalidInput

_ANSWER_LIMIT = 2048 * MIB
#: A process that holds more than this above its beginning is not used again.
_GROWN = 256 * MIB


@dataclass(frozen=True)
class Allowance:
    """Bounds of a job.

    Attributes:
        memory: bytes of address space above the idle process.
        processor_s: seconds of processor time.
        wall_s: seconds that the caller waits at most.
    """

    memory: int = 1536 * MIB
    processor_s: int = 60
    wall_s: float = 300.0


@dataclass
class _Process:
    """A worker process that is ready, and its memory then, in bytes (0: unknown)."""

    popen: subprocess.Popen[bytes]
    idle: int = 0


@dataclass
class Workers:
    """Worker processes: as many as there are jobs at once, of which one stays when they are done.

    Attributes:
        allowance: of each job.
        modules: loaded before a process is bounded, so that no job waits for them.
        at_once: jobs that run at the same time; others wait.
    """

    allowance: Allowance = field(default_factory=Allowance)
    modules: tuple[str, ...] = ()
    at_once: int = 2

    def __post_init__(self) -> None:
        self._idle: list[_Process] = []
        self._lock = threading.Lock()
        self._turn = threading.BoundedSemaphore(self.at_once)

    def warm_up(self) -> None:
        """Start a process, so that the first job need not wait for it."""
        self._give(self._take())

    def run(self, function: str, arguments: Sequence[bytes], label: str) -> bytes:
        """Run a job in a process of its own.

        Args:
            function: "module:function", which takes a list of byte strings and returns bytes.
            arguments: that list.
            label: names the file in messages.

        Raises:
            InvalidInput: raised by the function, or the process was ended because it passed its allowance.
            RuntimeError: the function failed in another way.
        """
        with self._turn:
            process = self._take()
            timer = threading.Timer(self.allowance.wall_s, process.popen.kill)
            timer.start()
            try:
                letter, content = self._ask(process.popen, [function.encode(), *arguments])
            except (OSError, EOFError, ValueError):
                raise InvalidInput(f"{label}: {self._reason(process.popen)}") from None
            finally:
                timer.cancel()
            self._give(process)
        if letter == b"I":
            raise InvalidInput(content.decode("utf-8", "replace"))
        if letter != b"R":
            logging.getLogger(__name__).error("a file could not be read:\n%s", content.decode("utf-8", "replace"))
            raise RuntimeError(f"{label}: reading it failed")
        return content

    def close(self) -> None:
        """End the processes that wait."""
        with self._lock:
            processes, self._idle = self._idle, []
        for process in processes:
            _end(process.popen)

    def _ask(self, popen: subprocess.Popen[bytes], job: Sequence[bytes]) -> tuple[bytes, bytes]:
        jobs, answers = _pipes(popen)
        write_parts(jobs, job)
        letter, content = read_parts(answers, _ANSWER_LIMIT)
        return letter, content

    def _take(self) -> _Process:
        with self._lock:
            while self._idle:
                process = self._idle.pop()
                if process.popen.poll() is None:
                    return process
        popen = subprocess.Popen(
            [sys.executable, "-m", "diffpose_core.io.untrusted.worker_main", str(self.allowance.memory),
             str(self.allowance.processor_s), *self.modules],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=_environment(),
        )  # fmt: skip
        try:
            read_parts(_pipes(popen)[1], MIB)
        except EOFError:
            raise RuntimeError(
                f"the process that reads files could not be started (exit status {popen.wait()})"
            ) from None
        return _Process(popen, _memory_of(popen))

    def _give(self, process: _Process) -> None:
        if _memory_of(process.popen) <= process.idle + _GROWN:
            with self._lock:
                if not self._idle:
                    self._idle.append(process)
                    return
        _end(process.popen)

    def _reason(self, popen: subprocess.Popen[bytes]) -> str:
        """Sentence about the end of a process that gave no answer."""
        status = _end(popen)
        if status == -getattr(signal, "SIGXCPU", 0):
            return f"reading it took more than {self.allowance.processor_s} s of processor time; cut it into parts"
        if status == -getattr(signal, "SIGKILL", 9):
            return f"reading it took more than {self.allowance.wall_s:g} s, or too much memory; cut it into parts"
        return f"the process that read it ended without an answer (exit status {status}); perhaps it is damaged"


def _pipes(popen: subprocess.Popen[bytes]) -> tuple[BinaryIO, BinaryIO]:
    assert popen.stdin is not None and popen.stdout is not None
    return popen.stdin, popen.stdout  # type: ignore[return-value]


def _end(popen: subprocess.Popen[bytes]) -> int:
    """End a process and let go of its pipes; its exit status."""
    jobs, answers = _pipes(popen)
    with suppress(OSError):
        jobs.close()
    try:
        status = popen.wait(timeout=1)
    except subprocess.TimeoutExpired:
        popen.kill()
        status = popen.wait()
    answers.close()
    return status


def _memory_of(popen: subprocess.Popen[bytes]) -> int:
    try:
        with open(f"/proc/{popen.pid}/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0


def _environment() -> dict[str, str]:
    """This process's environment, with its import path and one thread a library: threads reserve address space."""
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    path = os.pathsep.join(entry or os.getcwd() for entry in sys.path)
    return {**os.environ, **threads, "PYTHONPATH": path}
