"""Choices of a visitor, the settings of a run and the clip, as plain values."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from diffpose_core.diffusion.schedule import ScheduleName
from diffpose_core.lifting.settings import Body, LiftSettings, Up
from diffpose_core.lifting.settings import Setting as EncoderSetting
from diffpose_core.lifting.tilt import up_of_tilt
from diffpose_core.structures import PoseClip2D

Setting = Literal["clip", "frame", "video"]
#: A setting, or "auto" to leave it to the clip.
SettingChoice = Literal["auto", "clip", "frame", "video"]

SCHEDULES: dict[ScheduleName, str] = {
    "supplement": "Supplement",
    "converging": "Converging",
}
#: Setting of the context encoder's weights, by the app's setting.
READS: dict[Setting, EncoderSetting] = {"clip": "frame", "frame": "frame", "video": "video"}
SETTINGS: dict[SettingChoice, str] = {
    "auto": "Automatic",
    "clip": "One frame, body and tilt of the clip",
    "frame": "One frame alone (Graformer)",
    "video": "27 frames (MixSTE)",
}


@dataclass(frozen=True)
class AppSettings:
    """The settings of the sidebar and of the forward view.

    schedule, stepwise, samples: of the forward view; stepwise draws new noise at every step (Eq. 2), samples are those
    of its clouds. steps: reverse steps S (DDIM). hypotheses: H. eta: 0 is deterministic DDIM, 1 draws as much noise as
    DDPM. seed: of every random draw. trained_on: the schedule that the weights were trained with. setting: the
    input of a reverse process's context encoder, single frames or windows; "clip" are single frames whose networks are
    told what the whole clip shows, the body's proportions and the camera's tilt; video is told them too. tilt_deg:
    degrees by which the camera looks down, or with None the clip's estimate.
    """

    schedule: ScheduleName = "supplement"
    steps: int = 5
    hypotheses: int = 5
    eta: float = 0.0
    seed: int = 0
    samples: int = 200
    stepwise: bool = False
    trained_on: ScheduleName = "converging"
    setting: Setting = "frame"
    tilt_deg: float | None = None

    def of_reverse(self) -> AppSettings:
        """The same with the forward view's own settings at their defaults: they change nothing in reverse diffusion."""
        return replace(self, schedule=AppSettings.schedule, samples=AppSettings.samples, stepwise=False)

    def of_one_frame(self) -> AppSettings:
        """The same for views that look into one frame by itself, whose context is that frame alone."""
        return replace(self.of_reverse(), setting="frame", tilt_deg=None)

    @property
    def up(self) -> Up | None:
        """The direction up: of the given tilt, estimated where the camera seems to stand still, or unknown."""
        if self.setting == "frame":
            return None
        return "auto" if self.tilt_deg is None else tuple(up_of_tilt(self.tilt_deg).tolist())

    @property
    def body(self) -> Body | None:
        """The body's proportions: estimated from the clip, or unknown."""
        return None if self.setting == "frame" else "auto"

    def lift_settings(self, context: bool = True) -> LiftSettings:
        """The settings of the reverse process, with f_ST or without."""
        return LiftSettings(
            steps=self.steps,
            hypotheses=self.hypotheses,
            eta=self.eta,
            seed=self.seed,
            context=context,
            schedule=self.trained_on,
            up=self.up,
            body=self.body,
        )


@dataclass(frozen=True)
class Session:
    """The state that a page is drawn from: a clip, its hash, the frame that was picked and the settings."""

    clip: PoseClip2D
    source: str
    frame: int
    settings: AppSettings
