"""A PoseFile from the clips of a file."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from diffpose_core.io.formats.body_score import NO_BODY, body_score
from diffpose_core.io.formats.detections import Notes
from diffpose_core.io.formats.doubts import note_leg_swaps
from diffpose_core.io.formats.layouts import to_human36m
from diffpose_core.io.formats.orientation import likely_turn
from diffpose_core.io.formats.posefile import Coordinates, FileClip, LayoutGuess, PoseFile
from diffpose_core.io.formats.recognise import coordinates_of, layout_by_count, sample_points
from diffpose_core.structures import InvalidInput


def pose_file(
    name: str, kind: str, clips: Sequence[FileClip], notes: Notes, negative: Coordinates,
    layouts: tuple[tuple[LayoutGuess, ...], bool] | None = None, coordinates: Coordinates | None = None,
) -> PoseFile:  # fmt: skip
    """Put a PoseFile together; joint order and unit are recognised where they aren't given.

    Args:
        name: of the file.
        kind: the format.
        clips: at least one.
        notes: assumptions so far.
        negative: unit of numbers between -1 and 1.
        layouts: joint orders that fit, and True if a person has to confirm one.
        coordinates: unit of the numbers.

    Raises:
        InvalidInput: different numbers of joints, no known joint order, or poses that are centred on the hip.
    """
    joints = {track.keypoints.shape[1] for clip in clips for track in clip.tracks}
    if len(joints) > 1:
        raise InvalidInput(f"{name}: clips with different numbers of joints ({sorted(joints)}); expected one order")
    guesses, confirm = layouts or layout_by_count(joints.pop(), clips, name)
    layout = guesses[0].layout
    unit = coordinates or coordinates_of(clips, negative, notes, layout, name)
    for clip in clips[:20]:
        note_leg_swaps(clip.tracks[0], layout, notes)
    points = sample_points(clips)
    if NO_BODY < body_score(layout, points) < float("inf"):
        notes.add(f"Taken as {layout.name}, the joints don't lie as a body's: is it another joint order?")
    turn = likely_turn(to_human36m(layout, points, np.ones(points.shape[:2], np.float32))[0])
    if turn == "flip":
        notes.add("The person stands on their head: is y measured upwards? The picture can be flipped (--turn flip).")
    elif turn != "none":
        notes.add(f"The person lies, or the picture is on its side: it can be turned (--turn {turn}).")
    return PoseFile(name, kind, tuple(clips), guesses, confirm, unit, tuple(notes), turn)
