"""Files read in a process of their own: everything comes back as it was, and quickly."""

import subprocess
import sys
import time
from dataclasses import fields, is_dataclass

import numpy as np
import pytest

from benchmarks.fuzz_seeds import seeds
from benchmarks.hostile_files import own_clip
from diffpose_core.io.formats import read_pose_file, to_clip
from diffpose_core.io.formats.apart import read_pose_files_apart, workers
from diffpose_core.io.formats.packing import packed, unpacked
from diffpose_core.io.formats.posefile import LARGEST, Choice
from diffpose_core.structures import InvalidInput


@pytest.fixture(scope="module", autouse=True)
def ended():
    yield
    workers().close()


def assert_same(a, b, path=""):
    """Everything is equal, arrays with their types, NaN included."""
    assert type(a) is type(b), path
    if isinstance(a, np.ndarray):
        assert a.dtype == b.dtype and np.array_equal(a, b, equal_nan=a.dtype.kind == "f"), path
    elif is_dataclass(a):
        for field in fields(a):
            assert_same(getattr(a, field.name), getattr(b, field.name), f"{path}.{field.name}")
    elif isinstance(a, (list, tuple)):
        assert len(a) == len(b), path
        for number, (one, other) in enumerate(zip(a, b, strict=True)):
            assert_same(one, other, f"{path}[{number}]")
    else:
        assert a == b, path


@pytest.mark.parametrize("name", list(seeds()))
def test_every_format_survives_the_way_between_processes(name):
    poses = read_pose_file(seeds()[name], name)
    assert_same(unpacked(packed(poses)), poses)


def test_files_are_read_in_another_process_as_in_this_one():
    for name, content in (("alphapose", seeds()["alphapose"]), ("own json", own_clip())):
        poses = read_pose_files_apart({name: content})
        assert_same(poses, read_pose_file(content, name))
        assert len(to_clip(poses, Choice(track=LARGEST)).clip) == 3
    with pytest.raises(InvalidInput, match=r"^bad: a picture \(GIF\); expected"):
        read_pose_files_apart({"bad": b"GIF89a" + bytes(20)})


def test_the_process_needs_no_pytorch():
    code = "import sys, diffpose_core.io.formats.apart, app.stage.encode; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=120).returncode == 0


def test_a_small_file_costs_little_more():
    content = seeds(300)["alphapose"]
    read_pose_files_apart({"a.json": content})

    def least(read):
        spent = []
        for _ in range(7):
            begin = time.perf_counter()
            read()
            spent.append(time.perf_counter() - begin)
        return min(spent)

    here, apart = least(lambda: read_pose_file(content, "a.json")), least(lambda: read_pose_files_apart({"a": content}))
    assert apart - here < 0.1
