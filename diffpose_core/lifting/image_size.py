"""Image size of a file of numbers from 0 to 1 that does not say it: the one in which a body has its proportions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from diffpose_core.io.formats import Choice, ChosenClip, PoseFile, to_clip
from diffpose_core.lifting.contexts import read_frames, spread_frames
from diffpose_core.lifting.models import Models
from diffpose_core.lifting.plausibility import reprojection_residual
from diffpose_core.structures import PoseClip2D

#: Sizes that are tried beside the usual one: upright, and one scale for both axes.
_OTHERS = ((1080, 1920), (1920, 1920))
#: A size is taken where its residual is below this share of the usual one's. Chosen on Mocap-17's training motions.
CLEARLY = 0.8
_FRAMES = 12


def to_clip_in_proportion(poses: PoseFile, choice: Choice, models: Models) -> ChosenClip:
    """Convert the chosen person of a file as `to_clip` does, in the likeliest image size where it is not known.

    The encoder lifts a few frames in the usual size, in an upright one and in a square one. A stretched person fits no
    pose well.

    Args:
        poses: the file.
        choice: of clip, person and so on.
        models: loaded weights.

    Raises:
        InvalidInput: as `to_clip`.
    """
    chosen = to_clip(poses, choice)
    assumed = chosen.clip.provenance.get("assumed", ())
    if poses.coordinates not in ("unit", "symmetric") or "image size" not in assumed:
        return chosen
    usual = (chosen.clip.width, chosen.clip.height)
    tried = {size: to_clip(poses, replace(choice, image_size=size)) for size in _OTHERS}
    residual = {size: _residual(found.clip, models) for size, found in tried.items()}
    best = min(residual, key=lambda size: residual[size])
    if not residual[best] < CLEARLY * _residual(chosen.clip, models):
        return chosen
    other = max(residual.values())
    sure = (
        "" if residual[best] < CLEARLY * other else " Another upright or square one may fit too: --image-size gives it."
    )
    note = (
        f"The file doesn't say its image size: {best[0]} x {best[1]} is taken, in which the body has its proportions; "
        f"{usual[0]} x {usual[1]} would stretch it.{sure}"
    )
    found = tried[best]
    notes = (*found.notes, note)
    provenance = {**found.clip.provenance, "assumed": list(assumed), "notes": list(notes)}
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
