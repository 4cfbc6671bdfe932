"""Files are written whole or not at all."""

import errno
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from diffpose_core.io import atomic
from diffpose_core.io.atomic import write_whole, writing_whole
from diffpose_core.structures import InvalidInput


def test_a_file_is_written_and_replaced(tmp_path):
    path = tmp_path / "a.txt"
    write_whole(path, "one")
    write_whole(path, b"two")
    assert path.read_bytes() == b"two" and os.listdir(tmp_path) == ["a.txt"]


def test_the_file_that_is_replaced_can_be_kept(tmp_path):
    path, previous = tmp_path / "a.txt", tmp_path / "b.txt"
    for content in ("one", "two", "three"):
        write_whole(path, content, previous)
    assert (path.read_text(), previous.read_text()) == ("three", "two")
    assert sorted(os.listdir(tmp_path)) == ["a.txt", "b.txt"]


def test_the_previous_file_is_kept_without_hard_links_too(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.EPERM, "no hard links here")

    monkeypatch.setattr(os, "link", refuse)
    path, previous = tmp_path / "a.txt", tmp_path / "b.txt"
    for content in ("one", "two"):
        write_whole(path, content, previous)
    assert (path.read_text(), previous.read_text()) == ("two", "one")


def test_an_error_in_between_leaves_everything_as_it_was(tmp_path):
    path = tmp_path / "a.txt"
    write_whole(path, "one")
    with pytest.raises(KeyboardInterrupt), writing_whole(path) as unfinished:
        unfinished.write_text("half")
        raise KeyboardInterrupt
    assert path.read_text() == "one" and os.listdir(tmp_path) == ["a.txt"]


def test_a_full_disk_leaves_everything_as_it_was(tmp_path, monkeypatch):
    path = tmp_path / "a.txt"
    write_whole(path, "one")

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InvalidInput, match=r"a\.txt: can't be written \(No space left on device\); nothing was"):
        write_whole(path, "two")
    assert path.read_text() == "one" and os.listdir(tmp_path) == ["a.txt"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_device_is_written_to_directly():
    with pytest.raises(InvalidInput, match="No space left on device"):
        write_whole("/dev/full", "x" * 100_000)
    assert Path("/dev/full").is_char_device()


def test_the_ending_is_kept_for_libraries_that_read_it(tmp_path):
    with writing_whole(tmp_path / "a.npz") as unfinished:
        assert unfinished.suffix == ".npz" and unfinished.is_relative_to(tmp_path)


def test_a_link_stays_a_link_and_permissions_stay(tmp_path):
    path, link = tmp_path / "a.txt", tmp_path / "link.txt"
    path.write_text("one")
    path.chmod(0o640)
    link.symlink_to(path)
    write_whole(link, "two")
    assert link.is_symlink() and path.read_text() == "two"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    ordinary = tmp_path / "ordinary.txt"
    ordinary.write_text("")
    write_whole(tmp_path / "new.txt", "")
    assert (tmp_path / "new.txt").stat().st_mode == ordinary.stat().st_mode


def test_a_folder_or_a_missing_one_is_refused(tmp_path):
    with pytest.raises(InvalidInput, match="it is a folder"):
        write_whole(tmp_path, "x")
    with pytest.raises(InvalidInput, match="No such file or directory"):
        write_whole(tmp_path / "no" / "a.txt", "x")


def test_a_kill_in_the_middle_never_leaves_half_a_file(tmp_path):
    """The file is one of the two contents. What is left unfinished is removed by the next write."""
    path = tmp_path / "a.bin"
    code = (
        "import sys; from diffpose_core.io.atomic import write_whole\n"
        "while True:\n for letter in b'ab':\n  write_whole(sys.argv[1], bytes([letter]) * 3_000_000, sys.argv[2])"
    )
    for number in range(4):
        words = [sys.executable, "-c", code, str(path), str(tmp_path / "b.bin")]
        process = subprocess.Popen(words, env={**os.environ, "PYTHONPATH": str(Path(atomic.__file__).parents[2])})
        while not path.exists():
            pass
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.1 + 0.037 * number)
        process.kill()
        process.wait()
        content = path.read_bytes()
        assert len(content) == 3_000_000 and len(set(content)) == 1
        assert sum(name.startswith(".") for name in os.listdir(tmp_path)) <= 2
    write_whole(path, "x", tmp_path / "b.bin")
    assert sorted(os.listdir(tmp_path)) == ["a.bin", "b.bin"], "what killed processes left is gone"


def test_unfinished_files_of_others_stay(tmp_path):
    """Of a process that still writes, of another machine, and names that only look like ours."""
    path = tmp_path / "a.txt"
    with writing_whole(path) as unfinished:
        node = unfinished.parent.name.split("-")[1]
        others = [".a.txt-00000000-1-x", f".a.txt-{node}-{'9' * 30}-x", f".a.txt-{node}-x", f".b.txt-{node}-9-x"]
        for name in others:
            (tmp_path / name).mkdir()
        write_whole(path, "one")
        unfinished.write_text("two")
    assert path.read_text() == "two"
    assert sorted(os.listdir(tmp_path)) == sorted(["a.txt", *others])


def test_a_library_may_put_a_file_of_its_own_in_place(tmp_path):
    path = tmp_path / "a.txt"
    with writing_whole(path) as unfinished:
        own = unfinished.with_name("own")
        own.touch(0o600)
        own.replace(unfinished)
    write_whole(tmp_path / "b.txt", "")
    assert path.stat().st_mode == (tmp_path / "b.txt").stat().st_mode
