"""Motion files: what is written comes back, and what is wrong with a file is said."""

import zipfile

import numpy as np
import pytest

from diffpose_core.datasets.mocap17 import UNIT_M, load_mocap17, motion_set, save_mocap17
from diffpose_core.datasets.procedural import procedural_motion, write_procedural_dataset
from diffpose_core.skeleton import bone_lengths
from diffpose_core.structures import InvalidInput


def motions():
    clips = [procedural_motion("walk", 1, 2.0), procedural_motion("wave", 2, 3.0)]
    return clips, motion_set(clips, 30.0, name=["a", "b"], action=["walk", "wave"], subject=["s1", "s2"])


def test_a_file_gives_back_what_was_written_to_a_tenth_of_a_millimetre(tmp_path):
    clips, made = motions()
    save_mocap17(made, tmp_path / "m.npz")
    read = load_mocap17(tmp_path / "m.npz")
    assert len(read) == 2 and read.num_frames == 60 + 90
    for number, clip in enumerate(clips):
        assert np.abs(read.clip_world(number) - clip).max() < 0.51 * UNIT_M
        assert read.clip_world(number).dtype == np.float32
    assert list(read.name) == ["a", "b"] and list(read.action) == ["walk", "wave"]
    assert list(read.source) == ["", ""] and list(read.fps) == [30.0, 30.0]


def test_single_frames_are_those_of_the_clips():
    clips, made = motions()
    whole = np.concatenate(clips)
    picked = np.array([0, 59, 60, 149])
    assert np.abs(made.poses_world(picked) - whole[picked]).max() < 0.51 * UNIT_M


def test_a_body_too_large_for_the_format_is_refused():
    pose = np.zeros((2, 17, 3))
    pose[:, 5, 0] = 4.0
    with pytest.raises(InvalidInput, match=r"more than 3.27 m"):
        motion_set([pose], 30.0)


def arrays(**changes):
    _, made = motions()
    fields = {name: getattr(made, name) for name in made.__dataclass_fields__}
    return {key: value for key, value in {**fields, **changes}.items() if value is not None}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (dict(root=None, style=None), "missing: root, style"),
        (dict(root=np.zeros((150, 2), np.float32)), r"root must be float \(F, 3\), found float32 \(150, 2\)"),
        (dict(root=np.zeros((150, 3), np.int32)), "root must be float .* found int32"),
        (dict(root=np.full((150, 3), np.nan, np.float32)), "root holds values that are not finite"),
        (
            dict(joints=np.zeros((150, 17, 3), np.int16)),
            r"joints must be int16 \(150, 16, 3\), found int16 \(150, 17, 3\)",
        ),
        (dict(joints=np.zeros((150, 16, 3), np.float32)), "found float32"),
        (dict(start=np.array([0, 60, 149])), "start must rise from 0 to the number of frames, 150"),
        (dict(start=np.array([0, 60, 60, 150])), "start must rise"),
        (dict(start=np.array([0.0, 60, 150])), "start must rise"),
        (dict(start=np.array([0])), "start must rise"),
        (dict(action=np.array(["walk"])), r"action must hold one value a clip, 2, found \(1,\)"),
        (dict(action=np.array([1, 2])), "action must hold text"),
        (dict(fps=np.array([30.0, 0.0])), "fps must be above 0"),
        (dict(fps=np.array([30.0, np.nan])), "fps must be above 0"),
        (dict(fps=np.array(["30", "30"])), "fps must be above 0"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(tmp_path, changes, message):
    path = tmp_path / "bad.npz"
    np.savez(path, **arrays(**changes))
    with pytest.raises(InvalidInput, match=message) as caught:
        load_mocap17(path)
    assert "bad.npz" in str(caught.value)


def test_files_that_are_no_npz_are_refused(tmp_path):
    good, path = tmp_path / "good.npz", tmp_path / "bad.npz"
    save_mocap17(motions()[1], good)
    data = good.read_bytes()
    for content in (b"", b"not a zip", data[: len(data) // 2], data[:-30]):
        path.write_bytes(content)
        with pytest.raises(InvalidInput, match=r"bad.npz: not a readable .npz"):
            load_mocap17(path)
    with open(path, "wb") as file:
        np.save(file, np.zeros(3))
    with pytest.raises(InvalidInput, match=r"not a readable .npz"):
        load_mocap17(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("root.npy", b"\x93NUMPY damaged")
    with pytest.raises(InvalidInput):
        load_mocap17(path)
    with pytest.raises(InvalidInput, match="no such file"):
        load_mocap17(tmp_path / "absent.npz")


def test_pickled_objects_are_refused(tmp_path):
    path = tmp_path / "pickled.npz"
    np.savez(path, **arrays(style=np.array([{"a": 1}, {}], dtype=object)))
    with pytest.raises(InvalidInput, match="without pickled objects"):
        load_mocap17(path)


def test_the_procedural_set_is_in_the_layout(tmp_path):
    write_procedural_dataset(tmp_path / "p.npz", 3, seed=1)
    read = load_mocap17(tmp_path / "p.npz")
    assert len(read) == 3
    assert set(read.source) == {"procedural"}


@pytest.mark.parametrize("split", ["test", "val"])
def test_the_mocap_17_files_hold_people(data_dir, split):
    read = load_mocap17(data_dir / f"mocap17_{split}.npz")
    assert len(read) > 10
    poses = read.clip_world(3)
    assert poses.shape[0] == read.start[4] - read.start[3]
    lengths = bone_lengths(poses)
    assert 0.05 < lengths.min() and lengths.max() < 0.8
    # z is up: heads are above feet in most frames of a motion.
    assert (poses[:, 10, 2] > poses[:, 3, 2]).mean() > 0.5
