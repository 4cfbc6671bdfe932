"""Computation ahead of time: the frames that a visitor is likely to ask for next. No Streamlit in here."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from threading import Lock, Timer

#: Seconds without a request before anything is computed ahead: requests come first.
REST_S = 0.25

_LOG = logging.getLogger(__name__)
#: One piece of work at a time, however many people are there.
_one_at_a_time = Lock()


class Prefetcher:
    """Jobs planned for one visitor; the last plan counts, and it is dropped when the visitor asks for anything."""

    def __init__(self, rest_s: float = REST_S) -> None:
        self._rest_s = rest_s
        self._timer: Timer | None = None
        self._plan = 0

    def plan(self, jobs: Sequence[Callable[[], object]]) -> None:
        """Do these jobs, in order, after a moment without requests; a job keeps its result in a cache."""
        self.drop()
        self._timer = Timer(self._rest_s, self._work, (self._plan, jobs))
        self._timer.daemon = True
        self._timer.start()

    def drop(self) -> None:
        """Forget the planned jobs; a job that has begun comes to its end."""
        self._plan += 1
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _work(self, plan: int, jobs: Sequence[Callable[[], object]]) -> None:
        for job in jobs:
            with _one_at_a_time:
                if plan != self._plan:
                    return
                try:
                    job()
                except Exception:
                    # Nobody has asked for it yet; a request for it will show the error.
                    _LOG.debug("work ahead failed", exc_info=True)
                    return
