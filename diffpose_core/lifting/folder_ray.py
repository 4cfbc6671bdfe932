"""Runs the files of a folder with Ray Data."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

from diffpose_core.lifting.folder_files import FileTask
from diffpose_core.lifting.folder_reports import FileReport
from diffpose_core.lifting.folder_worker import FileWorker, WorkerSetup
from diffpose_core.structures import InvalidInput


class _RayWorker:
    """A worker in the form that Ray Data keeps in each of its processes."""

    def __init__(self, setup: WorkerSetup) -> None:
        self.worker = FileWorker.start(setup)

    def __call__(self, item: dict[str, Any]) -> dict[str, Any]:
        task = json.loads(item["task"])
        before = None if task["before"] is None else FileReport(**task["before"])
        return {"report": self.worker.run(FileTask(**{**task, "before": before})).to_json()}


def run_in_ray(tasks: Sequence[FileTask], setup: WorkerSetup, jobs: int) -> Iterator[FileReport]:
    """Reports as files are done, on the cluster that RAY_ADDRESS names, else on this machine.

    Every machine has to see both folders under the same paths.

    Args:
        tasks: the files.
        setup: of every worker.
        jobs: workers.

    Raises:
        InvalidInput: Ray is not installed, or its cluster can't be reached.
    """
    with _started_ray(jobs) as ray:
        ray.data.DataContext.get_current().enable_progress_bars = False
        items = [{"task": json.dumps(asdict(task))} for task in tasks]
        worker: Any = _RayWorker
        done = ray.data.from_items(items, override_num_blocks=len(items)).map(
            worker,
            fn_constructor_args=(setup,),
            compute=ray.data.ActorPoolStrategy(size=min(jobs, len(items))),
            num_cpus=1,
        )
        for item in done.iter_rows():
            yield FileReport.from_json(item["report"])


@contextmanager
def _started_ray(jobs: int) -> Iterator[Any]:
    """Ray, ready for work; if it was started here, it is shut down at the end."""
    try:
        import ray
    except ImportError:
        raise InvalidInput('Ray is not installed; get it with: pip install "diffpose-studio[corpus]"') from None
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    started = not ray.is_initialized()
    if started:
        local: dict[str, Any] = {} if os.environ.get("RAY_ADDRESS") else {"num_cpus": jobs, "include_dashboard": False}
        try:
            ray.init(logging_level=logging.ERROR, log_to_driver=False, **local)
        except ConnectionError as error:
            raise InvalidInput(f"Ray's cluster can't be reached: {error}") from error
    try:
        yield ray
    finally:
        if started:
            ray.shutdown()
