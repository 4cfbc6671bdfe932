"""Checks of a command's outputs before any work begins.

An output is refused if it could not be written, if it is one of the command's inputs, or if it would replace a file
that the same kind of command did not write. `--overwrite` allows the last.
"""

from __future__ import annotations

import json
import os
import struct
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from diffpose_core.io.untrusted.files import read_bytes
from diffpose_core.io.untrusted.text import decode_text
from diffpose_core.structures import InvalidInput

#: Tells whether an existing file was written by the same kind of command.
IsOwn = Callable[[Path], bool]
#: Longest text that is searched for its origin, in bytes.
_LONGEST_TEXT = 64 * 2**20


def never(path: Path) -> bool:
    """False, for formats without a mark of their origin: no file counts as the command's own."""
    return False


def check_output(
    path: str | Path, inputs: Sequence[str | Path] = (), *, is_own: IsOwn = never, overwrite: bool = False
) -> None:
    """Check that a file can be written.

    Args:
        path: The file to write.
        inputs: Files and folders that the command reads.
        is_own: Tells whether an existing file may be replaced without `--overwrite`.
        overwrite: Whether `--overwrite` was given.

    Raises:
        InvalidInput: The file can't be written, is an input, or exists and is not the command's own.
    """
    path = Path(path)
    if path.is_dir():
        raise InvalidInput(f"{path}: can't be written (it is a folder; expected the name of a file)")
    check_folder(path)
    if is_among(path, inputs):
        raise InvalidInput(f"{path}: is an input of this command; expected another name to write to")
    # Of a pipe or a device nobody can tell, and to open one may wait for ever.
    if os.path.lexists(path) and not overwrite and not (path.is_file() and is_own(path)):
        raise InvalidInput(f"{path}: exists and was not written by this command; --overwrite replaces it")


def check_folder(path: Path) -> None:
    """Check that the folder of an output exists and can be written to.

    Raises:
        InvalidInput: It does not exist, or it is read-only.
    """
    folder = path.absolute().parent
    if not folder.is_dir():
        raise InvalidInput(f"{path}: there is no such folder to write to")
    _try_to_write(folder, path)


def check_output_folder(path: str | Path, inputs: Sequence[str | Path] = ()) -> None:
    """Check that files can be written to a folder, which may not exist yet.

    Raises:
        InvalidInput: A file has its name, it is one of the inputs, or it can't be written to.
    """
    path = Path(path)
    if os.path.lexists(path) and not path.is_dir():
        raise InvalidInput(f"{path}: is a file; expected a folder to write to")
    if is_among(path, inputs):
        raise InvalidInput(f"{path}: is an input of this command; expected another folder to write to")
    existing = next(folder for folder in (path.absolute(), *path.absolute().parents) if folder.is_dir())
    _try_to_write(existing, path)


def is_among(path: Path, inputs: Iterable[str | Path]) -> bool:
    """Whether a path stands for the same file or folder as one of the inputs, by whatever name."""
    return any(os.path.exists(other) and path.exists() and os.path.samefile(path, other) for other in inputs)


def _try_to_write(folder: Path, path: Path) -> None:
    try:
        # Permissions alone don't tell: a file system may be read-only, or full of files.
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise InvalidInput(f"{path}: can't be written ({error.strerror})") from error


def is_lift_result(path: Path) -> bool:
    """Whether a file is a result of `diffpose lift`, as far as its format tells: .npz and .json do."""
    if path.suffix == ".json":
        return _begins_with_schema(path)
    try:
        with zipfile.ZipFile(path) as archive:
            return {"pose3d.npy", "joint_std.npy", "provenance.npy"} <= set(archive.namelist())
    except (OSError, zipfile.BadZipFile, ValueError, NotImplementedError):
        return False


def _begins_with_schema(path: Path) -> bool:
    """Whether a JSON file begins with the schema of a lifted result."""
    try:
        with open(path, "rb") as file:
            return b'"diffpose-result/' in file.read(4096)
    except OSError:
        return False


def is_report_of(command: str) -> IsOwn:
    """A check whether a JSON file's provenance names a command, such as "evaluate"."""

    def is_own(path: Path) -> bool:
        from diffpose_core.io.untrusted.json import parse_json

        try:
            report = parse_json(read_bytes(path, _LONGEST_TEXT), str(path))
            return str(report["provenance"]["command"]).startswith(f"diffpose {command} ")
        # InvalidInput is a ValueError.
        except (ValueError, KeyError, TypeError):
            return False

    return is_own


def is_checkpoint_of(name: str) -> IsOwn:
    """A check whether a .safetensors file is a checkpoint that `diffpose train NAME` wrote."""

    def is_own(path: Path) -> bool:
        try:
            with open(path, "rb") as file:
                (length,) = struct.unpack("<Q", file.read(8))
                header = json.loads(file.read(min(length, 2**20)))
            return bool(json.loads(header["__metadata__"]["diffpose"])["name"] == name)
        except (OSError, ValueError, KeyError, TypeError, RecursionError, struct.error):
            return False

    return is_own


def is_bundled_clip(path: Path) -> bool:
    """Whether a file is a clip that `diffpose make-clips` wrote."""
    from diffpose_core.io.clips import load_clip

    try:
        return "make-clips" in str(load_clip(path).provenance.get("made_by"))
    except (OSError, InvalidInput):
        return False


def is_procedural(path: Path) -> bool:
    """Whether a file is a data set that `diffpose make-data` wrote."""
    from diffpose_core.datasets.mocap17 import load_mocap17

    try:
        return set(load_mocap17(path).source.tolist()) == {"procedural"}
    except (OSError, InvalidInput):
        return False


def is_data_page(page: Path, file: Path) -> IsOwn:
    """A check whether `diffpose data` wrote a page, and the data set's file that the page names."""

    def is_own(path: Path) -> bool:
        try:
            text = decode_text(read_bytes(page, _LONGEST_TEXT), str(page))
        except InvalidInput:
            return False
        return "\ndiffpose data " in text and (file == page or f"\n| {file.name} |" in text)

    return is_own
