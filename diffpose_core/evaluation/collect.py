"""The measuring loop that evaluation, ablations and calibration share.

`map_recordings` goes over a benchmark's recordings, in several processes where that is asked for. `collect` goes over
one camera's frames, block by block so that memory stays bounded.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Hashable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from typing import Any, Literal, TypeVar, get_args

import numpy as np
import torch

from diffpose_core.datasets.benchmark import Benchmark, Recording
from diffpose_core.datasets.bodies import measure
from diffpose_core.lifting.encode import EncodedFrames, decide_settings, encode_frames
from diffpose_core.lifting.models import Models
from diffpose_core.lifting.settings import Body, LiftSettings, Up
from diffpose_core.structures import InvalidInput, PoseClip2D

Key = TypeVar("Key", bound=Hashable)
Measured = TypeVar("Measured")
#: Ways to know the camera's tilt or the body's proportions: not at all, estimated from the whole clip, or given by the
#: data set.
Known = Literal["unknown", "estimated", "given"]
TILTS: tuple[Known, ...] = get_args(Known)
#: Called with the number of recordings that are done and how many there are.
Progress = Callable[[int, int], None]


def no_progress(done: int, total: int) -> None:
    """A `Progress` that shows nothing."""


def up_for(clip: PoseClip2D, tilt: Known, up_cam: np.ndarray | None) -> Up | None:
    """`LiftSettings.up` by the way the camera's tilt is known.

    Args:
        clip: one camera's clip.
        tilt: the way it is known.
        up_cam: the true direction, where the data set has it.

    Raises:
        InvalidInput: where the tilt is to be given and the data set doesn't have it.
    """
    if tilt == "unknown":
        return None
    if tilt == "estimated":
        return "estimate"
    if up_cam is None:
        raise InvalidInput(f"{clip.name}: the camera's tilt is not known, so it can't be given")
    return up_cam


def body_for(clip: PoseClip2D, body: Known) -> Body | None:
    """`LiftSettings.body` by the way the proportions are known.

    Args:
        clip: one camera's clip.
        body: the way they are known; "given" measures them on the clip's truth.

    Raises:
        InvalidInput: where they are to be given and the clip has no truth.
    """
    if body == "unknown":
        return None
    if body == "estimated":
        return "estimate"
    if clip.pose3d_cam is None:
        raise InvalidInput(f"{clip.name}: the body's proportions are not known, so they can't be given")
    return measure(torch.from_numpy(clip.pose3d_cam.astype(np.float32))[None])[0].numpy()


def collect(
    clip: PoseClip2D,
    models: Models,
    frames: np.ndarray,
    read: Callable[[EncodedFrames], Mapping[Key, np.ndarray]],
    settings: LiftSettings,
) -> dict[Key, np.ndarray]:
    """Arrays that `read` makes of encoded frames of a clip, joined over the blocks.

    Args:
        clip: one camera's clip.
        models: the networks.
        frames: (F,) numbers of the frames.
        read: returns arrays with leading axis F of a block's encoded frames.
        settings: how the frames are encoded.
    """
    settings = decide_settings(settings, clip, models)
    found: dict[Key, list[np.ndarray]] = {}
    for begin in range(0, len(frames), models.block_frames):
        block = frames[begin : begin + models.block_frames]
        encoded = encode_frames(clip, models, block, settings)
        for key, array in read(encoded).items():
            found.setdefault(key, []).append(array)
    return {key: np.concatenate(parts) for key, parts in found.items()}


def map_recordings(
    measure: Callable[[Recording, Models], Measured],
    benchmark: Benchmark,
    models: Models,
    numbers: range,
    workers: int = 1,
    progress: Progress = no_progress,
) -> Iterator[tuple[int, Measured]]:
    """Number and measured values of every recording, in the order in which they are done.

    Args:
        measure: measures one recording; with several workers it must be picklable.
        benchmark: the recordings.
        models: the networks.
        numbers: of the recordings to measure.
        workers: processes that share the recordings.
        progress: called after each recording.
    """
    for done, result in enumerate(_results(measure, benchmark, models, numbers, workers)):
        yield result
        progress(done + 1, len(numbers))


def _results(
    measure: Callable[[Recording, Models], Measured], benchmark: Benchmark, models: Models, numbers: range, workers: int
) -> Iterator[tuple[int, Measured]]:
    if workers == 1:
        for number in numbers:
            yield number, measure(benchmark.recording(number), models)
        return
    # Processes of one thread each: small matrix products gain little from sharing one among threads.
    context = multiprocessing.get_context("spawn")
    given = (measure, benchmark, models.to("cpu"), models.device)
    with ProcessPoolExecutor(workers, context, _start_worker, given) as pool:
        for done in as_completed([pool.submit(_in_worker, number) for number in numbers]):
            yield done.result()


#: A worker's measure, benchmark and models, set once when the process starts.
_worker: tuple[Callable[[Recording, Models], Any], Benchmark, Models] | None = None


def _start_worker(
    measure: Callable[[Recording, Models], Any], benchmark: Benchmark, models: Models, device: torch.device
) -> None:
    global _worker
    torch.set_num_threads(1)
    _worker = (measure, benchmark, models.to(device))


def _in_worker(number: int) -> tuple[int, Any]:
    assert _worker is not None
    measure, benchmark, models = _worker
    return number, measure(benchmark.recording(number), models)
