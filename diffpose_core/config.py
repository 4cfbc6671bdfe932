"""Configurations: frozen dataclasses that checkpoints carry and that nothing else sets.

Every field is documented where it stands. `from_dict` checks names and types, so that a file from outside
can't build anything but what these classes describe.
"""

from __future__ import annotations

import dataclasses
import typing
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeVar

from diffpose_core.structures import InvalidInput

ConfigT = TypeVar("ConfigT")


@dataclass(frozen=True)
class GraformerConfig:
    """channels: width, and the width of f_ST. num_blocks: GCN-attention blocks. cheb_order: order of both end
    convolutions. joint_embedding: whether every joint has a learnt vector of its own that is added before the blocks.
    """

    channels: int = 128
    num_blocks: int = 5
    num_heads: int = 4
    cheb_order: int = 2
    dropout: float = 0.0
    joint_embedding: bool = False


@dataclass(frozen=True)
class MixSTEConfig:
    """receptive_field: frames of a window, an odd number; the paper's are 27, 81 and 243. channels: width, and the
    width of f_ST. num_blocks: pairs of a spatial and a temporal block. cheb_order: order of both end convolutions.
    mlp_ratio: how much wider the temporal blocks' perceptrons are inside. joint_embedding: as the Graformer's.
    Raises InvalidInput where a window has no middle frame.
    """

    receptive_field: int = 27
    channels: int = 128
    num_blocks: int = 5
    num_heads: int = 4
    cheb_order: int = 2
    mlp_ratio: int = 2
    dropout: float = 0.0
    joint_embedding: bool = False

    def __post_init__(self) -> None:
        if self.receptive_field < 3 or self.receptive_field % 2 == 0:
            raise InvalidInput(f"a window needs an odd number of frames, 3 or more, found {self.receptive_field}")


EncoderConfig = GraformerConfig | MixSTEConfig


@dataclass(frozen=True)
class DenoiserConfig:
    """The diffusion network g.

    channels: width of the blocks. context_channels: width of f_ST. use_context: whether f_ST goes in. context_input:
    the 2D pose that f_ST is made from, the "detected" one (the paper's form, the heatmaps' argmax) or the "reconciled"
    one, which the whole heatmaps and the encoder agree on (`uncertainty.reconcile`). conditioning:
    what else goes in: "none" (the paper's form), "gmm" (mean and spread of the component and of the whole GMM) or
    "gmm+heatmaps" (the joints' 2D mixtures too). anchor: a pose that g's output is added to: "none" (the paper's
    form), the "context" encoder's, or the mean of the "mixture". diffusion: what noise is drawn from, the pose's
    "gmm" or "standard" normal noise; "none" makes g a regression network, which is run once, at k = K, from the
    encoder's pose. schedule: name of the noise schedule. prediction_type: what g's output means.
    Raises InvalidInput where these contradict each other.
    """

    channels: int = 256
    context_channels: int = 128
    num_blocks: int = 3
    num_heads: int = 4
    dropout: float = 0.0
    use_context: bool = True
    context_input: Literal["detected", "reconciled"] = "detected"
    conditioning: Literal["none", "gmm", "gmm+heatmaps"] = "gmm+heatmaps"
    anchor: Literal["none", "context", "mixture"] = "context"
    diffusion: Literal["gmm", "standard", "none"] = "gmm"
    schedule: Literal["supplement", "converging"] = "converging"
    num_steps: int = 50
    prediction_type: Literal["x_start", "previous", "noise"] = "x_start"

    def __post_init__(self) -> None:
        if self.anchor != "none" and self.prediction_type != "x_start":
            raise InvalidInput(f"only a network that predicts x_start has an anchor, found {self.prediction_type!r}")
        if self.diffusion == "none" and (self.prediction_type != "x_start" or not self.use_context):
            raise InvalidInput(
                "a regression network starts from the context encoder's pose and predicts x_start, found "
                f"use_context {self.use_context} and {self.prediction_type!r}"
            )
        if self.anchor == "context" and not self.use_context:
            raise InvalidInput("the anchor is the context encoder's pose, but use_context is false")
        if self.anchor == "mixture" and self.conditioning == "none":
            raise InvalidInput("the anchor is the mean of the GMM, but the conditioning is 'none'")


@dataclass(frozen=True)
class UprightConfig:
    """channels: width of its perceptrons' hidden layers."""

    channels: int = 256


@dataclass(frozen=True)
class TrainingConfig:
    """How a network is trained.

    samples_per_epoch: an epoch is this many poses (of a video encoder: windows), since views are drawn without end.
    epochs: how many. batch_size.
    learning_rate, learning_rate_decay, decay_every_epochs: Adam's rate and its decay; the paper's are 1e-4, 0.9 and 10.
    muon_factor: Muon's rate (Jordan et al., 2024) for the matrices inside the blocks, as a multiple of learning_rate; 0
    leaves them to Adam, which is the paper's way. muon_blocks: whose matrices: "all", or "temporal", which leaves the
    spatial half of a video encoder to Adam, where it starts as a trained one. ema_decay: of the moving average of the
    weights, which is what is kept. last_step_share: the share of a denoiser's training that is spent at k = K, where
    inference starts, beside what falls there by chance; the rest is drawn evenly from 1 to K, and 0 is the paper's way.
    own_state_share: the share of a denoiser's batches whose h_k are made from its own prediction at K instead of the
    truth, as they are at inference; 0 is the paper's way, and only a network that predicts x_start can have more.
    bone_variation: share of bodies whose bones are varied.
    velocity_weight: of the joints' velocity errors, metres a frame, beside the pose errors of a video encoder.
    """

    samples_per_epoch: int = 65536
    epochs: int = 40
    batch_size: int = 512
    learning_rate: float = 1e-4
    learning_rate_decay: float = 0.9
    decay_every_epochs: int = 10
    muon_factor: float = 0.0
    muon_blocks: Literal["all", "temporal"] = "all"
    warmup_steps: int = 200
    weight_decay: float = 0.0
    gradient_clip: float = 1.0
    ema_decay: float = 0.999
    seed: int = 0
    bone_variation: float = 0.5
    last_step_share: float = 0.0
    own_state_share: float = 0.0
    velocity_weight: float = 0.0


@dataclass(frozen=True)
class UncertaintyConfig:
    """H_K and its GMM. num_samples: N_GMM. num_components: M. fit_iterations: full-covariance EM iterations.
    overrelaxation: how much longer than EM's their steps are, see `fit_gmm_batch`.
    """

    num_samples: int = 1000
    num_components: int = 5
    fit_iterations: int = 2
    overrelaxation: float = 100.0
    reg_covar: float = 1e-6


#: What two processor cores can do in ten to thirty minutes a network. The rates start above the paper's 1e-4 and
#: decay every epoch, because there are far fewer steps to take.
SHORT_ENCODER_TRAINING = TrainingConfig(
    samples_per_epoch=65536,
    epochs=44,
    batch_size=256,
    learning_rate=1e-3,
    learning_rate_decay=0.93,
    decay_every_epochs=1,
    muon_factor=10.0,
)
#: The same for a video encoder, in windows, from a trained Graformer: three quarters of an hour of one core.
SHORT_VIDEO_TRAINING = TrainingConfig(
    samples_per_epoch=4096,
    epochs=18,
    batch_size=16,
    learning_rate=2e-4,
    learning_rate_decay=0.82,
    decay_every_epochs=1,
    muon_factor=50.0,
    muon_blocks="temporal",
    velocity_weight=1.0,
)
SHORT_DENOISER_TRAINING = TrainingConfig(
    samples_per_epoch=65536,
    epochs=12,
    batch_size=256,
    learning_rate=1e-3,
    learning_rate_decay=0.74,
    decay_every_epochs=1,
    muon_factor=5.0,
    ema_decay=0.998,
    last_step_share=0.5,
)
#: For g on MixSTE's f_ST: with more epochs it gets worse on validation views.
SHORT_VIDEO_DENOISER_TRAINING = replace(SHORT_DENOISER_TRAINING, epochs=4, learning_rate_decay=0.42)
#: Of the small network that knows the camera's tilt: a minute, most of which is the encoder's.
UPRIGHT_TRAINING = TrainingConfig(
    samples_per_epoch=131072,
    epochs=24,
    batch_size=1024,
    learning_rate=2e-3,
    learning_rate_decay=0.82,
    decay_every_epochs=1,
    ema_decay=0.998,
)
#: The supplement's own numbers (section 3).
PAPER_TRAINING = TrainingConfig(samples_per_epoch=1_500_000, epochs=50, batch_size=4096)


@dataclass(frozen=True)
class Preset:
    """A named network with the recipe that trains it. summary: one line for people. encoder: the preset of the
    context encoder that a denoiser, or what makes its poses upright, is trained on.
    """

    network: EncoderConfig | DenoiserConfig | UprightConfig
    training: TrainingConfig
    summary: str
    encoder: str = "graformer"


def _denoiser(
    summary: str, encoder: str = "graformer", training: TrainingConfig = SHORT_DENOISER_TRAINING, **changes: Any
) -> Preset:
    return Preset(DenoiserConfig(**changes), training, summary, encoder)


_RECONCILED: dict[str, Any] = {"context_input": "reconciled"}
_NO_CONTEXT: dict[str, Any] = {"use_context": False, "anchor": "mixture"}
#: Standard diffusion knows nothing of heatmaps or of a GMM: its noise is the same for every pose.
_STANDARD: dict[str, Any] = {"diffusion": "standard", "conditioning": "none"}
#: No noise and no steps: what is left of DiffPose without diffusion.
_REGRESSION: dict[str, Any] = {"diffusion": "none", "conditioning": "none"}

PRESETS: dict[str, Preset] = {
    "graformer": Preset(
        GraformerConfig(joint_embedding=True),
        SHORT_ENCODER_TRAINING,
        "context encoder of one frame, and the baseline that DiffPose is compared with",
    ),
    "mixste": Preset(
        MixSTEConfig(joint_embedding=True),
        SHORT_VIDEO_TRAINING,
        "context encoder of video, 27 frames, and the baseline that DiffPose is compared with there",
    ),
    "upright": Preset(
        UprightConfig(),
        UPRIGHT_TRAINING,
        "the encoder's poses where it is known which way up is, and which way that is",
    ),
    "diffpose": _denoiser("GMM diffusion with f_ST", **_RECONCILED),
    "diffpose_no_context": _denoiser("GMM diffusion without f_ST", **_NO_CONTEXT),
    "diffpose_standard": _denoiser("standard diffusion with f_ST", **_STANDARD),
    "diffpose_supplement": _denoiser(
        "GMM diffusion with f_ST, the supplement's schedule", schedule="supplement", **_RECONCILED
    ),
    "diffpose_no_context_supplement": _denoiser(
        "GMM diffusion without f_ST, the supplement's schedule", schedule="supplement", **_NO_CONTEXT
    ),
    "diffpose_standard_supplement": _denoiser(
        "standard diffusion with f_ST, the supplement's schedule", schedule="supplement", **_STANDARD
    ),
    "diffpose_video": _denoiser(
        "GMM diffusion with MixSTE's f_ST", "mixste", SHORT_VIDEO_DENOISER_TRAINING, **_RECONCILED
    ),
    "diffpose_video_no_context": _denoiser("GMM diffusion without f_ST, H_K from MixSTE", "mixste", **_NO_CONTEXT),
    "diffpose_video_standard": _denoiser(
        "standard diffusion with MixSTE's f_ST", "mixste", SHORT_VIDEO_DENOISER_TRAINING, **_STANDARD
    ),
    "regression": _denoiser("a network like g as one regression step, the paper's baseline A", **_REGRESSION),
    "regression_deep": _denoiser(
        "a regression network as deep as five steps of g together, the paper's baseline B",
        num_blocks=15,
        # Narrower than g, so that its weights stay below 20 MB.
        channels=224,
        **_REGRESSION,
    ),
    "regression_mixture": _denoiser(
        "a regression network that is given the same mixtures as DiffPose", diffusion="none", **_RECONCILED
    ),
    "diffpose_k10": _denoiser("GMM diffusion with f_ST, K = 10", num_steps=10, **_RECONCILED),
    "diffpose_k25": _denoiser("GMM diffusion with f_ST, K = 25", num_steps=25, **_RECONCILED),
    "diffpose_k100": _denoiser("GMM diffusion with f_ST, K = 100", num_steps=100, **_RECONCILED),
    "diffpose_paper": _denoiser(
        "the paper's form: g sees h_k and f_ST only and predicts h_{k-1}, the supplement's schedule",
        schedule="supplement",
        conditioning="none",
        anchor="none",
        prediction_type="previous",
    ),
}


def to_dict(config: Any) -> dict[str, Any]:
    """A configuration as plain JSON values."""
    return dataclasses.asdict(config)


def from_dict(kind: type[ConfigT], values: Any) -> ConfigT:
    """Build a configuration from JSON values. Raises InvalidInput on unknown fields and wrong types."""
    if not isinstance(values, dict):
        raise InvalidInput(f"{kind.__name__} needs an object of fields, found {type(values).__name__}")
    hints = typing.get_type_hints(kind)
    unknown = sorted(set(values) - set(hints))
    if unknown:
        raise InvalidInput(f"{kind.__name__} has no field {', '.join(map(repr, unknown))}; it has {', '.join(hints)}")
    for name, value in values.items():
        hint = hints[name]
        if typing.get_origin(hint) is Literal:
            allowed = typing.get_args(hint)
            if value not in allowed:
                raise InvalidInput(f"{kind.__name__}.{name} must be one of {', '.join(allowed)}, found {value!r}")
        else:
            fits = isinstance(value, hint) and not (isinstance(value, bool) and hint is not bool)
            if not (fits or (hint is float and isinstance(value, int) and not isinstance(value, bool))):
                raise InvalidInput(f"{kind.__name__}.{name} must be {hint.__name__}, found {value!r}")
    return kind(**values)
