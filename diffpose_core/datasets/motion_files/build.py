"""Conversion of folders of motion files to data sets in Mocap-17 layout, with a page that documents each."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Event

import numpy as np

from diffpose_core.datasets.mocap17 import MotionSet, motion_set, save_mocap17
from diffpose_core.datasets.motion_files.apart import read_clips_apart, readers
from diffpose_core.datasets.motion_files.convert import ENDINGS, FPS, Clip, Settings
from diffpose_core.datasets.motion_files.labels import KEYS, SPLITS, Labels, Split, labels_of
from diffpose_core.io.atomic import write_whole
from diffpose_core.io.untrusted.worker import Workers
from diffpose_core.structures import InvalidInput
from diffpose_core.words import without_name

MAX_FILES = 1_000_000
#: AMASS has the body's shape beside its clips, in files without a motion.
_NO_MOTION = ("shape.npz", "neutral_stagei.npz", "female_stagei.npz", "male_stagei.npz")
#: Lines of the page that name single files.
_MAX_LINES = 500


@dataclass(frozen=True)
class Source:
    """A file to read.

    Attributes:
        folder: as given on the command line.
        file: path below it.
    """

    folder: Path
    file: str

    @property
    def path(self) -> Path:
        return self.folder / self.file


@dataclass(frozen=True)
class Outcome:
    """The result of reading a file.

    Attributes:
        source: the file.
        clips: its clips.
        notes: assumptions.
        reason: why it could not be used, without the file's name; "" where it could.
    """

    source: Source
    clips: tuple[Clip, ...] = ()
    notes: tuple[str, ...] = ()
    reason: str = ""


@dataclass(frozen=True)
class Naming:
    """Naming of clips.

    Attributes:
        source: the data set; None takes the folder's name.
        pattern, table: see `labels.labels_of`.
    """

    source: str | None = None
    pattern: re.Pattern[str] | None = None
    table: Mapping[str, Mapping[str, str]] | None = None

    def of(self, source: Source, clip: Clip) -> Labels:
        if clip.labels:
            return Labels(**clip.labels)
        origin = self.source if self.source is not None else source.folder.resolve().name
        return labels_of(source.file, origin, self.pattern, self.table)


@dataclass(frozen=True)
class Built:
    """A data set that was written.

    Attributes:
        files: split ("" without splits) -> file and its clips.
        outcomes: of every file, in order.
        twice: number of clips left out because the same name and motion came before.
        withheld: number of clips left out by name.
    """

    files: Mapping[str, tuple[Path, MotionSet]]
    outcomes: Sequence[Outcome] = field(default_factory=tuple)
    twice: int = 0
    withheld: int = 0

    @property
    def failed(self) -> list[Outcome]:
        return [outcome for outcome in self.outcomes if outcome.reason]


def find_files(places: Sequence[Path]) -> list[Source]:
    """Find motion files in folders and below.

    Args:
        places: folders, or single files.

    Returns:
        Files, sorted in each folder; hidden files and folders are left out.

    Raises:
        InvalidInput: a place without motion, or too many files.
    """
    found: list[Source] = []
    for place in places:
        if place.is_file():
            found.append(Source(place.parent, place.name))
        elif place.is_dir():
            inside = [Source(place, path.relative_to(place).as_posix()) for path in _below(place)]
            if not inside:
                raise InvalidInput(f"{place}: holds no motion; expected files that end in {', '.join(ENDINGS)}")
            found += inside
        else:
            raise InvalidInput(f"{place}: there is no such folder")
        if len(found) > MAX_FILES:
            raise InvalidInput(f"more than {MAX_FILES:,} files")
    return found


def _below(folder: Path) -> Iterator[Path]:
    for parent, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (
            Path(parent, name)
            for name in sorted(files)
            if not name.startswith(".") and Path(name).suffix.lower() in ENDINGS and name not in _NO_MOTION
        )


def _read(source: Source, settings: Settings, workers: Workers, stopped: Callable[[], bool]) -> Outcome:
    """Read a file; whatever is wrong with it becomes a reason."""
    try:
        clips, notes = read_clips_apart(source.path, settings, workers, stopped)
        return Outcome(source, tuple(clips), tuple(notes))
    except InvalidInput as error:
        return Outcome(source, reason=without_name(str(error), source.file))
    except Exception as error:  # A fault in one file must not stop the others.
        fault = str(error.__cause__ or error).strip().splitlines()[-1]
        return Outcome(source, reason=f"reading it failed unexpectedly ({fault})"[:500])


def read_all(
    sources: Sequence[Source],
    settings: Settings,
    jobs: int = 1,
    progress: Callable[[Outcome, int, int], object] | None = None,
) -> list[Outcome]:
    """Read files by several processes.

    Args:
        sources: the files.
        settings: of reading.
        jobs: number of processes.
        progress: called with (outcome, files done, files in all).

    Returns:
        The outcome of each, in the order of `sources`.

    Raises:
        InvalidInput: fewer than one job.
    """
    if jobs < 1:
        raise InvalidInput(f"at least one job is needed, found {jobs}")
    done: dict[Source, Outcome] = {}
    workers, stopped = readers(min(jobs, len(sources))), Event()
    # A thread waits for each process.
    pool = ThreadPoolExecutor(workers.at_once)
    try:
        tasks = [pool.submit(_read, source, settings, workers, stopped.is_set) for source in sources]
        for task in as_completed(tasks):
            outcome = task.result()
            done[outcome.source] = outcome
            if progress is not None:
                progress(outcome, len(done), len(sources))
    finally:
        stopped.set()
        pool.shutdown(cancel_futures=True)
        workers.close()
    return [done[source] for source in sources]


def build(
    places: Sequence[Path],
    out: Path,
    settings: Settings | None = None,
    naming: Naming | None = None,
    split: Split | None = None,
    licence: str | None = None,
    jobs: int = 1,
    progress: Callable[[Outcome, int, int], object] | None = None,
    command: str = "",
    withhold: Collection[str] = (),
) -> Built:
    """Convert folders of motion files to a data set.

    Args:
        places: folders, or single files.
        out: the .npz; with a split, NAME_train.npz, NAME_val.npz and NAME_test.npz. NAME.md beside it documents
            contents, origin, licence and assumptions.
        settings: of reading.
        naming: of the clips.
        split: parts of the data set; None for one file.
        licence: for the page.
        jobs: number of processes.
        progress: called with (outcome, files done, files in all).
        command: for the page.
        withhold: names of clips that are left out, such as those of a test set.

    Raises:
        InvalidInput: nothing could be read or written, or the split can't be made.
    """
    settings, naming = settings or Settings(), naming or Naming()
    if out.suffix.lower() != ".npz":
        raise InvalidInput(f"{out}: the data set's name must end in .npz")
    if not out.absolute().parent.is_dir():
        raise InvalidInput(f"{out}: there is no such folder to write to")
    outcomes = read_all(_without(find_files(places), output_paths(out, split)), settings, jobs, progress)
    clips = [(naming.of(outcome.source, clip), clip) for outcome in outcomes for clip in outcome.clips]
    if not clips:
        failed = next((f"{outcome.source.file}: {outcome.reason}" for outcome in outcomes if outcome.reason), None)
        why = "All were too short (--min-seconds)" if failed is None else f"The first: {failed}"
        raise InvalidInput(f"none of {len(outcomes)} files could be used. {why}")
    kept = [(labels, clip) for labels, clip in clips if labels.name not in withhold]
    if not kept:
        raise InvalidInput("every clip is one of those that are to be left out (--leave-out)")
    distinct = _distinct(kept)
    files: dict[str, tuple[Path, MotionSet]] = {}
    for part, path in output_paths(out, split).items():
        chosen = [(labels, clip) for labels, clip in distinct if split is None or split.of(labels) == part]
        if chosen:
            columns = {key: [getattr(labels, key) for labels, _ in chosen] for key in KEYS}
            files[part] = (path, motion_set([clip.poses for _, clip in chosen], FPS, **columns))
    for path, motions in files.values():
        save_mocap17(motions, path)
    built = Built(files, outcomes, len(kept) - len(distinct), len(clips) - len(kept))
    write_whole(out.with_suffix(".md"), page(built, out.stem, split, licence, command))
    return built


def output_paths(out: Path, split: Split | None) -> dict[str, Path]:
    """The files of a data set by the parts of its split; one file by "" without a split."""
    if split is None:
        return {"": out}
    return {
        part: out.with_name(f"{out.stem}_{part}.npz")
        for part, share in zip(SPLITS, split.shares, strict=True)
        if share > 0
    }


def _without(sources: list[Source], outputs: Mapping[str, Path]) -> list[Source]:
    """Sources without the outputs of an earlier run."""
    # `Path.resolve` raises an error at a link that leads to itself.
    written = {os.path.realpath(path) for path in outputs.values()}
    return [source for source in sources if os.path.realpath(source.path) not in written]


def _distinct(clips: list[tuple[Labels, Clip]]) -> list[tuple[Labels, Clip]]:
    """Clips with names of their own: the same name again is the same clip where it moves alike, else numbered."""
    seen: dict[tuple[str, str], list[np.ndarray]] = {}
    result = []
    for labels, clip in clips:
        same = seen.setdefault((labels.source, labels.name), [])
        if any(np.array_equal(clip.poses, other) for other in same):
            continue
        same.append(clip.poses)
        result.append((replace(labels, name=f"{labels.name}#{len(same)}") if len(same) > 1 else labels, clip))
    return result


def page(built: Built, title: str, split: Split | None, licence: str | None, command: str) -> str:
    """Text of the page beside a data set: contents, licence, origin, assumptions by file."""
    lines = [
        f"# {title}",
        "",
        "Human motion in Mocap-17 layout: 17 Human3.6M joints, metres, world frame, z up, 30 fps.",
        "",
    ]
    lines += ["| file | clips | frames | subjects |", "| --- | ---: | ---: | ---: |"]
    for path, motions in built.files.values():
        people = {(a, b) for a, b in zip(motions.source.tolist(), motions.subject.tolist(), strict=True) if b}
        lines.append(f"| {path.name} | {len(motions)} | {motions.num_frames:,} | {len(people) or 'not known'} |")
    counts: Counter[str] = Counter()
    for _, motions in built.files.values():
        counts.update(motions.source.tolist())
    lines += [
        "",
        "Sources: " + ", ".join(f"{_plain(source) or 'not named'} ({n} clips)" for source, n in sorted(counts.items())),
    ]
    lines += ["", "## Licence", ""]
    lines.append(_plain(licence) if licence else (
        "**Not given** (`--licence`). The terms of the files that it was made of hold for it, and for weights that are "
        "trained on it: find them out before either is passed on."
    ))  # fmt: skip
    lines += ["", "## How it was made", ""]
    if command:
        lines += ["```", command, "```", ""]
    if split is not None:
        shares = " : ".join(f"{share:g}" for share in split.shares)
        lines += [
            f"Split {' : '.join(SPLITS)} = {shares}, by {split.by}: SHA-256 of source/{split.key}, its first eight "
            f"bytes as a share of 2^64. No {split.by} is in two files.",
            "",
        ]
    used = [outcome for outcome in built.outcomes if outcome.clips]
    lines.append(f"{len(built.outcomes)} files looked at, {len(used)} used, {len(built.failed)} could not be used.")
    if built.withheld:
        lines.append(f"{built.withheld} clips were left out by name (--leave-out).")
    if built.twice:
        lines.append(f"{built.twice} clips came twice, and were taken once.")
    if built.failed:
        lines += ["", "## Could not be used", ""]
        lines += [f"- {_plain(outcome.source.file)}: {_plain(outcome.reason)}" for outcome in built.failed[:_MAX_LINES]]
        if len(built.failed) > _MAX_LINES:
            lines.append(f"- ... and {len(built.failed) - _MAX_LINES} more")
    lines += _notes(built.outcomes)
    return "\n".join(lines) + "\n"


def _notes(outcomes: Sequence[Outcome]) -> list[str]:
    """Assumptions, each sentence once with its files."""
    files: dict[str, list[str]] = {}
    for outcome in outcomes:
        for note in outcome.notes:
            files.setdefault(note, []).append(outcome.source.file)
    lines = ["", "## Notes", ""] if files else []
    for note, names in sorted(files.items(), key=lambda item: -len(item[1]))[:_MAX_LINES]:
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        lines.append(f"- {_plain(note)}: {', '.join(_plain(name) for name in names[:3])}{more}")
    if len(files) > _MAX_LINES:
        lines.append(f"- ... and {len(files) - _MAX_LINES} more notes")
    return lines


def _plain(text: str) -> str:
    """One line without characters that are markup in Markdown."""
    return re.sub(r"([|<>`*_\[\]#])", r"\\\1", " ".join(text.split()))
