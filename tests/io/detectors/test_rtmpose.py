"""The whole way from a video to a clip: rtmlib and onnxruntime themselves, with networks that find painted people."""

from __future__ import annotations

import hashlib
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("av", reason="needs what the extra `video` installs")
pytest.importorskip("onnx", reason="needs onnx, which makes small networks")
pytest.importorskip("onnxruntime", reason="needs what the extra `video` installs")
pytest.importorskip("rtmlib", reason="needs what the extra `video` installs")

from diffpose_core.cli import main
from diffpose_core.io.detectors import rtmpose
from diffpose_core.io.formats import to_clip
from diffpose_core.io.video import poses_of_video
from diffpose_core.structures import Cancelled, InvalidInput
from tests.io.test_video import encoded, held_upright
from tests.tiny_rtmpose import COLOURS, RADIUS, archive, networks, painted, put_into, standing

WIDTH, HEIGHT = 480, 300


def way(frames: int, begin: tuple[float, float], step: tuple[float, float]) -> np.ndarray:
    """A person who moves, (F, 17, 2)."""
    return standing(*begin) + np.arange(frames)[:, None, None] * np.array(step)


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The networks, as if they had been downloaded."""
    monkeypatch.setenv("DIFFPOSE_RTMPOSE", str(tmp_path / "rtmpose"))
    put_into(tmp_path / "rtmpose")
    return tmp_path / "rtmpose"


def test_joints_come_out_where_they_are_in_the_video(weights: Path) -> None:
    left, right = way(8, (110, 140), (2, 1)), way(8, (350, 150), (3, 0))
    # In the third frame one is alone, in the fifth there is nobody.
    shown = [[left[n], right[n]] for n in range(8)]
    shown[2], shown[4] = [left[2]], []
    seen: list[tuple[int, int]] = []
    video = encoded([painted(people, WIDTH, HEIGHT) for people in shown], fps=30)
    poses = poses_of_video(video, "two.mp4", rtmpose.rtmpose(), lambda done, total: seen.append((done, total)))
    assert seen == [(n, 8) for n in range(1, 9)]
    clip = poses.clip()
    assert (clip.image_size, clip.fps, clip.num_frames) == ((WIDTH, HEIGHT), 30.0, 8)
    one, two = clip.tracks
    assert one.frames.tolist() == [0, 1, 2, 3, 5, 6, 7], "a picture of nobody holds nobody"
    assert two.frames.tolist() == [0, 1, 3, 5, 6, 7]
    for track, person in ((one, left), (two, right)):
        assert np.abs(track.keypoints - person[track.frames]).max() < 1.5
        assert (track.confidence > 0.8).all()
    lifted = to_clip(poses).clip
    assert len(lifted) == 8 and (lifted.guessed.any(1) == (np.arange(8) == 4)).all()


def test_a_joint_that_may_be_in_two_places_keeps_both(weights: Path) -> None:
    person = standing(110, 140)
    found = rtmpose.rtmpose().detect(painted([person], WIDTH, HEIGHT))
    assert found.mixtures is not None and found.mixtures.shape == (1, 17, 3, 5)
    weight, place, variance = np.split(found.mixtures[0], [1, 3], axis=-1)
    assert np.allclose(weight.sum(1), 1.0) and (variance > 0).all()
    assert np.abs(place[:, 0] - found.keypoints[0]).max() < 3.0, "the main mode is where the maximum is"
    # The left wrist once more, further up: only y has two places.
    wrist = 9
    twice = painted([person], WIDTH, HEIGHT)
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    other = person[wrist] - (0, 70)
    twice[np.hypot(columns - other[0], rows - other[1]) <= RADIUS] = COLOURS[wrist]
    modes = rtmpose.rtmpose().detect(twice).mixtures
    assert modes is not None
    # The third is what the network says of nobody.
    kept, third = modes[0, wrist, :2], modes[0, wrist, 2]
    assert np.allclose(kept[:, 0], kept[:, 0].mean(), atol=0.1) and third[0] < 0.6 * kept[:, 0].min()
    assert np.abs(np.sort(kept[:, 2]) - np.sort([person[wrist, 1], other[1]])).max() < 3.0
    assert np.abs(kept[:, 1] - person[wrist, 0]).max() < 3.0


def test_a_video_that_is_higher_than_wide(weights: Path) -> None:
    person = standing(110, 200)
    # The phone lay on its side for the sensor: whoever shows the video turns it back by a quarter.
    lying = np.ascontiguousarray(np.rot90(painted([person], HEIGHT, WIDTH)))
    assert lying.shape == (HEIGHT, WIDTH, 3)
    clip = poses_of_video(held_upright(encoded([lying] * 2)), "up.mp4", rtmpose.rtmpose()).clip()
    assert clip.image_size == (HEIGHT, WIDTH)
    assert np.abs(clip.tracks[0].keypoints - person).max() < 1.5


def test_the_search_can_be_stopped(weights: Path) -> None:
    video = encoded([painted([standing(110, 140)], WIDTH, HEIGHT)] * 5)
    with pytest.raises(Cancelled, match="after 2 frames"):
        poses_of_video(video, "a.mp4", rtmpose.rtmpose(), lambda done, total: done < 2)


def test_weights_that_are_damaged_are_said(weights: Path) -> None:
    next(weights.iterdir()).write_bytes(b"not a network")
    with pytest.raises(InvalidInput, match=r"can't be loaded .* delete"):
        rtmpose.rtmpose()


# Downloading


@pytest.fixture
def offered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, bytes]]:
    """A server in OpenMMLab's place: what it has, by path. No weights are on this machine."""
    from rtmlib import Body

    content: dict[str, bytes] = {}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = content.get(self.path)
            self.send_response(404 if found is None else 200)
            self.send_header("Content-Length", str(len(found or b"") + (100 if found and b"cut" in found[:3] else 0)))
            self.end_headers()
            self.wfile.write(found or b"")

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    mode = dict(Body.MODE["balanced"])
    for key, network in networks().items():
        monkeypatch.setitem(rtmpose.NETWORKS, key, hashlib.sha256(network).hexdigest())
        content[f"/{key}-1a2b.zip"] = archive(network)
        mode[key] = f"http://127.0.0.1:{server.server_port}/{key}-1a2b.zip"
    monkeypatch.setitem(Body.MODE, "balanced", mode)
    monkeypatch.setenv("DIFFPOSE_RTMPOSE", str(tmp_path / "rtmpose"))
    yield content
    server.shutdown()


def kept(tmp_path: Path) -> list[str]:
    folder = tmp_path / "rtmpose"
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


def test_weights_are_downloaded_once_and_when_they_are_asked_for(offered: dict[str, bytes], tmp_path: Path) -> None:
    assert not rtmpose.has_weights()
    with pytest.raises(InvalidInput, match="not on this machine"):
        rtmpose.rtmpose()
    assert not kept(tmp_path), "nothing comes by itself"
    seen: list[tuple[int, int]] = []
    rtmpose.get_weights(lambda done, total: seen.append((done, total)))
    assert [(done, total) for done, total in seen if done == total] == [(len(c), len(c)) for c in offered.values()]
    assert kept(tmp_path) == ["det-1a2b.onnx", "pose-1a2b.onnx"] and rtmpose.has_weights()
    offered.clear()
    rtmpose.get_weights()
    found = rtmpose.rtmpose().detect(painted([standing(110, 140)], WIDTH, HEIGHT))
    assert found.keypoints.shape == (1, 17, 2)


def test_a_download_can_be_stopped_and_leaves_nothing(offered: dict[str, bytes], tmp_path: Path) -> None:
    with pytest.raises(Cancelled):
        rtmpose.get_weights(lambda done, total: False)
    assert not kept(tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "can't be downloaded.*127.0.0.1.*404"),
        (b"<html>come back later</html>", "no archive"),
        (b"cut off", "the connection ended after 7 of 107 bytes|IncompleteRead"),
        (archive(b"")[:200], "no archive"),
        (archive(b"another network"), "end2end.onnx: refused, its SHA-256 is .*nothing of pose-1a2b.zip was kept"),
    ],
)
def test_weights_that_cannot_be_had(
    offered: dict[str, bytes], tmp_path: Path, content: bytes | None, message: str
) -> None:
    path = "/pose-1a2b.zip"
    offered.pop(path)
    if content is not None:
        offered[path] = content
    with pytest.raises(InvalidInput, match=message):
        rtmpose.get_weights()
    assert kept(tmp_path) == ["det-1a2b.onnx"], "what is whole is kept, what is not has no name"


def test_the_command_line_lifts_a_video(
    offered: dict[str, bytes], tmp_path: Path, tiny_weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    video = tmp_path / "walk.mp4"
    people = way(5, (110, 140), (2, 1))
    video.write_bytes(encoded([painted([person], WIDTH, HEIGHT) for person in people], fps=50))
    out = tmp_path / "out.npz"
    words = ["lift", str(video), "-o", str(out), "--weights", str(tiny_weights), "--steps", "1"]
    words += ["--detector", "rtmpose"]
    assert main(words) == 2
    assert "--download-weights gets them" in capsys.readouterr().err and not kept(tmp_path) and not out.exists()
    assert main([*words, "--download-weights"]) == 0
    printed = capsys.readouterr()
    assert f"wrote {out}: 5 frames" in printed.out and "5 of 5 frames searched" in printed.err
    with np.load(out) as found:
        assert found["pose3d"].shape == (5, 17, 3) and float(found["fps"]) == 50.0
    assert main(words) == 0, "from now on they are here"
