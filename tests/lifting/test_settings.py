"""Settings of a lift: checked once, values that can be compared and hashed."""

from dataclasses import replace

import numpy as np
import pytest

from diffpose_core.lifting.encode import decide_settings
from diffpose_core.lifting.provenance import settings_record
from diffpose_core.lifting.settings import LiftSettings
from diffpose_core.structures import InvalidInput


def test_settings_are_values():
    assert LiftSettings(up=np.array([0.0, -2.0, 0.0])) == LiftSettings(up=[0, -2, 0])
    assert len({LiftSettings(steps=[50, 25, 0]), LiftSettings(steps=(50, 25, 0)), LiftSettings()}) == 2


@pytest.mark.parametrize("up", [[0, -3.0, -1.0], (0.1, -0.9, 0.2)])
def test_the_direction_up_is_kept_and_used_at_length_1(up):
    settings = LiftSettings(up=up)
    assert np.isclose(np.linalg.norm(settings.up_cam), 1.0) and settings.up_cam.dtype == np.float32
    assert np.array_equal(replace(settings, steps=1).up_cam, settings.up_cam)
    assert settings_record(settings)["up"] == [round(float(part), 6) for part in settings.up_cam]
    assert LiftSettings(up="estimate").up_cam is None and LiftSettings().up_cam is None


def test_steps_are_a_count_or_all_that_are_visited():
    assert LiftSettings(steps=2).timesteps(50) == (50, 25, 0)
    assert LiftSettings(steps=[50, 3, 0]).timesteps(50) == (50, 3, 0)
    for steps in (0, 51, [40, 0]):
        with pytest.raises(InvalidInput, match="steps must"):
            LiftSettings(steps=steps).timesteps(50)


def test_deciding_twice_changes_nothing(walking_clip, shipped_models):
    once = decide_settings(LiftSettings(up="estimate"), walking_clip, shipped_models)
    assert isinstance(once.mixed_precision, bool) and once.up_cam is not None
    assert decide_settings(once, walking_clip, shipped_models) == once
