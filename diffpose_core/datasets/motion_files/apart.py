"""Motion files read in processes of their own."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from diffpose_core.datasets.motion_files.convert import Clip, Settings, read_clips
from diffpose_core.io.untrusted.files import MIB
from diffpose_core.io.untrusted.parcel import packed_parcel, unpacked_parcel
from diffpose_core.io.untrusted.worker import Allowance, Workers

#: A file of the largest size takes a third of this.
_ALLOWANCE = Allowance(memory=4096 * MIB, processor_s=180, wall_s=900.0)


def readers(jobs: int) -> Workers:
    """As many processes that read motion files; `close` ends them."""
    return Workers(_ALLOWANCE, (__name__,), at_once=jobs, stays=jobs)


def read_clips_apart(
    path: Path, settings: Settings, workers: Workers, stopped: Callable[[], bool] = lambda: False
) -> tuple[list[Clip], list[str]]:
    """Read a motion file as `read_clips` does, in another process, which opens it by itself.

    Args:
        path: the file.
        settings: of reading.
        workers: as `readers` makes them.
        stopped: asked again and again: whether nobody wants the clips any more.

    Raises:
        InvalidInput: as `read_clips`, or reading took too much time or memory.
    """
    model = settings.body_model
    facts = {**vars(settings), "body_model": None if model is None else os.fsdecode(model.absolute())}
    parts = [os.fsencode(path.absolute()), json.dumps(facts).encode()]
    (labels, notes), poses = unpacked_parcel(workers.run(f"{__name__}:clips_job", parts, path.name, stopped))
    return [Clip(array, label) for array, label in zip(poses, labels, strict=True)], list(notes)


def clips_job(parts: list[bytes]) -> bytes:
    """The job of `read_clips_apart`: the path, and the settings."""
    settings = Settings(**json.loads(parts[1]))
    if settings.body_model is not None:
        settings = replace(settings, body_model=Path(settings.body_model))
    clips, notes = read_clips(Path(os.fsdecode(parts[0])), settings)
    return packed_parcel([[dict(clip.labels) for clip in clips], notes], [clip.poses for clip in clips])
