"""Runs the files of a folder in several processes."""

from __future__ import annotations

import multiprocessing
import signal
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool

from diffpose_core.lifting.folder_files import FileTask
from diffpose_core.lifting.folder_reports import FileReport
from diffpose_core.lifting.folder_worker import FileWorker, WorkerSetup

_worker: FileWorker | None = None


def _start_process(setup: WorkerSetup) -> None:
    global _worker
    # Ctrl-C ends the workers without a word: what they were at is not in the journal, and is done again.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    _worker = FileWorker.start(setup)


def _run_in_process(task: FileTask) -> FileReport:
    assert _worker is not None
    return _worker.run(task)


def run_in_processes(tasks: Sequence[FileTask], setup: WorkerSetup, jobs: int) -> Iterator[FileReport]:
    """Rows as they come. A file whose process dies (no memory left, a fault in a library) is a failed row."""
    waiting, suspects = deque(tasks), deque[FileTask]()
    while waiting or suspects:
        # After a death nobody knows whose fault it was: those that were in work are tried again, each alone.
        alone = bool(suspects)
        queue = suspects if alone else waiting
        running: dict[Future[FileReport], FileTask] = {}
        with ProcessPoolExecutor(
            1 if alone else jobs, multiprocessing.get_context("spawn"), _start_process, (setup,)
        ) as pool:
            broken = False
            while running or (queue and not broken):
                while queue and not broken and len(running) < (1 if alone else jobs):
                    try:
                        running[pool.submit(_run_in_process, queue[0])] = queue[0]
                        queue.popleft()
                    except BrokenProcessPool:
                        broken = True
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    task = running.pop(future)
                    try:
                        yield future.result()
                    except BrokenProcessPool:
                        broken = True
                        if alone:
                            yield FileReport(
                                task.file, "failed", "its process died: out of memory, or a fault in a library"
                            )
                        else:
                            suspects.append(task)
