"""Hostile files: nothing in them runs, and nothing of them is believed before it is checked."""

import io
import json
import pickle
import re
import struct
import zipfile

import numpy as np
import pytest

from benchmarks.fuzz_readers import seeds
from benchmarks.pose_files import alphapose, detected, videopose3d, walking, zipped
from diffpose_core.io import safe
from diffpose_core.io.formats import read_pose_file, to_clip
from diffpose_core.io.safe import open_zip, parse_json, read_npz, restricted_unpickle
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
    monkeypatch.setattr(safe, "_MAX_PICKLED_ITEMS", 10_000)
    # Thirty lists, each of the one before twice: a few hundred bytes that unfold to a thousand million.
    value: list = [1]
    for _ in range(30):
        value = [value, value]
    with pytest.raises(InvalidInput, match="more than 10,000 objects"):
        restricted_unpickle(pickle.dumps(value), "x")


@pytest.mark.parametrize("unit", [b"N0", b"]", b"K\x01", b"("])
def test_a_pickle_of_endless_steps_is_stopped(unit, monkeypatch):
    monkeypatch.setattr(safe, "_MAX_PICKLED_STEPS", 10_000)
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


# Archives


def test_a_zip_bomb_is_refused_before_it_is_unpacked(monkeypatch):
    monkeypatch.setattr(safe, "MAX_UNPACKED_BYTES", 1024 * 1024)
    content = zipped({f"frame_{n:03d}_keypoints.json": b"[" + b" " * 300_000 + b"]" for n in range(10)})
    assert len(content) < 10_000
    with pytest.raises(InvalidInput, match=r"unpacks to 3 MiB; the limit is 1 MiB"):
        read_pose_file(content, "bomb.zip")


def test_an_archive_that_lies_about_its_sizes_is_not_believed():
    data = bytearray(zipped({"a_1_keypoints.json": b'{"people": []}' + b" " * 100_000}))
    place = data.rfind(b"PK\x01\x02")
    data[place + 24 : place + 28] = struct.pack("<I", 20)
    with pytest.raises(InvalidInput, match="in the archive is damaged"):
        read_pose_file(bytes(data), "lies.zip")


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "a/../../b.json", "..\\b.json", "C:\\b.json"])
def test_names_that_lead_out_of_the_archive_are_refused(name):
    with pytest.raises(InvalidInput, match="names a file outside itself"):
        read_pose_file(zipped({name: b'{"people": []}'}), "a.zip")


def test_too_many_files_in_an_archive(monkeypatch):
    monkeypatch.setattr(safe, "MAX_ENTRIES", 20)
    with pytest.raises(InvalidInput, match="an archive of 21 files; the limit is 20"):
        open_zip(zipped({f"{n}.json": b"{}" for n in range(21)}), "a.zip")


def test_encrypted_nested_and_empty_archives():
    data = bytearray(zipped({"a.json": b"{}"}))
    data[6] |= 1
    data[data.rfind(b"PK\x01\x02") + 8] |= 1
    for content, message in (
        (bytes(data), "encrypted"),
        (zipped({"inner.zip": zipped({"a.json": b"{}"})}), "an archive in an archive"),
        (zipped({}), "an archive without files"),
        (zipped({"readme.txt": b"hello", "b.avi": b"RIFF"}), "none of them .json"),
        (zipped({"a.json": b"{}"})[:40], "perhaps truncated"),
    ):
        with pytest.raises(InvalidInput, match=message):
            read_pose_file(content, "a.zip")


def test_one_file_in_an_archive_is_read_as_itself():
    inside = alphapose([detected(walking(3), "COCO-17")])
    files = {"__MACOSX/._r.json": b"x", "results/r.json": inside, "results/.DS_Store": b"x"}
    assert read_pose_file(zipped(files), "a.zip").format == "AlphaPose"


def test_an_array_may_not_claim_more_than_its_bytes():
    for shape in ((10**10, 17, 2), (10**18,), (2**62, 2**62), (4, 17, 2)):
        head = io.BytesIO()
        np.lib.format.write_array_header_1_0(head, {"descr": "<f8", "fortran_order": False, "shape": shape})
        with pytest.raises(InvalidInput, match=r"needs \d+ bytes, found 64|shape of an array is damaged"):
            read_npz(zipped({"a.npy": head.getvalue() + bytes(64)}), "x.npz", ("a",))


def test_a_header_that_is_code_is_not_run(tmp_path):
    trace = tmp_path / "it-ran"
    text = f"{{'descr': '<f8', 'fortran_order': False, 'shape': open({str(trace)!r}, 'w')}}\n".encode()
    head = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text
    with pytest.raises(InvalidInput, match="damaged header"):
        read_npz(zipped({"a.npy": head}), "x.npz", ("a",))
    assert not trace.exists()


# JSON


def test_deep_json_is_refused_before_it_is_parsed():
    for content in (b"[" * 65, b'{"a":' * 100_000, b"[" * 5_000_000):
        with pytest.raises(InvalidInput, match=r"nested \d+ deep; the limit is 64"):
            parse_json(content, "deep.json")


def test_brackets_that_are_closed_do_not_count():
    assert parse_json(b"[" + b",".join([b"[[[]]]"] * 1000) + b"]", "flat.json")[0] == [[[]]]


@pytest.mark.parametrize("unit", [b"[],", b"{},", b"0,"])
def test_json_that_would_fill_the_memory_is_refused(unit, monkeypatch):
    monkeypatch.setattr(safe, "MAX_JSON_MEMORY", 4 * 1024 * 1024)
    assert len(parse_json(b"[" + unit * 10_000 + b"0]", "slim.json")) == 10_001
    with pytest.raises(InvalidInput, match=r"would take about \d+ MiB of memory; the limit is 4 MiB"):
        parse_json(b"[" + unit * 110_000 + b"0]", "fat.json")


def test_files_beyond_the_limit_are_refused(monkeypatch):
    monkeypatch.setattr(safe, "MAX_FILE_BYTES", 2 * 1024 * 1024)
    with pytest.raises(InvalidInput, match=r"big.json: 3 MiB; the limit is 2 MiB"):
        read_pose_file(b"[" + bytes(3 * 1024 * 1024), "big.json")


def test_json_as_people_save_it():
    assert parse_json(b"\xef\xbb\xbf[1]", "bom.json") == [1]
    assert parse_json("[1]".encode("utf-16"), "utf16.json") == [1]
    assert np.isnan(parse_json(b"[NaN, 1]", "nan.json")[0])
    assert parse_json(b"[-Infinity]", "inf.json") == [-np.inf]
    assert parse_json(b"[1e999, -1" + b"0" * 9000 + b", 7]", "huge.json") == [np.inf, -np.inf, 7]
    for content in (b"[1", b"[1,]", b"{'a': 1}", b"[NaN", b'["\xff"]', b"[1]]", b"nul"):
        with pytest.raises(InvalidInput, match="not readable as JSON"):
            parse_json(content, "bad.json")


def test_whole_files_in_utf_16_and_with_numbers_of_any_length():
    plain = json.loads(alphapose([detected(walking(4), "COCO-17")]))
    for encoding in ("utf-8-sig", "utf-16"):
        assert read_pose_file(json.dumps(plain).encode(encoding), "a.json").format == "AlphaPose"
    plain[1]["keypoints"][27] = 10**400  # the left wrist
    assert to_clip(read_pose_file(json.dumps(plain).encode(), "a.json")).clip.guessed.sum() == 1


def test_deeplabcut_s_other_file_is_told_apart():
    with pytest.raises(InvalidInput, match=r"an HDF5 file; DeepLabCut writes the same as \.csv"):
        read_pose_file(b"\x89HDF\r\n\x1a\n" + bytes(100), "dlc.h5")


def test_text_that_is_none():
    with pytest.raises(InvalidInput, match=r"no known format; expected VideoPose3D"):
        read_pose_file(b"GIF89a" + bytes(100), "a.json")
    for content in (b"", b"\0" * 50, b"  \n "):
        with pytest.raises(InvalidInput, match="the file is empty"):
            read_pose_file(content, "a.json")


@pytest.mark.parametrize("share", [0.01, 0.3, 0.6, 0.9, 0.999])
def test_truncated_files_say_so(share):
    for name, content in seeds().items():
        if "csv" in name or "deeplabcut" in name or content[:1] not in (b"P", b"{", b"["):
            continue  # a table that is cut at a row is a shorter table
        with pytest.raises(InvalidInput) as caught:
            read_pose_file(content[: max(3, int(len(content) * share))], "cut")
        assert "cut" in str(caught.value)


def test_compressed_data_that_is_damaged():
    data = bytearray(zipped({"a_1_keypoints.json": json.dumps({"people": []}).encode() * 50}))
    data[60] ^= 0xFF
    with pytest.raises(InvalidInput, match="damaged"):
        read_pose_file(bytes(data), "a.zip")
