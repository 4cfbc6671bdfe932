"""Files made of a stage's data and pictures: read back, and refused where what was asked for makes no sense."""

from __future__ import annotations

import base64
import io
import json
import re
import struct
import tomllib
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from app.stage import files, messages
from app.stage.payload import Bounds, StagePayload
from diffpose_core.structures import InvalidInput

SOURCE = ('<div class="dps"></div>', ".dps { color: red }", 'const words = "</script><!-- <script>"; // stage')


def packed(clip: str = "walk") -> bytes:
    payload = StagePayload(
        "reverse", "Reverse <b>", "hash", [50, 0], Bounds((-1, -1, -1), (1, 1, 1), -1), frames=[3, 8], clip=clip
    )
    pose = np.arange(2 * 2 * 17 * 3, dtype=np.float32).reshape(2, 2, 17, 3)
    payload.pose("mean", pose, "frame", "step")
    payload.add("mean_error", np.ones((2, 2)), ("frame", "step"))
    payload.panels.append(
        {
            "id": "a",
            "kind": "scene",
            "title": "A",
            "readouts": [{"array": "mean_error", "unit": "mm", "label": "error"}],
        }
    )
    return payload.pack()


def pictures(count: int = 4, size: tuple[int, int] = (64, 48)) -> list[str]:
    """A bright square that walks to the right."""
    found = []
    for i in range(count):
        picture = Image.new("RGB", size, "#203040")
        picture.paste("#ffcc00", (4 + 10 * i, 10, 18 + 10 * i, 24))
        file = io.BytesIO()
        picture.save(file, "PNG")
        found.append(base64.b64encode(file.getvalue()).decode())
    return found


def make(**request: Any) -> files.MadeFile:
    return files.make_file(messages.file_request(request), packed(), SOURCE)


def test_numbers_come_back_in_the_camera_frame_with_a_readme() -> None:
    made = make(kind="npz", name="walk_reverse.npz")
    with np.load(io.BytesIO(made.content), allow_pickle=False) as file:
        np.testing.assert_array_equal(file["mean"], np.arange(2 * 2 * 17 * 3).reshape(2, 2, 17, 3))
        assert file["frame_numbers"].tolist() == [3, 8]
        assert file["step_values"].tolist() == [50, 0]
        readme = str(file["readme"])
    assert "clip walk" in readme
    assert "mean: (frame, step, joint, xyz) [2, 2, 17, 3], m, camera frame" in readme
    assert "mean_error: (frame, step) [2, 2], mm" in readme


def test_a_page_holds_everything_and_nothing_of_it_breaks_out() -> None:
    made = make(
        kind="html",
        name="walk.html",
        step=1,
        frame=0,
        camera={c: {"x": 1, "y": 2, "z": 3} for c in ("eye", "center", "up")},
        hidden=["</script><script>alert(1)</script>"],
        theme={"background": "#000000", "text": "red; } body { display: none", "dark": True},
    )
    text = made.content.decode()
    data = re.search(r'id="data">([^<]*)<', text)
    assert data is not None
    assert base64.b64decode(data[1]) == packed()
    assert "<title>Reverse &lt;b&gt;</title>" in text
    assert "--st-background-color: #000000" in text
    assert "display: none" not in text
    assert text.lower().count("</script") == 2, "as many as the template ends"
    start = re.search(r"start: (.*) }\);", text)
    assert start is not None
    began = json.loads(start[1].replace("\\x3c", "<"))
    assert (began["k"], began["at"]) == (0, 3)
    assert began["camera"]["eye"] == {"x": 1.0, "y": 2.0, "z": 3.0}
    assert not re.search(r"(src|href)=\"(?!data:)", text.split("<script>")[0]), "nothing is fetched"


def test_a_video_shows_every_picture_for_its_time() -> None:
    made = make(kind="mp4", pictures=pictures(4), interval_ms=200)
    with av.open(io.BytesIO(made.content)) as container:
        shown = [f.to_ndarray(format="rgb24").astype(int) for f in container.decode(video=0)]
        assert container.streams.video[0].codec_context.name == "h264"
    assert len(shown) == 3 * 6 + 30, "6 frames of 1/30 s each, the last one for a second"
    assert shown[0].shape == (48, 64, 3)
    right = [np.flatnonzero(f[17, :, 0] > 150).mean() for f in (shown[0], shown[6], shown[12], shown[-1])]
    np.testing.assert_allclose(np.diff(right), 10, atol=2)


def test_a_gif_holds_every_picture_once_and_starts_over() -> None:
    made = make(kind="gif", pictures=pictures(4), interval_ms=200)
    with Image.open(io.BytesIO(made.content)) as animation:
        assert animation.n_frames == 4
        assert animation.size == (64, 48)
        assert animation.info["loop"] == 0
        times = []
        for i in range(4):
            animation.seek(i)
            times.append(animation.info["duration"])
            colour = animation.convert("RGB").getpixel((10 + 10 * i, 17))
            assert isinstance(colour, tuple) and colour[0] > 200
    assert times == [200, 200, 200, 1000]


def test_names_are_plain() -> None:
    assert make(kind="npz", name="../../etc/pass wd\n.npz").name == "..-..-etc-pass-wd-.npz"


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        ({"kind": "exe"}, "kind should be 'npz', 'html', 'mp4' or 'gif', found 'exe'"),
        ({"kind": None}, "found None"),
        ({"kind": "mp4", "interval_ms": 100}, "1 to 400 pictures, found 0"),
        ({"kind": "mp4", "pictures": "many", "interval_ms": 100}, "pictures should be a valid list, found 'many'"),
        ({"kind": "mp4", "pictures": [1], "interval_ms": 100}, "pictures.0 should be a valid string, found 1"),
        ({"kind": "gif", "pictures": ["%%%"], "interval_ms": 100}, "picture 0 is no PNG"),
        ({"kind": "gif", "pictures": ["aGVsbG8="], "interval_ms": 100}, "picture 0 is no PNG"),
        (
            {"kind": "gif", "pictures": pictures(2), "interval_ms": float("nan")},
            "interval_ms should be a finite number",
        ),
        (
            {"kind": "gif", "pictures": pictures(2), "interval_ms": 1e9},
            "less than or equal to 10000",
        ),
        ({"kind": "gif", "pictures": pictures(1) + pictures(1, (32, 32)), "interval_ms": 99}, "picture 1 has the size"),
        ({"kind": "mp4", "pictures": pictures(1, (63, 48)), "interval_ms": 99}, "even sides"),
        ({"kind": "mp4", "pictures": pictures(1, (5000, 2)), "interval_ms": 99}, "even sides"),
        (
            {"kind": "html", "camera": {"eye": {"x": "1", "y": 0, "z": 0}}},
            "camera.eye.x should be a valid number, found '1'",
        ),
        ({"kind": "html", "hidden": 3}, "hidden should be a valid list, found 3"),
    ],
)
def test_what_makes_no_sense_is_refused_in_words(request_: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        make(**request_)


def test_a_truncated_picture_is_refused() -> None:
    half = base64.b64encode(base64.b64decode(pictures(1)[0])[:60]).decode()
    with pytest.raises(InvalidInput, match="picture 0 is no PNG"):
        make(kind="gif", pictures=[half], interval_ms=100)


def test_parcels() -> None:
    for made in (files.MadeFile("a.npz", "x/y", b"abc"), "no"):
        data = files.parcel("reverse", "7", made)
        (length,) = struct.unpack("<I", data[:4])
        header = json.loads(data[4 : 4 + length])
        assert (header["stage"], header["id"]) == ("reverse", "7")
        assert data[4 + length :] == (b"abc" if isinstance(made, files.MadeFile) else b"")
        assert header.get("error") == (made if isinstance(made, str) else None)


def test_the_server_takes_as_many_pictures_as_an_animation_may_have() -> None:
    settings = tomllib.loads((files.HERE.parent / ".streamlit" / "config.toml").read_text(encoding="utf-8"))
    assert settings["server"]["maxWidgetStateSize"] * 1e6 >= messages.MOST_BYTES * 4 / 3, "base64 is a third longer"
