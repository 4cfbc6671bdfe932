"""Training as processes: killed at any moment, and shared by two."""

import csv
import multiprocessing
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from diffpose_core.config import TrainingConfig
from diffpose_core.models.graformer import Graformer
from diffpose_core.structures import InvalidInput
from diffpose_core.training.base_task import EpochStream
from tests.training import training_run

ROOT = Path(__file__).resolve().parents[2]


def start(folder, data):
    # What is loaded here need not be loaded again: that takes longer than the run.
    process = multiprocessing.get_context("fork").Process(target=training_run.train, args=(folder, data))
    process.start()
    return process


def curve(folder):
    """Epoch -> its figures, of whichever start of the run wrote them last."""
    found = {}
    for log in sorted(folder.glob("log/version_*/metrics.csv"), key=lambda path: int(path.parent.name[8:])):
        for row in csv.DictReader(log.read_text().splitlines()):
            values = {name: float(value) for name, value in row.items() if value and name not in ("epoch", "step")}
            found.setdefault(int(row["epoch"]), {}).update(values)
    return found


@pytest.fixture(scope="module")
def whole(data, tmp_path_factory):
    """A run that nobody disturbed."""
    folder = tmp_path_factory.mktemp("whole")
    process = start(folder, data)
    process.join()
    assert process.exitcode == 0
    return folder


def test_a_run_that_is_killed_at_any_moment_ends_with_the_same_curve(data, whole, tmp_path):
    random.seed(0)
    kills = 0
    for _ in range(40):
        process = start(tmp_path, data)
        # Long enough for an epoch or two on any machine, whatever the moment hits: a batch, a validation, a file.
        begun = len(curve(tmp_path))
        while process.is_alive() and len(curve(tmp_path)) < begun + 1:
            time.sleep(0.01)
        time.sleep(random.uniform(0.0, 0.3))
        if not process.is_alive():
            break
        process.kill()
        process.join()
        kills += 1
    process.join()
    assert process.exitcode == 0 and kills >= 2
    expected, found = curve(whole), curve(tmp_path)
    assert set(found) == set(expected) == set(range(training_run.CONFIG.epochs))
    for epoch, figures in expected.items():
        assert found[epoch] == pytest.approx(figures, abs=1e-6), epoch
    states = [torch.load(folder / "network.pt") for folder in (tmp_path, whole)]
    torch.testing.assert_close(*states, rtol=0, atol=0)
    assert not list(tmp_path.glob(".*"))


def test_two_processes_learn_what_one_does(data, whole, tmp_path):
    words = [sys.executable, str(ROOT / "tests" / "training" / "training_run.py"), str(tmp_path), str(data), "2"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    expected, found = curve(whole), curve(tmp_path)
    assert set(found) == set(expected)
    for epoch, figures in expected.items():
        # Each process has other numbers of hidden joints, and the mean of their means is not the mean over all.
        hidden, all_hidden = (of.pop("val_hidden_m") for of in (found[epoch], figures))
        assert hidden == pytest.approx(all_hidden, rel=0.01), epoch
        assert found[epoch] == pytest.approx(figures, abs=1e-5), epoch
    # What a key's bias is has no effect on attention: Adam makes steps of rounding errors there.
    pose = torch.randn(8, 17, 2, generator=torch.Generator().manual_seed(0))
    outputs = []
    for folder in (tmp_path, whole):
        network = Graformer(training_run.NETWORK).eval()
        network.load_state_dict(torch.load(folder / "network.pt"))
        with torch.no_grad():
            outputs.append(network(pose))
    torch.testing.assert_close(*outputs, rtol=0, atol=1e-4)


def test_processes_share_a_batch_without_overlap():
    config = TrainingConfig(samples_per_epoch=24, batch_size=6)

    def draw(size, generator):
        return {"x": torch.rand(size, generator=generator)}

    one = torch.cat([batch["x"] for batch in EpochStream(draw, config, 2, 0, 1)])
    parts = [torch.stack([batch["x"] for batch in EpochStream(draw, config, 2, rank, 3)]) for rank in range(3)]
    assert torch.equal(torch.cat(parts, 1).flatten(), one)
    with pytest.raises(InvalidInput, match="a batch of 6 can't be shared evenly by 4 processes"):
        EpochStream(draw, config, 0, 0, 4)
