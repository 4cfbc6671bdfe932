"""Weighted lists of motion files, and motions that can't be."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

from diffpose_core.config import TrainingConfig
from diffpose_core.datasets.detector import TRAINING_DETECTOR
from diffpose_core.datasets.mocap17 import in_one_definition, load_mocap17, save_mocap17
from diffpose_core.datasets.sampling import PoseSampler, Variation
from diffpose_core.datasets.training_set import TrainingSet, data_sha256, make_sampler
from diffpose_core.rng import seeded
from diffpose_core.structures import InvalidInput


@pytest.fixture
def children(data, tmp_path):
    """The same motions of people of half the size."""
    motions = load_mocap17(data)
    path = tmp_path / "children.npz"
    save_mocap17(replace(motions, root=motions.root * 0.5, joints=(motions.joints * 0.5).astype(np.int16)), path)
    return path


def test_words_of_the_command_line():
    found = TrainingSet.of("a/x.npz", "y.npz:0.4", "c:z.npz")
    assert [(str(path), weight) for path, weight in found.files] == [("a/x.npz", 1), ("y.npz", 0.4), ("c:z.npz", 1)]
    assert found.name == "x.npz:1, y.npz:0.4, c:z.npz:1" and TrainingSet.of("a/x.npz").name == "x.npz"
    for weight in ("0", "-1", "nan", "inf"):
        with pytest.raises(InvalidInput, match=r"the weight of y\.npz must be above 0, found"):
            TrainingSet.of(f"y.npz:{weight}")
    with pytest.raises(InvalidInput, match="needs a motion file"):
        TrainingSet(())


def test_the_hash_is_of_the_content(data, children, tmp_path):
    other_name = tmp_path / "other.npz"
    shutil.copy(data, other_name)
    one = data_sha256(TrainingSet.of(data))
    assert one == data_sha256(TrainingSet.of(other_name)) == data_sha256(TrainingSet.of(f"{data}:3"))
    assert one != data_sha256(TrainingSet.of(children))
    assert data_sha256(TrainingSet.of(data, children)) != data_sha256(TrainingSet.of(data, f"{children}:2"))
    with pytest.raises(InvalidInput, match="can't be read"):
        data_sha256(TrainingSet.of("none.npz"))
    other_name.write_bytes(children.read_bytes())
    assert data_sha256(TrainingSet.of(other_name)) == data_sha256(TrainingSet.of(children))


def test_a_single_file_is_drawn_from_as_ever(data):
    config = TrainingConfig()
    motions = in_one_definition(load_mocap17(data))
    expected = PoseSampler(motions, Variation(), detector=TRAINING_DETECTOR).draw(8, seeded("cpu", 1))
    found = make_sampler(TrainingSet.of(data), config).draw(8, seeded("cpu", 1))
    assert torch.equal(found.pose_view, expected.pose_view)
    assert torch.equal(found.view.pose_norm, expected.view.pose_norm)


@pytest.mark.parametrize("frames", [1, 3])
def test_files_are_drawn_by_weight(data, children, frames):
    files = TrainingSet.of(f"{data}:3", f"{children}:1")
    sampler = make_sampler(files, TrainingConfig(), varied=False, frames=frames)
    assert isinstance(sampler, PoseSampler)
    batch = sampler.draw(400, seeded("cpu", 2))
    assert len(batch.view) == len(batch.pose_view) == 400 * frames
    thigh = (batch.pose_view[:, 2] - batch.pose_view[:, 1]).norm(dim=-1)
    small = thigh < 0.65 * thigh.max()
    assert 0.18 < float(small.float().mean()) < 0.32
    windows = small.unflatten(0, (-1, frames))
    assert bool((windows == windows[:, :1]).all()), "a window is of one file"
    # Files are mixed within a batch: no run of one file from front to back.
    assert int((windows[1:, 0] != windows[:-1, 0]).sum()) > 50
    again = sampler.draw(400, seeded("cpu", 2))
    assert torch.equal(again.pose_view, batch.pose_view)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: replace(m, root=m.root * 1000), r"clip 0 \(.*\): the hip is .* m above the floor: root must be in"),
        (lambda m: replace(m, joints=(m.joints * 0.1).astype(np.int16)), r"a person of 0\.1\d m; between"),
        (lambda m: replace(m, joints=m.joints * 0, root=m.root * 0), "all joints lie in one point"),
        (lambda m: replace(m, joints=_without_neck(m.joints)), "the bone .* to .* is 0.0 mm long"),
        (lambda m: replace(m, root=m.root * [1000, 1000, 1]), "the hip moves at .* m a second"),
    ],
    ids=["millimetres", "dwarfs", "zeros", "bone", "fast"],
)
def test_motions_that_cant_be_are_refused(data, tmp_path, change, message):
    path = tmp_path / "wrong.npz"
    save_mocap17(change(load_mocap17(data)), path)
    with pytest.raises(InvalidInput, match=message):
        make_sampler(TrainingSet.of(path), TrainingConfig())


def _without_neck(joints):
    changed = joints.copy()
    changed[:, 8] = changed[:, 7]
    return changed
