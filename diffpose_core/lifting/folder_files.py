"""The clips in a folder, and names for their outputs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from diffpose_core.lifting.folder_reports import REPORT_JSON, FileReport

#: Endings of files that may hold 2D poses; other files are passed over.
ENDINGS = (".npz", ".json", ".csv", ".zip")


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
        path: (path.relative_to(folder) if path.is_dir() else path.relative_to(folder).with_suffix(""))
        for path in paths
    }
    names = [base.as_posix().lower() for base in bases.values()]
    tasks = []
    for path, base in bases.items():
        file = path.relative_to(folder).as_posix()
        # walk.npz beside walk.json: both keep their endings in the outputs' names.
        twin = names.count(base.as_posix().lower()) > 1
        name = f"{base.as_posix()}-{path.suffix[1:]}" if twin and path.suffix else base.as_posix()
        tasks.append(FileTask(str(path), file, name, before.get(file)))
    return tasks


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
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or (leave_out is not None and path.resolve() == leave_out.resolve()):
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
        with open(first, "rb") as file:
            return b'"people"' in file.read(4096)
    except OSError:
        # The reader of its files reports the error.
        return False
