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

#: The worker of this process.
_worker: FileWorker | None = None


def run_in_processes(tasks: Sequence[FileTask], setup: WorkerSetup, jobs: int) -> Iterator[FileReport]:
    """Reports as files are done.

    A file whose process dies (no memory left, a fault in a library) has failed. Nobody knows whose fault a death is:
    the files that were in work are tried again, each alone.

    Args:
        tasks: the files.
        setup: of every worker.
        jobs: processes.
    """
    waiting, suspects = deque(tasks), deque[FileTask]()
    while waiting:
        for task, report in _run_in_pool(waiting, setup, jobs):
            if report is None:
                suspects.append(task)
            else:
                yield report
        while suspects:
            for task, report in _run_in_pool(suspects, setup, 1):
                died = FileReport(task.file, "failed", "its process died: out of memory, or a fault in a library")
                yield report or died


def _run_in_pool(queue: deque[FileTask], setup: WorkerSetup, jobs: int) -> Iterator[tuple[FileTask, FileReport | None]]:
    """Take tasks off a queue until it is empty or a process dies.

    Yields:
        Tasks with their reports; None for tasks that were in work when a process died.
    """
    running: dict[Future[FileReport], FileTask] = {}
    broken = False
    with ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn"), _start_process, (setup,)) as pool:
        while running or (queue and not broken):
            while queue and not broken and len(running) < jobs:
                try:
                    running[pool.submit(_run_in_process, queue[0])] = queue[0]
                    queue.popleft()
                except BrokenProcessPool:
                    broken = True
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                task = running.pop(future)
                try:
                    yield task, future.result()
                except BrokenProcessPool:
                    broken = True
                    yield task, None


def _start_process(setup: WorkerSetup) -> None:
    global _worker
    # Ctrl-C ends the workers silently: the files in work are not in the journal, and are done again.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    _worker = FileWorker.start(setup)


def _run_in_process(task: FileTask) -> FileReport:
    assert _worker is not None
    return _worker.run(task)
