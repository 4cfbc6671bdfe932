"""Training recipes from names, files and the command line."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from diffpose_core.config import TrainingConfig, from_dict, to_dict
from diffpose_core.io.untrusted.files import read_bytes
from diffpose_core.presets import Preset
from diffpose_core.structures import InvalidInput
from diffpose_core.words import short

#: Of a recipe, and of a line of it: a TOML file with a name of many parts would take hours.
_MAX_BYTES, _MAX_LINE = 100_000, 1_000


def find_recipe(preset: Preset, name: str) -> TrainingConfig:
    """A recipe of a preset.

    Args:
        preset: a network with its recipes.
        name: one of these, or a .toml or .json file of fields of `TrainingConfig`; fields that are left out are the
            preset's own.

    Raises:
        InvalidInput: there is no such recipe, or the file can't be used.
    """
    if name in preset.recipes:
        return preset.recipes[name]
    if Path(name).suffix.lower() not in (".toml", ".json"):
        raise InvalidInput(
            f"this network has the recipes {', '.join(preset.recipes)}; a .toml or .json file can hold another; "
            f"found {name!r}"
        )
    return change_recipe(preset.training, _read_fields(Path(name)), name)


def change_recipe(recipe: TrainingConfig, values: dict[str, Any], source: str) -> TrainingConfig:
    """A recipe with other values in some of its fields.

    Args:
        recipe: to begin with.
        values: field -> value.
        source: of the values, for messages.

    Raises:
        InvalidInput: a field is unknown, or a value can't be used.
    """
    try:
        return from_dict(TrainingConfig, {**to_dict(recipe), **values})
    except InvalidInput as error:
        raise InvalidInput(f"{source}: {error}") from error


def parse_settings(words: Iterable[str]) -> dict[str, Any]:
    """Field -> value from words such as "learning_rate=3e-4" and "loss=squared".

    Raises:
        InvalidInput: a word has no "=".
    """
    found: dict[str, Any] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals:
            raise InvalidInput(f"--set needs FIELD=VALUE, such as learning_rate=3e-4; found {word!r}")
        try:
            found[name.strip().replace("-", "_")] = json.loads(value)
        except (ValueError, RecursionError):
            found[name.strip().replace("-", "_")] = value.strip()
    return found


def _read_fields(path: Path) -> dict[str, Any]:
    """The fields of a recipe file."""
    try:
        text = read_bytes(path, _MAX_BYTES).decode()
        if path.suffix.lower() == ".toml" and max(map(len, text.splitlines()), default=0) > _MAX_LINE:
            raise InvalidInput(f"{path}: a line of a recipe has at most {_MAX_LINE:,} characters")
        values = tomllib.loads(text) if path.suffix.lower() == ".toml" else json.loads(text)
    except (ValueError, RecursionError) as error:
        if isinstance(error, InvalidInput):
            raise
        raise InvalidInput(f"{path}: not a recipe ({short(error, 160)})") from error
    if not isinstance(values, dict):
        raise InvalidInput(f"{path}: a recipe is an object of fields, found {type(values).__name__}")
    return values
