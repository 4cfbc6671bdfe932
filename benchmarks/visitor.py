"""A visitor without a browser: opens a session of a running server, reads what the app draws, and uploads files."""

from __future__ import annotations

import http.client
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.Common_pb2 import FileURLs
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState
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
        ping_interval=None,  # a server with much to do answers late, and is no lost one
    ) as connection:
        yield connection


def _socket(address: str) -> object:
    import socket

    name, port = address.rsplit(":", 1)
    return socket.create_connection((name, int(port)))


def run_script(
    connection: ClientConnection, query: str = "", seconds: float = 120.0, widgets: Sequence[WidgetState] = ()
) -> list[ForwardMsg]:
    """Have the script run and return what came until it ended. widgets: what the visitor set."""
    message = BackMsg()
    message.rerun_script.query_string = query
    message.rerun_script.widget_states.widgets.extend(widgets)
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


def upload(
    connection: ClientConnection, url: str, drawn: list[ForwardMsg], file: Path, query: str = "", seconds: float = 120.0
) -> list[ForwardMsg]:
    """Put a file into the page's first uploader, and return what is drawn then.

    Args:
        connection: of the visitor.
        url: of the server.
        drawn: what the page's first run drew.
        file: to upload.
        query: of the page's address.
        seconds: to wait for the file's address, and for each run of the script.

    Raises:
        OSError: the server refuses the file.
    """
    session = next(m.new_session.initialize.session_id for m in drawn if m.WhichOneof("type") == "new_session")
    widget = next(
        m.delta.new_element.file_uploader.id
        for m in drawn
        if m.WhichOneof("type") == "delta" and m.delta.new_element.WhichOneof("type") == "file_uploader"
    )
    request = BackMsg()
    request.file_urls_request.request_id = "1"
    request.file_urls_request.file_names.append(file.name)
    request.file_urls_request.session_id = session
    connection.send(request.SerializeToString())
    answer = ForwardMsg()
    while answer.WhichOneof("type") != "file_urls_response":
        answer.ParseFromString(connection.recv(timeout=seconds))  # type: ignore[arg-type]
    urls = answer.file_urls_response.file_urls[0]
    _put(url, urls, file, seconds)
    state = WidgetState(id=widget)
    info = state.file_uploader_state_value.uploaded_file_info.add(
        name=file.name, size=file.stat().st_size, file_id=urls.file_id
    )
    info.file_urls.CopyFrom(urls)
    return run_script(connection, query, seconds, [state])


def _put(url: str, urls: FileURLs, file: Path, seconds: float) -> None:
    """Send a file to its address, a part at a time."""
    with urllib.request.urlopen(f"{url}/_stcore/health", timeout=seconds) as answer:
        cookie = str(answer.headers["Set-Cookie"]).split(";")[0]
    name = file.name.encode()
    head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="' + name + b'"\r\n\r\n'
    tail = b"\r\n--x--\r\n"

    def parts() -> Iterator[bytes]:
        yield head
        with file.open("rb") as content:
            while part := content.read(1 << 20):
                yield part
        yield tail

    headers = {
        "Content-Type": "multipart/form-data; boundary=x",
        "Content-Length": str(len(head) + file.stat().st_size + len(tail)),
        "Cookie": cookie,
        "X-Xsrftoken": cookie.split("=", 1)[1],
    }
    server = http.client.HTTPConnection(urlsplit(url).netloc, timeout=seconds)
    try:
        server.request("PUT", urlsplit(urls.upload_url).path, body=parts(), headers=headers)
        status = server.getresponse().status
    finally:
        server.close()
    if status not in (200, 204):
        raise OSError(f"{file.name}: refused with status {status}")
