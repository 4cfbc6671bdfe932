"""Configurations of networks and of training: frozen dataclasses that checkpoints carry.

`from_dict` checks names, types and values, so that a file from outside can't build anything else.
"""

from __future__ import annotations

import dataclasses
import typing
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from diffpose_core.structures import InvalidInput

ConfigT = TypeVar("ConfigT")

#: Field -> smallest and largest value.
Ranges = dict[str, tuple[float, float]]
_COUNT, _SHARE, _ANY, _POSITIVE = (1, 10**12), (0, 1), (0, 1e12), (1e-12, 1e12)
_TRAINING_RANGES: Ranges = {
    "samples_per_epoch": _COUNT,
    "epochs": _COUNT,
    "batch_size": _COUNT,
    "learning_rate": _POSITIVE,
    "learning_rate_decay": (1e-12, 1),
    "decay_every_epochs": _COUNT,
    "muon_factor": _ANY,
    "warmup_steps": _ANY,
    "weight_decay": _ANY,
    "gradient_clip": _POSITIVE,
    "ema_decay": _SHARE,
    "seed": (0, 2**32 - 1),
    "drawn_bodies": _SHARE,
    "plumb_trunks_deg": (0, 45),
    "exchanged_limbs": _SHARE,
    "bent_trunks": _SHARE,
    "shaken_limbs": _SHARE,
    "tilted_bodies": _SHARE,
    "last_step_share": _SHARE,
    "own_state_share": _SHARE,
    "velocity_weight": _ANY,
}


def _check_ranges(config: Any, ranges: Ranges) -> None:
    """Raise InvalidInput where a field is out of its range."""
    for name, (low, high) in ranges.items():
        value = getattr(config, name)
        # Not a number compares as false.
        if not low <= value <= high:
            raise InvalidInput(
                f"{type(config).__name__}.{name} must lie between {low:,g} and {high:,g}, found {_shown(value)}"
            )


@dataclass(frozen=True)
class GraformerConfig:
    """The context encoder of single frames.

    Attributes:
        channels: width, and the width of f_ST.
        num_blocks: GCN-attention blocks.
        num_heads: of each attention layer.
        cheb_order: order of the first and the last convolution.
        dropout: share of features that are dropped in training.
        joint_embedding: add a learnt vector for each joint before the blocks.
        conditions: the network can be told the camera's tilt and the body's proportions (`models.conditions`).
    """

    channels: int = 128
    num_blocks: int = 5
    num_heads: int = 4
    cheb_order: int = 2
    dropout: float = 0.0
    joint_embedding: bool = False
    conditions: bool = False


@dataclass(frozen=True)
class MixSTEConfig:
    """The context encoder of windows of video.

    Attributes:
        receptive_field: frames of a window, an odd number; the paper's are 27, 81 and 243.
        channels: width, and the width of f_ST.
        num_blocks: pairs of a spatial and a temporal block.
        num_heads: of each attention layer.
        cheb_order: order of the first and the last convolution.
        mlp_ratio: hidden width of the temporal blocks' perceptrons, as a multiple of `channels`.
        dropout: share of features that are dropped in training.
        joint_embedding: add a learnt vector for each joint before the blocks.
        conditions: the network can be told the camera's tilt and the body's proportions (`models.conditions`).

    Raises:
        InvalidInput: a window has no middle frame.
    """

    receptive_field: int = 27
    channels: int = 128
    num_blocks: int = 5
    num_heads: int = 4
    cheb_order: int = 2
    mlp_ratio: int = 2
    dropout: float = 0.0
    joint_embedding: bool = False
    conditions: bool = False

    def __post_init__(self) -> None:
        if self.receptive_field < 3 or self.receptive_field % 2 == 0:
            raise InvalidInput(f"a window needs an odd number of frames, 3 or more, found {self.receptive_field}")


@dataclass(frozen=True)
class PublishedGraformerConfig:
    """The Graformer as published, a baseline.

    Attributes:
        channels: width.
        num_blocks: layers of attention, GCN and Chebyshev block.
        num_heads: of each attention layer.
        cheb_order: order of the Chebyshev convolutions.
        dropout: share that is dropped of what a residual adds.
        inner_dropout: share that is dropped of attention weights and inside the Chebyshev blocks.
    """

    channels: int = 96
    num_blocks: int = 5
    num_heads: int = 4
    cheb_order: int = 2
    dropout: float = 0.25
    inner_dropout: float = 0.1


EncoderConfig = GraformerConfig | MixSTEConfig | PublishedGraformerConfig


@dataclass(frozen=True)
class DenoiserConfig:
    """The diffusion network g.

    Attributes:
        channels: width of the blocks.
        context_channels: width of f_ST.
        num_blocks: GCN-attention blocks.
        num_heads: of each attention layer.
        dropout: share of features that are dropped in training.
        use_context: feed f_ST to the network.
        context_input: the 2D pose that f_ST is made from: "detected" is the paper's form, the maxima of the heatmaps;
            "reconciled" agrees with the whole heatmaps and the encoder (`uncertainty.reconcile`).
        conditioning: further inputs: "none" is the paper's form; "gmm" are mean and spread of the component and of the
            whole GMM; "gmm+heatmaps" are also the joints' 2D mixtures.
        anchor: a pose that the output is added to: "none" is the paper's form; "context" is the encoder's pose;
            "mixture" is the mean of the GMM.
        diffusion: the distribution of the noise: the pose's "gmm" or the "standard" normal one. "none" makes g a
            regression network, which is run once, at k = K, from the encoder's pose. "flow" is rectified flow from
            draws of the pose's GMM (`diffusion.flow`), which has no schedule.
        schedule: the noise schedule.
        num_steps: K.
        prediction_type: meaning of the output.
        conditions: the network can be told the camera's tilt and the body's proportions (`models.conditions`).

    Raises:
        InvalidInput: fields contradict each other.
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
    diffusion: Literal["gmm", "standard", "none", "flow"] = "gmm"
    schedule: Literal["supplement", "converging"] = "converging"
    num_steps: int = 50
    prediction_type: Literal["x_start", "previous", "noise"] = "x_start"
    conditions: bool = False

    def __post_init__(self) -> None:
        if self.anchor != "none" and self.prediction_type != "x_start":
            raise InvalidInput(f"only a network that predicts x_start has an anchor, found {self.prediction_type!r}")
        if self.diffusion == "flow" and self.prediction_type != "x_start":
            raise InvalidInput(f"a flow network predicts x_start, found {self.prediction_type!r}")
        if self.diffusion == "none" and (self.prediction_type != "x_start" or not self.use_context):
            raise InvalidInput(
                "a regression network starts from the context encoder's pose and predicts x_start, found "
                f"use_context {self.use_context} and {self.prediction_type!r}"
            )
        if self.anchor == "mixture" and self.conditioning == "none":
            raise InvalidInput("the anchor is the mean of the GMM, but the conditioning is 'none'")


@dataclass(frozen=True)
class TrainingConfig:
    """A training recipe.

    Attributes:
        samples_per_epoch: poses an epoch (windows, for a video encoder); views are drawn without end.
        epochs: number of epochs.
        batch_size: poses (or windows) a step.
        learning_rate: of Adam; the paper's is 1e-4.
        learning_rate_decay: factor of each decay; the paper's is 0.9.
        decay_every_epochs: epochs between decays; the paper's are 10.
        muon_factor: learning rate of Muon (Jordan et al., 2024) for the matrices inside the blocks, as a multiple of
            `learning_rate`. 0 trains them with Adam, as the paper does.
        muon_blocks: blocks whose matrices Muon trains. "temporal" leaves the spatial half of a video encoder to Adam,
            where it starts from trained weights.
        warmup_steps: steps in which the rate rises to its full value.
        weight_decay: of Adam.
        gradient_clip: largest norm of the gradient.
        ema_decay: of the moving average of the weights, which a checkpoint holds.
        seed: of initial weights and all batches.
        drawn_bodies: share of clips that get a body drawn from human measures (`datasets.bodies`).
        plumb_trunks_deg: largest angle by which trunks are turned forwards, to stand as people's do
            (`datasets.pose_variation.set_plumb`).
        exchanged_limbs: share of limbs that take their pose from another clip (`datasets.pose_variation`).
        bent_trunks: share of clips whose trunk bends further forwards.
        shaken_limbs: share of clips whose limbs are turned by small angles.
        tilted_bodies: share of clips whose body is tilted far, as of somebody who lies.
        layouts: see joints as the detectors' layouts place them (`datasets.joint_definitions`).
        last_step_share: share of a denoiser's samples that are put at k = K, where inference starts. The others are
            drawn evenly from 1 to K. 0 is the paper's way.
        own_state_share: share of a denoiser's samples whose h_k are made from its own prediction at K instead of the
            truth, as at inference. 0 is the paper's way; it needs a network that predicts x_start.
        velocity_weight: weight of the joints' velocity error, metres a frame, in the loss of a video encoder.
        loss: "distance" is the mean distance of the joints, metres; "squared" is the mean of its square, the paper's.

    Raises:
        InvalidInput: a value is out of its range.
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
    drawn_bodies: float = 0.7
    plumb_trunks_deg: float = 7.0
    exchanged_limbs: float = 0.12
    bent_trunks: float = 0.06
    shaken_limbs: float = 0.12
    tilted_bodies: float = 0.04
    layouts: bool = True
    last_step_share: float = 0.0
    own_state_share: float = 0.0
    velocity_weight: float = 0.0
    loss: Literal["distance", "squared"] = "distance"

    def __post_init__(self) -> None:
        _check_ranges(self, _TRAINING_RANGES)


@dataclass(frozen=True)
class UncertaintyConfig:
    """The indeterminate distribution H_K and its GMM.

    Attributes:
        num_samples: N_GMM, poses drawn from H_K.
        num_components: M.
        fit_iterations: EM iterations with full covariances.
        overrelaxation: length of their steps, as a multiple of EM's; see `fit_gmm_batch`.
        reg_covar: added to the diagonal of covariances, square metres.
    """

    num_samples: int = 1000
    num_components: int = 5
    fit_iterations: int = 2
    overrelaxation: float = 100.0
    reg_covar: float = 1e-6


def to_dict(config: Any) -> dict[str, Any]:
    """The fields of a configuration as JSON values."""
    return dataclasses.asdict(config)


def from_dict(kind: type[ConfigT], values: Any) -> ConfigT:
    """A configuration from JSON values.

    Args:
        kind: class of the configuration.
        values: fields by name; those left out keep their defaults.

    Raises:
        InvalidInput: a field is unknown, or a value has the wrong type or can't be used.
    """
    if not isinstance(values, dict):
        raise InvalidInput(f"{kind.__name__} needs an object of fields, found {type(values).__name__}")
    hints = typing.get_type_hints(kind)
    unknown = sorted(set(values) - set(hints))
    if unknown:
        raise InvalidInput(
            f"{kind.__name__} has no field {', '.join(map(_shown, unknown[:8]))}; it has {', '.join(hints)}"
        )
    for name, value in values.items():
        hint = hints[name]
        if typing.get_origin(hint) is Literal:
            allowed = typing.get_args(hint)
            if value not in allowed:
                raise InvalidInput(f"{kind.__name__}.{name} must be one of {', '.join(allowed)}, found {_shown(value)}")
        else:
            fits = isinstance(value, hint) and not (isinstance(value, bool) and hint is not bool)
            if not (fits or (hint is float and isinstance(value, int) and not isinstance(value, bool))):
                raise InvalidInput(f"{kind.__name__}.{name} must be {hint.__name__}, found {_shown(value)}")
    return kind(**values)


def _shown(value: Any) -> str:
    """A value in a message, not too long."""
    return repr(value)[:60]


def override(config: ConfigT, **values: Any) -> ConfigT:
    """A configuration with the given values that are not None in place of its own."""
    return dataclasses.replace(config, **{k: v for k, v in values.items() if v is not None})  # type: ignore[type-var]
