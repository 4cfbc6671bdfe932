"""The cache of what was computed of clips: bounded by bytes, and nothing stays of a clip that was removed."""

from __future__ import annotations

import gc
import threading
import time
from dataclasses import dataclass

import numpy as np
import pytest
import torch

pytest.importorskip("streamlit")

from app.compute import cache
from app.compute.cache import ClipCache, bytes_of, clip_cached
from app.widgets.uploads import MOST_OWN, OwnClip, Uploads
from diffpose_core.structures import PoseClip2D


def fill(store: ClipCache, source: str, count: int, size: int = 100) -> None:
    for number in range(count):
        store.get("lift", source, number, lambda: bytes(size))


def test_values_are_computed_once_and_errors_are_not_kept() -> None:
    store, asked = ClipCache(), []

    def fails() -> bytes:
        asked.append(1)
        raise ValueError

    for _ in range(2):
        with pytest.raises(ValueError):
            store.get("lift", "walk", 1, fails)
    assert len(asked) == 2 and len(store) == 0
    first = store.get("lift", "walk", 1, lambda: object())
    assert store.get("lift", "walk", 1, lambda: object()) is first


def test_the_entries_used_longest_ago_make_room() -> None:
    store = ClipCache(most_bytes=1000)
    fill(store, "walk", 10)
    store.get("lift", "walk", 0, lambda: b"computed anew")
    fill(store, "wave", 3)
    assert store.bytes <= 1000
    assert len(store.get("lift", "walk", 0, lambda: b"computed anew")) == 100, "used last, it is still there"
    assert store.get("lift", "walk", 1, lambda: b"computed anew") == b"computed anew"


def test_an_entry_larger_than_all_stays_until_the_next() -> None:
    store = ClipCache(most_bytes=1000)
    fill(store, "walk", 1, 5000)
    assert store.bytes == 5000
    fill(store, "wave", 1)
    assert store.bytes == 100


def test_a_clip_is_forgotten_whole_and_alone() -> None:
    store = ClipCache()
    fill(store, "walk", 5)
    fill(store, "wave", 3)
    store.forget("walk")
    assert (len(store), store.bytes) == (3, 300)


def test_two_who_ask_for_the_same_wait_for_one() -> None:
    store, begun, go, results = ClipCache(), threading.Event(), threading.Event(), []

    def slow() -> object:
        begun.set()
        go.wait(10)
        return object()

    threads = [threading.Thread(target=lambda: results.append(store.get("lift", "walk", 1, slow))) for _ in range(3)]
    for thread in threads:
        thread.start()
    assert begun.wait(10)
    go.set()
    for thread in threads:
        thread.join(10)
    assert len(results) == 3 and len(set(map(id, results))) == 1


@dataclass(frozen=True)
class Result:
    clip: np.ndarray
    mean: torch.Tensor


def test_bytes_are_those_held_and_shared_ones_count_once() -> None:
    clip = np.zeros((1000, 17, 2), np.float32)
    both = [Result(clip, torch.zeros(10, 3)), Result(clip[:10], torch.zeros(10, 3))]
    assert bytes_of(both, set()) == clip.nbytes + 2 * 120
    assert bytes_of(clip[:1].copy(), set()) == 17 * 2 * 4


def own_clip(number: int) -> OwnClip:
    poses = np.full((2, 17, 2), float(number), np.float32)
    clip = PoseClip2D(f"mine {number}", poses, np.ones((2, 17), np.float32), 100, 100, 30.0)
    return OwnClip(clip, "npz", (), f"source {number}")


def test_a_clip_lives_as_long_as_its_visitor() -> None:
    store = ClipCache()
    visitor = Uploads()
    for number in range(MOST_OWN + 2):
        visitor.keep(own_clip(number), store.forget_soon)
        fill(store, f"source {number}", 2)
    gc.collect()
    store.free()
    assert len(store) == 2 * MOST_OWN, "the oldest clips have made room for newer ones"
    del visitor
    gc.collect()
    store.free()
    assert len(store) == 0, "the session has ended"


def test_functions_of_a_clip(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "CACHE", ClipCache())
    asked = []

    @clip_cached
    def lift(source: str, clip: object, frames: tuple[int, ...], *, steps: int = 5) -> int:
        asked.append((source, frames, steps))
        return len(asked)

    assert lift("walk", object(), (1, 2)) == lift("walk", object(), (1, 2)) == 1
    assert lift("walk", object(), (1, 3)) == 2
    assert lift("wave", object(), (1, 2)) == 3
    assert lift("walk", object(), (1, 2), steps=10) == 4
    cache.CACHE.forget("walk")
    assert lift("wave", object(), (1, 2)) == 3
    assert lift("walk", object(), (1, 2)) == 5


def test_so_many_compute_at_once_and_values_within_values_take_no_second_turn() -> None:
    store, running, most, lock = ClipCache(at_once=2), [0], [0], threading.Lock()

    def inner() -> str:
        time.sleep(0.05)
        return "inner"

    def outer(number: int) -> str:
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        try:
            time.sleep(0.02)
            # All want the same value, which some ask for by itself.
            return store.get("inner", "walk", 0, inner) + str(number)
        finally:
            with lock:
                running[0] -= 1

    found: list[str] = []

    def ask(number: int) -> None:
        if number % 3 == 0:
            store.get("inner", "walk", 0, inner)
        found.append(store.get("outer", "walk", number, lambda: outer(number)))

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(found) == sorted(f"inner{number}" for number in range(12)), "nobody waits for ever"
    assert most[0] == 2


def test_a_turn_ends_with_an_error() -> None:
    store = ClipCache(at_once=1)

    def fail() -> None:
        raise ValueError("no")

    for _ in range(3):
        with pytest.raises(ValueError, match="no"):
            store.get("lift", "walk", 0, fail)
    assert store.get("lift", "walk", 0, lambda: 5) == 5
