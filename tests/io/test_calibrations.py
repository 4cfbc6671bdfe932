"""A calibration survives its file; damaged and hostile files are refused with the reason."""

import json

import numpy as np
import pytest

from diffpose_core.io.calibrations import (
    MAX_BYTES,
    OutdatedCalibration,
    calibration_path,
    read_calibration,
    write_calibration,
)
from diffpose_core.structures import InvalidInput
from tests.uncertainty.test_expected_error import calibration


@pytest.fixture
def path(tmp_path):
    generator = np.random.default_rng(0)
    made = calibration(
        coefficients=generator.uniform(0, 1, (17, 10)), usual_view=generator.normal(0, 1, (17, 3)),
        spread_factor=generator.uniform(0, 2, 17), radii=generator.uniform(0, 3, (17, 3)),
        limits=generator.uniform(0, 1, 2),
    )  # fmt: skip
    found = calibration_path(tmp_path / "diffpose.safetensors")
    write_calibration(made, found)
    return found, made


def test_what_is_written_is_read(path):
    file, made = path
    assert file.name == "diffpose.calibration.json"
    found = read_calibration(file)
    for name in ("coefficients", "usual_view", "spread_factor", "radii", "limits"):
        assert np.allclose(getattr(found, name), getattr(made, name), atol=1e-6)
    assert (found.network, found.weights_sha256, found.encoder_sha256) == ("diffpose", "a" * 64, "b" * 64)
    assert json.loads(file.read_text())["joints"]["LWrist"]["coefficients"]["constant_m"] > 0


def broken(content, *keys, value=None):
    inner = content
    for key in keys[:-1]:
        inner = inner[key]
    if value is None:
        del inner[keys[-1]]
    else:
        inner[keys[-1]] = value
    return json.dumps(content)


@pytest.mark.parametrize(
    ("keys", "value", "message"),
    [
        (("format",), "other/1", "expected a calibration of format 'diffpose-calibration/2', found 'other/1'"),
        (("network",), 7, "must be texts"),
        (("provenance",), [], "provenance must be an object, found list"),
        (("joints", "Head"), None, "missing or are none.*Head"),
        (("joints", "Head", "radii"), {"0.5": 1.0}, "missing or are none.*0.8"),
        (("joints", "Head", "spread_factor"), "wide", "missing or are none"),
        (("joints", "Head", "coefficients", "spread"), -1.0, "coefficients must not be negative"),
        (("joints", "Head", "usual_view_m"), [0.0, 1.0], "missing or are none"),
        (("limits_m", "residual"), None, "missing or are none.*residual"),
        (("limits_m", "proportion"), -1.0, "limits must not be negative"),
    ],
)
def test_damaged_files_are_refused(path, keys, value, message):
    file, _ = path
    file.write_text(broken(json.loads(file.read_text()), *keys, value=value))
    with pytest.raises(InvalidInput, match=message):
        read_calibration(file)


@pytest.mark.parametrize("text", ["", "[" * 10_000, "[]", "null", "{", '{"format": "diffpose-calibration/2"}'])
def test_files_of_another_kind_are_refused(path, text):
    path[0].write_text(text)
    with pytest.raises(InvalidInput):
        read_calibration(path[0])


def test_an_earlier_format_is_refused_as_such(path):
    path[0].write_text(broken(json.loads(path[0].read_text()), "format", value="diffpose-calibration/1"))
    with pytest.raises(OutdatedCalibration, match="earlier format 'diffpose-calibration/1', which has no limits; make"):
        read_calibration(path[0])


def test_a_file_that_is_too_large_is_not_read(path):
    path[0].write_text(" " * (MAX_BYTES + 1))
    with pytest.raises(InvalidInput, match="a calibration stays under"):
        read_calibration(path[0])
    with pytest.raises(InvalidInput, match="can't be read"):
        read_calibration(path[0].parent / "none.json")
