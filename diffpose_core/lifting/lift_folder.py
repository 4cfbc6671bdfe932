"""Lifts a folder of clips, in several processes or with Ray Data on several machines.

Every file is one task; a file that can't be used is reported and stops nothing. A journal beside the outputs keeps what
was finished, by the content of the file and all settings: the same command goes on where it was stopped. Outputs
appear under their names only when they are whole.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Literal

from diffpose_core.lifting.folder_files import ENDINGS, FileTask, find_tasks
from diffpose_core.lifting.folder_processes import run_in_processes
from diffpose_core.lifting.folder_ray import run_in_ray
from diffpose_core.lifting.folder_reports import JOURNAL, FileReport, read_journal, write_reports
from diffpose_core.lifting.folder_worker import FileWorker, FolderConfig, WorkerSetup
from diffpose_core.lifting.model_shelf import ModelShelf
from diffpose_core.lifting.provenance import encoder_hash, settings_record, version, weights_hash
from diffpose_core.structures import InvalidInput

Runner = Literal["processes", "ray"]
#: Called for every file with its report, the files done and the files in all.
Progress = Callable[[FileReport, int, int], object]


def lift_folder(
    folder: str | Path,
    out: str | Path,
    config: FolderConfig | None = None,
    jobs: int = 1,
    runner: Runner = "processes",
    progress: Progress | None = None,
) -> list[FileReport]:
    """Lift every clip in a folder and below, without keeping hypotheses.

    Files that the journal in `out` has as finished, with the same content and settings, are not done again.

    Args:
        folder: of the clips.
        out: folder of the outputs, made where needed; they lie in it as the clips lie in `folder`.
        config: the work on every file.
        jobs: processes, one thread each; 1 works in this process.
        runner: "ray" hands the files to Ray Data.
        progress: called for every file.

    Returns:
        A report for every file, sorted; they are also written as CSV and JSON.

    Raises:
        InvalidInput: the folder holds nothing to lift, or weights or settings can't be used at all.
    """
    folder, out, config = Path(folder), Path(out), config or FolderConfig()
    if jobs < 1:
        raise InvalidInput(f"at least one job is needed, found {jobs}")
    if not folder.is_dir():
        raise InvalidInput(f"{folder}: there is no such folder")
    shelf = config.shelf()
    fingerprint = _fingerprint(config, shelf)
    tasks = _find_tasks(folder, out)
    bases = frozenset(task.base.lower() for task in tasks)
    setup = WorkerSetup(config, str(out), fingerprint, bases)
    reports: list[FileReport] = []
    try:
        _run_all(_reports(tasks, setup, shelf, jobs, runner), out, len(tasks), reports, progress)
    finally:
        # Also after a stop: the report holds the clips done so far.
        reports.sort(key=lambda report: report.file)
        settings = settings_record(config.settings)
        write_reports(reports, out, {"formats": config.formats, "settings": settings, **asdict(config.finish)})
    return reports


def _fingerprint(config: FolderConfig, shelf: ModelShelf) -> str:
    """SHA-256 of everything but the files that outputs depend on. All weights that a clip may need are loaded."""
    settings, weights = config.settings, {}
    for setting in shelf.settings:
        models, asked = shelf.of(setting), (settings.context, settings.diffusion, settings.schedule)
        if len(shelf.settings) == 1 or models.has(*asked):
            weights[setting] = (weights_hash(models, models.pick(*asked)[0]), encoder_hash(models))
    description = {
        "software": version(), "formats": config.formats, "choice": asdict(config.choice),
        "settings": settings_record(settings), "finish": asdict(config.finish),
        "weights": weights,
    }  # fmt: skip
    return hashlib.sha256(json.dumps(description, sort_keys=True).encode()).hexdigest()


def _find_tasks(folder: Path, out: Path) -> list[FileTask]:
    """The files to lift; the folder of the outputs is made."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        tasks = find_tasks(folder, out, read_journal(out / JOURNAL))
    except OSError as error:
        raise InvalidInput(f"{error.filename}: can't be read or made ({error.strerror})") from error
    if not tasks:
        raise InvalidInput(f"{folder}: holds nothing to lift; expected files that end in {', '.join(ENDINGS)}")
    return tasks


def _reports(
    tasks: Sequence[FileTask], setup: WorkerSetup, shelf: ModelShelf, jobs: int, runner: Runner
) -> Iterable[FileReport]:
    """Reports as files are done. shelf: for work in this process."""
    jobs = min(jobs, len(tasks))
    if runner == "ray":
        return run_in_ray(tasks, setup, jobs)
    if jobs == 1:
        worker = FileWorker.start(setup, shelf)
        return (worker.run(task) for task in tasks)
    return run_in_processes(tasks, setup, jobs)


def _run_all(
    source: Iterable[FileReport], out: Path, total: int, reports: list[FileReport], progress: Progress | None
) -> None:
    """Collect the reports and keep a journal of the lifted files."""
    try:
        with open(out / JOURNAL, "a", encoding="utf-8") as journal:
            for report in source:
                reports.append(report)
                if report.status == "lifted":
                    journal.write(report.to_json() + "\n")
                    journal.flush()
                if progress is not None:
                    progress(report, len(reports), total)
    except OSError as error:
        raise InvalidInput(f"{out}: can't be written ({error.strerror})") from error
