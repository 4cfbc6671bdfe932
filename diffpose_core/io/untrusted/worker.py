"""A second line behind bounds: foreign bytes are read, and films encoded, in a process of its own, which may be killed.

The process is bounded in memory and processor time, writes no files, and answers in plain bytes, which are never
unpickled. It may stay for the next job; one that grew is replaced, so that its memory goes back to the system.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import BinaryIO

from diffpose_core.io.untrusted.files import MIB
from diffpose_core.io.untrusted.worker_main import read_parts, write_parts
from diffpose_core.structures import InvalidInput

_ANSWER_LIMIT = 2048 * MIB
#: A process that holds more than this above its beginning is not used again.
_GROWN = 256 * MIB
#: Seconds between two looks whether a job is still wanted.
_LOOK_S = 0.2


@dataclass(frozen=True)
class Allowance:
    """Bounds of a job. Each piece of a stream has all the seconds for itself.

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
    """Worker processes: as many as there are jobs at once.

    Attributes:
        allowance: of each job.
        modules: loaded before a process is bounded, so that no job waits for them.
        at_once: jobs that run at the same time; others wait.
        stays: processes that stay when all jobs are done.
        doing: the jobs in words, for messages: "reading it" took too long.
        advice: what to do about a job that takes too much, for messages.
    """

    allowance: Allowance = field(default_factory=Allowance)
    modules: tuple[str, ...] = ()
    at_once: int = 2
    stays: int = 1
    doing: str = "reading it"
    advice: str = "cut it into parts"

    def __post_init__(self) -> None:
        self._idle: list[_Process] = []
        self._lock, self._starting = threading.Lock(), threading.Lock()
        self._turn = threading.BoundedSemaphore(self.at_once)

    def warm_up(self) -> None:
        """Start a process, so that the first job need not wait for it."""
        with self._starting:
            if not self._idle:
                self._give(self._start())

    def run(
        self, function: str, arguments: Sequence[bytes], label: str, stopped: Callable[[], bool] = lambda: False
    ) -> bytes:
        """Run a job in a process of its own.

        Args:
            function: "module:function", which takes a list of byte strings and returns bytes.
            arguments: that list.
            label: names the file in messages.
            stopped: asked again and again, by any thread: whether nobody wants the answer any more.

        Raises:
            InvalidInput: raised by the function, or the process was ended: nobody wants the answer, or it passed its
                allowance.
            RuntimeError: the function failed in another way; its cause holds the traceback.
        """
        while not self._turn.acquire(timeout=_LOOK_S):
            if stopped():
                raise InvalidInput(f"{label}: stopped")
        try:
            process = self._take()
            answer = self._next(process, [function.encode(), *arguments], label, stopped)
            self._give(process)
        finally:
            self._turn.release()
        return self._result(answer, label)

    def stream(self, function: str, arguments: Sequence[bytes], label: str) -> Generator[list[bytes], None, None]:
        """Run a job that answers piece by piece. Who does not want the rest closes it: the process ends.

        Args:
            function: as in `run`, but it returns an iterator of pieces; a piece is a list of byte strings.
            arguments, label: as in `run`.

        Raises:
            InvalidInput, RuntimeError: as `run`.
        """
        with self._turn:
            process = self._take()
            answer = self._next(process, [function.encode(), *arguments], label)
            while answer[0] == b"P":
                try:
                    yield answer[1:]
                except BaseException:
                    process.popen.kill()
                    _end(process.popen)
                    raise
                answer = self._next(process, (), label)
            self._give(process)
        self._result(answer, label)

    def _next(
        self, process: _Process, job: Sequence[bytes], label: str, stopped: Callable[[], bool] = lambda: False
    ) -> list[bytes]:
        """The next answer of a process: its letter, and what comes with it. job: sent first, unless it is empty."""
        watch = _Watch(process.popen, self.allowance.wall_s, stopped)
        try:
            jobs, answers = _pipes(process.popen)
            if job:
                write_parts(jobs, job)
            return read_parts(answers, _ANSWER_LIMIT)
        except (OSError, EOFError, ValueError):
            status = _end(process.popen)
            raise InvalidInput(f"{label}: {'stopped' if watch.stopped else self._reason(status)}") from None
        except BaseException:
            # Ctrl-C: nobody reads the rest of the answer.
            process.popen.kill()
            _end(process.popen)
            raise
        finally:
            watch.end()

    def _result(self, answer: list[bytes], label: str) -> bytes:
        """The content of a job's last answer. Raises what the job raised."""
        letter, content = answer
        if letter == b"R":
            return content
        if letter == b"I":
            raise InvalidInput(content.decode("utf-8", "replace"))
        if letter == b"M":
            raise InvalidInput(f"{label}: there is not enough memory for {self.doing}; {self.advice}")
        raise RuntimeError(f"{label}: {self.doing} failed") from RuntimeError(content.decode("utf-8", "replace"))

    def close(self) -> None:
        """End the processes that wait."""
        with self._lock:
            processes, self._idle = self._idle, []
        for process in processes:
            _end(process.popen)

    def _take(self) -> _Process:
        # One that is being started is waited for.
        with self._starting:
            while True:
                with self._lock:
                    process = self._idle.pop() if self._idle else None
                if process is None:
                    return self._start()
                if process.popen.poll() is None:
                    return process

    def _start(self) -> _Process:
        popen = subprocess.Popen(
            [sys.executable, "-m", "diffpose_core.io.untrusted.worker_main", str(self.allowance.memory),
             str(self.allowance.processor_s), *self.modules],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=_environment(),
        )  # fmt: skip
        for pipe in _pipes(popen):
            _widen(pipe)
        try:
            read_parts(_pipes(popen)[1], MIB)
        except EOFError:
            raise RuntimeError(f"the process for {self.doing} could not be started ({popen.wait()})") from None
        return _Process(popen, _memory_of(popen))

    def _give(self, process: _Process) -> None:
        if _memory_of(process.popen) <= process.idle + _GROWN:
            with self._lock:
                if len(self._idle) < self.stays:
                    self._idle.append(process)
                    return
        _end(process.popen)

    def _reason(self, status: int) -> str:
        """Sentence about the end of a process that gave no answer. status: its exit status."""
        if status == -getattr(signal, "SIGXCPU", 0):
            return f"{self.doing} took more than {self.allowance.processor_s} s of processor time; {self.advice}"
        if status == -getattr(signal, "SIGKILL", 9):
            return f"{self.doing} took more than {self.allowance.wall_s:g} s, or too much memory; {self.advice}"
        return f"{self.doing} ended without an answer (exit status {status}); perhaps it is damaged"


def _widen(pipe: BinaryIO) -> None:
    """Let a pipe hold a mebibyte, where the system and its limit for a user allow it: pictures come through sooner."""
    with suppress(ImportError, AttributeError, OSError):
        import fcntl

        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, MIB)


class _Watch(threading.Thread):
    """Kills a process that nobody waits for, or that takes too long; a write to it, or a read from it, ends then.

    Attributes:
        stopped: whether it was killed because nobody waits for it.
    """

    def __init__(self, popen: subprocess.Popen[bytes], seconds: float, stopped: Callable[[], bool]) -> None:
        super().__init__(name="watch", daemon=True)
        self.stopped = False
        self._popen, self._asked, self._ended = popen, stopped, threading.Event()
        self._latest = time.monotonic() + seconds
        self.start()

    def run(self) -> None:
        """Look again and again until the job has ended."""
        while not self._ended.wait(_LOOK_S):
            self.stopped = self._asked()
            if self.stopped or time.monotonic() > self._latest:
                self._popen.kill()
                return

    def end(self) -> None:
        """The job has ended."""
        self._ended.set()
        self.join()


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
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "MALLOC_ARENA_MAX"), "1")
    path = os.pathsep.join(entry or os.getcwd() for entry in sys.path)
    return {**os.environ, **threads, "PYTHONPATH": path}
