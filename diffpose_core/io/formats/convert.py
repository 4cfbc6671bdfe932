"""From a file of poses and a person's choice to a clip that can be lifted."""

from __future__ import annotations

from dataclasses import replace
from pathlib import PurePath
from typing import Any

import numpy as np

from diffpose_core.io.formats.layouts import Layout, mixture_to_human36m, to_human36m
from diffpose_core.io.formats.orientation import Turn, turned, turned_size
from diffpose_core.io.formats.posefile import (
    EVERYBODY,
    Choice,
    ChosenClip,
    Coordinates,
    FileClip,
    PoseFile,
    PoseTrack,
)
from diffpose_core.io.limits import MAX_FPS, MAX_IMAGE_SIDE, MIN_FPS
from diffpose_core.skeleton import MIRROR
from diffpose_core.structures import Intrinsics, InvalidInput, PoseClip2D, PoseMixture
from diffpose_core.uncertainty.gaps import fill_gaps

DEFAULT_FPS = 30.0
#: Image sizes that are tried where a file doesn't say its own; the first that holds the person is taken.
_USUAL_SIZES = (
    (640, 480), (480, 640), (1000, 1000), (1280, 720), (720, 1280), (1920, 1080), (1080, 1920), (2704, 1520),
    (3840, 2160), (2160, 3840), (7680, 4320), (4320, 7680),
)  # fmt: skip


def default_choice(poses: PoseFile, choice: Choice | None = None) -> Choice:
    """Fill in every default of a choice, as an interface shows it before anybody has chosen.

    The layout stays None where a person has to confirm it (`PoseFile.needs_confirmation`).
    """
    choice = choice or Choice()
    clip = poses.clip(choice.clip)
    track = clip.track(choice.track)
    filled = Choice(
        clip=clip.key,
        track=track.key,
        layout=None if poses.needs_confirmation else poses.layout().layout.name,
        image_size=clip.image_size or _likely_size(poses, clip),
        fps=clip.fps or DEFAULT_FPS,
    )
    chosen = {name: value for name, value in vars(choice).items() if value is not None}
    return replace(filled, **chosen)


def every_person(poses: PoseFile, choice: Choice) -> list[tuple[str, Choice]]:
    """A choice of one person each, with their key: of all people of the chosen clip where EVERYBODY is asked for."""
    if choice.track != EVERYBODY:
        return [("", choice)]
    return [(track.key, replace(choice, track=track.key)) for track in poses.clip(choice.clip).tracks]


def _likely_size(poses: PoseFile, clip: FileClip) -> tuple[int, int]:
    if poses.coordinates != "pixels":
        return 1920, 1080
    points = np.concatenate([track.keypoints.reshape(-1, 2) for track in clip.tracks[:20]])
    points = points[~np.isnan(points[:, 0])]
    width, height = np.percentile(points, 99, axis=0) if len(points) else (0, 0)
    for size in _USUAL_SIZES:
        if width <= size[0] and height <= size[1]:
            return size
    return (int(min(width + 1, MAX_IMAGE_SIDE)), int(min(height + 1, MAX_IMAGE_SIDE)))


def to_clip(poses: PoseFile, choice: Choice | None = None) -> ChosenClip:
    """Convert the chosen person of a file to a clip in Human3.6M's joint order.

    Joints that are not there have confidence 0 and a wide mixture (`uncertainty.gaps.fill_gaps`).

    Args:
        poses: the file.
        choice: of clip, person and so on; defaults for everything else.

    Raises:
        InvalidInput: a choice doesn't fit the file, nothing of the person is seen, or the joint order has to be
            confirmed and is not chosen.
    """
    choice = choice or Choice()
    clip = poses.clip(choice.clip)
    if clip.original is not None:
        return _own(poses, clip, choice)
    filled = default_choice(poses, choice)
    assert filled.image_size is not None and filled.fps is not None
    layout = _layout(poses, filled.layout)
    _check(poses.name, filled.image_size, filled.fps)
    track = clip.track(choice.track)
    notes = [*poses.notes, *_assumptions(poses, clip, choice, filled)]
    turn = filled.turn or "none"
    source, mixture = in_pixels(track, poses.coordinates, filled.image_size)
    source, mixture = turned(source, turn, filled.image_size), _turned_mixture(mixture, turn, filled.image_size)
    size = turned_size(filled.image_size, turn)
    points, confidence = to_human36m(layout, source, track.confidence)
    if filled.exchange_sides:
        points, confidence = points[:, MIRROR], confidence[:, MIRROR]
    first = int(track.frames[0])
    count = int(track.frames[-1]) - first + 1
    if not (confidence > 0).any():
        raise InvalidInput(f"{poses.name}: of person {track.key!r} no joint that {layout.name} needs is seen")
    if count < clip.num_frames:
        notes.append(f"Person {track.key} is in frames {first} to {first + count - 1} of {clip.num_frames}.")
    rows = track.frames - first

    def spread(values: np.ndarray, empty: float) -> np.ndarray:
        whole = np.full((count, *values.shape[1:]), empty, dtype=np.float32)
        whole[rows] = values
        return whole

    dense = spread(confidence, 0.0)
    keypoints, filled_mixture = fill_gaps(spread(points, 0.0), dense, filled.fps)
    if mixture is not None:
        own = mixture_to_human36m(layout, mixture)
        if filled.exchange_sides:
            own = (own[0][:, MIRROR], own[1][:, MIRROR], own[2][:, MIRROR])
        filled_mixture = _own_mixtures(own, rows, dense > 0, filled_mixture)
        keypoints = np.where((dense > 0)[..., None], filled_mixture.argmax_px, keypoints)
    provenance = {**_provenance(poses, clip, track, choice, layout.name), "first_frame": first, "notes": notes}
    name = " ".join(part for part in (PurePath(poses.name).stem, clip.key) if part)
    made = PoseClip2D(
        name, keypoints, dense, *size, filled.fps, mixture=filled_mixture,
        intrinsics=_camera(filled.focal_px, size), provenance=provenance,
    )  # fmt: skip
    return ChosenClip(made, first, spread(source, np.nan), layout, tuple(notes))


def _layout(poses: PoseFile, name: str | None) -> Layout:
    """The joint order of that name. Raises InvalidInput where it had to be chosen and was not."""
    if name is None:
        options = " or ".join(f"{g.layout.name} ({g.reason})" for g in poses.layouts)
        raise InvalidInput(f"{poses.name}: nothing in the file says which joint order it is: {options}. Choose one")
    return poses.layout(name).layout


def _provenance(poses: PoseFile, clip: FileClip, track: PoseTrack, choice: Choice, layout: str) -> dict[str, Any]:
    """Origin of a clip: the file, and every choice and assumption."""
    return {
        "source": PurePath(poses.name).name, "source_sha256": poses.sha256, "format": poses.format, "clip": clip.key,
        "person": track.key, "layout": layout, "turn": choice.turn or "none",
        "sides_exchanged": bool(choice.exchange_sides), "assumed": assumed(clip, choice),
        **({} if choice.focal_px is None else {"focal_px": choice.focal_px}),
    }  # fmt: skip


def _assumptions(poses: PoseFile, clip: FileClip, choice: Choice, filled: Choice) -> list[str]:
    """Sentences about the settings that neither the file nor a person gave."""
    notes = []
    absent = assumed(clip, choice)
    if "frames a second" in absent:
        notes.append(f"The file doesn't say its frame rate: {filled.fps:g} frames a second are assumed.")
    if "image size" in absent and filled.image_size is not None:
        width, height = filled.image_size
        why = ", which the poses' proportions depend on" if poses.coordinates != "pixels" else ""
        notes.append(f"The file doesn't say its image size: {width} x {height} is assumed{why}.")
    return notes


def assumed(clip: FileClip, choice: Choice) -> list[str]:
    """Settings that neither the file nor a person gave: "frames a second", "image size"."""
    absent = {
        "frames a second": clip.fps is choice.fps is None,
        "image size": clip.image_size is choice.image_size is None,
    }
    return [name for name, is_absent in absent.items() if is_absent]


def _turned_mixture(
    mixture: tuple[np.ndarray, np.ndarray, np.ndarray] | None, turn: Turn, size: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    if mixture is None:
        return None
    weights, means, variances = mixture
    return weights, turned(means, turn, size), variances[..., ::-1] if turn in ("left", "right") else variances


def _own(poses: PoseFile, clip: FileClip, choice: Choice) -> ChosenClip:
    assert clip.original is not None
    poses.layout(choice.layout)
    changes: dict[str, Any] = {}
    if choice.fps is not None:
        changes["fps"] = choice.fps
    if choice.image_size is not None:
        changes["width"], changes["height"] = choice.image_size
    if choice.turn not in (None, "none") or choice.exchange_sides:
        raise InvalidInput(f"{poses.name}: a clip of this project is not turned; turn the file that it was made of")
    made = replace(clip.original, **changes)
    if choice.focal_px is not None:
        made = replace(made, intrinsics=_camera(choice.focal_px, (made.width, made.height)))
    _check(poses.name, (made.width, made.height), made.fps)
    if made.guessed.all():
        raise InvalidInput(f"{poses.name}: every joint of every frame is missing")
    track = clip.track(choice.track)
    return ChosenClip(made, 0, track.keypoints, poses.layout().layout, poses.notes)


def _camera(focal_px: float | None, size: tuple[int, int]) -> Intrinsics | None:
    """Intrinsics of a camera whose axis goes through the middle of a picture of (width, height) pixels."""
    return None if focal_px is None else Intrinsics(focal_px, focal_px, size[0] / 2, size[1] / 2)


def _check(name: str, size: tuple[int, int], fps: float) -> None:
    if not all(0 < side <= MAX_IMAGE_SIDE for side in size):
        raise InvalidInput(f"{name}: the image size must lie between 1 and {MAX_IMAGE_SIDE:,} pixels, found {size}")
    if not MIN_FPS <= fps <= MAX_FPS:
        raise InvalidInput(f"{name}: frames a second must lie between {MIN_FPS} and {MAX_FPS:,.0f}, found {fps:g}")


def in_pixels(
    track: PoseTrack, coordinates: Coordinates, size: tuple[int, int]
) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray, np.ndarray] | None]:
    """A track's keypoints (T, J, 2) and mixture in pixels.

    Args:
        track: the person.
        coordinates: unit of the file's numbers.
        size: (width, height) of the image.
    """
    width, height = size
    scale, shift = {
        "pixels": ((1.0, 1.0), (0.0, 0.0)),
        "unit": ((width, height), (0.0, 0.0)),
        "symmetric": ((width / 2, height / 2), (width / 2, height / 2)),
        "screen": ((width / 2, width / 2), (width / 2, height / 2)),
    }[coordinates]
    factor, offset = np.array(scale, dtype=np.float32), np.array(shift, dtype=np.float32)
    mixture = track.mixture
    if mixture is not None:
        mixture = (mixture[0], mixture[1] * factor + offset, mixture[2] * np.square(factor))
    return track.keypoints * factor + offset, mixture


def _own_mixtures(
    own: tuple[np.ndarray, np.ndarray, np.ndarray], rows: np.ndarray, seen: np.ndarray, guessed: PoseMixture
) -> PoseMixture:
    """The file's mixtures where a joint is seen, the guesses' elsewhere."""
    modes = own[0].shape[2]
    weights = np.zeros((*seen.shape, modes), dtype=np.float32)
    weights[:, :, 0] = 1.0
    means = np.repeat(guessed.means_px, modes, axis=2)
    variances = np.repeat(guessed.variances_px2, modes, axis=2)
    kept = seen[rows]
    for whole, part in zip((weights, means, variances), own, strict=True):
        whole[rows] = np.where(kept.reshape(*kept.shape, *[1] * (part.ndim - 2)), part, whole[rows])
    return PoseMixture(weights, means, variances)
