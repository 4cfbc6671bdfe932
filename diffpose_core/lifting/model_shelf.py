"""Networks of both settings, and the choice of the one that reads a clip: single frames, or windows of video."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from diffpose_core.lifting.models import ENCODERS, Models, encoder_file, load_models
from diffpose_core.lifting.settings import LiftSettings, Setting
from diffpose_core.structures import InvalidInput, PoseClip2D

#: A setting, or "auto" for the one that errs less on a clip.
SettingChoice = Literal["auto", "frame", "video"]
#: Fewest frames, and least frames a second, with which video errs less than single frames. Measured on the validation
#: motions of Mocap-17, cut to a few frames or thinned out (docs/video.md).
FEWEST_VIDEO_FRAMES, LEAST_VIDEO_FPS = 9, 15.0
#: Least movement of that, as `movement` gives it: windows of one frame over and over err more than the frame alone.
LEAST_MOVEMENT = 0.01


def movement(clip: PoseClip2D) -> float:
    """Movement of a person: the joints' distance from their mean place beside the Hip, as a share of their height.

    It is the root of the mean square over all joints that were found; people who act reach 0.02 to 0.16. Without such
    joints it is 0.

    Args:
        clip: in 2D.
    """
    found = (clip.confidence > 0)[..., None]
    beside_hip = (clip.keypoints_px - clip.keypoints_px[:, :1]).astype(np.float64)
    mean = (beside_hip * found).sum(0) / np.maximum(found.sum(0), 1)
    away = (np.square(beside_hip - mean) * found).sum() / max(found.sum(), 1)
    height = np.median(clip.keypoints_px[..., 1].max(1) - clip.keypoints_px[..., 1].min(1))
    return float(np.sqrt(away) / max(height, 1e-9))


def setting_for(clip: PoseClip2D, available: Iterable[Setting] = tuple(ENCODERS)) -> Setting:
    """The setting that errs less on a clip: video where there are frames enough, close in time, of one who moves.

    Args:
        clip: in 2D.
        available: settings that there are weights for.
    """
    enough = len(clip) >= FEWEST_VIDEO_FRAMES and clip.fps >= LEAST_VIDEO_FPS
    wanted: Setting = "video" if enough and movement(clip) >= LEAST_MOVEMENT else "frame"
    found = list(available)
    return wanted if wanted in found or not found else found[0]


class ModelShelf:
    """The networks of a folder of checkpoints. Those of a setting are loaded when a clip needs them.

    Args:
        directory: folder of checkpoints, the bundled one by default.
        choice: a setting for all clips, or "auto" to choose for each clip.
        device: torch's name of the device to compute on.
    """

    def __init__(
        self,
        directory: str | Path | None = None,
        choice: SettingChoice = "auto",
        device: str | torch.device = "cpu",
    ) -> None:
        if choice != "auto" and choice not in ENCODERS:
            raise InvalidInput(f"the setting must be auto, {' or '.join(ENCODERS)}; found {choice!r}")
        self._directory, self._choice, self._device = directory, choice, device
        self._loaded: dict[Setting, Models] = {}

    @property
    def settings(self) -> list[Setting]:
        """The settings that clips may be read in: the chosen one, or all that there are weights for."""
        if self._choice != "auto":
            return [self._choice]
        return [setting for setting in ENCODERS if encoder_file(self._directory, setting).is_file()] or ["frame"]

    @property
    def first(self) -> Models:
        """The networks that are there before a clip is: of single frames, if there is a choice.

        Raises:
            InvalidInput: the weights can't be used.
        """
        return self.of(self.settings[0])

    def of(self, setting: Setting) -> Models:
        """The networks of a setting.

        Raises:
            InvalidInput: the weights can't be used.
        """
        if setting not in self._loaded:
            self._loaded[setting] = load_models(self._directory, setting).to(self._device)
        return self._loaded[setting]

    def for_clip(self, clip: PoseClip2D, settings: LiftSettings | None = None) -> Models:
        """The networks that read a clip.

        Args:
            clip: in 2D.
            settings: of the lift. Where there is a choice, networks without the denoiser that they ask for are passed
                over.

        Raises:
            InvalidInput: the weights can't be used.
        """
        asked, able = settings or LiftSettings(), self.settings
        best = setting_for(clip, able)
        for setting in (best, *(other for other in able if other != best)):
            if self.of(setting).has(asked.context, asked.diffusion, asked.schedule):
                return self.of(setting)
        return self.of(best)
