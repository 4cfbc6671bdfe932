"""Steps between lifting and writing: size, smoothing, the world frame."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from diffpose_core.lifting.low_pass import check_cutoff, low_passed
from diffpose_core.lifting.stature import check_stature, scaled_to_stature
from diffpose_core.lifting.world.frame import Upright, in_world
from diffpose_core.structures import LiftResult, PoseClip2D


@dataclass(frozen=True)
class Finish:
    """Choices of a person who wants a file.

    Attributes:
        stature_m: height of the person, metres; None leaves it as predicted.
        smooth_hz: cut-off of the smoothing; None for no smoothing.
        world: whether the motion is put into the world frame too.

    Raises:
        InvalidInput: nobody has this height, or the cut-off is out of range.
    """

    stature_m: float | None = None
    smooth_hz: float | None = None
    world: bool = False

    def __post_init__(self) -> None:
        if self.stature_m is not None:
            check_stature(self.stature_m)
        if self.smooth_hz is not None:
            check_cutoff(self.smooth_hz)


def finished(
    result: LiftResult,
    clip: PoseClip2D,
    finish: Finish,
    upright: Callable[[], Upright],
    beside: LiftResult | None = None,
) -> LiftResult:
    """The result as it is wanted: scaled, smoothed, in the world frame.

    Args:
        result: lifted from all frames of the clip.
        clip: the clip.
        finish: what is wanted.
        upright: finds the direction up, where it is needed.
        beside: the finished result of another person before the same camera, whose world frame is taken.

    Raises:
        InvalidInput: the prediction has no size, or its hip can be placed in no frame.
    """
    if finish.stature_m is not None:
        result = scaled_to_stature(result, finish.stature_m)
    if finish.smooth_hz is not None:
        result = low_passed(result, finish.smooth_hz)
    if not finish.world:
        return result
    up = upright() if beside is None else Upright(tuple(beside.provenance["world"]["up_cam"]), "given")
    return in_world(result, clip, up, beside=beside)


def notes_of(result: LiftResult) -> list[str]:
    """Sentences about a result that a person should read: warnings, and assumptions of the world frame."""
    about = result.provenance.get("world", {})
    return [*result.provenance.get("warnings", ()), *about.get("notes", ())]
