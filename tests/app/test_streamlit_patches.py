"""Patches of Streamlit: answers outlive the beginning of a run, callbacks finish, and the patched code is as tested."""

from __future__ import annotations

import asyncio
import hashlib
import inspect
from typing import Any

import pytest

pytest.importorskip("streamlit")

import streamlit as st
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse
from streamlit import config, net_util
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.runtime.forward_msg_queue import ForwardMsgQueue
from streamlit.runtime.memory_session_storage import MemorySessionStorage
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.scriptrunner_utils.exceptions import RerunException
from streamlit.runtime.scriptrunner_utils.script_requests import RerunData
from streamlit.runtime.state.safe_session_state import SafeSessionState
from streamlit.runtime.uploaded_file_manager import UploadedFileRec
from streamlit.web.server.server_util import is_url_from_allowed_origins
from streamlit.web.server.starlette.starlette_path_security_middleware import PathSecurityMiddleware
from streamlit.web.server.starlette.starlette_websocket import is_host_allowed

from app import streamlit_patches
from app.streamlit_patches import finish_callbacks, first_shown, keep_answers

#: SHA-256 of what is patched, as it was when the patches were tested.
PATCHED = {
    ForwardMsgQueue.clear: "08d22c7db31b85d432d100fa8803cce57dfe35046684ff39eca570b32246d19b",
    SafeSessionState.on_script_will_rerun: "61c14e58f2181666465ad007b14ee2e639eaa40f78297d94df306b9c1c2db92b",
    is_url_from_allowed_origins: "1554766563cdcce8c8c6656a35fb0743d7fcaf9da127dd5ffe71c931331656b1",
    MemoryUploadedFileManager.add_file: "b30368a136190487514ccca3c084e2560984380b164209d2c83eff3d627e4b38",
    MemorySessionStorage: "04e2d0d0d55a6f17bd142fd287caea24bb02408afdbc062a4573a1be9488d26b",
    PathSecurityMiddleware.__call__: "90d3be088069678cdf05986cbd99bdbf074c319262c0d1cc91298171a46ffea9",
    is_host_allowed: "52aba04dab71838ab5fac7c9a45f2af4ba98806405bb4648e9d405c150beda4b",
    SafeSessionState.__init__: "cd1e2287e48eee68d6b39064d2eff01807adb278f5bdefb97af8142652e6e312",
}


@pytest.mark.parametrize("function", PATCHED, ids=lambda function: function.__qualname__)
def test_the_patched_code_is_what_was_tested(function: Any) -> None:
    source = inspect.getsource(inspect.unwrap(function))
    assert hashlib.sha256(source.encode()).hexdigest() == PATCHED[function], f"Streamlit {st.__version__} changed it"


ALL = ["answers", "callbacks", "look-ups", "uploads", "names"]


@pytest.mark.parametrize("version, patched", [("1.67.0", ALL), ("1.68.0", []), ("1.66.0", [])])
def test_other_versions_are_left_alone(monkeypatch: pytest.MonkeyPatch, version: str, patched: list[str]) -> None:
    done: list[str] = []
    monkeypatch.setattr(st, "__version__", version)
    monkeypatch.setattr(streamlit_patches, "keep_answers", lambda: done.append("answers"))
    monkeypatch.setattr(streamlit_patches, "finish_callbacks", lambda: done.append("callbacks"))
    monkeypatch.setattr(streamlit_patches, "refuse_without_look_ups", lambda: done.append("look-ups"))
    monkeypatch.setattr(streamlit_patches, "bound_uploads", lambda: done.append("uploads"))
    monkeypatch.setattr(streamlit_patches, "refuse_other_names", lambda: done.append("names"))
    streamlit_patches.apply_patches()
    assert done == patched


def waiting() -> ForwardMsgQueue:
    keep_answers()
    keep_answers()  # every run of the script says so
    queue = ForwardMsgQueue()
    picture, place, saved, finished = (ForwardMsg() for _ in range(4))
    picture.delta.new_element.markdown.body = "drawn by the last run"
    picture.metadata.delta_path[:] = [0, 0]
    place.file_urls_response.response_id = "where to put the file"
    saved.backend_operation_response.request_id = "what the button saves"
    finished.script_finished = ForwardMsg.FINISHED_SUCCESSFULLY
    for message in (picture, place, finished, saved):
        queue.enqueue(message)
    return queue


def kinds(queue: ForwardMsgQueue) -> list[str]:
    return [str(message.WhichOneof("type")) for message in queue.flush()]


def test_answers_stay_when_a_run_begins_and_what_was_drawn_goes() -> None:
    queue = waiting()
    queue.clear(retain_lifecycle_msgs=True)
    assert kinds(queue) == ["file_urls_response", "backend_operation_response", "script_finished"]
    assert queue.is_empty()


def test_nothing_is_sent_twice() -> None:
    queue = waiting()
    queue.clear(retain_lifecycle_msgs=True, fragment_ids_this_run=["a dialog"])
    assert sorted(kinds(queue)) == ["backend_operation_response", "delta", "file_urls_response", "script_finished"]
    queue = waiting()
    queue.clear()
    assert queue.is_empty(), "a queue that is given up holds nothing back"


class State(dict[str, Any]):
    """Session state with one callback, during which the page is asked to be drawn anew."""

    asked = False

    def on_script_will_rerun(self, *_: Any, **__: Any) -> None:
        self.asked = True
        safe = self["safe"]
        safe["dialog"] = "left"


def begun(asked_before: bool) -> State:
    finish_callbacks()
    finish_callbacks()  # every run of the script says so
    state = State()

    def end_if_asked() -> None:
        if state.asked:
            raise RerunException(RerunData())

    state["safe"] = SafeSessionState(state, end_if_asked)  # type: ignore[arg-type]
    state.asked = asked_before
    return state


@pytest.mark.parametrize("asked_before", [False, True])
def test_callbacks_are_done_although_the_page_is_to_be_drawn_anew(asked_before: bool) -> None:
    state = begun(asked_before)
    safe = state["safe"]
    safe.on_script_will_rerun(None)
    assert state["dialog"] == "left"
    with pytest.raises(RerunException):
        safe["dialog"]


def test_the_same_content_keeps_its_time_and_other_content_is_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streamlit_patches.st, "session_state", {})
    clock = iter([10.0, 11.0, 5.0, 13.0])
    monkeypatch.setattr(streamlit_patches.time, "time", lambda: next(clock))
    partial, whole = b"partial", b"the whole clip"
    times = [first_shown(content, "compare") for content in (partial, partial, whole, whole)]
    assert times == [10.0, 10.0, 11.0, 11.0]
    assert first_shown(partial, "compare") > 11.0, "though the clock was set back"
    assert first_shown(partial, "reverse") == 13.0, "another place has a time of its own"


def test_another_site_is_refused_without_a_look_up(monkeypatch: pytest.MonkeyPatch) -> None:
    def reached(*_: Any) -> None:
        raise AssertionError("a look-up")

    for name in ("get_internal_ip", "get_external_ip"):
        monkeypatch.setattr(net_util, name, reached)
    with pytest.raises(AssertionError, match="a look-up"):
        is_url_from_allowed_origins("http://evil.example")
    streamlit_patches.refuse_without_look_ups()
    assert not is_url_from_allowed_origins("http://evil.example")
    assert is_url_from_allowed_origins("http://localhost:8501")


def test_the_uploads_of_a_visitor_are_bounded_in_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streamlit_patches, "MOST_UPLOADED", 1000)
    streamlit_patches.bound_uploads()
    streamlit_patches.bound_uploads()  # every run of the script says so
    files = MemoryUploadedFileManager("/upload")
    for number in range(4):
        files.add_file("one", UploadedFileRec(str(number), "a", "", bytes(250)))
    with pytest.raises(HTTPException) as refused:
        files.add_file("one", UploadedFileRec("no widget names this", "a", "", b"1"))
    assert refused.value.status_code == 413
    files.add_file("another visitor", UploadedFileRec("5", "a", "", bytes(250)))
    files.remove_file("one", "0")
    files.add_file("one", UploadedFileRec("6", "a", "", bytes(250)))


@pytest.mark.parametrize(
    "host, path, status",
    [
        ("localhost:8501", "/", 200),
        ("127.0.0.1", "/_stcore/metrics", 200),
        ("evil.example:8501", "/", 403),
        ("evil.example", "/_stcore/upload_file/a/b", 403),
        ("", "/", 403),
        ("10.0.0.7", "/_stcore/health", 200),
    ],
)
def test_requests_under_other_names_are_refused(
    monkeypatch: pytest.MonkeyPatch, host: str, path: str, status: int
) -> None:
    monkeypatch.setattr(PathSecurityMiddleware, "__call__", inspect.unwrap(PathSecurityMiddleware.__call__))
    streamlit_patches.refuse_other_names()
    streamlit_patches.refuse_other_names()  # every run of the script says so
    monkeypatch.setattr(config, "get_option", {"server.allowedHosts": ["localhost", "127.0.0.1"]}.get)
    said: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        said.append(message)

    async def served(scope: Any, receive: Any, send: Any) -> None:
        await PlainTextResponse("served")(scope, receive, send)

    scope = {"type": "http", "method": "GET", "path": path, "headers": [(b"host", host.encode())]}
    asyncio.run(PathSecurityMiddleware(served)(scope, None, send))  # type: ignore[arg-type]
    assert said[0]["status"] == status


def test_without_a_server_no_session_expires() -> None:
    assert streamlit_patches.expire_sessions() == 0
