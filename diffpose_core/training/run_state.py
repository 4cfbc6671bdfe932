"""The saved state of a run: written whole, with a hash and a previous state, and read without running code."""

from __future__ import annotations

import hashlib
import io
import os
import sys
import zipfile
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins.io.checkpoint_io import CheckpointIO

from diffpose_core.io.atomic import write_whole
from diffpose_core.io.untrusted.files import MIB, read_bytes
from diffpose_core.structures import InvalidInput

#: A state holds the weights four times: as they are, their average, and two of the optimiser.
_MAX_BYTES = 2048 * MIB
_MAGIC = b"diffpose-run/1 "
#: Names in a run's folder.
LAST, PREVIOUS, DAMAGED = "last.ckpt", "previous.ckpt", "damaged.ckpt"


def write_state(path: Path, state: dict[str, Any]) -> None:
    """Write a state whole or not at all. The one before stays beside it.

    Raises:
        InvalidInput: it can't be written; an older file is unchanged.
    """
    content = io.BytesIO()
    torch.save(state, content)
    raw = content.getvalue()
    header = _MAGIC + hashlib.sha256(raw).hexdigest().encode() + b"\n"
    write_whole(path, header + raw, previous=path.with_name(PREVIOUS))


def read_state(path: Path) -> dict[str, Any]:
    """Read a state and check its hash.

    Raises:
        InvalidInput: it is damaged, or not a state.
    """
    content = read_bytes(path, _MAX_BYTES)
    header, _, raw = content.partition(b"\n")
    if not header.startswith(_MAGIC):
        raise InvalidInput(f"{path}: damaged, or not the state of a run of this version")
    if header[len(_MAGIC) :].decode("ascii", "replace") != hashlib.sha256(raw).hexdigest():
        raise InvalidInput(f"{path}: damaged, its content does not match its hash")
    try:
        _check_archive(raw)
        state: dict[str, Any] = torch.load(io.BytesIO(raw), map_location="cpu", weights_only=True)
    except Exception as error:
        # torch.load raises errors of many kinds; a matching hash leaves files that were made on purpose.
        raise InvalidInput(f"{path}: not the state of a run ({type(error).__name__})") from error
    return state


def _check_archive(raw: bytes) -> None:
    """Refuse an archive that unpacks to more than its own size; torch packs nothing.

    Raises:
        ValueError: it does.
        BadZipFile: it is no archive.
    """
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        if sum(entry.file_size for entry in archive.infolist()) > len(raw):
            raise ValueError


def find_state(directory: Path) -> tuple[Path, dict[str, Any]] | None:
    """The newest good state of a run's folder, or None where there is none.

    A damaged last state is named on the error output and set aside, and the previous one is taken.

    Raises:
        InvalidInput: all states are damaged.
    """
    problems = []
    for name in (LAST, PREVIOUS):
        path = directory / name
        if not path.is_file():
            continue
        try:
            return path, read_state(path)
        except InvalidInput as error:
            problems.append(str(error))
            if name == LAST and (directory / PREVIOUS).is_file():
                print(f"diffpose: {error}; the state before it is taken", file=sys.stderr)
                # It must not become the previous state when the next one is written.
                os.replace(path, directory / DAMAGED)
    if problems:
        raise InvalidInput(f"{'; '.join(problems)}: remove {directory} to begin again")
    return None


def done_epochs(state: dict[str, Any]) -> int:
    """The number of epochs that a state has behind it."""
    return int(state["epoch"]) + 1


def describe_state(directory: Path) -> str:
    """A sentence for people about the content of a run's folder."""
    try:
        found = find_state(directory)
    except InvalidInput as error:
        return str(error)
    if found is None:
        return "no epoch was finished, so nothing is saved"
    return f"the state after epoch {done_epochs(found[1])} is in {found[0]}; the same command goes on from it"


class RunStateIO(CheckpointIO):
    """Lightning's way to the states above."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        write_state(Path(path), checkpoint)

    def load_checkpoint(self, path: Any, map_location: Any = None, weights_only: bool | None = None) -> dict[str, Any]:
        return read_state(Path(path))

    def remove_checkpoint(self, path: Any) -> None:
        Path(path).unlink(missing_ok=True)
