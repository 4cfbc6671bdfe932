"""Runs that were killed, and the moving average that they end with."""

import hashlib

import pytest
import torch

from benchmarks.hostile_others import MIB, packed_state
from diffpose_core.config import override
from diffpose_core.datasets.mocap17 import load_mocap17
from diffpose_core.datasets.sampling import PoseSampler, Variation
from diffpose_core.rng import seeded
from diffpose_core.structures import InvalidInput
from diffpose_core.training.run import RunOptions, run_task
from diffpose_core.training.run_state import read_state
from diffpose_core.training.tasks import EncoderTask, encoder_batch
from tests.training.tiny import BRIEF, ENCODER

pytestmark = [
    # Lightning's own remarks about a run that is as short as a test.
    pytest.mark.filterwarnings("ignore:Checkpoint directory"),
    pytest.mark.filterwarnings("ignore:The number of training batches"),
    pytest.mark.filterwarnings("ignore:.*LeafSpec.*"),
]


class Killed(Exception):
    pass


def test_a_run_that_was_killed_goes_on_as_it_would_have(data, tmp_path, monkeypatch):
    config = override(BRIEF, epochs=3)

    def run(folder, kill_in_epoch=None):
        torch.manual_seed(5)
        sampler = PoseSampler(load_mocap17(data), Variation())
        task = EncoderTask(ENCODER, config)

        def draw(size, generator):
            if kill_in_epoch is not None and task.current_epoch == kill_in_epoch:
                raise Killed
            return encoder_batch(sampler.draw(size, generator))

        fixed = [encoder_batch(sampler.draw(64, seeded("cpu", 1)))]
        task.set_data(draw, fixed)
        metrics = run_task(task, config, RunOptions(folder, accelerator="cpu", progress=False, mixed_precision=False))
        return task.network.state_dict(), metrics

    expected, figures = run(tmp_path / "whole")
    for kill_in_epoch in (1, 2):
        folder = tmp_path / f"killed-{kill_in_epoch}"
        with pytest.raises(Killed):
            run(folder, kill_in_epoch)
        found, found_figures = run(folder)
        for name in expected:
            assert torch.equal(found[name], expected[name]), name
        assert found_figures["val_mpjpe_m"] == pytest.approx(figures["val_mpjpe_m"], rel=1e-4)


def test_training_ends_with_the_moving_average_of_the_weights(data, tmp_path):
    """Against an average that is kept by hand, step by step."""
    seen = []

    class Watched(EncoderTask):
        def on_train_batch_end(self, *_):
            seen.append({n: p.detach().clone() for n, p in self.network.named_parameters()})

    torch.manual_seed(5)
    sampler = PoseSampler(load_mocap17(data), Variation())
    task = Watched(ENCODER, BRIEF)
    fixed = [encoder_batch(sampler.draw(64, seeded("cpu", 1)))]
    task.set_data(lambda size, generator: encoder_batch(sampler.draw(size, generator)), fixed)
    run_task(task, BRIEF, RunOptions(tmp_path, accelerator="cpu", progress=False, mixed_precision=False))
    assert len(seen) == 4
    average = seen[0]
    for state in seen[1:]:
        average = {name: 0.9 * average[name] + 0.1 * state[name] for name in average}
    for name, parameter in task.network.named_parameters():
        assert torch.allclose(parameter, average[name], atol=1e-6), name
    assert not torch.allclose(task.network.head.linear.weight, seen[-1]["head.linear.weight"])


def test_a_state_that_unpacks_to_more_than_its_size_is_refused_before_it_is_unpacked(tmp_path, monkeypatch):
    raw = packed_state(64 * MIB)
    assert len(raw) < MIB
    path = tmp_path / "last.ckpt"
    for content in (raw, b"\x80\x02}q\x00."):  # torch's older form is no archive
        path.write_bytes(b"diffpose-run/1 " + hashlib.sha256(content).hexdigest().encode() + b"\n" + content)
        monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("it is unpacked"))
        with pytest.raises(InvalidInput, match=r"last\.ckpt: not the state of a run \((ValueError|BadZipFile)\)"):
            read_state(path)
