"""The app as the tests of uploads want it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.app.conftest import ROOT


@pytest.fixture
def app(tiny_weights: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[object]:
    """The app with small random networks, at a page that lifts nothing: nothing holds it up."""
    st = pytest.importorskip("streamlit")
    from streamlit.testing.v1 import AppTest

    from app.compute.cache import CACHE

    def forget() -> None:
        st.cache_data.clear()
        st.cache_resource.clear()
        CACHE.clear()

    monkeypatch.setenv("DIFFPOSE_CHECKPOINTS", str(tiny_weights))
    forget()
    test = AppTest.from_file(str(ROOT / "app" / "streamlit_app.py"), default_timeout=60)
    for key, value in {"view": "Results", "steps": 1, "hypotheses": 1, "frame": 7, "seed": 4}.items():
        test.session_state[key] = value
    test.run()
    assert not test.exception
    yield test
    forget()
