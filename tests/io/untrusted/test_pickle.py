"""Hostile pickles: nothing in them runs, and nothing of them is believed before it is checked."""

import io
import pickle
import re
import struct
import zipfile

import numpy as np
import pytest

from benchmarks.hostile_files import encoded_again
from benchmarks.pose_files import videopose3d, walking, zipped
from diffpose_core.io.formats import read_pose_file
from diffpose_core.io.untrusted import pickle as bounded_pickle
from diffpose_core.io.untrusted.pickle import restricted_unpickle
from diffpose_core.structures import InvalidInput


class Payload:
    """Creates a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def array_file(pickled: bytes) -> bytes:
    """An .npy of one object, with these bytes for its pickle."""
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(head, {"descr": "|O", "fortran_order": False, "shape": ()})
    return head.getvalue() + pickled


@pytest.mark.parametrize("key", ["positions_2d", "metadata"])
@pytest.mark.parametrize("protocol", range(6))
def test_code_in_a_pickle_does_not_run(tmp_path, key, protocol):
    trace = tmp_path / "it-ran"
    hostile = pickle.dumps({"S1": {"Walk": [Payload(trace)]}}, protocol=protocol)
    pickle.loads(hostile)
    assert trace.exists(), "the payload works"
    trace.unlink()
    with zipfile.ZipFile(io.BytesIO(videopose3d({"S1": {"Walk": [walking(3)]}}))) as good:
        files = {name: good.read(name) for name in good.namelist()}
    files[f"{key}.npy"] = array_file(hostile)
    with pytest.raises(InvalidInput, match=r"pickled objects other than arrays and plain containers.*asks for"):
        read_pose_file(zipped(files), "clip.npz")
    assert not trace.exists()


@pytest.mark.parametrize(
    ("pickled", "reason"),
    [
        (b"cos\nsystem\n(S'true'\ntR.", "asks for os.system"),
        (b"cbuiltins\neval\n(S'1'\ntR.", "asks for builtins.eval"),
        (b"cnumpy\nload\n(S'x'\ntR.", "asks for numpy.load"),
        (b"\x80\x02cnumpy.core.multiarray\n_reconstruct\n\x94.", "_reconstruct|damaged|holds a"),
        (b"(S'x'\nios\nsystem\n.", "damaged"),
        (b"c_codecs\nencode\n(V" + b"x" * 10 + b"\nVzip\ntR.", "text encoded as 'zip'"),
        (b"", "damaged"),
        (b"garbage", "damaged"),
        (b"\x80\x04" + b")" + b"\x85" * 50_000 + b"K\x01s.", "damaged"),
        (b"}" + b")" + b"\x85" * 50_000 + b"K\x01s.", "keys are neither text nor whole numbers"),
        (b"]" * 200 + b"a" * 199 + b".", "nested more than 64 deep"),
        # A label of the unpickler's memory that would need 32 GB in the C implementation.
        (b"K\x01r" + struct.pack("<I", 2**31 - 1) + b"].", "damaged|holds"),
        (b"\x80\x05\x96" + struct.pack("<Q", 2**40) + b".", "damaged"),
        (b"\x80\x05\x8e" + struct.pack("<Q", 2**40) + b".", "damaged"),
    ],
)
def test_other_tricks_of_pickles(pickled, reason):
    try:
        found = restricted_unpickle(pickled, "x")
    except InvalidInput as error:
        assert re.search(reason, str(error)), str(error)
    else:
        assert found == [], "only what is harmless may pass"


def test_a_pickle_that_unfolds_without_end_is_stopped(monkeypatch):
    monkeypatch.setattr(bounded_pickle, "_MAX_PICKLED_ITEMS", 10_000)
    # Thirty lists, each of the one before twice: a few hundred bytes that unfold to a thousand million.
    value: list = [1]
    for _ in range(30):
        value = [value, value]
    with pytest.raises(InvalidInput, match="more than 10,000 objects"):
        restricted_unpickle(pickle.dumps(value), "x")


@pytest.mark.parametrize("unit", [b"N0", b"]", b"K\x01", b"("])
def test_a_pickle_of_endless_steps_is_stopped(unit, monkeypatch):
    monkeypatch.setattr(bounded_pickle, "_MAX_PICKLED_STEPS", 10_000)
    with pytest.raises(InvalidInput, match=r"x has more than 10,000 parts"):
        restricted_unpickle(b"\x80\x04" + unit * 20_000 + b".", "x")
    # Frames of the format group steps, and hide none of them.
    hidden = b"\x80\x04\x95" + struct.pack("<Q", 40_001) + b"N0" * 20_000 + b"."
    with pytest.raises(InvalidInput, match=r"x has more than 10,000 parts"):
        restricted_unpickle(hidden, "x")


def test_arrays_of_records_are_refused_because_they_can_forge_pointers():
    array = np.zeros(2, dtype=[("a", "<i8"), ("b", "<f8")])
    with pytest.raises(InvalidInput, match=r"found one of records|numbers or text expected"):
        restricted_unpickle(pickle.dumps(array, protocol=4), "x")


@pytest.mark.parametrize("protocol", range(6))
def test_honest_pickles_of_arrays_are_read(protocol):
    arrays = {
        "f": np.arange(6.0).reshape(2, 3), "order": np.asfortranarray(np.arange(6).reshape(2, 3)),
        "big": np.arange(3, dtype=">i4"), "flags": np.array([True, False]), "text": np.array(["a", "bc"]),
        "empty": np.zeros((0, 17, 2)), "scalar": np.float32(2.5), "list": [1, (2.0, None), {"k": b"v"}],
    }  # fmt: skip
    found = restricted_unpickle(pickle.dumps(arrays, protocol=protocol), "x")
    for key in ("f", "order", "big", "flags", "text", "empty"):
        assert np.array_equal(found[key], arrays[key]), key
    assert found["scalar"] == 2.5 and found["list"] == [1, [2.0, None], {"k": b"v"}]


def test_arrays_of_objects_come_back_nested():
    outer = np.empty((2, 2), dtype=object)
    for row in range(2):
        outer[row, 0], outer[row, 1] = [], np.full((1, 3), row)
    found = restricted_unpickle(pickle.dumps(outer), "x")
    assert [len(row) for row in found] == [2, 2] and found[1][0] == [] and found[1][1].tolist() == [[1, 1, 1]]


def test_a_text_is_encoded_once_and_not_again_and_again():
    # Honest: as Python 3 writes bytes for protocol 2.
    assert restricted_unpickle(pickle.dumps([b"\xff" * 50, b"\x00"], protocol=2), "x") == [b"\xff" * 50, b"\x00"]
    with pytest.raises(InvalidInput, match="more bytes than the file holds"):
        restricted_unpickle(encoded_again(100), "x")


def test_an_array_that_is_referred_to_again_is_counted_again(monkeypatch):
    monkeypatch.setattr(bounded_pickle, "_MAX_PICKLED_BYTES", 10_000)
    array = np.ones(1000, np.int8)
    assert len(restricted_unpickle(pickle.dumps([array] * 10), "x")) == 10
    with pytest.raises(InvalidInput, match="x holds arrays of more than 0 MiB"):
        restricted_unpickle(pickle.dumps([array] * 11), "x")


def test_halves_of_surrogate_pairs_are_replaced_in_names():
    found = restricted_unpickle(pickle.dumps({"S\ud800": "a\udc00b"}), "x")
    assert found == {"S?": "a?b"}


def test_a_pickle_leaves_nothing_in_the_functions_that_read_it():
    name = b"X" + struct.pack("<I", 12) + b"__defaults__"
    with pytest.raises(InvalidInput, match="a state of something other than an array"):
        restricted_unpickle(b"\x80\x02cbuiltins\nbytes\nN}" + name + b"K\x01\x85s\x86b.", "x")
    assert bounded_pickle._no_bytes.__defaults__ is None
