"""A folder of clips lifted by several processes, or by Ray Data on several machines.

Every file is one task; one that can't be used is reported and stops nothing. A journal beside the outputs remembers
what was finished, by the content of the file and all settings, so that the same command goes on where it was stopped;
outputs appear under their names only when they are whole.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import logging
import multiprocessing
import os
import signal
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import torch

from diffpose_core.io.checkpoints import encoder_tensors, fingerprint
from diffpose_core.io.exports import EXPORTS, export_bytes, export_format, file_stem
from diffpose_core.io.formats import Choice, read_pose_path, to_clip
from diffpose_core.pipeline import Models, Setting, check_stature, lift, load_models, scaled_to_stature, version
from diffpose_core.structures import InvalidInput, PoseClip2D

#: Endings of files that may hold 2D poses; others in the folder are none of our business.
ENDINGS = (".npz", ".json", ".csv", ".zip")
JOURNAL, REPORT_CSV, REPORT_JSON = "lift-journal.jsonl", "lift-report.csv", "lift-report.json"

Status = Literal["lifted", "done before", "failed"]
Runner = Literal["processes", "ray"]


@dataclass(frozen=True)
class CorpusConfig:
    """What is done with every file.

    formats: keys of `io.exports.EXPORTS`. choice: of every file, see `io.formats`; without a clip in it, all clips of a
    file are lifted. settings: keyword arguments of `pipeline.lift` (steps, hypotheses, seed, context, schedule, eta,
    rigid_bones). weights: folder of checkpoints, None for the bundled ones. setting: frame or video.
    stature_m: height of the person in every clip, see `pipeline.scaled_to_stature`; None leaves it as predicted.
    device: torch's, which every worker computes on.
    Raises InvalidInput on no format or an unknown one, and on a height that no person has.
    """

    formats: tuple[str, ...] = ("npz",)
    choice: Choice = field(default_factory=Choice)
    settings: Mapping[str, Any] = field(default_factory=dict)
    weights: str | None = None
    setting: Setting = "frame"
    stature_m: float | None = None
    device: str = "cpu"

    def __post_init__(self) -> None:
        if not self.formats:
            raise InvalidInput(f"at least one export format is needed; there are {', '.join(EXPORTS)}")
        for name in self.formats:
            export_format(name)
        if self.stature_m is not None:
            check_stature(self.stature_m)


@dataclass(frozen=True)
class Row:
    """What became of one file: a line of the report.

    file: its path below the folder. reason: why it failed. clips, frames: how many were lifted. notes: what was assumed
    of the file. outputs: name below the output folder -> size in bytes. key: of the file's content and all settings.
    """

    file: str
    status: Status
    reason: str = ""
    clips: int = 0
    frames: int = 0
    seconds: float = 0.0
    notes: tuple[str, ...] = ()
    outputs: Mapping[str, int] = field(default_factory=dict)
    key: str = ""


@dataclass(frozen=True)
class _Task:
    """path: of the file, or of a folder of OpenPose's frames. file: below the folder that is lifted. base: its outputs'
    names begin so. before: its last line of the journal.
    """

    path: str
    file: str
    base: str
    before: Row | None


@dataclass(frozen=True)
class _Setup:
    """What a worker is started with. fingerprint: of weights and software."""

    config: CorpusConfig
    out: str
    fingerprint: str


@dataclass(frozen=True)
class _Worker:
    setup: _Setup
    models: Models

    @classmethod
    def start(cls, setup: _Setup) -> _Worker:
        # Processes share the cores; threads inside them would get in each other's way.
        torch.set_num_threads(1)
        config = setup.config
        return cls(setup, load_models(config.weights, config.setting).to(config.device))

    def run(self, task: _Task) -> Row:
        """Lift a file; whatever is wrong with it becomes a failed row."""
        begin = time.monotonic()
        try:
            row = self._lift(task)
        except InvalidInput as error:
            row = Row(task.file, "failed", str(error))
        except MemoryError:
            row = Row(task.file, "failed", "there was not enough memory; cut the clip into parts")
        except Exception as error:  # A fault in one file must not stop the others.
            row = Row(task.file, "failed", f"unexpected {type(error).__name__}: {error}")
        return replace(row, seconds=round(time.monotonic() - begin, 3))

    def _lift(self, task: _Task) -> Row:
        config, out = self.setup.config, Path(self.setup.out)
        key = hashlib.sha256(f"{self.setup.fingerprint} {_content_hash(Path(task.path))}".encode()).hexdigest()
        before = task.before
        if before is not None and before.key == key and _are_there(before.outputs, out):
            return replace(before, status="done before")
        poses = read_pose_path(task.path)
        parts = [config.choice.clip] if config.choice.clip is not None else [clip.key for clip in poses.clips]
        outputs: dict[str, int] = {}
        notes: list[str] = []
        failed: list[str] = []
        frames = 0
        for number, part in enumerate(parts):
            # Keys of different clips may become the same file name: their number tells them apart.
            base = task.base if len(parts) == 1 else f"{task.base}-{number + 1}-{file_stem(str(part))}"
            try:
                chosen = to_clip(poses, replace(config.choice, clip=part))
                frames += self._write(chosen.clip, base, outputs)
            except InvalidInput as error:
                failed.append(str(error) if len(parts) == 1 else f"{part}: {error}")
                continue
            notes += [note for note in chosen.notes if note not in notes]
        status: Status = "failed" if failed else "lifted"
        return Row(
            task.file, status, "; ".join(failed), len(parts) - len(failed), frames, 0.0, tuple(notes), outputs, key
        )

    def _write(self, clip: PoseClip2D, base: str, outputs: dict[str, int]) -> int:
        """Lift a clip and write it in all formats. Returns its number of frames."""
        config = self.setup.config
        result = lift(clip, models=self.models, keep_hypotheses=False, **config.settings)
        if config.stature_m is not None:
            result = scaled_to_stature(result, config.stature_m)
        for name in config.formats:
            content, _ = export_bytes(result, name)
            relative = base + EXPORTS[name].ending
            _write_whole(Path(self.setup.out, relative), content)
            outputs[relative] = len(content)
        return len(clip)


def _content_hash(path: Path) -> str:
    digest = hashlib.sha256()
    for part in sorted(path.glob("*.json")) if path.is_dir() else [path]:
        digest.update(part.name.encode() if path.is_dir() else b"")
        with open(part, "rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def _are_there(outputs: Mapping[str, int], out: Path) -> bool:
    return all((out / name).is_file() and (out / name).stat().st_size == size for name, size in outputs.items())


def _write_whole(path: Path, content: bytes) -> None:
    """Write a file so that its name never stands for a part of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        unfinished.write_bytes(content)
        os.replace(unfinished, path)
    except OSError as error:
        raise InvalidInput(f"{path}: can't be written ({error.strerror})") from error
    finally:
        unfinished.unlink(missing_ok=True)


def holds_openpose_frames(folder: Path) -> bool:
    """Whether a folder's .json files are OpenPose's, one a frame: such a folder is one clip."""
    first = min(folder.glob("*.json"), default=None)
    if first is None:
        return False
    try:
        with open(first, "rb") as file:
            return b'"people"' in file.read(4096)
    except OSError:
        # Whoever reads its files says what is wrong with them.
        return False


def find_clips(folder: Path, leave_out: Path | None = None) -> list[Path]:
    """Everything in a folder and below that may be a clip: files with the ENDINGS, and folders of OpenPose's frames.

    leave_out: a folder that is not searched (the outputs'). Sorted. Hidden files and folders are left out.
    """
    found = []
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or (leave_out is not None and path.resolve() == leave_out.resolve()):
            continue
        if path.is_dir() and not path.is_symlink():
            found += [path] if holds_openpose_frames(path) else find_clips(path, leave_out)
        elif path.is_file() and path.suffix.lower() in ENDINGS and path.name != REPORT_JSON:
            found.append(path)
    return found


def _tasks(folder: Path, out: Path, before: Mapping[str, Row]) -> list[_Task]:
    paths = find_clips(folder, out)
    bases = {
        path: (path.relative_to(folder) if path.is_dir() else path.relative_to(folder).with_suffix(""))
        for path in paths
    }
    seen = [base.as_posix().lower() for base in bases.values()]
    tasks = []
    for path, base in bases.items():
        file = path.relative_to(folder).as_posix()
        # walk.npz beside walk.json: both keep their endings in the outputs' names.
        twin = seen.count(base.as_posix().lower()) > 1
        name = f"{base.as_posix()}-{path.suffix[1:]}" if twin and path.suffix else base.as_posix()
        tasks.append(_Task(str(path), file, name, before.get(file)))
    return tasks


def _read_journal(path: Path) -> dict[str, Row]:
    """The last line of every file. A line that was cut off when the run was killed counts as not there."""
    rows = {}
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else []:
        try:
            row = Row(**json.loads(line))
            rows[row.file] = replace(row, notes=tuple(row.notes))
        except (ValueError, TypeError):
            continue
    return rows


_worker: _Worker | None = None


def _start_process(setup: _Setup) -> None:
    global _worker
    # Ctrl-C ends the workers without a word: what they were at is not in the journal, and is done again.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    _worker = _Worker.start(setup)


def _run_in_process(task: _Task) -> Row:
    assert _worker is not None
    return _worker.run(task)


def _in_processes(tasks: Sequence[_Task], setup: _Setup, jobs: int) -> Iterator[Row]:
    """Rows as they come. A file whose process dies (no memory left, a fault in a library) is a failed row."""
    waiting, suspects = deque(tasks), deque[_Task]()
    while waiting or suspects:
        # After a death nobody knows whose fault it was: those that were in work are tried again, each alone.
        alone = bool(suspects)
        queue = suspects if alone else waiting
        running: dict[Future[Row], _Task] = {}
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
                            yield Row(task.file, "failed", "its process died: out of memory, or a fault in a library")
                        else:
                            suspects.append(task)


class _RayWorker:
    """A worker as Ray Data keeps it on each of its processes."""

    def __init__(self, setup: _Setup) -> None:
        self.worker = _Worker.start(setup)

    def __call__(self, item: dict[str, Any]) -> dict[str, Any]:
        task = json.loads(item["task"])
        before = None if task["before"] is None else Row(**task["before"])
        return {"row": json.dumps(asdict(self.worker.run(_Task(**{**task, "before": before}))))}


def _in_ray(tasks: Sequence[_Task], setup: _Setup, jobs: int) -> Iterator[Row]:
    """Rows as they come from Ray: on the cluster that RAY_ADDRESS names, else on this machine. Every machine has to see
    both folders under the same paths.
    """
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
        ray.data.DataContext.get_current().enable_progress_bars = False
        items = [{"task": json.dumps(asdict(task))} for task in tasks]
        worker: Any = _RayWorker
        rows = ray.data.from_items(items, override_num_blocks=len(items)).map(
            worker,
            fn_constructor_args=(setup,),
            compute=ray.data.ActorPoolStrategy(size=min(jobs, len(items))),
            num_cpus=1,
        )
        for item in rows.iter_rows():
            row = Row(**json.loads(item["row"]))
            yield replace(row, notes=tuple(row.notes))
    finally:
        if started:
            ray.shutdown()


def lift_folder(
    folder: str | Path,
    out: str | Path,
    config: CorpusConfig | None = None,
    jobs: int = 1,
    runner: Runner = "processes",
    progress: Callable[[Row, int, int], object] | None = None,
) -> list[Row]:
    """Lift every clip in a folder and below.

    out: folder of the outputs, which lie in it as the clips lie in `folder`; it is made where it is not there. jobs:
    processes, one thread each; 1 works in this process. runner: "ray" hands the files to Ray Data. progress: called
    with (row, files done, files in all) for every file.

    Returns a row a file, sorted, which are also written as a CSV and a JSON report. Files that the journal in `out`
    knows as finished, with the same content and settings, are not done again. Hypotheses are not kept. Raises
    InvalidInput where the folder holds nothing to lift, or where the weights or settings can't be used at all.
    """
    folder, out, config = Path(folder), Path(out), config or CorpusConfig()
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
    setup = _Setup(config, str(out), hashlib.sha256(json.dumps(description, sort_keys=True).encode()).hexdigest())
    try:
        out.mkdir(parents=True, exist_ok=True)
        tasks = _tasks(folder, out, _read_journal(out / JOURNAL))
    except OSError as error:
        raise InvalidInput(f"{error.filename}: can't be read or made ({error.strerror})") from error
    if not tasks:
        raise InvalidInput(f"{folder}: holds nothing to lift; expected files that end in {', '.join(ENDINGS)}")
    jobs = min(jobs, len(tasks))
    if runner == "ray":
        source = _in_ray(tasks, setup, jobs)
    elif jobs == 1:
        worker = _Worker.start(setup)
        source = (worker.run(task) for task in tasks)
    else:
        source = _in_processes(tasks, setup, jobs)
    rows: list[Row] = []
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
        _report(rows, out, setup)
    return rows


def _report(rows: Sequence[Row], out: Path, setup: _Setup) -> None:
    columns = ("file", "status", "reason", "clips", "frames", "seconds", "notes", "outputs")
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow([*(getattr(row, name) for name in columns[:-2]), " ".join(row.notes), " ".join(row.outputs)])
    _write_whole(out / REPORT_CSV, table.getvalue().encode())
    counts = {status: sum(row.status == status for row in rows) for status in ("lifted", "done before", "failed")}
    report = {
        "files": len(rows), **{name.replace(" ", "_"): count for name, count in counts.items()},
        "formats": setup.config.formats, "settings": dict(setup.config.settings),
        "stature_m": setup.config.stature_m, "rows": [asdict(row) for row in rows],
    }  # fmt: skip
    _write_whole(out / REPORT_JSON, (json.dumps(report, indent=1) + "\n").encode())
