"""A PoseFile on its way between processes: a header that holds numbers of arrays in place of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from diffpose_core.io.clips import arrays_of, clip_from_parts, header_of
from diffpose_core.io.formats.layouts import Layout
from diffpose_core.io.formats.posefile import FileClip, LayoutGuess, PoseFile, PoseTrack
from diffpose_core.io.untrusted.parcel import packed_parcel, unpacked_parcel


def packed(poses: PoseFile) -> bytes:
    """A PoseFile as bytes."""
    arrays: list[np.ndarray] = []

    def place(array: np.ndarray | None) -> int | None:
        if array is None:
            return None
        arrays.append(array)
        return len(arrays) - 1

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
    return packed_parcel(header, arrays)


def unpacked(content: bytes) -> PoseFile:
    """The PoseFile that `packed` wrote. Arrays are views of the bytes, which can't be written to."""
    header, arrays = unpacked_parcel(content)

    clips = []
    for clip in header["clips"]:
        tracks = []
        for one in clip["tracks"]:
            parts = [arrays[part] for part in one["mixture"]] if one["mixture"] is not None else None
            frames, keypoints, confidence = (arrays[one[name]] for name in ("frames", "keypoints", "confidence"))
            whole = None if parts is None else (parts[0], parts[1], parts[2])
            tracks.append(PoseTrack(str(one["key"]), frames, keypoints, confidence, whole))
        own, size, fps = None, clip["size"], clip["fps"]
        if clip["original"] is not None:
            about, parts_of_it = clip["original"]
            own = clip_from_parts(about, {name: arrays[part] for name, part in parts_of_it.items()}, header["name"])
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
