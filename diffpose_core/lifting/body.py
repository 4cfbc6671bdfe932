"""The proportions of the person in a clip, estimated from many of its frames."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from diffpose_core.datasets.bodies import measure
from diffpose_core.lifting.contexts import FEWEST_FRAMES, read_frames, spread_frames
from diffpose_core.lifting.facts import ClipFacts
from diffpose_core.lifting.models import Models
from diffpose_core.structures import InvalidInput, PoseClip2D

#: Passes over the frames. Each tells the encoder the lengths that the one before found.
_PASSES = 2
#: Spread of the estimate's errors that networks are told, of the logarithm of a length. Chosen on validation clips.
BODY_STD = 0.03


@torch.inference_mode()
def estimate_body(clip: PoseClip2D, models: Models, facts: ClipFacts | None = None) -> np.ndarray | None:
    """Estimate a person's proportions: mean lengths of the encoder's own poses over up to 64 frames.

    A single frame hardly shows how long a foreshortened limb is; another frame of the same person does.

    Args:
        clip: of one person.
        models: with an encoder that was trained with the body's proportions.
        facts: that are known already, such as the direction up.

    Returns:
        (9,) float32 in the order of `datasets.bodies.MEASURES`, in the encoder's metres: proportions are worth more
        than sizes. None for a clip of fewer than 8 frames.

    Raises:
        InvalidInput: the encoder was trained without them.
    """
    if not models.encoder.takes_conditions:
        title = models.encoder.title
        raise InvalidInput(f"the weights of {title} were trained without the body's proportions and can't use them")
    numbers, facts = spread_frames(clip), facts or ClipFacts()
    if len(numbers) < FEWEST_FRAMES:
        return None
    frames = read_frames(clip, models.encoder, numbers)
    for _ in range(_PASSES):
        pose_view = frames.detected(models.encoder, facts).pose_view
        facts = replace(facts, body=measure(pose_view[None])[0].cpu().numpy(), body_std=BODY_STD)
    return facts.body
