"""A folder of clips lifted by several processes, or by Ray Data on several machines.

Every file is one task; one that can't be used is reported and stops nothing. A journal beside the outputs remembers
what was finished, by the content of the file and all settings, so that the same command goes on where it was stopped;
outputs appear under their names only when they are whole.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Literal

from diffpose_core.io.checkpoints import encoder_tensors, fingerprint
from diffpose_core.lifting.folder_files import ENDINGS, find_tasks
from diffpose_core.lifting.folder_processes import run_in_processes
from diffpose_core.lifting.folder_ray import run_in_ray
from diffpose_core.lifting.folder_reports import JOURNAL, FileReport, read_journal, write_reports
from diffpose_core.lifting.folder_worker import FileWorker, FolderConfig, WorkerSetup
from diffpose_core.lifting.models import load_models
from diffpose_core.lifting.provenance import version
from diffpose_core.structures import InvalidInput

Runner = Literal["processes", "ray"]


def lift_folder(
    folder: str | Path,
    out: str | Path,
    config: FolderConfig | None = None,
    jobs: int = 1,
    runner: Runner = "processes",
    progress: Callable[[FileReport, int, int], object] | None = None,
) -> list[FileReport]:
    """Lift every clip in a folder and below.

    out: folder of the outputs, which lie in it as the clips lie in `folder`; it is made where it is not there. jobs:
    processes, one thread each; 1 works in this process. runner: "ray" hands the files to Ray Data. progress: called
    with (row, files done, files in all) for every file.

    Returns a row a file, sorted, which are also written as a CSV and a JSON report. Files that the journal in `out`
    knows as finished, with the same content and settings, are not done again. Hypotheses are not kept. Raises
    InvalidInput where the folder holds nothing to lift, or where the weights or settings can't be used at all.
    """
    folder, out, config = Path(folder), Path(out), config or FolderConfig()
    if jobs < 1:
        raise InvalidInput(f"at least one job is needed, found {jobs}")
    if not folder.is_dir():
        raise InvalidInput(f"{folder}: there is no such folder")
    models = load_models(config.weights, config.setting).to(config.device)
    context, schedule = config.settings.get("context", True), config.settings.get("schedule", "converging")
    network = models.pick(context, config.settings.get("diffusion", "gmm"), schedule)[1]
    description = {
        "software": version(), "formats": config.formats, "choice": asdict(config.choice),
        "settings": dict(config.settings), "stature_m": config.stature_m,
        "weights": fingerprint(dict(network.state_dict())), "encoder": fingerprint(encoder_tensors(models.encoder)),
    }  # fmt: skip
    setup = WorkerSetup(config, str(out), hashlib.sha256(json.dumps(description, sort_keys=True).encode()).hexdigest())
    try:
        out.mkdir(parents=True, exist_ok=True)
        tasks = find_tasks(folder, out, read_journal(out / JOURNAL))
    except OSError as error:
        raise InvalidInput(f"{error.filename}: can't be read or made ({error.strerror})") from error
    if not tasks:
        raise InvalidInput(f"{folder}: holds nothing to lift; expected files that end in {', '.join(ENDINGS)}")
    jobs = min(jobs, len(tasks))
    if runner == "ray":
        source = run_in_ray(tasks, setup, jobs)
    elif jobs == 1:
        worker = FileWorker.start(setup)
        source = (worker.run(task) for task in tasks)
    else:
        source = run_in_processes(tasks, setup, jobs)
    rows: list[FileReport] = []
    try:
        with open(out / JOURNAL, "a", encoding="utf-8") as journal:
            for row in source:
                rows.append(row)
                if row.status == "lifted":
                    journal.write(json.dumps(asdict(row)) + "\n")
                    journal.flush()
                if progress is not None:
                    progress(row, len(rows), len(tasks))
    except OSError as error:
        raise InvalidInput(f"{out}: can't be written ({error.strerror})") from error
    finally:
        # Also when it is stopped, so that what was done so far can be read.
        rows.sort(key=lambda row: row.file)
        about = {"formats": config.formats, "settings": dict(config.settings), "stature_m": config.stature_m}
        write_reports(rows, out, about)
    return rows
