"""BlazePose itself on a real video, where the package index can be reached; skipped with the reason elsewhere."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("av", reason="needs what the extra `video` installs")
pytest.importorskip("ai_edge_litert", reason="needs what the extra `video` installs")

from diffpose_core.cli import main
from diffpose_core.io.detectors.blazepose import blazepose
from diffpose_core.io.formats import to_clip
from diffpose_core.io.video import poses_of_video
from diffpose_core.io.video_file import Part
from tests.demo_video import demo_video, real_weights

pytestmark = pytest.mark.slow
#: Middle of the man's joints in the first and the last of 30 frames, as he was seen; pixels.
BEGIN, END = (430.0, 690.0), (540.0, 715.0)


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    content = demo_video()
    path = tmp_path_factory.mktemp("video") / "walk.mp4"
    path.write_bytes(content)
    return path


@pytest.fixture
def weights(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path_factory.getbasetemp() / "blazepose"
    monkeypatch.setenv("DIFFPOSE_BLAZEPOSE", str(folder))
    real_weights()
    return folder


def test_a_person_is_followed_and_brings_heatmaps(video: Path, weights: Path) -> None:
    poses = poses_of_video(video, "walk.mp4", blazepose(), part=Part(end_s=0.5))
    clip = to_clip(poses).clip
    assert (len(clip), clip.width, clip.height, clip.fps) == (30, 1080, 1920, 60.0)
    for frame, place in ((0, BEGIN), (-1, END)):
        assert np.abs(clip.keypoints_px[frame].mean(0) - place).max() < 60
    assert np.abs(np.diff(clip.keypoints_px, axis=0)).max() < 60, "nobody jumps"
    assert (clip.confidence[:, [1, 4, 11, 14]] > 0.8).all()
    assert clip.mixture is not None and clip.mixture.weights.shape == (30, 17, 3)
    # The heatmaps' modes are narrow beside the man, who is 700 px high, and mostly alone.
    assert 5 < np.median(clip.mixture.std_px) < 60
    assert 0.6 < (clip.mixture.weights[:, 1:7, 0] > 0.9).mean() <= 1.0
    assert np.abs(clip.mixture.argmax_px - clip.keypoints_px).max() < 1e-3


def test_the_command_line_lifts_a_video_with_one_consent(
    video: Path, weights: Path, tmp_path: Path, tiny_weights: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    out = tmp_path / "walk.bvh"
    words = ["lift", str(video), "-o", str(out), "--weights", str(tiny_weights), "--steps", "1", "--to", "0.2"]
    monkeypatch.setenv("DIFFPOSE_BLAZEPOSE", str(tmp_path / "fresh"))
    assert main(words) == 2
    assert "--download-weights gets them, once: 34 MiB" in capsys.readouterr().err and not out.exists()
    monkeypatch.setenv("DIFFPOSE_BLAZEPOSE", str(weights))
    assert main([*words, "--download-weights"]) == 0
    assert "Frames: 12" in out.read_text()
