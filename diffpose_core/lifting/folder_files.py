"""The clips in a folder, and names for their outputs."""

from __future__ import annotations

import itertools
import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from diffpose_core.io.untrusted.files import read_beginning
from diffpose_core.lifting.folder_reports import JOURNAL, REPORT_CSV, REPORT_JSON, FileReport
from diffpose_core.structures import InvalidInput

#: Endings of files that may hold 2D poses; other files are passed over.
ENDINGS = (".npz", ".json", ".csv", ".zip")
#: Names of journal and reports without their endings.
_OWN = {Path(name).stem for name in (JOURNAL, REPORT_CSV, REPORT_JSON)}


@dataclass(frozen=True)
class FileTask:
    """A file to lift.

    Attributes:
        path: of the file, or of a folder of OpenPose's frames.
        file: path below the folder that is lifted.
        base: start of its outputs' names.
        before: its last report in the journal.
    """

    path: str
    file: str
    base: str
    before: FileReport | None


def find_tasks(folder: Path, out: Path, before: Mapping[str, FileReport]) -> list[FileTask]:
    """A task for everything in a folder and below that may be a clip.

    Args:
        folder: to search.
        out: folder of the outputs, which is not searched.
        before: reports of the journal, by path below the folder.
    """
    paths = find_clips(folder, out)
    bases = {
        path: (path.relative_to(folder) if path.is_dir() else path.relative_to(folder).with_suffix("")).as_posix()
        for path in paths
    }
    often = Counter(base.lower() for base in bases.values())
    taken = {base for base, count in often.items() if count == 1} | _OWN
    tasks = []
    for path, base in bases.items():
        file = path.relative_to(folder).as_posix()
        if often[base.lower()] > 1 or base.lower() in _OWN:
            # walk.npz beside walk.json: both keep their endings in the outputs' names.
            base = _free(f"{base}-{path.suffix[1:]}" if path.suffix else base, taken)
        tasks.append(FileTask(str(path), file, base, before.get(file)))
    return tasks


def _free(base: str, taken: set[str]) -> str:
    """A start of names that nothing else has: a number is added where it is needed. It is taken then."""
    name = next(name for n in itertools.count(1) if (name := base if n == 1 else f"{base}-{n}").lower() not in taken)
    taken.add(name.lower())
    return name


def find_clips(folder: Path, leave_out: Path | None = None) -> list[Path]:
    """Everything in a folder and below that may be a clip: files with the ENDINGS, and folders of OpenPose's frames.

    Hidden files and folders are passed over.

    Args:
        folder: to search.
        leave_out: a folder that is not searched.

    Returns:
        Sorted paths.
    """
    found = []
    # `Path.resolve` raises an error at a link that leads to itself.
    left_out = None if leave_out is None else os.path.realpath(leave_out)
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or os.path.realpath(path) == left_out:
            continue
        if path.is_dir() and not path.is_symlink():
            found += [path] if holds_openpose_frames(path) else find_clips(path, leave_out)
        elif path.is_file() and path.suffix.lower() in ENDINGS and path.name != REPORT_JSON:
            found.append(path)
    return found


def holds_openpose_frames(folder: Path) -> bool:
    """Whether a folder's .json files are OpenPose's, one a frame: such a folder is one clip."""
    first = min(folder.glob("*.json"), default=None)
    if first is None:
        return False
    try:
        return b'"people"' in read_beginning(first, 4096)
    except InvalidInput:
        # The reader of its files reports the error.
        return False
