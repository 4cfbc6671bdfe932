"""The networks that can encode the context, by the kind that a checkpoint names."""

from __future__ import annotations

from typing import TypeGuard

from diffpose_core.config import EncoderConfig, GraformerConfig, MixSTEConfig, PublishedGraformerConfig
from diffpose_core.models.graformer import Graformer
from diffpose_core.models.mixste import MixSTE
from diffpose_core.models.published_graformer import PublishedGraformer

EncoderNetwork = Graformer | MixSTE | PublishedGraformer

#: Kind -> configuration and name in texts.
ENCODER_KINDS: dict[str, tuple[type[EncoderConfig], str]] = {
    "graformer": (GraformerConfig, "Graformer"),
    "mixste": (MixSTEConfig, "MixSTE"),
    "graformer_published": (PublishedGraformerConfig, "Graformer as published"),
}


def build_encoder(config: EncoderConfig) -> EncoderNetwork:
    """A new network of a configuration."""
    if isinstance(config, MixSTEConfig):
        return MixSTE(config)
    if isinstance(config, PublishedGraformerConfig):
        return PublishedGraformer(config)
    return Graformer(config)


def encoder_kind(network: EncoderNetwork) -> str:
    """The kind of a network, a key of `ENCODER_KINDS`."""
    return next(kind for kind, (config, _) in ENCODER_KINDS.items() if isinstance(network.config, config))


def takes_conditions(network: EncoderNetwork) -> TypeGuard[Graformer | MixSTE]:
    """Whether a network can be told tilt and body, and finds up itself."""
    return not isinstance(network, PublishedGraformer) and network.config.conditions
