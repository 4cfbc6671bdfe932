"""The networks on another device than the clips."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from diffpose_core.lifting.models import Models
from diffpose_core.structures import InvalidInput

HERE = Path(__file__).parent


def test_on_a_pretended_gpu() -> None:
    """In a process of its own: once torch knows of another device, no process that is forked from it can train."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(HERE / "on_pretended_gpu.py")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=HERE.parent, timeout=900)
    assert done.returncode == 0, done.stdout[-4000:]
    assert " passed" in done.stdout and "skipped" not in done.stdout


def test_a_device_that_is_not_there(tiny_models: Models) -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    for device in ("cuda", "no such device"):
        with pytest.raises(InvalidInput, match=f"torch can't compute on '{device}' here"):
            tiny_models.to(device)
