"""Facts about a view that a network may be told: which way is up, and the person's proportions.

Each comes with the spread of its error, which a network reads as a certainty; values not told are all zeros. Training
leaves each out for half of the views, so that one network serves whatever is known.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

#: Up for a level camera: y points down.
LEVEL = (0.0, -1.0, 0.0)
#: Fractions of the legs and trunk together (thigh + shank + trunk) that usual people have, in the order of
#: `datasets.bodies.MEASURES`.
USUAL_PROPORTIONS = (0.079, 0.319, 0.319, 0.361, 0.129, 0.231, 0.194, 0.112, 0.087)
_SUMMED = slice(1, 4)
#: Differences from the usual at which a number that a network reads is 1.
_UP_UNIT, _PROPORTION_UNIT = 0.2, 0.2
#: Spread at which a fact counts half.
_HALF_CERTAIN_STD = 0.05
#: Smallest and largest spread that training tells facts with; their logarithm is uniform.
_TOLD_STD = (0.01, 0.2)
#: Spread of the error of values that a person gives.
GIVEN_STD = 0.015
TILT_CHANNELS = 4
TOLD_CHANNELS = TILT_CHANNELS + len(USUAL_PROPORTIONS) + 1


def certainty(std: Tensor) -> Tensor:
    """Number from 1 (exact) towards 0 that a network reads for a spread, in radians or in logarithms of lengths."""
    return 1.0 / (1.0 + (std / _HALF_CERTAIN_STD).square())


def tilt_condition(up_view: Tensor, std: Tensor) -> Tensor:
    """Up as a network reads it.

    Args:
        up_view: (B, 3), unit vectors, view frame.
        std: (B,), spread of its error along an axis, radians.

    Returns:
        (B, 4), the certainty last.
    """
    level = torch.tensor(LEVEL).to(up_view)
    return torch.cat(((up_view - level) / _UP_UNIT, certainty(std)[:, None]), dim=-1)


def body_condition(measures: Tensor, std: Tensor) -> Tensor:
    """Proportions as a network reads them.

    Args:
        measures: (B, 9), any unit, in the order of `datasets.bodies.MEASURES`.
        std: (B,), spread of their errors, of the logarithm of a length.

    Returns:
        (B, 10), the certainty last.
    """
    return torch.cat((unusual_proportions(measures) / _PROPORTION_UNIT, certainty(std)[:, None]), dim=-1)


def unusual_proportions(measures: Tensor) -> Tensor:
    """Logarithm of each measure's proportion over the usual one, (B, 9).

    Args:
        measures: (B, 9), any unit, in the order of `datasets.bodies.MEASURES`.
    """
    whole = measures[:, _SUMMED].sum(-1, keepdim=True)
    relative = (measures / whole).clamp_min(1e-3) / torch.tensor(USUAL_PROPORTIONS).to(measures)
    return relative.log()


def tell(
    up_view: Tensor | None = None,
    measures: Tensor | None = None,
    up_std: Tensor | float = GIVEN_STD,
    measures_std: Tensor | float = GIVEN_STD,
) -> Tensor:
    """Conditions of B views, (B, 14): at least one of the two facts; the other stays untold.

    Args:
        up_view: (B, 3), unit vectors, view frame, or None.
        measures: (B, 9), lengths of the body in one unit, or None.
        up_std: spread of the direction's error, radians; (B,) or a number.
        measures_std: spread of the lengths' errors, of their logarithm; (B,) or a number.
    """
    known = up_view if up_view is not None else measures
    assert known is not None
    told = known.new_zeros(len(known), TOLD_CHANNELS)
    every = known.new_ones(len(known))
    if up_view is not None:
        told[:, :TILT_CHANNELS] = tilt_condition(up_view, up_std * every)
    if measures is not None:
        told[:, TILT_CHANNELS:] = body_condition(measures, measures_std * every)
    return told


def tell_at_random(up_view: Tensor, measures: Tensor, frames: int, generator: torch.Generator) -> Tensor:
    """Conditions as training tells them: each for half of the clips, with errors of a spread that is told too.

    Args:
        up_view: (B F, 3), the true up of every frame, unit vectors, view frame.
        measures: (B F, 9) metres, the true measures.
        frames: F, the frames of a clip, which share the told values and their errors.
        generator: source of every random number.

    Returns:
        (B F, 14).
    """
    clips = len(up_view) // frames
    rand = torch.rand(4, clips, 1, generator=generator, device=up_view.device)
    normal = torch.randn(clips, 3 + measures.shape[-1], generator=generator, device=up_view.device)
    low, high = (math.log(std) for std in _TOLD_STD)
    up_std, measures_std = (torch.exp(low + (high - low) * part) for part in rand[:2])
    errors = (up_std * normal[:, :3], measures_std * normal[:, 3:], up_std, measures_std, rand[2] < 0.5, rand[3] < 0.5)
    up_error, error, up_std, measures_std, tells_up, tells_body = (t.repeat_interleave(frames, 0) for t in errors)
    up = torch.nn.functional.normalize(up_view + up_error, dim=-1)
    told_up = tilt_condition(up, up_std[:, 0]) * tells_up
    return torch.cat((told_up, body_condition(measures * error.exp(), measures_std[:, 0]) * tells_body), dim=-1)
