"""What every test shares: where the data is, and one thread a process."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).resolve().parent.parent

# Tests run in several processes; small tensors are slower on many threads than on one.
torch.set_num_threads(1)


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of Mocap-17 (mocap17_train.npz, _val, _test); skips where it isn't at hand.

    DIFFPOSE_DATA names it; without that it is ../shared/data beside the repository.
    """
    folder = Path(os.environ.get("DIFFPOSE_DATA") or "../shared/data")
    folder = folder if folder.is_absolute() else (ROOT / folder)
    if not (folder / "mocap17_test.npz").is_file():
        pytest.skip(f"needs the Mocap-17 data, and there is no mocap17_test.npz in {folder} (set DIFFPOSE_DATA)")
    return folder
