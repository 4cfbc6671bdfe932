"""Clip files: what is written comes back, and a file from anywhere can neither run code nor fill the memory."""

import io
import json
import pickle
import zipfile

import numpy as np
import pytest

from benchmarks.hostile_files import own_clip
from diffpose_core.io.clips import SCHEMA, clip_from_json, clip_from_npz, clip_to_json, load_clip, save_clip
from diffpose_core.io.untrusted import files
from diffpose_core.structures import Intrinsics, InvalidInput, PoseClip2D, PoseMixture


def clip(**changes):
    rng = np.random.default_rng(0)
    means = rng.uniform(0, 1000, (5, 17, 2, 2)).astype(np.float32)
    fields = dict(
        name="Ünïcode walk",
        keypoints_px=means[:, :, 0],
        confidence=rng.uniform(0, 1, (5, 17)).astype(np.float32),
        width=1000,
        height=720,
        fps=29.97,
        mixture=PoseMixture(np.full((5, 17, 2), 0.5, np.float32), means, np.full_like(means, 9.0)),
        intrinsics=Intrinsics(1145.5, 1144.5, 512.0, 360.0),
        pose3d_cam=rng.standard_normal((5, 17, 3)).astype(np.float32),
        hidden=rng.uniform(size=(5, 17)) < 0.3,
        provenance={"action": "walk", "seed": 3},
    )
    return PoseClip2D(**{**fields, **changes})


BARE = dict(mixture=None, intrinsics=None, pose3d_cam=None, hidden=None, provenance={})


@pytest.mark.parametrize("changes", [{}, BARE], ids=["everything", "bare"])
def test_a_clip_comes_back_as_it_was(tmp_path, changes):
    made = clip(**changes)
    save_clip(made, tmp_path / "c.npz")
    read = load_clip(tmp_path / "c.npz")
    for name in ("name", "width", "height", "fps", "intrinsics", "provenance"):
        assert getattr(read, name) == getattr(made, name)
    for name in ("keypoints_px", "confidence", "pose3d_cam", "hidden"):
        before, after = getattr(made, name), getattr(read, name)
        assert (before is None and after is None) or np.array_equal(before, after)
    if made.mixture is not None:
        assert np.array_equal(read.mixture.means_px, made.mixture.means_px)
        assert np.array_equal(read.mixture.variances_px2, made.mixture.variances_px2)
    else:
        assert read.mixture is None


@pytest.mark.parametrize("changes", [{}, BARE], ids=["everything", "bare"])
def test_a_clip_comes_back_from_json_as_well(changes):
    made = clip(**changes)
    read = clip_from_json(json.loads(clip_to_json(made)), "c.json")
    for name in ("name", "width", "height", "fps", "intrinsics", "provenance"):
        assert getattr(read, name) == getattr(made, name)
    for name in ("keypoints_px", "confidence", "pose3d_cam"):
        before, after = getattr(made, name), getattr(read, name)
        assert (before is None and after is None) or np.allclose(before, after, atol=1e-4)
    assert made.hidden is None or np.array_equal(read.hidden, made.hidden)
    assert made.mixture is None or np.allclose(read.mixture.means_px, made.mixture.means_px, atol=1e-4)


def test_json_that_is_no_clip():
    good = json.loads(clip_to_json(clip()))
    for change, message in (
        ({"schema": "diffpose-clip/9"}, "schema 'diffpose-clip/9' found"),
        ({"keypoints_px": [[1, 2], [3]]}, "keypoints_px must be a regular array of numbers"),
        ({"confidence": "high"}, "confidence must hold real numbers"),
        ({"fps": None}, "the header misses or mistypes a field"),
    ):
        with pytest.raises(InvalidInput, match=message):
            clip_from_json({**good, **change}, "c.json")


def test_an_open_file_serves_as_well_as_a_path():
    buffer = io.BytesIO()
    save_clip(clip(), buffer)
    buffer.seek(0)
    assert len(load_clip(buffer)) == 5


def test_the_header_names_units_and_joints(tmp_path):
    save_clip(clip(), tmp_path / "c.npz")
    with np.load(tmp_path / "c.npz") as archive:
        header = json.loads(str(archive["header"]))
    assert header["schema"] == SCHEMA and header["joint_order"] == "Human3.6M-17"
    assert "metres" in header["units"]["pose3d_cam"]


def rewritten(tmp_path, edit):
    """A clip file after `edit` changed its header and arrays (a dict)."""
    save_clip(clip(), tmp_path / "good.npz")
    with np.load(tmp_path / "good.npz") as archive:
        arrays = dict(archive)
    header = json.loads(str(arrays.pop("header")))
    header = edit(header, arrays) or header
    path = tmp_path / "bad.npz"
    np.savez(path, header=np.array(json.dumps(header)), **arrays)
    return path


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda h, a: h.update(schema="other/1"), "schema 'other/1' found, 'diffpose-clip/1' expected"),
        (lambda h, a: h.pop("schema") and None, "header is not the JSON object"),
        (lambda h, a: [1, 2], "header is not the JSON object"),
        (lambda h, a: h.pop("fps") and None, "header misses or mistypes a field: 'fps'"),
        (lambda h, a: h.update(width="wide"), "header misses or mistypes a field"),
        (lambda h, a: h.update(width=1e400), "header misses or mistypes a field"),
        (lambda h, a: h.update(intrinsics_px={"fx": 1}), "header misses or mistypes a field"),
        (lambda h, a: h.update(intrinsics_px=[1, 2, 3, 4]), "header misses or mistypes a field"),
        (lambda h, a: h.update(provenance=7), "header misses or mistypes a field"),
        (lambda h, a: a.pop("confidence") is None, "the array confidence is missing"),
        (lambda h, a: a.pop("means_px") is None, "misses or mistypes a field: 'means_px'"),
        (lambda h, a: a.update(keypoints_px=np.zeros((5, 18, 2))), r"keypoints must be \(frames, 17, 2\)"),
        (lambda h, a: a.update(keypoints_px=np.zeros((0, 17, 2))), "at least one frame"),
        (lambda h, a: a.update(pose3d_cam=np.zeros((4, 17, 3))), "3D pose must be"),
        (lambda h, a: a.update(hidden=np.zeros((5, 17))), "hidden must be true or false"),
        (lambda h, a: a.update(weights=np.ones((5, 17, 2))), "sum to 1"),
        (lambda h, a: a.update(confidence=np.full((5, 17), 2.0)), "between 0 and 1"),
        (lambda h, a: a.update(keypoints_px=np.full((5, 17, 2), "x")), "keypoints_px must hold real numbers"),
        (
            lambda h, a: a.update(confidence=np.zeros((5, 17), complex)),
            "expected, found '<c16'",
        ),
    ],
)
def test_what_is_wrong_with_a_file_is_said(tmp_path, edit, message):
    path = rewritten(tmp_path, lambda h, a: (lambda found: found if isinstance(found, list) else None)(edit(h, a)))
    with pytest.raises(InvalidInput, match=message) as caught:
        load_clip(path)
    assert "bad.npz" in str(caught.value)


def test_a_file_without_a_schema_tag(tmp_path):
    np.savez(tmp_path / "other.npz", keypoints_px=np.zeros((5, 17, 2)))
    with pytest.raises(InvalidInput, match=r"no schema tag found; expected a clip file with the tag diffpose-clip/1"):
        load_clip(tmp_path / "other.npz")


def test_files_that_are_no_npz(tmp_path):
    save_clip(clip(), tmp_path / "good.npz")
    data = (tmp_path / "good.npz").read_bytes()
    for content in (
        b"",
        b"\x93NUMPY",
        b"PK\x03\x04 damaged",
        data[: len(data) // 2],
        data[:-25],
        b"GIF89a" + data[:99],
    ):
        path = tmp_path / "bad.npz"
        path.write_bytes(content)
        with pytest.raises(InvalidInput, match=r"bad.npz: not a readable archive"):
            load_clip(path)
    with pytest.raises(InvalidInput, match="no such file"):
        load_clip(tmp_path / "absent.npz")
    with pytest.raises(InvalidInput, match="can't be read"):
        load_clip(tmp_path)


def test_damage_inside_an_array_is_noticed(tmp_path):
    save_clip(clip(), tmp_path / "good.npz")
    data = bytearray((tmp_path / "good.npz").read_bytes())
    data[len(data) // 2] ^= 0xFF
    (tmp_path / "bad.npz").write_bytes(bytes(data))
    with pytest.raises(InvalidInput, match="in the archive is damaged"):
        load_clip(tmp_path / "bad.npz")


class Payload:
    """Creates a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


@pytest.mark.parametrize("key", ["keypoints_px", "header", "extra"])
def test_pickled_code_is_refused_and_does_not_run(tmp_path, key):
    trace = tmp_path / "it-ran"
    pickle.loads(pickle.dumps(Payload(trace))).close()
    assert trace.exists(), "the payload works"
    trace.unlink()
    hostile = np.array([Payload(trace)], dtype=object)
    save_clip(clip(), tmp_path / "good.npz")
    with np.load(tmp_path / "good.npz") as archive:
        arrays = dict(archive)
    np.savez(tmp_path / "bad.npz", **{**arrays, key: hostile})
    if key == "extra":
        # What the format doesn't know is not even read.
        load_clip(tmp_path / "bad.npz")
    else:
        with pytest.raises(InvalidInput, match="holds pickled objects; expected an array of numbers or text"):
            load_clip(tmp_path / "bad.npz")
    assert not trace.exists()


def test_a_bare_pickle_is_refused_and_does_not_run(tmp_path):
    trace, path = tmp_path / "it-ran", tmp_path / "bad.npz"
    path.write_bytes(pickle.dumps(Payload(trace)))
    with pytest.raises(InvalidInput, match="not a readable archive"):
        load_clip(path)
    assert not trace.exists()


def test_an_archive_that_unpacks_to_too_much_is_refused_before_it_does(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "MAX_UNPACKED_BYTES", 1024 * 1024)
    path = tmp_path / "bomb.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("keypoints_px.npy", bytes(2 * 1024 * 1024))
    assert path.stat().st_size < 5000
    with pytest.raises(InvalidInput, match=r"unpacks to 2 MiB; the limit is 1 MiB"):
        load_clip(path)


def test_an_array_that_claims_to_be_huge_is_refused(tmp_path):
    """The header of an array says 80 GB; its archive holds a few bytes."""
    content = io.BytesIO()
    np.lib.format.write_array_header_1_0(content, {"descr": "<f8", "fortran_order": False, "shape": (10_000_000_000,)})
    path = tmp_path / "bad.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("keypoints_px.npy", content.getvalue() + bytes(64))
    with pytest.raises(InvalidInput, match="needs 80000000000 bytes, found 64"):
        load_clip(path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"keypoints_px": np.full((3, 17, 2), 3e38).tolist()}, "keypoints_px holds numbers beyond 1,000,000"),
        ({"fps": 1e-300}, "1e-300 frames a second; expected 0.1 to 10,000"),
        ({"width": 10**9}, "an image of 1000000000 x 720 px"),
        ({"intrinsics_px": {"fx": 1e300, "fy": 1, "cx": 0, "cy": 0}}, "intrinsics that no camera has"),
        ({"intrinsics_px": {"fx": 1000, "fy": 1e-30, "cx": 0, "cy": 0}}, "intrinsics that no camera has"),
    ],
)
def test_numbers_that_overflow_later_are_refused(changes, message):
    with pytest.raises(InvalidInput, match=message):
        clip_from_json(json.loads(own_clip(**changes)), "c.json")


def test_half_a_surrogate_pair_in_a_header_is_replaced():
    header = json.loads(own_clip())
    arrays = {key: np.array(header.pop(key), np.float32) for key in ("keypoints_px", "confidence")}
    file = io.BytesIO()
    np.savez(file, header=np.array(json.dumps({**header, "name": "a?"}).replace("?", "\ud800")), **arrays)
    name = clip_from_npz(file.getvalue(), "c.npz").name
    assert name == "a?"
