"""Image size of a file of numbers from 0 to 1 that does not say it: the one in which a body has its proportions."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch

from diffpose_core.io.formats import Choice, ChosenClip, PoseFile, default_choice, to_clip
from diffpose_core.io.formats.convert import assumed
from diffpose_core.lifting.contexts import read_frames, spread_frames
from diffpose_core.lifting.models import Models
from diffpose_core.lifting.plausibility import reprojection_residual
from diffpose_core.structures import PoseClip2D

#: Sizes that are tried beside the usual one: upright, and one scale for both axes.
_OTHERS = ((1080, 1920), (1920, 1920))
#: A size is taken where its residual is below this share of the usual one's. Chosen on Mocap-17's training motions.
CLEARLY = 0.8
_FRAMES = 12


@dataclass(frozen=True)
class LikelySize:
    """An image size in which a body has its proportions.

    Attributes:
        size: (width, height) in pixels, before any turn.
        usual: the size that would be taken without looking.
        sure: False where the other size that was tried may fit too.
    """

    size: tuple[int, int]
    usual: tuple[int, int]
    sure: bool


def likely_size(poses: PoseFile, choice: Choice, models: Models) -> LikelySize | None:
    """The likeliest image size of a file that does not say it; None where it is known or the usual one is as likely.

    The encoder lifts a few frames in the usual size, in an upright one and in a square one. A stretched person fits no
    pose well.

    Args:
        poses: the file.
        choice: of clip, person and so on.
        models: loaded weights.

    Raises:
        InvalidInput: as `to_clip`.
    """
    filled = default_choice(poses, choice)
    usual = filled.image_size
    if poses.coordinates not in ("unit", "symmetric") or "image size" not in assumed(poses.clip(choice.clip), choice):
        return None
    assert usual is not None
    residual = {
        size: _residual(to_clip(poses, replace(filled, image_size=size)).clip, models) for size in (usual, *_OTHERS)
    }
    best, other = sorted(_OTHERS, key=lambda size: residual[size])
    if not residual[best] < CLEARLY * residual[usual]:
        return None
    return LikelySize(best, usual, residual[best] < CLEARLY * residual[other])


def to_clip_in_proportion(poses: PoseFile, choice: Choice, models: Models) -> ChosenClip:
    """Convert the chosen person of a file as `to_clip` does, in the likeliest image size where it is not known.

    Args:
        poses: the file.
        choice: of clip, person and so on.
        models: loaded weights.

    Raises:
        InvalidInput: as `to_clip`.
    """
    likely = likely_size(poses, choice, models)
    return to_clip(poses, choice) if likely is None else to_clip_of_size(poses, choice, likely)


def to_clip_of_size(poses: PoseFile, choice: Choice, likely: LikelySize) -> ChosenClip:
    """Convert the chosen person of a file in a likely image size, which counts as assumed, and is said.

    Raises:
        InvalidInput: as `to_clip`.
    """
    (width, height), (usual_width, usual_height) = likely.size, likely.usual
    note = (
        f"The file doesn't say its image size: {width} x {height} is taken, in which the body has its proportions; "
        f"{usual_width} x {usual_height} would stretch it."
    )
    if not likely.sure:
        note += " Another upright or square one may fit too: --image-size gives it."
    found = to_clip(poses, replace(choice, image_size=likely.size))
    notes = (*found.notes, note)
    absent = assumed(poses.clip(choice.clip), choice)
    provenance = {**found.clip.provenance, "assumed": absent, "notes": list(notes)}
    return replace(found, clip=replace(found.clip, provenance=provenance), notes=notes)


@torch.inference_mode()
def _residual(clip: PoseClip2D, models: Models) -> float:
    """Median residual of the encoder's poses over the 2D poses of a few frames; infinity where nothing is seen."""
    frames = spread_frames(clip, _FRAMES)
    read = read_frames(clip, models.encoder, frames)
    pose = read.wanted.to_cam(read.detected(models.encoder).pose_view).cpu().numpy()
    residual = reprojection_residual(pose, clip.keypoints_px[frames], ~clip.guessed[frames])
    known = residual[np.isfinite(residual)]
    return float(np.median(known)) if known.size else float("inf")
