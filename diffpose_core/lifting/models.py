"""The trained networks of a setting: loading them, and picking the denoiser that settings ask for."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from diffpose_core.bundle import bundled
from diffpose_core.config import DenoiserConfig
from diffpose_core.diffusion.samplers import DDIM
from diffpose_core.diffusion.schedule import ScheduleName
from diffpose_core.io.calibrations import OutdatedCalibration, calibration_path, read_calibration
from diffpose_core.io.checkpoints import Record, encoder_tensors, fingerprint, load_denoiser, load_encoder
from diffpose_core.lifting.settings import Diffusion, LiftSettings, Setting
from diffpose_core.models.context import ContextEncoder
from diffpose_core.models.denoiser import Denoiser
from diffpose_core.presets import PRESETS
from diffpose_core.structures import InvalidInput
from diffpose_core.uncertainty.expected_error import Calibration

#: Preset of the context encoder, by setting.
ENCODERS: Mapping[Setting, str] = {"frame": "graformer", "video": "mixste"}
#: Folder of the bundled weights.
CHECKPOINTS = bundled("checkpoints")

#: Frames of a block, which bounds memory whatever a clip's length. More in video, where a block also reads the frames
#: around it, and on a GPU.
BLOCK_FRAMES = 64
_BLOCK_FRAMES_VIDEO = 256
_BLOCK_FRAMES_GPU = 512


@dataclass(frozen=True)
class Models:
    """Loaded networks of one setting.

    Attributes:
        encoder: the context encoder, which is also the baseline.
        denoisers: by name of their presets.
        records: content of each checkpoint's header, by name of the preset.
        calibrations: of those denoisers whose errors were measured, by name of the preset.
    """

    encoder: ContextEncoder
    denoisers: Mapping[str, Denoiser]
    records: Mapping[str, Record]
    calibrations: Mapping[str, Calibration] = field(default_factory=dict)

    @property
    def device(self) -> torch.device:
        """Device of the weights and of the computation."""
        return self.encoder.device

    @property
    def setting(self) -> Setting:
        """Input of the context encoder."""
        return next(setting for setting, name in ENCODERS.items() if name == self.encoder.name)

    @property
    def block_frames(self) -> int:
        """Frames of a block."""
        if self.device.type != "cpu":
            return _BLOCK_FRAMES_GPU
        return BLOCK_FRAMES if self.encoder.receptive_field == 1 else _BLOCK_FRAMES_VIDEO

    @torch.inference_mode(False)
    def to(self, device: torch.device | str) -> Models:
        """Copy of the networks on another device, such as "cuda".

        Random numbers are drawn on the CPU: a seed means the same poses on every device, but for rounding.

        Raises:
            InvalidInput: torch can't compute on this device here.
        """
        try:
            if torch.device(device) == self.device:
                return self
            torch.empty(0, device=device)
        except (AssertionError, RuntimeError) as error:
            raise InvalidInput(f"torch can't compute on {str(device)!r} here: {str(error).splitlines()[0]}") from error
        denoisers = {name: copy.deepcopy(network).to(device) for name, network in self.denoisers.items()}
        return replace(self, encoder=self.encoder.to(device), denoisers=denoisers)

    def pick(
        self, context: bool = True, diffusion: Diffusion = "gmm", schedule: ScheduleName = "converging"
    ) -> tuple[str, Denoiser]:
        """Name and network of the denoiser with these properties.

        Args:
            context: whether it reads f_ST.
            diffusion: noise that it was trained with.
            schedule: noise schedule that it was trained with.

        Raises:
            InvalidInput: no such denoiser was loaded.
        """
        found = self._find(context, diffusion, schedule)
        if found is not None:
            return found
        raise InvalidInput(
            f"no weights for {diffusion} diffusion {'with' if context else 'without'} f_ST under the schedule "
            f"{schedule!r}; loaded: {', '.join(self.denoisers) or 'none'}"
        )

    def has(self, context: bool, diffusion: Diffusion, schedule: ScheduleName) -> bool:
        """Whether there is a denoiser with these properties; arguments as in `pick`."""
        return self._find(context, diffusion, schedule) is not None

    def _find(self, context: bool, diffusion: Diffusion, schedule: ScheduleName) -> tuple[str, Denoiser] | None:
        """The first denoiser with these properties, but for the paper's form."""
        for name, network in self.denoisers.items():
            config = network.config
            found = (config.use_context, config.diffusion, config.schedule)
            if found == (context, diffusion, schedule) and config.prediction_type != "previous":
                return name, network
        return None

    def calibration(self, name: str, settings: LiftSettings) -> Calibration | None:
        """The calibration that applies, or None for a single hypothesis and for samplers but DDIM.

        Calibrations are measured on cameras of unknown tilt: where it is known errors are somewhat smaller.

        Args:
            name: preset of the denoiser.
            settings: of the lift.
        """
        return self.calibrations.get(name) if settings.hypotheses > 1 and settings.sampler == DDIM else None


def encoder_file(directory: str | Path | None, setting: Setting) -> Path:
    """The checkpoint of a setting's context encoder. directory: of checkpoints, the bundled one by default."""
    return (Path(directory) if directory is not None else CHECKPOINTS) / f"{ENCODERS[setting]}.safetensors"


def load_models(directory: str | Path | None = None, setting: Setting = "frame") -> Models:
    """Load the checkpoints of a setting and the calibrations beside them.

    Calibrations that were measured with other weights are left out, and with a warning those of an earlier format.

    Args:
        directory: folder of checkpoints, the bundled one by default.
        setting: input of the context encoder.

    Raises:
        InvalidInput: the encoder is missing, or a file is damaged or belongs to another encoder.
    """
    if setting not in ENCODERS:
        raise InvalidInput(f"the setting must be one of {', '.join(ENCODERS)}, found {setting!r}")
    path = encoder_file(directory, setting)
    folder = path.parent
    encoder, record = load_encoder(path)
    denoisers: dict[str, Denoiser] = {}
    records = {encoder.name: record}
    for name, preset in PRESETS.items():
        path = folder / f"{name}.safetensors"
        if isinstance(preset.network, DenoiserConfig) and preset.encoder == encoder.name and path.is_file():
            denoisers[name], records[name] = load_denoiser(path, encoder)
    return Models(encoder, denoisers, records, _calibrations(folder, encoder, denoisers))


def _calibrations(folder: Path, encoder: ContextEncoder, denoisers: Mapping[str, Denoiser]) -> dict[str, Calibration]:
    """Calibrations in a folder that were measured with these very weights."""
    found = {}
    for name, network in denoisers.items():
        path = calibration_path(folder / f"{name}.safetensors")
        if not path.is_file():
            continue
        try:
            calibration = read_calibration(path)
        except OutdatedCalibration as error:
            warnings.warn(f"no expected errors: {error}", stacklevel=3)
            continue
        measured_with = (calibration.weights_sha256, calibration.encoder_sha256)
        if measured_with == (fingerprint(dict(network.state_dict())), fingerprint(encoder_tensors(encoder))):
            found[name] = calibration
    return found
