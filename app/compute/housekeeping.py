"""Memory of visitors who have left is freed, also when nobody else comes."""

from __future__ import annotations

import gc
import logging
import threading
import time

from app.compute.cache import CACHE
from app.jobs.memory import give_back_memory, share_memory_pools
from app.streamlit_patches import expire_sessions
from app.text import log_exception

#: Seconds between two looks.
EVERY_S = 30.0
_starting = threading.Lock()
_started = False


def start() -> None:
    """Share the pools of memory, and start the thread that frees it, once for the server."""
    global _started
    with _starting:
        if not _started:
            share_memory_pools()
            threading.Thread(target=_run, name="housekeeping", daemon=True).start()
            _started = True


def free() -> int:
    """Free sessions that have expired and all that was computed of their clips.

    Returns:
        Number of sessions that were freed.
    """
    expired = expire_sessions()
    if expired:
        gc.collect()  # sessions refer to themselves
        CACHE.free()
        give_back_memory()
    return expired


def _run() -> None:
    while True:
        time.sleep(EVERY_S)
        try:
            free()
        except Exception:  # the next look may do better
            log_exception(logging.getLogger(__name__), "freeing memory failed")
