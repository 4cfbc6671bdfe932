"""Loads the trained networks of a setting and picks one of them."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from diffpose_core.bundle import bundled
from diffpose_core.config import DenoiserConfig
from diffpose_core.diffusion.schedule import ScheduleName
from diffpose_core.io.calibrations import calibration_path, read_calibration
from diffpose_core.io.checkpoints import Record, encoder_tensors, fingerprint, load_denoiser, load_encoder, load_upright
from diffpose_core.models.context import ContextEncoder
from diffpose_core.models.denoiser import Denoiser
from diffpose_core.models.upright import Upright
from diffpose_core.presets import PRESETS
from diffpose_core.structures import InvalidInput
from diffpose_core.uncertainty.expected_error import Calibration

#: Whether the context encoder reads single frames or windows of a video.
Setting = Literal["frame", "video"]
ENCODERS: Mapping[Setting, str] = {"frame": "graformer", "video": "mixste"}
UPRIGHT = "upright"

CHECKPOINTS = bundled("checkpoints")
#: Frames that are worked on at a time: bounds memory whatever a clip's length. In video more, since what is worked on
#: reaches into the frames before and after.
BLOCK_FRAMES = 64
_BLOCK_FRAMES_VIDEO = 256
_BLOCK_FRAMES_GPU = 512


@dataclass(frozen=True)
class Models:
    """Loaded weights. encoder: the context encoder and baseline. denoisers: by preset name. records: what each file
    says of itself. calibrations: of denoisers whose errors were measured, by preset name. upright: what makes the
    encoder's poses upright where the camera's tilt is known; an encoder of video has none, its windows tell it.
    """

    encoder: ContextEncoder
    denoisers: Mapping[str, Denoiser]
    records: Mapping[str, Record]
    calibrations: Mapping[str, Calibration] = field(default_factory=dict)
    upright: Upright | None = None

    @property
    def device(self) -> torch.device:
        """Where the weights are, and where clips are worked on."""
        return self.encoder.device

    @property
    def block_frames(self) -> int:
        """How many frames are worked on at a time."""
        if self.device.type != "cpu":
            return _BLOCK_FRAMES_GPU
        return BLOCK_FRAMES if self.encoder.receptive_field == 1 else _BLOCK_FRAMES_VIDEO

    @torch.inference_mode(False)
    def to(self, device: torch.device | str) -> Models:
        """The same weights on another device, such as "cuda"; these stay where they are.

        Random numbers are drawn on the CPU, so that a seed means the same poses, but for rounding, wherever they are
        computed. Raises InvalidInput for a device that torch doesn't have here.
        """
        try:
            if torch.device(device) == self.device:
                return self
            torch.empty(0, device=device)
        except (AssertionError, RuntimeError) as error:
            raise InvalidInput(f"torch can't compute on {str(device)!r} here: {str(error).splitlines()[0]}") from error
        denoisers = {name: copy.deepcopy(network).to(device) for name, network in self.denoisers.items()}
        upright = None if self.upright is None else copy.deepcopy(self.upright).to(device)
        return replace(self, encoder=self.encoder.to(device), denoisers=denoisers, upright=upright)

    def calibration(self, name: str, hypotheses: int, up_cam: np.ndarray | None) -> Calibration | None:
        """What says which error to expect of a denoiser: nothing of a single hypothesis, nor where the camera's tilt
        was told, since it was measured on clips whose camera could have any.
        """
        return self.calibrations.get(name) if hypotheses > 1 and up_cam is None else None

    def pick(
        self, context: bool = True, diffusion: Literal["gmm", "standard"] = "gmm", schedule: ScheduleName = "converging"
    ) -> tuple[str, Denoiser]:
        """Name and network of the preset with these properties. Raises InvalidInput if its weights are not there."""
        for name, network in self.denoisers.items():
            config = network.config
            paper_form = config.prediction_type == "previous"
            found = (config.use_context, config.diffusion, config.schedule)
            if found == (context, diffusion, schedule) and not paper_form:
                return name, network
        raise InvalidInput(
            f"no weights for {diffusion} diffusion {'with' if context else 'without'} f_ST under the schedule "
            f"{schedule!r}; loaded: {', '.join(self.denoisers) or 'none'}"
        )


def load_models(directory: str | Path | None = None, setting: Setting = "frame") -> Models:
    """Load every checkpoint of a directory, the bundled one by default, that belongs to a setting, and the
    calibrations beside them.

    A calibration that was measured with other weights is left out. Raises InvalidInput if the encoder is missing, or if
    a file is damaged or was trained on another encoder.
    """
    folder = Path(directory) if directory is not None else CHECKPOINTS
    if setting not in ENCODERS:
        raise InvalidInput(f"the setting must be one of {', '.join(ENCODERS)}, found {setting!r}")
    encoder, record = load_encoder(folder / f"{ENCODERS[setting]}.safetensors")
    denoisers: dict[str, Denoiser] = {}
    records = {encoder.name: record}
    for name, preset in PRESETS.items():
        path = folder / f"{name}.safetensors"
        if isinstance(preset.network, DenoiserConfig) and preset.encoder == encoder.name and path.is_file():
            denoisers[name], records[name] = load_denoiser(path, encoder)
    upright, path = None, folder / f"{UPRIGHT}.safetensors"
    if PRESETS[UPRIGHT].encoder == encoder.name and path.is_file():
        upright, records[UPRIGHT] = load_upright(path, encoder)
    return Models(encoder, denoisers, records, _calibrations(folder, encoder, denoisers), upright)


def _calibrations(folder: Path, encoder: ContextEncoder, denoisers: Mapping[str, Denoiser]) -> dict[str, Calibration]:
    found = {}
    for name, network in denoisers.items():
        path = calibration_path(folder / f"{name}.safetensors")
        if not path.is_file():
            continue
        calibration = read_calibration(path)
        held_for = (calibration.weights_sha256, calibration.encoder_sha256)
        if held_for == (fingerprint(dict(network.state_dict())), fingerprint(encoder_tensors(encoder))):
            found[name] = calibration
    return found
