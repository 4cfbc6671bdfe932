"""The live camera's socket: who is let in, what is refused, and that what is left is freed."""

from __future__ import annotations

import contextlib
import gc
import json
import socket
from collections.abc import Iterator
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("websockets")

from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from app.jobs import live_server as module
from app.jobs.live import MOST_OF_A_PICTURE, LiveSession
from app.jobs.live_server import LiveServer
from tests.app.jobs.test_live import DETECTOR, jpeg

ORIGIN = "http://localhost:8501"


@pytest.fixture
def server() -> Iterator[LiveServer]:
    server = LiveServer()
    yield server
    server.stop()


@pytest.fixture
def session(server: LiveServer) -> LiveSession:
    lift = SimpleNamespace(detector=DETECTOR, step=lambda image, time_s: None)
    session = LiveSession(lambda: lift, ORIGIN)
    server.add(session)
    return session


@contextlib.contextmanager
def connected(server: LiveServer, token: str | bytes, origin: str | None = ORIGIN) -> Iterator[ClientConnection]:
    with connect(f"ws://127.0.0.1:{server.port}/live", origin=origin, proxy=None) as connection:
        connection.send(token)
        yield connection


def reason(connection: ClientConnection) -> tuple[int, str]:
    """Code and words that the server closes a connection with."""
    with pytest.raises(ConnectionClosed) as closed:
        while True:
            connection.recv(timeout=10)
    received = closed.value.rcvd
    assert received is not None
    return received.code, received.reason


def test_pictures_are_answered_in_their_order(server: LiveServer, session: LiveSession) -> None:
    with connected(server, session.token) as connection:
        assert json.loads(connection.recv(timeout=10)) == {"ready": True}
        for _ in range(3):
            connection.send(jpeg())
        for _ in range(3):
            assert json.loads(connection.recv(timeout=10))["whole_ms"] > 0


@pytest.mark.parametrize("origin", [None, "http://elsewhere.example", "http://localhost:8502", "null"])
def test_a_page_of_another_origin_is_refused(server: LiveServer, session: LiveSession, origin: str | None) -> None:
    with connected(server, session.token, origin) as connection:
        assert reason(connection) == (1008, "not a page of this app")


@pytest.mark.parametrize("token", ["", "guess", b"\x00\xff", "é" * 100])
def test_who_does_not_know_the_secret_is_refused(server: LiveServer, session: LiveSession, token: str | bytes) -> None:
    with connected(server, token) as connection:
        assert reason(connection) == (1008, "not a page of this app")


def test_another_name_for_this_machine_is_refused(server: LiveServer) -> None:
    raw = socket.create_connection(("127.0.0.1", server.port))
    with pytest.raises(InvalidStatus, match="403"), connect("ws://rebound.example/live", sock=raw, origin=ORIGIN):
        pass


def test_the_socket_is_open_to_this_machine_alone(server: LiveServer) -> None:
    assert server._server.socket.getsockname()[0] == "127.0.0.1"


def test_one_connection_has_a_camera(server: LiveServer, session: LiveSession) -> None:
    with connected(server, session.token) as first:
        first.recv(timeout=10)
        with connected(server, session.token) as second:
            assert reason(second) == (1013, "this camera is live in another window")
        first.send(jpeg())
        assert "kept_s" in json.loads(first.recv(timeout=10))


@pytest.mark.parametrize("message, code, words", [
    ("words", 1008, "words where a picture"), (b"", 1008, "no JPEG"), (jpeg((1300, 1300)), 1008, "pixels"),
    (bytes(MOST_OF_A_PICTURE + 1), 1009, ""),
])  # fmt: skip
def test_what_is_no_picture_ends_the_connection_and_no_other(
    server: LiveServer, session: LiveSession, message: str | bytes, code: int, words: str
) -> None:
    with connected(server, session.token) as connection:
        connection.send(message)
        found, said = reason(connection)
        assert found == code and words in said
    with connected(server, session.token) as connection:
        assert json.loads(connection.recv(timeout=10)) == {"ready": True}


def test_a_fault_of_ours_ends_the_connection_without_details(server: LiveServer) -> None:
    def fail(image: np.ndarray, time_s: float) -> None:
        raise RuntimeError("/secret/path")

    session = LiveSession(lambda: SimpleNamespace(detector=DETECTOR, step=fail), ORIGIN)
    server.add(session)
    with connected(server, session.token) as connection:
        connection.send(jpeg())
        assert reason(connection) == (1011, "the pose could not be computed")


def test_cameras_and_connections_are_bounded(
    server: LiveServer, session: LiveSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    with contextlib.ExitStack() as stack:
        others = []
        for _ in range(module.MOST_LIVE):
            lift = SimpleNamespace(detector=DETECTOR, step=lambda image, time_s: None)
            others.append(LiveSession(lambda lift=lift: lift, ORIGIN))
            server.add(others[-1])
            stack.enter_context(connected(server, others[-1].token)).recv(timeout=10)
        last = stack.enter_context(connected(server, session.token))
        assert reason(last) == (1013, f"{module.MOST_LIVE} cameras are live already; try again later")


def test_a_silent_connection_ends(server: LiveServer, session: LiveSession, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_SILENCE_S", 0.1)
    with connected(server, session.token) as connection:
        assert reason(connection) == (1000, "no picture came for some time")


def test_a_session_that_has_ended_lets_nobody_in(server: LiveServer, session: LiveSession) -> None:
    gone = LiveSession(lambda: None, ORIGIN)  # type: ignore[arg-type, return-value]
    server.add(gone)
    token = gone.token
    del gone
    gc.collect()
    with connected(server, token) as connection:
        assert reason(connection)[0] == 1008
