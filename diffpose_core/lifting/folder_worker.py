"""Lifts one file of a folder and writes its outputs."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from diffpose_core.io.exports import EXPORTS, export_bytes, export_format, file_stem
from diffpose_core.io.formats import Choice, read_pose_path, to_clip
from diffpose_core.lifting.folder_files import FileTask
from diffpose_core.lifting.folder_reports import FileReport, Status, write_atomically
from diffpose_core.lifting.lift import lift
from diffpose_core.lifting.models import Models, Setting, load_models
from diffpose_core.lifting.stature import check_stature, scaled_to_stature
from diffpose_core.structures import InvalidInput, PoseClip2D


@dataclass(frozen=True)
class FolderConfig:
    """What is done with every file.

    formats: keys of `io.exports.EXPORTS`. choice: of every file, see `io.formats`; without a clip in it, all clips of a
    file are lifted. settings: keyword arguments of `lift` (steps, hypotheses, seed, context, schedule, eta,
    rigid_bones). weights: folder of checkpoints, None for the bundled ones. setting: frame or video.
    stature_m: height of the person in every clip, see `scaled_to_stature`; None leaves it as predicted.
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
class WorkerSetup:
    """What a worker is started with. fingerprint: of weights and software."""

    config: FolderConfig
    out: str
    fingerprint: str


@dataclass(frozen=True)
class FileWorker:
    setup: WorkerSetup
    models: Models

    @classmethod
    def start(cls, setup: WorkerSetup) -> FileWorker:
        # Processes share the cores; threads inside them would get in each other's way.
        torch.set_num_threads(1)
        config = setup.config
        return cls(setup, load_models(config.weights, config.setting).to(config.device))

    def run(self, task: FileTask) -> FileReport:
        """Lift a file; whatever is wrong with it becomes a failed row."""
        begin = time.monotonic()
        try:
            row = self._lift(task)
        except InvalidInput as error:
            row = FileReport(task.file, "failed", str(error))
        except MemoryError:
            row = FileReport(task.file, "failed", "there was not enough memory; cut the clip into parts")
        except Exception as error:  # A fault in one file must not stop the others.
            row = FileReport(task.file, "failed", f"unexpected {type(error).__name__}: {error}")
        return replace(row, seconds=round(time.monotonic() - begin, 3))

    def _lift(self, task: FileTask) -> FileReport:
        config, out = self.setup.config, Path(self.setup.out)
        key = hashlib.sha256(f"{self.setup.fingerprint} {_content_hash(Path(task.path))}".encode()).hexdigest()
        before = task.before
        if before is not None and before.key == key and _have_sizes(before.outputs, out):
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
        return FileReport(
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
            write_atomically(Path(self.setup.out, relative), content)
            outputs[relative] = len(content)
        return len(clip)


def _content_hash(path: Path) -> str:
    digest = hashlib.sha256()
    for part in sorted(path.glob("*.json")) if path.is_dir() else [path]:
        digest.update(part.name.encode() if path.is_dir() else b"")
        with open(part, "rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def _have_sizes(outputs: Mapping[str, int], out: Path) -> bool:
    return all((out / name).is_file() and (out / name).stat().st_size == size for name, size in outputs.items())
