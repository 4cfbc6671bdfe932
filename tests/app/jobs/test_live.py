"""A live session: pictures from outside are bounded, the last seconds are kept and become a clip."""

from __future__ import annotations

import io
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("PIL")

from PIL import Image

from app.jobs import live as module
from app.jobs.live import LiveSession, Recording, decoded
from diffpose_core.io.detectors.detector import Detector, Found
from diffpose_core.io.formats import to_clip
from diffpose_core.io.formats.layouts import LAYOUTS
from diffpose_core.structures import InvalidInput

LAYOUT = LAYOUTS["Human3.6M-17"]
DETECTOR = Detector("told", LAYOUT, lambda image: Found(np.zeros((0, 17, 2)), np.zeros((0, 17))))


def jpeg(size: tuple[int, int] = (64, 48), colour: tuple[int, int, int] = (200, 30, 10), kind: str = "JPEG") -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, colour).save(file, kind)
    return file.getvalue()


def person(clip, frame: int) -> Found:
    return Found(clip.keypoints_px[frame : frame + 1], clip.confidence[frame : frame + 1])


def test_a_picture_becomes_blue_green_red():
    image = decoded(jpeg())
    assert image.shape == (48, 64, 3)
    assert np.abs(image[24, 32].astype(int) - (10, 30, 200)).max() < 8


@pytest.mark.parametrize("content, words", [
    (b"", "no JPEG"), (b"\xff\xd8\xff" + bytes(100), "no JPEG"), (jpeg()[:-200], "no JPEG"),
    (jpeg(kind="PNG"), "no JPEG"), (jpeg((1300, 1300)), "1300 x 1300 pixels"), (jpeg((640, 8)), "640 x 8 pixels"),
    (bytes(module.MOST_OF_A_PICTURE + 1), "524,289 bytes"),
])  # fmt: skip
def test_other_content_is_refused_in_words(content, words):
    with pytest.raises(InvalidInput, match=words):
        decoded(content)


def test_a_picture_that_claims_to_be_huge_is_not_decoded():
    content = bytearray(jpeg())
    begin = content.index(b"\xff\xc0")
    content[begin + 5 : begin + 9] = b"\xff\xff\xff\xff"  # height and width
    with pytest.raises(InvalidInput, match=r"65535 x 65535|no JPEG"):
        decoded(bytes(content))


def test_a_picture_in_thousands_of_passes_is_not_decoded():
    file = io.BytesIO()
    Image.new("L", (64, 64)).save(file, "JPEG", progressive=True)
    content = file.getvalue()
    assert decoded(content).shape == (64, 64, 3)
    last = content.rindex(b"\xff\xda")
    with pytest.raises(InvalidInput, match="more than 32 passes"):
        decoded(content[:last] + content[last:-2] * 40 + content[-2:])


def test_ten_seconds_are_kept(walking_clip):
    recording = Recording()
    for number in range(150):
        kept_s = recording.add(number / 10, person(walking_clip, number % 70), (640, 480), b"x")
    assert kept_s == pytest.approx(module.KEPT_S)
    poses, _ = recording.poses(DETECTOR)
    assert len(to_clip(poses).clip) == 101 and poses.clips[0].fps == pytest.approx(10)


def test_bytes_are_bounded_too(walking_clip, monkeypatch):
    monkeypatch.setattr(module, "MOST_BYTES", 1000)
    recording = Recording()
    for number in range(30):
        recording.add(number / 30, person(walking_clip, number), (640, 480), bytes(100))
    assert recording._bytes == sum(len(kept.jpeg) for kept in recording._kept) == 1000


def test_a_clip_of_what_was_kept_has_its_pictures(walking_clip):
    recording = Recording()
    for number in range(40):
        found = DETECTOR.detect(np.zeros(0)) if number in (5, 6) else person(walking_clip, number)
        recording.add(100.0 + number / 20, found, (640, 480), jpeg(colour=(number, 0, 0)))
    poses, pictures = recording.poses(DETECTOR)
    chosen = to_clip(poses)
    assert len(chosen.clip) == 40 and chosen.clip.fps == pytest.approx(20)
    np.testing.assert_allclose(chosen.clip.keypoints_px[20], walking_clip.keypoints_px[20], atol=1e-3)
    assert chosen.clip.guessed[5:7].all()
    footage = pictures.footage(poses.clips[0], chosen.first_frame, len(chosen.clip))
    assert footage.frames == tuple(range(40)) and footage.size == (640, 480)
    assert footage.jpegs[39] == jpeg(colour=(39, 0, 0))


def test_a_recording_of_nobody_says_so():
    recording = Recording()
    with pytest.raises(InvalidInput, match="nothing is kept yet"):
        recording.poses(DETECTOR)
    for number in range(5):
        recording.add(number / 10, DETECTOR.detect(np.zeros(0)), (640, 480), b"x")
    with pytest.raises(InvalidInput, match="nobody was found"):
        recording.poses(DETECTOR)


def made(pose: object, times: list[float | None]) -> SimpleNamespace:
    """A lift that always sees one pose."""

    def step(image: np.ndarray, time_s: float | None) -> object:
        times.append(time_s)
        return pose

    return SimpleNamespace(detector=DETECTOR, step=step)


def test_an_answer_has_the_pose_in_plot_axes(walking_clip):
    pose3d = walking_clip.pose3d_cam[0]
    pose = SimpleNamespace(
        found=person(walking_clip, 0), keypoints_px=walking_clip.keypoints_px[0],
        confidence=walking_clip.confidence[0], pose3d=pose3d, hypotheses=np.stack([pose3d, pose3d]),
        expected_error=np.full(17, 0.05), detect_s=0.02, lift_s=0.03,
    )  # fmt: skip
    times: list[float | None] = []
    session = LiveSession(lambda: made(pose, times), "")
    with pytest.raises(InvalidInput, match="not begun"):
        session.answer(jpeg())
    with pytest.raises(InvalidInput, match="not on yet"):
        session.recorded()
    assert session.begin() and not session.begin(), "one connection at a time"
    answer = session.answer(jpeg())
    assert np.reshape(answer["pose"], (17, 3)) == pytest.approx(pose3d[:, [0, 2, 1]] * (1, 1, -1), abs=1e-4)
    assert np.shape(answer["hypotheses"]) == (2 * 51,) and np.shape(answer["points"]) == (34,)
    assert (answer["error_mm"], answer["detect_ms"], answer["lift_ms"]) == (50, 20, 30)
    session.answer(jpeg())
    assert times == sorted(times) and None not in times
    assert len(to_clip(session.recorded()[0]).clip) >= 1
    session.end()
    assert session.begin(), "the camera can start again"


def test_an_answer_without_a_person_has_no_pose():
    session = LiveSession(lambda: made(None, []), "")
    session.begin()
    assert set(session.answer(jpeg())) == {"kept_s", "decode_ms", "whole_ms"}


def test_a_failed_start_leaves_the_camera_free():
    def fail() -> None:
        raise InvalidInput("no weights")

    session = LiveSession(fail, "")
    for _ in range(2):
        with pytest.raises(InvalidInput, match="no weights"):
            session.begin()
