"""Answers to what the browser asked for are not thrown away with a page that is drawn anew."""

from __future__ import annotations

from functools import wraps
from typing import Any

from streamlit.runtime.forward_msg_queue import ForwardMsgQueue

#: Messages that somebody in the browser waits for: where to put a file, and what a download button saves.
ANSWERS = ("file_urls_response", "backend_operation_response")


def keep_answers() -> None:
    """Make Streamlit deliver answers that wait while a run of the script begins.

    When a run begins, Streamlit empties the queue of what the last one drew, and the answers with it: the uploader
    then waits for ever for where to put the file, and says nothing. A page that draws itself anew when its frames are
    ready does that at any moment, also while somebody chooses a file.
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
