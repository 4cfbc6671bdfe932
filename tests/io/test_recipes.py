"""Training recipes by name, from files and from the command line."""

import pytest

from diffpose_core.io.recipes import change_recipe, find_recipe, parse_settings
from diffpose_core.presets import PAPER_TRAINING, PRESETS
from diffpose_core.structures import InvalidInput


def test_recipes_by_name():
    assert find_recipe(PRESETS["diffpose_paper"], "short") == PRESETS["diffpose_paper"].training
    paper = find_recipe(PRESETS["diffpose_paper"], "paper")
    assert paper == PAPER_TRAINING
    assert (paper.learning_rate, paper.learning_rate_decay, paper.decay_every_epochs) == (1e-4, 0.9, 10)
    assert (paper.batch_size, paper.muon_factor, paper.last_step_share, paper.loss) == (4096, 0.0, 0.0, "squared")


@pytest.mark.parametrize("name", ["paper", "long"])
def test_an_unknown_recipe_is_refused(name):
    with pytest.raises(InvalidInput, match=f"has the recipes short; a .toml or .json file.*found '{name}'"):
        find_recipe(PRESETS["graformer"], name)


@pytest.mark.parametrize(
    ("ending", "text"), [("toml", 'learning_rate = 3e-4\nloss = "squared"'), ("json", '{"learning_rate": 3e-4}')]
)
def test_a_recipe_from_a_file_keeps_the_presets_other_fields(tmp_path, ending, text):
    path = tmp_path / f"mine.{ending}"
    path.write_text(text)
    found = find_recipe(PRESETS["diffpose"], str(path))
    assert found.learning_rate == 3e-4 and found.epochs == PRESETS["diffpose"].training.epochs
    assert found.loss == ("squared" if ending == "toml" else "distance")


@pytest.mark.parametrize(
    ("ending", "text", "message"),
    [
        ("toml", "learning_rate = ", "not a recipe"),
        ("json", "[1]", "an object of fields, found list"),
        ("json", '{"rate": 1}', "has no field 'rate'"),
        ("json", '{"epochs": 0}', "TrainingConfig.epochs must lie between 1 and .*, found 0"),
        ("json", '{"learning_rate": NaN}', "learning_rate must lie between .*, found nan"),
        ("json", "[" * 90_000, "not a recipe"),
        ("json", "[" * 110_000, "the limit is 100,000 bytes"),
        ("toml", ".".join(["a"] * 40_000) + " = 1", "a line of a recipe has at most 1,000 characters"),
        ("toml", "a = " + "[" * 900, "not a recipe"),
        ("json", '{"learning_rate": "' + "9" * 5000 + '"}', "learning_rate must be float, found '9999"),
    ],
)
def test_files_that_are_no_recipe(tmp_path, ending, text, message):
    path = tmp_path / f"mine.{ending}"
    path.write_text(text)
    with pytest.raises(InvalidInput, match=message):
        find_recipe(PRESETS["diffpose"], str(path))
    with pytest.raises(InvalidInput, match="no such file"):
        find_recipe(PRESETS["diffpose"], str(tmp_path / "none.json"))


def test_settings_from_the_command_line():
    found = parse_settings(["learning_rate=3e-4", "batch-size=16", "loss=squared"])
    assert found == {"learning_rate": 3e-4, "batch_size": 16, "loss": "squared"}
    assert change_recipe(PAPER_TRAINING, found, "--set").batch_size == 16
    with pytest.raises(InvalidInput, match=r"--set needs FIELD=VALUE, such as .*; found 'epochs'"):
        parse_settings(["epochs"])
    with pytest.raises(InvalidInput, match=r"--set: TrainingConfig.loss must be one of distance, squared, found 'l1'"):
        change_recipe(PAPER_TRAINING, {"loss": "l1"}, "--set")
