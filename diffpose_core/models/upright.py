"""Correction of a pose for a known camera tilt, and an estimate of that tilt.

A single picture hardly tells how far the camera is tilted, and a pose that is lifted from it leans towards the camera
or away from it by a few degrees, which is a quarter of its error. A camera that stands still has one tilt for a whole
clip, which all of its frames together tell far better than one (`estimate_up`).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from diffpose_core.config import UprightConfig
from diffpose_core.models.layers import root_relative
from diffpose_core.skeleton import NUM_JOINTS

#: Units that make inputs and outputs about 1: metres of a pose, metres of a correction, and the sine of the few degrees
#: by which directions differ.
_POSE_M, _CORRECTION_M, _DIRECTION = 0.3, 0.1, 0.2


def _perceptron(inputs: int, outputs: int, channels: int) -> nn.Sequential:
    """MLP with two hidden layers and a zero-initialised output."""
    last = nn.Linear(channels, outputs)
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    return nn.Sequential(
        nn.Linear(inputs, channels), nn.GELU(), nn.Linear(channels, channels), nn.GELU(), last
    )  # fmt: skip


class Upright(nn.Module):
    """Two perceptrons on poses of an encoder of single frames.

    `says` estimates the up direction from a pose, `corrects` corrects a pose for a known up direction.
    """

    level: Tensor

    def __init__(self, config: UprightConfig) -> None:
        super().__init__()
        self.config = config
        self.says = _perceptron(3 * NUM_JOINTS, 3, config.channels)
        self.corrects = _perceptron(3 * NUM_JOINTS + 3, 3 * NUM_JOINTS, config.channels)
        # Up, for a camera that is level: y points down.
        self.register_buffer("level", torch.tensor([0.0, -1.0, 0.0]), persistent=False)

    def up(self, pose: Tensor) -> Tensor:
        """The up direction by a pose alone: (B, J, 3) metres, root-relative -> unit vectors (B, 3), view frame both."""
        said = self.level + _DIRECTION * self.says(pose.flatten(1) / _POSE_M)
        return nn.functional.normalize(said, dim=-1)

    def forward(self, pose: Tensor, up: Tensor) -> Tensor:
        """Corrects poses for a known up direction.

        Args:
            pose: The encoder's pose, (B, J, 3) metres, root-relative, view frame.
            up: Unit vectors, (B, 3), view frame.

        Returns:
            (B, J, 3) metres, root-relative, view frame.
        """
        known = torch.cat((pose.flatten(1) / _POSE_M, (up - self.level) / _DIRECTION), dim=1)
        return root_relative(pose + _CORRECTION_M * self.corrects(known).unflatten(-1, (NUM_JOINTS, 3)))
