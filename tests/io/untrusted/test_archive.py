"""Hostile archives: bombs, lies about sizes, names that lead elsewhere."""

import io
import json
import struct
import tracemalloc
import zipfile

import pytest

from benchmarks.hostile_files import MIB, packed
from benchmarks.pose_files import alphapose, detected, walking, zipped
from diffpose_core.io.formats import read_pose_file
from diffpose_core.io.untrusted import archive, files
from diffpose_core.io.untrusted.archive import Archive
from diffpose_core.structures import InvalidInput


def test_a_zip_bomb_is_refused_before_it_is_unpacked(monkeypatch):
    monkeypatch.setattr(files, "MAX_UNPACKED_BYTES", 1024 * 1024)
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
    monkeypatch.setattr(archive, "MAX_ENTRIES", 20)
    with pytest.raises(InvalidInput, match="an archive of 21 files; the limit is 20"):
        Archive(zipped({f"{n}.json": b"{}" for n in range(21)}), "a.zip")


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


def test_compressed_data_that_is_damaged():
    data = bytearray(zipped({"a_1_keypoints.json": json.dumps({"people": []}).encode() * 50}))
    data[60] ^= 0xFF
    with pytest.raises(InvalidInput, match="damaged"):
        read_pose_file(bytes(data), "a.zip")


@pytest.mark.parametrize(("method", "word"), [(zipfile.ZIP_BZIP2, "bzip2"), (zipfile.ZIP_LZMA, "lzma")])
def test_only_stored_and_deflated_files_are_unpacked(method, word):
    with pytest.raises(InvalidInput, match=f"is packed by {word}; expected stored or deflated files"):
        Archive(packed(method, 4 * MIB), "a.zip").read("a_1_keypoints.json")


def test_a_file_that_holds_more_than_it_declares_is_not_unpacked():
    content = packed(zipfile.ZIP_DEFLATED, 300 * MIB)
    assert len(content) < MIB
    tracemalloc.start()
    try:
        with pytest.raises(InvalidInput, match="in the archive is damaged"):
            Archive(content, "a.zip").read("a_1_keypoints.json")
        assert tracemalloc.get_traced_memory()[1] < 8 * MIB
    finally:
        tracemalloc.stop()


def test_two_files_of_one_name_are_refused():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        for content in (b"{}", b"[]"):
            archive.writestr("a.json", content)
    with pytest.raises(InvalidInput, match="two files of the archive have the same name"):
        Archive(file.getvalue(), "a.zip")
