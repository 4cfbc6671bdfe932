"""HDF5 files: nothing in them leads into another file, and damage and size are refused."""

import io

import h5py
import numpy as np
import pytest

from diffpose_core.io.untrusted import hdf5
from diffpose_core.io.untrusted.files import Limits
from diffpose_core.io.untrusted.hdf5 import Hdf5
from diffpose_core.structures import InvalidInput


def written(fill):
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        fill(file)
    return content.getvalue()


def test_arrays_texts_and_attributes_come_back():
    def fill(file):
        file["a/b"] = np.arange(6.0).reshape(2, 3)
        file["words"], file["bytes"] = ["é", "nose"], np.array([b"x", b"yz"])
        file["a"].attrs["kind"], file["a"].attrs["list"] = "frame", ["x", "y"]
        file["table"] = np.zeros(3, [("index", "<i8"), ("values", "<f8", 2)])

    with Hdf5(written(fill), "f") as file:
        assert sorted(file.names()) == ["a", "bytes", "table", "words"] and file.names("a") == ["b"]
        assert np.array_equal(file.array("a/b"), np.arange(6.0).reshape(2, 3))
        assert file.texts("words") == ["é", "nose"] and file.texts("bytes") == ["x", "yz"]
        assert file.attribute("a", "kind") == b"frame"
        assert file.table("table", "if")["values"].shape == (3, 2) and file.array("table") is None
        # Of another kind, or absent.
        assert file.array("words") is file.array("a") is file.texts("a/b") is file.array("nothing/there") is None
        assert file.attribute("a", "list") == file.attribute("a", "no") == file.attribute("no", "kind") == b""
        assert file.names("no") == []


def test_nothing_leads_into_another_file(tmp_path):
    other = tmp_path / "other.h5"
    with h5py.File(other, "w") as file:
        file["secret"] = np.arange(4.0)
    raw = tmp_path / "raw.bin"
    raw.write_bytes(bytes(32))

    def fill(file):
        file["external link"] = h5py.ExternalLink(str(other), "secret")
        file["soft link"] = h5py.SoftLink("/external link")
        file.create_dataset("external storage", (4,), "<f8", external=[(str(raw), 0, 32)])
        layout = h5py.VirtualLayout(shape=(4,), dtype="f8")
        layout[:] = h5py.VirtualSource(str(other), "secret", shape=(4,))
        file.create_virtual_dataset("virtual", layout)

    content = written(fill)
    (tmp_path / "whole.h5").write_bytes(content)
    for source in (content, tmp_path / "whole.h5"):
        with Hdf5(source, "f") as file:
            for name in ("external link", "soft link", "external storage", "virtual"):
                assert name in file.names()
                assert file.array(name) is file.texts(name) is None and file.attribute(name, "x") == b""


def test_sizes_are_bounded_before_anything_is_unpacked(monkeypatch):
    def fill(file):
        file.create_dataset("zeros", (1000, 1000), "<f8", chunks=(100, 100), compression="gzip")
        file.create_dataset("part", (1,), "<f8", maxshape=(None,), chunks=(10**6,), compression="gzip")
        # Many places that stand for the same long text would take a hundred times the file's size.
        file["texts"] = ["x" * 20_000] * 100

    content = written(fill)
    with Hdf5(content, "f", Limits(10**7, 10**6)) as file:
        with pytest.raises(InvalidInput, match=r"f: zeros: 8,000,000 bytes; the limit is 1,000,000 bytes"):
            file.array("zeros")
        with pytest.raises(InvalidInput, match="f: part: 8,000,000 bytes"):
            file.array("part")
        with pytest.raises(InvalidInput, match="f: texts: 1 MiB; the limit is 1 MiB"):
            file.texts("texts")
        monkeypatch.setattr(hdf5, "_MAX_TEXTS", 99)
        with pytest.raises(InvalidInput, match="texts holds 100 texts; the limit is 99"):
            file.texts("texts")
    with pytest.raises(InvalidInput, match=r"f: .* bytes; the limit is 1,000 bytes"):
        Hdf5(content, "f", Limits(1000, 10**6))


def test_damage_is_refused():
    content = written(lambda file: file.create_dataset("words", data=["nose", "left hip"]))
    for damaged in (b"no HDF5", content[:100], content[: len(content) // 2]):
        with pytest.raises(InvalidInput, match="f: not readable as HDF5, perhaps damaged"):
            Hdf5(damaged, "f")
