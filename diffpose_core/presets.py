"""Named networks and the recipes that train them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from diffpose_core.config import (
    DenoiserConfig,
    EncoderConfig,
    GraformerConfig,
    MixSTEConfig,
    PublishedGraformerConfig,
    TrainingConfig,
)

#: For ten to thirty minutes of two processor cores. The rates start above the paper's 1e-4 and decay every epoch,
#: because there are far fewer steps.
SHORT_ENCODER_TRAINING = TrainingConfig(
    samples_per_epoch=65536,
    epochs=44,
    batch_size=256,
    learning_rate=1e-3,
    learning_rate_decay=0.93,
    decay_every_epochs=1,
    muon_factor=10.0,
)
#: The same for a video encoder, in windows, starting from a trained Graformer: three quarters of an hour of one core.
SHORT_VIDEO_TRAINING = replace(
    SHORT_ENCODER_TRAINING,
    samples_per_epoch=4096,
    epochs=18,
    batch_size=16,
    learning_rate=2e-4,
    learning_rate_decay=0.82,
    muon_factor=50.0,
    muon_blocks="temporal",
    velocity_weight=1.0,
)
SHORT_DENOISER_TRAINING = replace(
    SHORT_ENCODER_TRAINING,
    epochs=12,
    learning_rate_decay=0.74,
    muon_factor=5.0,
    ema_decay=0.998,
    last_step_share=0.5,
)
#: For g on MixSTE's f_ST. More epochs make it worse on validation views.
SHORT_VIDEO_DENOISER_TRAINING = replace(SHORT_DENOISER_TRAINING, epochs=4, learning_rate_decay=0.42)
#: The supplement's own numbers and loss (section 3), for denoisers.
PAPER_TRAINING = TrainingConfig(samples_per_epoch=1_500_000, epochs=50, batch_size=4096, loss="squared")
#: The Graformer's own numbers and loss, from its authors' released settings: 100 epochs of Human3.6M's training poses.
PUBLISHED_GRAFORMER_TRAINING = TrainingConfig(
    samples_per_epoch=1_559_752,
    epochs=100,
    batch_size=64,
    learning_rate=1e-3,
    decay_every_epochs=2,
    warmup_steps=0,
    ema_decay=0.0,
    loss="squared",
)


@dataclass(frozen=True)
class Preset:
    """A named network with its recipe.

    Attributes:
        network: its configuration.
        training: the "short" recipe.
        summary: one line for people.
        encoder: preset of the context encoder that a denoiser is trained on.
        paper: the recipe of the network's authors, if it is at hand.
    """

    network: EncoderConfig | DenoiserConfig
    training: TrainingConfig
    summary: str
    encoder: str = "graformer"
    paper: TrainingConfig | None = None

    @property
    def recipes(self) -> dict[str, TrainingConfig]:
        """The recipes that the network can be trained with, by name."""
        return {"short": self.training} | ({} if self.paper is None else {"paper": self.paper})


def _denoiser(
    summary: str, encoder: str = "graformer", training: TrainingConfig = SHORT_DENOISER_TRAINING, **changes: Any
) -> Preset:
    return Preset(DenoiserConfig(**{"conditions": True, **changes}), training, summary, encoder, PAPER_TRAINING)


_RECONCILED: dict[str, Any] = {"context_input": "reconciled"}
_NO_CONTEXT: dict[str, Any] = {"use_context": False, "anchor": "mixture"}
#: g is told f_ST of the detected 2D pose alone, as in the paper: neither heatmaps nor the GMM.
_TOLD_F_ST: dict[str, Any] = {"conditioning": "none"}
_STANDARD: dict[str, Any] = {"diffusion": "standard", **_TOLD_F_ST}
#: DiffPose without diffusion: no noise and no steps.
_REGRESSION: dict[str, Any] = {"diffusion": "none", **_TOLD_F_ST}

PRESETS: dict[str, Preset] = {
    "graformer": Preset(
        GraformerConfig(joint_embedding=True, conditions=True),
        SHORT_ENCODER_TRAINING,
        "context encoder of one frame, and the baseline that DiffPose is compared with",
    ),
    "graformer_published": Preset(
        PublishedGraformerConfig(),
        SHORT_ENCODER_TRAINING,
        "the Graformer as published, a baseline of one frame",
        paper=PUBLISHED_GRAFORMER_TRAINING,
    ),
    "mixste": Preset(
        MixSTEConfig(joint_embedding=True, conditions=True),
        SHORT_VIDEO_TRAINING,
        "context encoder of video, 27 frames, and the baseline that DiffPose is compared with there",
    ),
    "diffpose": _denoiser("GMM diffusion with f_ST", **_RECONCILED),
    "diffpose_no_context": _denoiser("GMM diffusion without f_ST", **_NO_CONTEXT),
    "diffpose_pose": _denoiser(
        "GMM diffusion around the encoder's pose, without f_ST", use_context=False, anchor="context", **_RECONCILED
    ),
    "diffpose_flow": _denoiser("rectified flow from H_K with f_ST", diffusion="flow", **_RECONCILED),
    "diffpose_standard": _denoiser("standard diffusion with f_ST", **_STANDARD),
    "diffpose_told_f_st": _denoiser("GMM diffusion, g is told f_ST alone", **_TOLD_F_ST),
    "diffpose_standard_told_all": _denoiser(
        "standard diffusion, g is told all that DiffPose's g is told", diffusion="standard", **_RECONCILED
    ),
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
        conditions=False,
    ),
}
