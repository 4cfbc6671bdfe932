"""Short clips that the tests of evaluation measure on."""

import pytest

from diffpose_core.datasets.mocap17 import motion_set, save_mocap17
from diffpose_core.datasets.procedural import procedural_motion


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Three short clips of two actions."""
    clips = [
        procedural_motion("walk", 1, 2.0),
        procedural_motion("wave", 2, 2.0)[:31],
        procedural_motion("walk", 3, 2.0),
    ]
    path = tmp_path_factory.mktemp("data") / "motions.npz"
    save_mocap17(motion_set(clips, 30.0, name=["a", "b", "c"], action=["walk", "wave", "walk"]), path)
    return path
