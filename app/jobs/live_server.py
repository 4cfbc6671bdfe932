"""The socket that a camera's pictures come through: on this machine alone, known by a secret, bounded, one at a time.

Pictures do not go through Streamlit: a run of the script for each would take as long as the pose itself.
"""

from __future__ import annotations

import json
import logging
import threading
import weakref
from http import HTTPStatus
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection, serve

from app.jobs.live import MOST_OF_A_PICTURE, LiveSession
from app.text import log_exception
from diffpose_core.structures import InvalidInput

#: Connections that may be open, and cameras that may be live at once.
MOST_CONNECTIONS, MOST_LIVE = 16, 3
#: Seconds that a connection may take to say who it is, and that a camera may send nothing.
_HELLO_S, _SILENCE_S = 5.0, 30.0
#: Codes that a connection is closed with: done, refused, failed, try later.
_DONE, _REFUSED, _FAILED, _LATER = 1000, 1008, 1011, 1013
_LOG = logging.getLogger(__name__)


class LiveServer:
    """Listens on a free port of 127.0.0.1 and gives each visitor's camera to their session.

    The browser first sends its session's token, then a JPEG at a time. It is answered by JSON: {"ready": true}, then
    `LiveSession.answer` for every picture. Pictures that come before the last one is answered wait in the network, not
    here.

    Attributes:
        port: of 127.0.0.1.
    """

    def __init__(self) -> None:
        self._sessions: weakref.WeakValueDictionary[str, LiveSession] = weakref.WeakValueDictionary()
        self._open = threading.BoundedSemaphore(MOST_CONNECTIONS)
        self._live = threading.BoundedSemaphore(MOST_LIVE)
        quiet = logging.getLogger(f"{__name__}.websockets")
        quiet.setLevel(logging.CRITICAL)
        self._server = serve(
            self._handle, "127.0.0.1", 0, max_size=MOST_OF_A_PICTURE, max_queue=1, compression=None,
            open_timeout=_HELLO_S, close_timeout=2, process_request=self._admit, server_header=None, logger=quiet,
        )  # fmt: skip
        self.port = int(self._server.socket.getsockname()[1])
        threading.Thread(target=self._server.serve_forever, name="live", daemon=True).start()

    def add(self, session: LiveSession) -> None:
        """Let a session's camera in, for as long as the session lives."""
        self._sessions[session.token] = session

    def stop(self) -> None:
        """Close the port; for tests."""
        self._server.shutdown()

    def _admit(self, connection: ServerConnection, request: Any) -> Any:
        """Refuse another name for this machine: pages elsewhere could point theirs at it (DNS rebinding)."""
        if request.headers.get_all("Host") != [f"127.0.0.1:{self.port}"]:
            return connection.respond(HTTPStatus.FORBIDDEN, "Another host\n")
        return None

    def _handle(self, connection: ServerConnection) -> None:
        if not self._open.acquire(blocking=False):
            connection.close(_LATER, "too many connections")
            return
        try:
            session = self._known(connection)
            if session is None:
                connection.close(_REFUSED, "not a page of this app")
            elif not self._live.acquire(blocking=False):
                connection.close(_LATER, f"{MOST_LIVE} cameras are live already; try again later")
            else:
                try:
                    _work(connection, session)
                finally:
                    self._live.release()
        except ConnectionClosed:
            pass
        finally:
            self._open.release()

    def _known(self, connection: ServerConnection) -> LiveSession | None:
        """The session that the first message names, if the page is its own."""
        try:
            token = connection.recv(timeout=_HELLO_S)
        except TimeoutError:
            return None
        session = self._sessions.get(token) if isinstance(token, str) else None
        origins = connection.request.headers.get_all("Origin") if connection.request is not None else []
        return session if session is not None and origins == [session.origin] else None


def _work(connection: ServerConnection, session: LiveSession) -> None:
    """Answer one picture after the other until the browser leaves."""
    try:
        if not session.begin():
            connection.close(_LATER, "this camera is live in another window")
            return
        try:
            connection.send('{"ready": true}')
            while True:
                message = connection.recv(timeout=_SILENCE_S)
                if not isinstance(message, bytes):
                    raise InvalidInput("words where a picture is expected")
                connection.send(json.dumps(session.answer(message)))
        finally:
            session.end()
    except ConnectionClosed:
        pass
    except TimeoutError:
        connection.close(_DONE, "no picture came for some time")
    except InvalidInput as error:
        connection.close(_REFUSED, ascii(str(error))[1:-1][:120])
    except Exception:  # a fault of ours ends this camera, not the server
        log_exception(_LOG, "a live picture failed")
        connection.close(_FAILED, "the pose could not be computed")
