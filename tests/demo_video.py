"""A man who balances before a phone: the demo of Pose2Sim (BSD-3-Clause), out of its wheel, where pip can get it."""

from __future__ import annotations

from functools import cache

import pytest

from diffpose_core.io import demo_video as demo
from diffpose_core.structures import InvalidInput


@cache
def demo_video() -> bytes:
    """100 frames of 1080 x 1920 pixels. The test is skipped where the package index can't be reached."""
    return _or_skip(demo.demo_video)


def real_weights() -> None:
    """BlazePose's networks, into the folder that DIFFPOSE_BLAZEPOSE names; skipped where they can't be had."""
    from diffpose_core.io.detectors import blazepose_weights

    _or_skip(blazepose_weights.get_weights)


def _or_skip(get):
    try:
        return get()
    except InvalidInput as error:
        if "SHA-256" in str(error):
            raise
        pytest.skip(str(error))
