"""Files that can't be used: what is said of them, and that nothing else changes."""

from __future__ import annotations

import io
import pickle
import zipfile
from typing import Any

import numpy as np
import pytest

pytest.importorskip("streamlit")

from streamlit.testing.v1 import AppTest

from app.text import plain
from app.widgets import uploader
from benchmarks.pose_files import alphapose, videopose3d
from tests.app.widgets.uploading import COCO, labels, own, press, send


def npz(**arrays: Any) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


class Payload:
    def __reduce__(self) -> Any:
        return (pytest.fail, ("code of the file was run",))


def hostile_npz() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        header = io.BytesIO()
        np.lib.format.write_array_header_1_0(header, {"descr": "|O", "fortran_order": False, "shape": ()})
        archive.writestr("positions_2d.npy", header.getvalue() + pickle.dumps(Payload()))
    return file.getvalue()


def bomb() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(20):
            archive.writestr(f"{number}.json", b" " * 60_000_000)
    return file.getvalue()


REFUSED = {
    "empty.json": b"",
    "zeros.npz": b"\0" * 64,
    "truncated.json": b'{"people": [1,',
    "picture.png": b"\x89PNG\r\n\x1a\n" + bytes(40),
    "deep.json": b"[" * 100_000,
    "nobody.json": b'{"people": []}',
    "words.csv": b"one,two\nthree,four\n",
    "nan.npz": videopose3d({"S1": {"A": [np.full((4, 17, 2), np.nan)]}}),
    "code.npz": hostile_npz(),
    "other.npz": npz(weights=np.ones(3)),
    "bomb.zip": bomb(),
    "cut.npz": videopose3d({"S1": {"A": [COCO[..., :2]]}})[:-200],
}


def test_a_refused_file_changes_nothing_and_says_why(app: AppTest) -> None:
    send(app, ("walk.json", alphapose([COCO])))
    press(app, "Use this clip")
    app.slider(key="frame").set_value(5).run()
    kept = {key: app.session_state[key] for key in ("clip", "frame", "seed", "steps", "hypotheses", "view", "eta")}
    for name, content in REFUSED.items():
        send(app, (name, content))
        message = app.error[0].value.replace("\\", "")
        assert name in message and "nothing else has changed" in message
        assert len(message) < 900, message
        assert {key: app.session_state[key] for key in kept} == kept
        assert list(own(app)) == ["walk"] and "Use this clip" not in labels(app)
    press(app, "Close")
    assert not app.error and list(own(app)) == ["walk"]
    send(app, ("again.json", alphapose([COCO])))
    assert not app.error, "the next file begins afresh"


def test_a_mistake_in_a_reader_is_told_too(app: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(files: Any) -> Any:
        raise ZeroDivisionError

    monkeypatch.setattr(uploader, "read_pose_files_apart", broken)
    send(app, ("odd.json", b"{}"))
    assert "odd.json: reading it failed" in app.error[0].value.replace("\\", "")
    assert not own(app)


def test_text_of_a_file_does_nothing_in_markdown() -> None:
    assert plain("![x](http://a.b/c)") == "\\!\\[x\\](http\\:\u2060//a.b/c)"
    assert plain("$a$ `b` <i> :red[c]") == r"\$a\$ \`b\` \<i\> \:red\[c\]"
    assert plain("walk-1 (2).json") == "walk-1 (2).json"
