"""The time that a component's data was first shown at."""

from __future__ import annotations

import pytest

from app import arrival
from app.arrival import first_shown


def test_the_same_content_keeps_its_time_and_other_content_is_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrival.st, "session_state", {})
    clock = iter([10.0, 11.0, 5.0, 13.0])
    monkeypatch.setattr(arrival.time, "time", lambda: next(clock))
    partial, whole = b"partial", b"the whole clip"
    times = [first_shown(content, "compare") for content in (partial, partial, whole, whole)]
    assert times == [10.0, 10.0, 11.0, 11.0]
    assert first_shown(partial, "compare") > 11.0, "though the clock was set back"
    assert first_shown(partial, "reverse") == 13.0, "another place has a time of its own"
