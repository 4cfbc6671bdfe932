"""The demo video comes out of its wheel alone, and names its licence."""

from dataclasses import replace

import pytest

from diffpose_core.cli import main
from diffpose_core.io import demo_video as demo
from diffpose_core.io.detectors import wheel as wheels
from diffpose_core.structures import InvalidInput
from tests.io.detectors.test_blazepose_weights import sha256, wheel


@pytest.fixture
def fetched(tmp_path, monkeypatch):
    """A wheel in pip's place."""
    content = wheel({"a/walk.mp4": b"video", "b/other.mp4": b"other"})
    path = tmp_path / "demo.whl"
    path.write_bytes(content)
    monkeypatch.setattr(wheels, "_downloaded", lambda *_: path)
    monkeypatch.setattr(demo, "WHEEL", replace(demo.WHEEL, sha256=sha256(content)))
    monkeypatch.setattr(demo, "VIDEO", {"a/walk.mp4": sha256(b"video")})


def test_the_command_writes_the_video_and_names_its_licence(fetched, tmp_path, capsys):
    out = tmp_path / "walk.mp4"
    assert main(["demo-video", "-o", str(out)]) in (0, None)
    assert out.read_bytes() == b"video"
    assert "BSD 3-Clause licence" in capsys.readouterr().out
    assert main(["demo-video", "-o", str(out)]) == 2, "another file is not replaced"


def test_another_video_is_refused(fetched, monkeypatch):
    monkeypatch.setattr(demo, "VIDEO", {"a/walk.mp4": sha256(b"another")})
    with pytest.raises(InvalidInput, match=r"a/walk.mp4: refused, its SHA-256 is .*; nothing of it was kept"):
        demo.demo_video()
