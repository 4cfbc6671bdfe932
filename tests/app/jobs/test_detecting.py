"""The search in a video beside the page: how far it is, its end, and that it stops for who no longer waits for it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from app.jobs.detecting import Detecting
from diffpose_core.io.detectors import DetectorKind
from diffpose_core.io.detectors.detector import Detector, Found
from diffpose_core.io.formats.layouts import COCO17
from diffpose_core.structures import Cancelled, InvalidInput
from tests.io.test_video import made_video

PERSON = np.stack([np.linspace(10, 20, 17), np.linspace(4, 40, 17)], axis=1)[None]


class Gate:
    """A detector that looks at a frame whenever the gate is released; there is nothing to download."""

    def __init__(self) -> None:
        self.frames = threading.Semaphore(0)
        self.here = True
        self.fault: Exception | None = None

    def release(self, frames: int = 1) -> None:
        self.frames.release(frames)

    def look(self, image: np.ndarray) -> Found:
        assert self.frames.acquire(timeout=30)
        return Found(PERSON, np.full((1, 17), 0.9))

    def load(self) -> Detector:
        if self.fault is not None:
            raise self.fault
        return Detector("Gate", COCO17, self.look)

    def download(self, progress: Any) -> None:
        raise AssertionError("the weights are here")

    def search(self, frames: int, **more: Any) -> Detecting:
        kind = DetectorKind(
            "Gate", "video", "joints", "nothing", lambda: True, lambda: self.here, lambda p: self.download(p), self.load
        )
        return Detecting(made_video(frames), "a.mp4", kind, **more)


@pytest.fixture
def gate() -> Iterator[Gate]:
    gate = Gate()
    yield gate
    gate.release(100)


def until(condition: Any) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_it_says_how_far_it_is_and_ends_with_the_people(gate: Gate) -> None:
    work = gate.search(4)
    assert not work.wait(0.05) and work.running and work.progress()[0] == 0
    gate.release(2)
    until(lambda: work.done == 2)
    share, words = work.progress()
    assert share == 0.5 and words.startswith("Looking: frame 2 of 4, about ")
    gate.release(2)
    assert work.wait(20) and work.error is None and work.result is not None
    assert len(work.result.clip().tracks[0]) == 4


def test_cancelling_ends_it(gate: Gate) -> None:
    work = gate.search(4)
    gate.release()
    until(lambda: work.done == 1)
    work.cancel()
    gate.release()
    assert work.wait(20) and work.result is None and work.done == 2


def test_nobody_who_asks_means_nobody_who_waits(gate: Gate) -> None:
    work = gate.search(4, patience_s=0.05)
    time.sleep(0.2)
    gate.release()
    until(lambda: not work.running)
    assert work.result is None and work.done == 1


def test_a_download_is_cancelled_as_well(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    started = threading.Event()

    def download(progress: Any) -> None:
        for done in range(1000):
            if not progress(done << 20, 1000 << 20):
                raise Cancelled
            started.set()
            time.sleep(0.01)

    monkeypatch.setattr(gate, "download", download)
    gate.here = False
    work = gate.search(1)
    assert started.wait(20)
    assert "once: 0 of 1000 MiB" in work.progress()[1]
    work.cancel()
    assert work.wait(5) and work.result is None, "ten seconds before it would have been through"


@pytest.mark.parametrize(
    ("fault", "words"), [(InvalidInput("no network"), "no network"), (ZeroDivisionError(), "a.mp4")]
)
def test_what_goes_wrong_is_said(gate: Gate, fault: Exception, words: str) -> None:
    gate.fault = fault
    work = gate.search(1)
    assert work.wait(20) and work.result is None and words in str(work.error)
