"""Training under faults: the benchmark's command, in short."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_kills_and_full_disks_lose_nothing_and_change_nothing(tmp_path):
    """The command fails where a saved epoch is lost, a file is half, or a state differs from the undisturbed run's."""
    words = [
        sys.executable,
        "-m",
        "benchmarks.training_faults",
        "--kills",
        "6",
        "--full",
        "2",
        "--other",
        str(tmp_path),
    ]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stderr[-3000:]
    counts = json.loads(done.stdout)
    assert sum(counts.get(kind, 0) for kind in ("moment", "operation", "writing")) == 6
    assert sum(counts.get(kind, 0) for kind in ("disk", "limit")) == 2
