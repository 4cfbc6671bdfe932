"""Videos decoded in a process of its own: hostile ones, and what a reader that stops leaves behind."""

import io
import os
import resource

import numpy as np
import pytest

from diffpose_core.io import video_apart
from diffpose_core.io.untrusted.files import MIB
from diffpose_core.io.untrusted.worker import Allowance, Workers
from diffpose_core.io.video_apart import decoded, decoders, video_facts_apart
from diffpose_core.io.video_file import Part, opened, pictures, video_facts
from diffpose_core.structures import InvalidInput

av = pytest.importorskip("av")


@pytest.fixture(scope="module", autouse=True)
def ended():
    yield
    decoders().close()


def video(count=6, size=(64, 48)):
    """An MP4 whose pictures get brighter."""
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        for number in range(count):
            image = np.full((*size[::-1], 3), 20 * number, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
        container.mux(stream.encode())
    return file.getvalue()


@pytest.mark.parametrize("from_file", [False, True])
def test_pictures_come_as_they_are_decoded_here(tmp_path, from_file):
    path = tmp_path / os.fsdecode(b"w\xe4lk.mp4")
    path.write_bytes(video())
    source, part = path if from_file else video(), Part(0.08, None, 2)
    with opened(source, "a.mp4") as container:
        expected = list(pictures(container, "a.mp4", part))
    with decoded(source, "a.mp4", part) as (facts, found):
        assert facts == video_facts_apart(source, "a.mp4") == video_facts(source, "a.mp4")
        for here, there in zip(expected, found, strict=True):
            assert here.time_s == there.time_s and np.array_equal(here.image, there.image)
            there.image[:] = 0


def test_a_video_that_takes_too_much_memory_is_refused_and_this_process_does_not_grow(monkeypatch):
    content = video(2, (4096, 2304))
    small = Workers(Allowance(memory=48 * MIB), (video_apart.__name__, "av"), stays=0, doing="decoding it")
    monkeypatch.setattr(video_apart, "decoders", lambda: small)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(InvalidInput, match=r"^big: .*memory"), decoded(content, "big", Part()) as (_, found):
        list(found)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 32 * 1024, "KiB of this process"


def test_damaged_videos_are_refused_in_the_words_of_the_reader():
    for content in (b"\0\0\0\x20ftypisom" + bytes(200), video()[:200]):
        with pytest.raises(InvalidInput) as here:
            video_facts(content, "bad")
        with pytest.raises(InvalidInput) as apart:
            video_facts_apart(content, "bad")
        assert str(apart.value) == str(here.value)
