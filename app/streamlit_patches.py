"""Workarounds for faults of Streamlit. They act on the versions they were tested with, and on no other.

tests/app/test_streamlit_patches.py fails when the patched code of Streamlit changes: look then whether the fault is
still there, and add the new version to `TESTED_VERSIONS` or delete the patch.
"""

from __future__ import annotations

import time
from collections.abc import Hashable
from concurrent.futures import Future
from functools import wraps
from typing import Any

import streamlit as st
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse
from streamlit import net_util, runtime
from streamlit.runtime.forward_msg_queue import ForwardMsgQueue
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.state.safe_session_state import SafeSessionState
from streamlit.web.server.starlette.starlette_path_security_middleware import PathSecurityMiddleware
from streamlit.web.server.starlette.starlette_websocket import is_host_allowed

#: Versions of Streamlit whose faults these patches work around.
TESTED_VERSIONS = ("1.67.0",)
#: Bytes of the files of one visitor that wait to be read.
MOST_UPLOADED = 512 << 20
#: Messages that somebody in the browser waits for: where to put a file, and the content of a download button.
ANSWERS = ("file_urls_response", "backend_operation_response")


def apply_patches() -> None:
    """Apply all patches once, if this version of Streamlit was tested with them."""
    if st.__version__ in TESTED_VERSIONS:
        keep_answers()
        finish_callbacks()
        refuse_without_look_ups()
        bound_uploads()
        refuse_other_names()


def keep_answers() -> None:
    """Deliver answers to the browser that wait while a new run of the script begins.

    Fault: a new run empties the queue of messages, and drops the answers in it. The uploader then waits for ever for
    the address that its file goes to. A page that reruns by itself does that at any moment.
    Upstream: not reported as far as known; the same kind as streamlit issue 7740 (toasts dropped from the queue).
    """
    if hasattr(ForwardMsgQueue.clear, "__wrapped__"):
        return
    clear = ForwardMsgQueue.clear

    @wraps(clear)
    def clear_all_but_answers(self: Any, retain_lifecycle_msgs: bool = False, *args: Any, **kwargs: Any) -> None:
        answers = [m for m in self._queue if m.WhichOneof("type") in ANSWERS] if retain_lifecycle_msgs else []
        clear(self, retain_lifecycle_msgs, *args, **kwargs)
        kept = {id(message) for message in self._queue}
        self._queue = [*(message for message in answers if id(message) not in kept), *self._queue]

    ForwardMsgQueue.clear = clear_all_but_answers  # type: ignore[method-assign]


def finish_callbacks() -> None:
    """Let callbacks finish before a rerun.

    Fault: once a rerun is requested, the running script stops at its next use of session state, even inside a callback
    or before the callback has begun. A dialog that was closed opened again when something else was clicked within
    milliseconds.
    Upstream: streamlit issue 10578 (a rerun request ends a run in the middle of a state change).
    """
    if hasattr(SafeSessionState.on_script_will_rerun, "__wrapped__"):
        return
    begin = SafeSessionState.on_script_will_rerun

    @wraps(begin)
    def begin_without_stopping(self: Any, *args: Any, **kwargs: Any) -> None:
        stop_if_asked = self._yield_callback
        object.__setattr__(self, "_yield_callback", lambda: None)
        try:
            begin(self, *args, **kwargs)
        finally:
            object.__setattr__(self, "_yield_callback", stop_if_asked)

    SafeSessionState.on_script_will_rerun = begin_without_stopping  # type: ignore[method-assign]


def refuse_without_look_ups() -> None:
    """Refuse a page of another site without asking a public service for this machine's address.

    Fault: to judge a foreign Origin header, Streamlit looks up its own outside address (checkip.amazonaws.com).
    Upstream: not reported as far as known. Same-origin visitors are let in before that list is read.
    """
    net_util.get_internal_ip = net_util.get_external_ip = _no_address


def bound_uploads() -> None:
    """Refuse uploads of a visitor whose unread files would take more than `MOST_UPLOADED` bytes together.

    Fault: Streamlit bounds one file, not their sum, and takes files for ids that no uploader has.
    Upstream: not reported as far as known.
    """
    if hasattr(MemoryUploadedFileManager.add_file, "__wrapped__"):
        return
    add = MemoryUploadedFileManager.add_file

    @wraps(add)
    def add_within_bounds(self: Any, session_id: str, file: Any) -> None:
        held = sum(len(other.data) for other in list(self.file_storage[session_id].values()))
        if held + len(file.data) > MOST_UPLOADED:
            raise HTTPException(413, "Too many files at once")
        add(self, session_id, file)

    MemoryUploadedFileManager.add_file = add_within_bounds  # type: ignore[method-assign]


def refuse_other_names() -> None:
    """Refuse requests that come under a name of the server which server.allowedHosts does not list.

    Fault: Streamlit asks this of sessions alone. A page elsewhere whose name is made to lead to this machine (DNS
    rebinding) could read everything else. Only the health of the server is told under any name, as load balancers ask.
    The patch acts once the first session has begun; before it there is nothing but the page's own files.
    Upstream: documented so (server.allowedHosts: "incoming WebSocket connections").
    """
    if hasattr(PathSecurityMiddleware.__call__, "__wrapped__"):
        return
    answer = PathSecurityMiddleware.__call__

    @wraps(answer)
    async def answer_under_allowed_names(self: Any, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http" or scope["path"].endswith("/_stcore/health") or _is_allowed(scope):
            await answer(self, scope, receive, send)
        else:
            await PlainTextResponse("The server is not known under this name", 403)(scope, receive, send)

    PathSecurityMiddleware.__call__ = answer_under_allowed_names  # type: ignore[method-assign]


def _is_allowed(scope: Any) -> bool:
    return is_host_allowed(Headers(scope=scope).get("host"))


def expire_sessions() -> int:
    """Drop sessions whose visitors left longer ago than server.disconnectedSessionTTL.

    Fault: Streamlit looks at the age of such sessions only when somebody connects or leaves.
    Upstream: not reported as far as known.

    Returns:
        Number of sessions that were dropped.
    """
    if st.__version__ not in TESTED_VERSIONS or not runtime.exists():
        return 0
    server = runtime.get_instance()
    if not isinstance(server, runtime.Runtime):  # a test's stand-in
        return 0
    storage = getattr(getattr(server._session_mgr, "_session_storage", None), "_cache", None)
    if storage is None:
        return 0
    # The storage belongs to the thread that serves connections.
    done: Future[int] = Future()
    server._get_async_objs().eventloop.call_soon_threadsafe(lambda: done.set_result(len(storage.expire() or ())))
    return done.result(10)


def _no_address() -> None:
    return None


def first_shown(content: Hashable, key: str) -> float:
    """Time at which this visitor's page first showed a content in the place `key`.

    While its script still loads, the browser may hand a component the data of two runs in either order: the time tells
    which is later. The same content keeps its time, so that it isn't sent again.

    Returns:
        Seconds since 1970; later content always has a later time.
    """
    shown: dict[str, tuple[int, float]] = st.session_state.setdefault("first_shown", {})
    last, when = shown.get(key, (None, 0.0))
    if last != hash(content):
        when = max(time.time(), when + 1e-6)  # later also where the clock was set back
        shown[key] = hash(content), when
    return when
