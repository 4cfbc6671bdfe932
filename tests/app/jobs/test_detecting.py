"""The search in a video beside the page: how far it is, its end, and that it stops for who no longer waits for it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from app.jobs import detecting
from app.jobs.detecting import Detecting
from diffpose_core.structures import InvalidInput
from tests.io.test_video import made_video

PERSON = np.stack([np.linspace(10, 20, 17), np.linspace(4, 40, 17)], axis=1)[None]


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Semaphore]:
    """A detector that looks at a frame whenever the gate is released; there is nothing to download."""
    gate = threading.Semaphore(0)

    def people(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        assert gate.acquire(timeout=30)
        return PERSON, np.full((1, 17), 0.9)

    monkeypatch.setattr(detecting, "get_weights", lambda progress: None)
    monkeypatch.setattr(detecting, "rtmpose", lambda: people)
    yield gate
    gate.release(100)


def until(condition: Any) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_it_says_how_far_it_is_and_ends_with_the_people(gate: threading.Semaphore) -> None:
    work = Detecting(made_video(4), "a.mp4")
    assert not work.wait(0.05) and work.running and work.progress()[0] == 0
    gate.release(2)
    until(lambda: work.done == 2)
    share, words = work.progress()
    assert share == 0.5 and words.startswith("Looking: frame 2 of 4, about ")
    gate.release(2)
    assert work.wait(20) and work.error is None and work.result is not None
    assert len(work.result.clip().tracks[0]) == 4


def test_cancelling_ends_it(gate: threading.Semaphore) -> None:
    work = Detecting(made_video(4), "a.mp4")
    gate.release()
    until(lambda: work.done == 1)
    work.cancel()
    gate.release()
    assert work.wait(20) and work.result is None and work.done == 2


def test_nobody_who_asks_means_nobody_who_waits(gate: threading.Semaphore) -> None:
    work = Detecting(made_video(4), "a.mp4", patience_s=0.05)
    time.sleep(0.2)
    gate.release()
    until(lambda: not work.running)
    assert work.result is None and work.done == 1


def test_a_download_is_cancelled_as_well(gate: threading.Semaphore, monkeypatch: pytest.MonkeyPatch) -> None:
    started = threading.Event()

    def download(progress: Any) -> None:
        for done in range(1000):
            if not progress(done << 20, 1000 << 20):
                raise detecting.Cancelled
            started.set()
            time.sleep(0.01)

    monkeypatch.setattr(detecting, "get_weights", download)
    work = Detecting(made_video(1), "a.mp4")
    assert started.wait(20)
    assert "once: 0 of 1000 MiB" in work.progress()[1]
    work.cancel()
    assert work.wait(5) and work.result is None, "ten seconds before it would have been through"


@pytest.mark.parametrize(
    ("fault", "words"), [(InvalidInput("no network"), "no network"), (ZeroDivisionError(), "a.mp4")]
)
def test_what_goes_wrong_is_said(
    gate: threading.Semaphore, monkeypatch: pytest.MonkeyPatch, fault: Exception, words: str
) -> None:
    def fail() -> Any:
        raise fault

    monkeypatch.setattr(detecting, "rtmpose", fail)
    work = Detecting(made_video(1), "a.mp4")
    assert work.wait(20) and work.result is None and words in str(work.error)
