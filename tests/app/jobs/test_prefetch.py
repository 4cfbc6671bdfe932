"""Work ahead: done after a rest, dropped for anything newer, and never in the way."""

from __future__ import annotations

import threading

from app.jobs.prefetch import Prefetcher


def test_jobs_run_in_order_after_a_rest() -> None:
    done: list[int] = []
    finished = threading.Event()
    Prefetcher(rest_s=0.01).plan([lambda: done.append(1), lambda: done.append(2), finished.set])
    assert finished.wait(10)
    assert done == [1, 2]


def test_a_new_plan_drops_the_old_one_and_so_does_a_question() -> None:
    done: list[str] = []
    finished = threading.Event()
    ahead = Prefetcher(rest_s=0.2)
    ahead.plan([lambda: done.append("old")])
    ahead.plan([lambda: done.append("new"), finished.set])
    assert finished.wait(10)
    assert done == ["new"]
    ahead.plan([lambda: done.append("dropped")])
    ahead.drop()
    threading.Event().wait(0.5)
    assert done == ["new"]


def test_a_question_ends_a_plan_between_two_jobs() -> None:
    done: list[str] = []
    begun, asked = threading.Event(), threading.Event()
    ahead, later = Prefetcher(rest_s=0.0), Prefetcher(rest_s=0.0)

    def first() -> None:
        begun.set()
        asked.wait(10)
        done.append("first")

    ahead.plan([first, lambda: done.append("second")])
    assert begun.wait(10)
    ahead.drop()
    asked.set()
    finished = threading.Event()
    later.plan([finished.set])  # one at a time: this one waits until the other has ended
    assert finished.wait(10)
    assert done == ["first"]


def test_a_job_that_fails_ends_its_plan_and_nothing_else() -> None:
    done: list[str] = []
    ahead = Prefetcher(rest_s=0.0)

    def fail() -> None:
        raise ValueError("no such frame")

    ahead.plan([fail, lambda: done.append("after it")])
    finished = threading.Event()
    Prefetcher(rest_s=0.1).plan([finished.set])
    assert finished.wait(10)
    assert done == []
