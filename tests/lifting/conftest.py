"""Fixtures that the tests of lifting share."""

import pytest


@pytest.fixture(scope="module")
def clip(walking_clip):
    return walking_clip.frames(slice(0, 60, 10))
