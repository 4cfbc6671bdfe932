"""Poses of a video with a detector that is made up: frames in order, several people, what is refused."""

import io
import struct
import time
from fractions import Fraction

import numpy as np
import pytest

from benchmarks.hostile_files import stream_description
from diffpose_core.io import video_file
from diffpose_core.io.detectors import DETECTORS, chosen_detector, rtmpose
from diffpose_core.io.detectors.detector import Detector, Found
from diffpose_core.io.formats import to_clip
from diffpose_core.io.formats.layouts import COCO17
from diffpose_core.io.video import poses_of_video
from diffpose_core.io.video_file import Part
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
    step = min(30, 240 // frames)
    return encoded([np.full((*size[::-1], 3), 10 + step * n, dtype=np.uint8) for n in range(frames)], fps)


def held_upright(video):
    """The video as a phone writes that was held upright: turned by a quarter, clockwise, by whoever shows it."""
    begin = video.index(b"tkhd") + 4 + 40
    matrix = struct.pack(">9i", 0, 1 << 16, 0, -(1 << 16), 0, 0, 0, 0, 1 << 30)
    return video[:begin] + matrix + video[begin + 36 :]


def people(image):
    """Two people, the first of them where the brightness says."""
    standing = np.stack([np.linspace(10, 20, 17), np.linspace(4, 40, 17)], axis=1)
    moved = np.array([float(image.mean()) / 30, 0.0])
    return Found(np.stack([standing + moved, standing[::-1] + np.array([30.0, 0.0])]), np.full((2, 17), 0.8))


def detector(look=people, restart=lambda: None):
    """A made-up detector."""
    return Detector("Nobody's", COCO17, look, restart)


def nobody(image):
    return Found(np.zeros((0, 17, 2)), np.zeros((0, 17)))


def test_people_of_every_frame_become_tracks_with_the_video_s_size_and_rate():
    seen = []
    poses = poses_of_video(made_video(), "walk.mp4", detector(), lambda done, total: seen.append((done, total)))
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
        found = people(image)
        count = 1 if image.mean() > 60 else 0
        return Found(found.keypoints[:count], found.confidence[:count])

    clip = poses_of_video(made_video(), "a.mp4", detector(sometimes)).clip()
    assert 0 < len(clip.tracks[0]) < clip.num_frames == 6
    with pytest.raises(InvalidInput, match="nobody was found in its 6 frames"):
        poses_of_video(made_video(), "a.mp4", detector(nobody))


def test_it_can_be_stopped():
    with pytest.raises(Cancelled, match="after 2 frames"):
        poses_of_video(made_video(), "a.mp4", detector(), lambda done, total: done < 2)


@pytest.mark.parametrize("content", [made_video()[:200], b"\0\0\0\x20ftypisom" + bytes(400), b"RIFF\0\0\0\0AVI LIST"])
def test_damaged_videos_are_refused(content):
    assert video_file.is_video(content)
    with pytest.raises(InvalidInput, match=r"a\.mp4"):
        poses_of_video(content, "a.mp4", detector())


def test_what_is_no_video_is_not_taken_for_one():
    assert video_file.is_video(made_video())
    for content in (b"", b"PK\x03\x04", b'{"people": []}', b"frame,x,y"):
        assert not video_file.is_video(content)


def test_a_phone_that_was_held_upright():
    image = np.zeros((48, 64, 3), dtype=np.uint8)
    image[:16, :16] = 255
    seen = []

    def look(turned):
        seen.append(turned)
        return Found(np.full((1, 17, 2), 20.0), np.ones((1, 17)))

    content = held_upright(encoded([image] * 3))
    assert video_file.video_facts(content, "a.mp4").size == (48, 64)
    poses = poses_of_video(content, "a.mp4", detector(look))
    assert poses.clip().image_size == (48, 64) and seen[0].shape == (64, 48, 3)
    bright = np.argwhere(seen[0].mean(-1) > 128).mean(0)
    assert np.abs(bright - (7.5, 39.5)).max() < 1, "what was at the top left is at the top right"


def test_without_the_extra_the_way_to_get_it_is_named(monkeypatch):
    for name in ("rtmlib", "av"):
        monkeypatch.setitem(__import__("sys").modules, name, None)
    for ask in (rtmpose.has_weights, rtmpose.rtmpose):
        with pytest.raises(InvalidInput, match=r"pip install \"\.\[rtmpose\]\""):
            ask()
    with pytest.raises(InvalidInput, match=r"pip install \"\.\[video\]\""):
        video_file.video_facts(b"x", "a.mp4")


def test_a_detector_that_does_not_exist_is_refused():
    with pytest.raises(InvalidInput, match="no detector 'alpha'; there are: blazepose, rtmpose"):
        chosen_detector("alpha")


def test_rtmpose_is_the_default_only_where_it_alone_is_ready(monkeypatch, tmp_path):
    pytest.importorskip("rtmlib")
    pytest.importorskip("ai_edge_litert")
    for name in DETECTORS:
        monkeypatch.setenv(f"DIFFPOSE_{name.upper()}", str(tmp_path / name))
    assert chosen_detector().title == "BlazePose"
    for url in rtmpose._urls():
        (tmp_path / "rtmpose").mkdir(exist_ok=True)
        rtmpose._path(url).touch()
    assert chosen_detector().title == "RTMPose"


def test_only_videos_are_taken_for_videos(tmp_path):
    (tmp_path / "a.mp4").write_bytes(made_video())
    (tmp_path / "b.mp4").write_bytes(b"{}")
    found = [video_file.is_video_file(tmp_path / name) for name in ("a.mp4", "b.mp4", "absent.mp4", ".")]
    assert found == [True, False, False, False]


def test_a_file_is_read_like_its_bytes(tmp_path):
    (tmp_path / "a.mp4").write_bytes(made_video())
    assert video_file.video_facts(tmp_path / "a.mp4", "a.mp4") == video_file.video_facts(made_video(), "a.mp4")


# What can be wrong with a video


def timed(images, times, rate=1000):
    """An MP4 whose frames come at times in milliseconds."""
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("mpeg4", rate=rate)
        stream.height, stream.width, stream.pix_fmt = *images[0].shape[:2], "yuv420p"
        stream.bit_rate = 20_000_000
        for image, time_ms in zip(images, times, strict=True):
            frame = av.VideoFrame.from_ndarray(image, format="bgr24")
            frame.pts, frame.time_base = time_ms, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return file.getvalue()


def scene(seed, count):
    """Pictures that show one scene: the same blocks, a little brighter each time."""
    blocks = np.random.default_rng(seed).integers(20, 200, (6, 8, 3)).astype(np.uint8)
    image = blocks.repeat(16, 0).repeat(16, 1)
    return [image + np.uint8(n) for n in range(count)]


def test_a_dark_video_is_said_to_be_dark():
    black = encoded([np.zeros((48, 64, 3), np.uint8)] * 3)
    with pytest.raises(InvalidInput, match="all of its 3 frames is dark; expected a video in which a person is seen"):
        poses_of_video(black, "a.mp4", detector(nobody))


def test_a_file_of_sound_alone_is_refused():
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("aac", rate=16000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 16000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    with pytest.raises(InvalidInput, match="without a picture track, such as sound alone"):
        poses_of_video(file.getvalue(), "a.mp4", detector())


def test_one_frame_becomes_a_clip_of_one_frame():
    poses = poses_of_video(made_video(1), "a.mp4", detector())
    assert len(to_clip(poses).clip) == 1


def test_what_comes_before_the_damage_is_used():
    content = encoded([np.random.default_rng(n).integers(0, 255, (240, 320, 3), np.uint8) for n in range(30)])
    data = content.index(b"mdat")
    length = int.from_bytes(content[data - 4 : data], "big")
    # The index at the end stays; half of the pictures are noise.
    middle, end = data + length // 2, data + length - 4
    noise = np.random.default_rng(0).integers(0, 255, end - middle, np.uint8).tobytes()
    poses = poses_of_video(content[:middle] + noise + content[end:], "a.mp4", detector())
    assert 5 < poses.clip().num_frames < 30
    assert any("damaged after frame" in note or "promises 30 frames" in note for note in poses.notes)


def test_a_cut_to_another_scene_is_noted_and_the_detector_begins_anew():
    restarts = []
    content = encoded(scene(0, 5) + scene(1, 5))
    poses = poses_of_video(content, "a.mp4", detector(restart=lambda: restarts.append(1)))
    assert len(restarts) == 1
    assert [note for note in poses.notes if "changes at frame 5, as at a cut" in note]


def test_frames_of_uneven_times_are_put_where_their_times_say():
    images = scene(0, 8)
    even, gap = list(range(0, 160, 40)), list(range(240, 400, 40))
    poses = poses_of_video(timed(images, even + gap), "a.mp4", detector())
    clip = poses.clip()
    assert clip.fps == pytest.approx(25.0) and clip.num_frames == 10
    assert clip.tracks[0].frames.tolist() == [0, 1, 2, 3, 6, 7, 8, 9]
    assert any("frame rate varies" in note and "2 of them are guessed" in note for note in poses.notes)


def test_a_part_of_a_video():
    seen = []
    poses = poses_of_video(
        made_video(25), "a.mp4", detector(), lambda done, total: seen.append((done, total)), Part(0.2, 0.8, 3)
    )
    # Frames 5, 8, 11, 14 and 17 of 25 a second.
    assert seen == [(n, 5) for n in range(1, 6)]
    assert poses.clip().num_frames == 5 and poses.clip().fps == pytest.approx(25 / 3)
    places = poses.clip().tracks[0].keypoints[:, 0, 0]
    assert np.diff(places).mean() > 0
    with pytest.raises(InvalidInput, match="none in the part that was asked for"):
        poses_of_video(made_video(6), "a.mp4", detector(), part=Part(10.0))


@pytest.mark.parametrize("numbers", [(-1.0, None, 1), (2.0, 1.0, 1), (0.0, 0.0, 1), (0.0, None, 0)])
def test_a_part_that_holds_nothing_is_refused(numbers):
    with pytest.raises(InvalidInput, match="a part"):
        Part(*numbers)


def test_a_text_that_begins_like_an_mp4_opens_no_port():
    # FFmpeg would take it for a stream description, join its multicast group, and wait for twelve seconds.
    assert video_file.is_video(stream_description())
    begin = time.monotonic()
    with pytest.raises(InvalidInput, match="not readable as a video"):
        video_file.video_facts(stream_description(), "stream.mp4")
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
    assert video_file.is_video(file.getvalue())
    assert video_file.video_facts(file.getvalue(), "walk").size == SIZE
