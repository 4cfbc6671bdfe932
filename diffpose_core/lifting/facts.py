"""Facts about a whole clip that the networks are told: the direction up and the person's proportions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from diffpose_core.models.conditions import GIVEN_STD, tell
from diffpose_core.uncertainty.view import View


@dataclass(frozen=True)
class ClipFacts:
    """Facts about a whole clip that the networks are told.

    Attributes:
        up_cam: (3,), unit vector that points up, camera frame, or None where it is unknown.
        up_std: spread of its error along an axis, radians.
        body: (9,), lengths of the person in any unit, in the order of `datasets.bodies.MEASURES`, or None.
        body_std: spread of their errors, of the logarithm of a length.
    """

    up_cam: np.ndarray | None = None
    up_std: float = GIVEN_STD
    body: np.ndarray | None = None
    body_std: float = GIVEN_STD

    def told(self, view: View) -> Tensor | None:
        """The same as the conditions of B frames, (B, 14), or None where nothing is known."""
        if self.up_cam is None and self.body is None:
            return None
        up = None if self.up_cam is None else _in_view(view, self.up_cam)
        body = None if self.body is None else torch.from_numpy(self.body).to(view.rotation).expand(len(view), -1)
        return tell(up, body, self.up_std, self.body_std)


def _in_view(view: View, up_cam: np.ndarray) -> Tensor:
    """One direction, (3,) in the camera's frame, in the frame of every view, (B, 3)."""
    up = torch.from_numpy(up_cam).to(view.rotation).expand(len(view), 3)
    return view.to_view(up[:, None])[:, 0]
