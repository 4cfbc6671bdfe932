"""Reading of files of poses in a process of its own.

The answer comes back as a JSON header and raw arrays, whose claims are checked like those of any file.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from diffpose_core.io.clips import arrays_of, clip_from_parts, header_of
from diffpose_core.io.formats.layouts import Layout
from diffpose_core.io.formats.posefile import FileClip, LayoutGuess, PoseFile, PoseTrack
from diffpose_core.io.formats.read import files_of_path, read_pose_files
from diffpose_core.io.untrusted.arrays import array_from_bytes
from diffpose_core.io.untrusted.worker import Workers
from diffpose_core.io.video_file import VideoFacts, video_facts


@cache
def workers() -> Workers:
    """The processes that read files for this one; pandas and scipy are loaded before the first file comes."""
    return Workers(modules=(__name__, "pandas", "scipy.optimize"))


def start_reader() -> None:
    """Start a process that reads files, in the background, so that the first file need not wait for it."""

    def start() -> None:
        # The first file meets the same fault, and says it.
        with suppress(RuntimeError, OSError):
            workers().warm_up()

    threading.Thread(target=start, name="reader", daemon=True).start()


def read_pose_path_apart(path: str | Path) -> PoseFile:
    """Read a file or a folder as `read_pose_path` does, in a process of its own.

    Raises:
        InvalidInput: as `read_pose_path`, or reading took too much time or memory.
    """
    return read_pose_files_apart(files_of_path(path))


def read_pose_files_apart(files: Mapping[str, bytes]) -> PoseFile:
    """Read files as `read_pose_files` does, in a process of its own.

    Raises:
        InvalidInput: as `read_pose_files`, or reading took too much time or memory.
    """
    parts = [part for name, content in files.items() for part in (name.encode("utf-8", "replace"), content)]
    return unpacked(workers().run(f"{__name__}:read_parts", parts, next(iter(files), "no file")))


def video_facts_apart(content: bytes, name: str) -> VideoFacts:
    """Read a video's header and first frame as `video_facts` does, in a process of its own.

    Raises:
        InvalidInput: as `video_facts`, or reading took too much time or memory.
    """
    parts = [name.encode("utf-8", "replace"), content]
    found = json.loads(workers().run(f"{__name__}:video_parts", parts, name))
    width, height = (int(side) for side in found["size"])
    return VideoFacts((width, height), None if found["fps"] is None else float(found["fps"]), int(found["frames"]))


def read_parts(parts: list[bytes]) -> bytes:
    """The job of `read_pose_files_apart`: names and contents in turn."""
    return packed(
        read_pose_files({name.decode(): content for name, content in zip(parts[::2], parts[1::2], strict=True)})
    )


def video_parts(parts: list[bytes]) -> bytes:
    """The job of `video_facts_apart`."""
    return json.dumps(vars(video_facts(parts[1], parts[0].decode()))).encode()


def packed(poses: PoseFile) -> bytes:
    """A PoseFile as bytes: a JSON header, a line end, and its arrays one after the other."""
    arrays: list[np.ndarray] = []

    def place(array: np.ndarray | None) -> Any:
        if array is None:
            return None
        arrays.append(np.ascontiguousarray(array))
        return [arrays[-1].dtype.str, list(arrays[-1].shape)]

    def track(one: PoseTrack) -> dict[str, Any]:
        mixture = [place(part) for part in one.mixture] if one.mixture is not None else None
        return {
            "key": one.key, "frames": place(one.frames), "keypoints": place(one.keypoints),
            "confidence": place(one.confidence), "mixture": mixture,
        }  # fmt: skip

    def original(clip: FileClip) -> Any:
        if clip.original is None:
            return None
        return [header_of(clip.original), {name: place(part) for name, part in arrays_of(clip.original).items()}]

    # The order in which arrays are placed here is the order in which `unpacked` takes them.
    header = {
        "name": poses.name, "format": poses.format, "confirm": poses.needs_confirmation,
        "coordinates": poses.coordinates, "notes": list(poses.notes), "turn": poses.turn, "sha256": poses.sha256,
        "layouts": [[*vars(guess.layout).values(), guess.reason] for guess in poses.layouts],
        "clips": [
            {
                "key": clip.key, "frames": clip.num_frames, "size": clip.image_size, "fps": clip.fps,
                "tracks": [track(one) for one in clip.tracks], "original": original(clip),
            }
            for clip in poses.clips
        ],
    }  # fmt: skip
    return b"".join([json.dumps(header).encode(), b"\n", *(array.tobytes() for array in arrays)])


def unpacked(content: bytes) -> PoseFile:
    """The PoseFile that `packed` wrote. Arrays are views of the bytes, which can't be written to."""
    end = content.index(b"\n")
    header = json.loads(content[:end])
    place = end + 1

    def take(claim: Any) -> np.ndarray:
        nonlocal place
        dtype, shape = np.dtype(claim[0]), tuple(int(n) for n in claim[1])
        size = dtype.itemsize * int(np.prod(shape, dtype=np.int64))
        array = array_from_bytes(dtype.str, shape, False, memoryview(content)[place : place + size], "answer")
        place += size
        return array

    clips = []
    for clip in header["clips"]:
        tracks = []
        for one in clip["tracks"]:
            mixture = one["mixture"]
            # The dict of `track` in `packed` places the mixture first.
            parts = [take(part) for part in mixture] if mixture is not None else None
            frames, keypoints, confidence = (take(one[name]) for name in ("frames", "keypoints", "confidence"))
            whole = None if parts is None else (parts[0], parts[1], parts[2])
            tracks.append(PoseTrack(str(one["key"]), frames, keypoints, confidence, whole))
        own, size, fps = None, clip["size"], clip["fps"]
        if clip["original"] is not None:
            about, parts_of_it = clip["original"]
            own = clip_from_parts(about, {name: take(part) for name, part in parts_of_it.items()}, header["name"])
        clips.append(FileClip(
            str(clip["key"]), int(clip["frames"]), tuple(tracks),
            None if size is None else (int(size[0]), int(size[1])), None if fps is None else float(fps), own,
        ))  # fmt: skip
    guesses = tuple(LayoutGuess(_layout(row[:-1]), row[-1]) for row in header["layouts"])
    return PoseFile(
        header["name"], header["format"], tuple(clips), guesses, header["confirm"], header["coordinates"],
        tuple(header["notes"]), header["turn"], header["sha256"],
    )  # fmt: skip


def _layout(row: list[Any]) -> Layout:
    name, names, bones, sources = row
    return Layout(name, tuple(names), tuple((int(a), int(b)) for a, b in bones), tuple(tuple(part) for part in sources))
