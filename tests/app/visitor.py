"""A visitor without a browser: opens a session of a running server and reads what the app draws."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import ClientConnection, connect


@contextmanager
def visit(url: str, origin: str | None = None, host: str | None = None) -> Iterator[ClientConnection]:
    """A connection to the server at `url` (http://address:port). origin, host: headers other than the true ones."""
    address = url.removeprefix("http://")
    with connect(
        f"ws://{host or address}/_stcore/stream",
        sock=None if host is None else _socket(address),
        origin=origin or url,  # type: ignore[arg-type]
        subprotocols=["streamlit"],  # type: ignore[list-item]
        max_size=None,
        proxy=None,
    ) as connection:
        yield connection


def _socket(address: str) -> object:
    import socket

    name, port = address.rsplit(":", 1)
    return socket.create_connection((name, int(port)))


def run_script(connection: ClientConnection, query: str = "", seconds: float = 120.0) -> list[ForwardMsg]:
    """Have the script run and return what came until it ended."""
    message = BackMsg()
    message.rerun_script.query_string = query
    connection.send(message.SerializeToString())
    found: list[ForwardMsg] = []
    end = time.monotonic() + seconds
    finished = False
    while time.monotonic() < end:
        received = ForwardMsg()
        try:
            # It may begin anew by itself: it has ended when nothing follows.
            received.ParseFromString(connection.recv(timeout=2.0 if finished else end - time.monotonic()))  # type: ignore[arg-type]
        except TimeoutError:
            break
        found.append(received)
        kind = received.WhichOneof("type")
        finished = kind == "script_finished" or (finished and kind != "new_session")
    if not finished:
        raise TimeoutError(f"the script had not ended after {seconds:.0f} s")
    return found


def texts(messages: list[ForwardMsg]) -> str:
    """All that was drawn, as text."""
    return "\n".join(str(message.delta) for message in messages if message.WhichOneof("type") == "delta")
