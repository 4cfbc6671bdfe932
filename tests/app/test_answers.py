"""Answers to the browser outlive the beginning of a run, which empties what waits to be sent."""

from __future__ import annotations

import pytest

pytest.importorskip("streamlit")

from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.runtime.forward_msg_queue import ForwardMsgQueue

from app.answers import keep_answers


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
