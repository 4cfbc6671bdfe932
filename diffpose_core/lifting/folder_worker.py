"""Lifts one file of a folder and writes its outputs."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from diffpose_core.io.atomic import write_whole
from diffpose_core.io.exports import EXPORTS, export_bytes, export_format, file_stem
from diffpose_core.io.formats import Choice, every_person
from diffpose_core.io.formats.apart import read_pose_path_apart, start_reader
from diffpose_core.io.untrusted.files import opened
from diffpose_core.lifting.finish import Finish, finished, notes_of
from diffpose_core.lifting.folder_files import FileTask
from diffpose_core.lifting.folder_reports import FileReport, Status
from diffpose_core.lifting.image_size import to_clip_in_proportion
from diffpose_core.lifting.lift import lift
from diffpose_core.lifting.model_shelf import ModelShelf, SettingChoice
from diffpose_core.lifting.settings import LiftSettings
from diffpose_core.lifting.world.frame import upright_of
from diffpose_core.structures import InvalidInput, PoseClip2D
from diffpose_core.words import without_name


@dataclass(frozen=True)
class FolderConfig:
    """The work on every file of a folder.

    Attributes:
        formats: export formats, keys of `io.exports.EXPORTS`.
        choice: clip and assumptions, for every file (`io.formats`); without a clip, all clips of a file are lifted.
        settings: of every lift.
        weights: folder of checkpoints, None for the bundled ones.
        setting: input of the context encoder, or "auto" to choose for each clip.
        finish: what is done to every result.
        device: torch's name of the device that every worker computes on.

    Raises:
        InvalidInput: there is no format or an unknown one.
    """

    formats: tuple[str, ...] = ("npz",)
    choice: Choice = field(default_factory=Choice)
    settings: LiftSettings = field(default_factory=LiftSettings)
    weights: str | None = None
    setting: SettingChoice = "auto"
    finish: Finish = field(default_factory=Finish)
    device: str = "cpu"

    def __post_init__(self) -> None:
        if not self.formats:
            raise InvalidInput(f"at least one export format is needed; there are {', '.join(EXPORTS)}")
        for name in self.formats:
            export_format(name)

    def shelf(self) -> ModelShelf:
        """The weights, not loaded yet."""
        return ModelShelf(self.weights, self.setting, self.device)


@dataclass(frozen=True)
class WorkerSetup:
    """The start values of a worker.

    Attributes:
        config: the work on every file.
        out: folder of the outputs.
        fingerprint: hash of weights, software and settings.
        bases: starts of all files' outputs, in lower case.
    """

    config: FolderConfig
    out: str
    fingerprint: str
    bases: frozenset[str] = frozenset()


@dataclass(frozen=True)
class FileWorker:
    """Lifts files, one after another, on one thread."""

    setup: WorkerSetup
    shelf: ModelShelf

    @classmethod
    def start(cls, setup: WorkerSetup, shelf: ModelShelf | None = None) -> FileWorker:
        """A worker for this process. shelf: weights that this process has loaded already."""
        # Processes share the cores; threads inside them would get in each other's way.
        torch.set_num_threads(1)
        start_reader()
        return cls(setup, shelf or setup.config.shelf())

    def run(self, task: FileTask) -> FileReport:
        """Lift a file; any fault of it becomes a report."""
        begin = time.monotonic()
        try:
            report = self._lift(task)
        except InvalidInput as error:
            report = FileReport(task.file, "failed", without_name(str(error), task.file))
        except MemoryError:
            report = FileReport(task.file, "failed", "there was not enough memory; cut the clip into parts")
        except Exception as error:  # A fault in one file must not stop the others.
            report = FileReport(task.file, "failed", f"unexpected {type(error).__name__}: {error}")
        return replace(report, seconds=round(time.monotonic() - begin, 3))

    def _lift(self, task: FileTask) -> FileReport:
        """Lift all chosen clips of a file, unless an earlier run did."""
        out, before = Path(self.setup.out), task.before
        key = hashlib.sha256(f"{self.setup.fingerprint} {_content_hash(Path(task.path))}".encode()).hexdigest()
        if before is not None and before.key == key and _have_sizes(before.outputs, out):
            return replace(before, status="done before")
        poses, choice = read_pose_path_apart(task.path), self.setup.config.choice
        clips = [choice.clip] if choice.clip is not None else [clip.key for clip in poses.clips]
        parts = [found for clip in clips for found in every_person(poses, replace(choice, clip=clip))]
        outputs: dict[str, int] = {}
        notes: list[str] = []
        failed: list[str] = []
        frames = 0
        for number, (person, picked) in enumerate(parts):
            part = " ".join(word for word in (picked.clip, person) if word)
            # Keys of different clips may become the same file name: their number tells them apart.
            base = task.base if len(parts) == 1 else self._base_of_part(f"{task.base}-{number + 1}-{file_stem(part)}")
            try:
                chosen = to_clip_in_proportion(poses, picked, self.shelf.first)
                said = self._write(chosen.clip, base, outputs)
            except InvalidInput as error:
                reason = without_name(str(error), task.file)
                failed.append(reason if len(parts) == 1 else f"{part}: {reason}")
                continue
            frames += len(chosen.clip)
            notes += [note for note in (*chosen.notes, *said) if note not in notes]
        status: Status = "failed" if failed else "lifted"
        done = len(parts) - len(failed)
        return FileReport(task.file, status, "; ".join(failed), done, frames, 0.0, tuple(notes), outputs, key)

    def _base_of_part(self, base: str) -> str:
        """The start of a part's names; none that another file of the folder has."""
        while base.lower() in self.setup.bases:
            base += "-part"
        return base

    def _write(self, clip: PoseClip2D, base: str, outputs: dict[str, int]) -> list[str]:
        """Lift a clip, write it in all formats and add the sizes of the files to `outputs`.

        Returns:
            Sentences about the result.
        """
        config, models = self.setup.config, self.shelf.for_clip(clip, self.setup.config.settings)
        result = lift(clip, models, config.settings, keep_hypotheses=False)
        lifted = result
        result = finished(lifted, clip, config.finish, lambda: upright_of(lifted, clip, models))
        for name in config.formats:
            content, _ = export_bytes(result, name)
            file = base + EXPORTS[name].ending
            path = Path(self.setup.out, file)
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, content)
            outputs[file] = len(content)
        return notes_of(result)


def _content_hash(path: Path) -> str:
    """SHA-256 of a file, or of a folder of OpenPose's frames. Raises InvalidInput where one of them can't be read."""
    digest = hashlib.sha256()
    for part in sorted(path.glob("*.json")) if path.is_dir() else [path]:
        digest.update(os.fsencode(part.name) if path.is_dir() else b"")
        with opened(part) as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def _have_sizes(outputs: Mapping[str, int], out: Path) -> bool:
    """Whether all outputs are there, whole."""
    return all((out / name).is_file() and (out / name).stat().st_size == size for name, size in outputs.items())
