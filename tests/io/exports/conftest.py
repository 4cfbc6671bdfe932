"""Results in every frame that exports know."""

from dataclasses import replace

import numpy as np
import pytest

from diffpose_core.skeleton import constant_bones
from diffpose_core.structures import WorldMotion
from tests.io.exports.results import made_result


@pytest.fixture(scope="module")
def walking(walking_clip):
    return constant_bones(walking_clip.pose3d_cam.astype(np.float64))


@pytest.fixture(scope="module", params=["hip", "camera", "world"])
def result(request, walking):
    found = made_result(walking, root=request.param != "hip")
    if request.param != "world":
        return found
    way = np.linspace((0.0, 0.0, 0.9), (0.5, 2.0, 0.9), len(walking))
    upright = walking @ np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]]).T + way[:, None]
    standing = np.random.default_rng(2).random((len(walking), 2)) < 0.5
    about = {"world": {"feet_held": True, "notes": ["The camera is not known."]}}
    world = WorldMotion(upright.astype(np.float32), standing)
    return replace(found, world=world, provenance={**found.provenance, **about})
