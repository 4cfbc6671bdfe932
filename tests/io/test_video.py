"""Poses of a video with a detector that is made up: frames in order, several people, what is refused."""

import io
import struct
import time

import numpy as np
import pytest

from benchmarks.hostile_files import stream_description
from diffpose_core.io import rtmpose, video
from diffpose_core.io.formats import to_clip
from diffpose_core.structures import Cancelled, InvalidInput

av = pytest.importorskip("av")
SIZE = (64, 48)


def encoded(images, fps=25):
    """An MP4 of images (height, width, 3), blue, green, red."""
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("mpeg4", rate=fps)
        stream.height, stream.width, stream.pix_fmt = *images[0].shape[:2], "yuv420p"
        stream.bit_rate = 20_000_000
        for image in images:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
        container.mux(stream.encode())
    return file.getvalue()


def made_video(frames=6, size=SIZE, fps=25):
    """An MP4 whose frames get brighter."""
    return encoded([np.full((*size[::-1], 3), 10 + 30 * n, dtype=np.uint8) for n in range(frames)], fps)


def held_upright(video):
    """The video as a phone writes that was held upright: turned by a quarter, clockwise, by whoever shows it."""
    begin = video.index(b"tkhd") + 4 + 40
    matrix = struct.pack(">9i", 0, 1 << 16, 0, -(1 << 16), 0, 0, 0, 0, 1 << 30)
    return video[:begin] + matrix + video[begin + 36 :]


def people(image):
    """Two people, the first of them where the brightness says."""
    standing = np.stack([np.linspace(10, 20, 17), np.linspace(4, 40, 17)], axis=1)
    moved = np.array([float(image.mean()) / 30, 0.0])
    return np.stack([standing + moved, standing[::-1] + np.array([30.0, 0.0])]), np.full((2, 17), 0.8)


def test_people_of_every_frame_become_tracks_with_the_video_s_size_and_rate():
    seen = []
    poses = video.poses_of_video(made_video(), "walk.mp4", people, lambda done, total: seen.append((done, total)))
    assert seen == [(n, 6) for n in range(1, 7)]
    clip = poses.clip()
    assert (clip.num_frames, clip.image_size, clip.fps) == (6, SIZE, 25.0)
    assert [len(track) for track in clip.tracks] == [6, 6]
    first = min(clip.tracks, key=lambda track: track.keypoints[0, 0, 0])
    assert (np.diff(first.keypoints[:, 0, 0]) > 0.5).all(), "frames come in their order"
    assert not poses.needs_confirmation and poses.layouts[0].layout.name == "COCO-17"
    assert len(to_clip(poses).clip) == 6


def test_frames_without_anybody_are_gaps_and_a_video_without_anybody_is_refused():
    def sometimes(image):
        keypoints, scores = people(image)
        return (keypoints[:1], scores[:1]) if image.mean() > 60 else (keypoints[:0], scores[:0])

    clip = video.poses_of_video(made_video(), "a.mp4", sometimes).clip()
    assert 0 < len(clip.tracks[0]) < clip.num_frames == 6
    with pytest.raises(InvalidInput, match="nobody"):
        video.poses_of_video(made_video(), "a.mp4", lambda image: (np.zeros((0, 17, 2)), np.zeros((0, 17))))


def test_it_can_be_stopped():
    with pytest.raises(Cancelled, match="after 2 frames"):
        video.poses_of_video(made_video(), "a.mp4", people, lambda done, total: done < 2)


@pytest.mark.parametrize("content", [made_video()[:200], b"\0\0\0\x20ftypisom" + bytes(400), b"RIFF\0\0\0\0AVI LIST"])
def test_damaged_videos_are_refused(content):
    assert video.is_video(content)
    with pytest.raises(InvalidInput, match=r"a\.mp4"):
        video.poses_of_video(content, "a.mp4", people)


def test_what_is_no_video_is_not_taken_for_one():
    assert video.is_video(made_video())
    for content in (b"", b"PK\x03\x04", b'{"people": []}', b"frame,x,y"):
        assert not video.is_video(content)


def test_a_phone_that_was_held_upright():
    image = np.zeros((48, 64, 3), dtype=np.uint8)
    image[:16, :16] = 255
    seen = []

    def look(turned):
        seen.append(turned)
        return np.full((1, 17, 2), 20.0), np.ones((1, 17))

    content = held_upright(encoded([image] * 3))
    assert video.video_facts(content, "a.mp4").size == (48, 64)
    poses = video.poses_of_video(content, "a.mp4", look)
    assert poses.clip().image_size == (48, 64) and seen[0].shape == (64, 48, 3)
    bright = np.argwhere(seen[0].mean(-1) > 128).mean(0)
    assert np.abs(bright - (7.5, 39.5)).max() < 1, "what was at the top left is at the top right"


def test_without_the_extra_the_way_to_get_it_is_named(monkeypatch):
    for name in ("rtmlib", "av"):
        monkeypatch.setitem(__import__("sys").modules, name, None)
    for ask in (rtmpose.has_weights, rtmpose.rtmpose, lambda: video.video_facts(b"x", "a.mp4")):
        with pytest.raises(InvalidInput, match=r"pip install \"\.\[video\]\""):
            ask()


def test_only_videos_are_taken_off_the_disk(tmp_path):
    (tmp_path / "a.mp4").write_bytes(made_video())
    (tmp_path / "b.mp4").write_bytes(b"{}")
    assert video.video_at(tmp_path / "a.mp4") == (tmp_path / "a.mp4").read_bytes()
    assert video.video_at(tmp_path / "b.mp4") is None and video.video_at(tmp_path) is None
    assert video.video_at(tmp_path / "absent.mp4") is None


def test_a_text_that_begins_like_an_mp4_opens_no_port():
    # FFmpeg would take it for a stream description, join its multicast group, and wait for twelve seconds.
    assert video.is_video(stream_description())
    begin = time.monotonic()
    with pytest.raises(InvalidInput, match="not readable as a video"):
        video.video_facts(stream_description(), "stream.mp4")
    assert time.monotonic() - begin < 5


@pytest.mark.parametrize(
    ("kind", "codec"), [("mp4", "mpeg4"), ("matroska", "mpeg4"), ("webm", "libvpx"), ("avi", "mpeg4")]
)
def test_every_kind_of_video_is_read_by_its_own_demuxer(kind, codec):
    file = io.BytesIO()
    with av.open(file, "w", format=kind) as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        for _ in range(3):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((*SIZE[::-1], 3), np.uint8), "bgr24")))
        container.mux(stream.encode())
    assert video.is_video(file.getvalue())
    assert video.video_facts(file.getvalue(), "walk").size == SIZE
