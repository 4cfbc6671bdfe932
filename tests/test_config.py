"""Configurations from files: exactly the fields and types that are described, or a message."""

import dataclasses
import json

import pytest

from diffpose_core.config import DenoiserConfig, GraformerConfig, TrainingConfig, from_dict, override, to_dict
from diffpose_core.presets import PRESETS
from diffpose_core.structures import InvalidInput


@pytest.mark.parametrize("preset", PRESETS.values(), ids=PRESETS)
def test_presets_survive_json(preset):
    for config in (preset.network, preset.training):
        assert from_dict(type(config), json.loads(json.dumps(to_dict(config)))) == config


def test_fields_left_out_keep_their_defaults():
    assert from_dict(GraformerConfig, {"channels": 96}) == dataclasses.replace(GraformerConfig(), channels=96)


def test_a_whole_number_is_a_float_too():
    assert from_dict(TrainingConfig, {"learning_rate": 1}).learning_rate == 1


@pytest.mark.parametrize(
    ("kind", "values", "message"),
    [
        (GraformerConfig, [1], "needs an object of fields, found list"),
        (GraformerConfig, {"width": 3}, "has no field 'width'; it has channels, num_blocks"),
        (GraformerConfig, {"channels": "128"}, "GraformerConfig.channels must be int, found '128'"),
        (GraformerConfig, {"channels": True}, "channels must be int, found True"),
        (GraformerConfig, {"channels": 12.0}, "channels must be int, found 12.0"),
        (GraformerConfig, {"dropout": False}, "dropout must be float, found False"),
        (GraformerConfig, {"dropout": None}, "dropout must be float, found None"),
        (DenoiserConfig, {"use_context": 1}, "use_context must be bool, found 1"),
        (DenoiserConfig, {"schedule": "cosine"}, "schedule must be one of supplement, converging, found 'cosine'"),
        (
            DenoiserConfig,
            {"diffusion": ["gmm"]},
            r"diffusion must be one of gmm, standard, none, flow, found \['gmm'\]",
        ),
    ],
)
def test_what_does_not_fit_is_refused(kind, values, message):
    with pytest.raises(InvalidInput, match=message):
        from_dict(kind, values)


@pytest.mark.parametrize(
    "changes", [{"use_context": False, "anchor": "mixture"}, {"prediction_type": "noise", "anchor": "none"}]
)
def test_a_regression_network_starts_from_the_encoders_pose(changes):
    with pytest.raises(InvalidInput, match="a regression network starts from the context encoder's pose"):
        DenoiserConfig(diffusion="none", **changes)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("epochs", 0),
        ("epochs", -1),
        ("batch_size", 0),
        ("samples_per_epoch", -1),
        ("learning_rate", 0.0),
        ("learning_rate", float("nan")),
        ("learning_rate", float("inf")),
        ("learning_rate_decay", 0.0),
        ("decay_every_epochs", 0),
        ("ema_decay", 1.5),
        ("seed", -1),
        ("seed", 2**32),
        ("drawn_bodies", -0.1),
        ("own_state_share", 2.0),
        ("gradient_clip", 0.0),
    ],
)
def test_recipes_with_values_that_cant_be_are_refused(field, value):
    with pytest.raises(InvalidInput, match=rf"TrainingConfig.{field} must lie between .* and .*, found"):
        TrainingConfig(**{field: value})


def test_override_changes_only_what_is_given():
    assert override(TrainingConfig(), epochs=None, seed=None) == TrainingConfig()
    assert override(TrainingConfig(), epochs=7).epochs == 7
