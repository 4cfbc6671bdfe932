"""Whole files: too large, in other encodings, of other kinds, cut off."""

import json
import os
from pathlib import Path

import pytest

from benchmarks.fuzz_seeds import seeds
from benchmarks.pose_files import alphapose, detected, walking
from diffpose_core.io.formats import read_pose_file, read_pose_path, to_clip
from diffpose_core.io.untrusted import files
from diffpose_core.io.untrusted.files import read_bytes
from diffpose_core.structures import InvalidInput


def test_files_beyond_the_limit_are_refused(monkeypatch):
    monkeypatch.setattr(files, "MAX_FILE_BYTES", 2 * 1024 * 1024)
    with pytest.raises(InvalidInput, match=r"big.json: 3 MiB; the limit is 2 MiB"):
        read_pose_file(b"[" + bytes(3 * 1024 * 1024), "big.json")


def test_whole_files_in_utf_16_and_with_numbers_of_any_length():
    plain = json.loads(alphapose([detected(walking(4), "COCO-17")]))
    for encoding in ("utf-8-sig", "utf-16"):
        assert read_pose_file(json.dumps(plain).encode(encoding), "a.json").format == "AlphaPose"
    plain[1]["keypoints"][27] = 10**400  # the left wrist
    assert to_clip(read_pose_file(json.dumps(plain).encode(), "a.json")).clip.guessed.sum() == 1


def test_deeplabcut_s_other_file_is_told_apart():
    with pytest.raises(InvalidInput, match=r"not readable as HDF5|an HDF5 file"):
        read_pose_file(b"\x89HDF\r\n\x1a\n" + bytes(100), "dlc.h5")


def test_text_that_is_none():
    with pytest.raises(InvalidInput, match=r"no known format; expected VideoPose3D"):
        read_pose_file(b"\x01\x02\x03\x04" + b"x" * 100, "a.json")
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


def test_pipes_and_devices_are_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe.json")
    (tmp_path / "zero.json").symlink_to("/dev/zero")
    for name in ("pipe.json", "zero.json"):
        with pytest.raises(InvalidInput, match=rf"{name}: can't be read \(no regular file"):
            read_bytes(tmp_path / name)
        with pytest.raises(InvalidInput, match="no regular file"):
            read_pose_path(tmp_path / name)
    with pytest.raises(InvalidInput, match="no regular file"):
        read_pose_path(tmp_path)  # a folder of such files


def test_no_more_than_the_limit_is_read_whatever_size_the_system_says(tmp_path):
    status = Path("/proc/self/status")
    assert status.stat().st_size == 0 and read_bytes(status).startswith(b"Name:")
    with pytest.raises(InvalidInput, match="status: 11 bytes; the limit is 10 bytes"):
        read_bytes(status, limit=10)
    (tmp_path / "a").write_bytes(b"12345")
    assert read_bytes(tmp_path / "a", limit=5) == b"12345"
    with pytest.raises(InvalidInput, match="a: 5 bytes; the limit is 4 bytes"):
        read_bytes(tmp_path / "a", limit=4)
    for path, message in (("none", "no such file"), (".", "can't be read"), ("a\0b", "can't be read")):
        with pytest.raises(InvalidInput, match=message):
            read_bytes(f"{tmp_path}/{path}")
