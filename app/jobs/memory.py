"""Memory of the C library: few pools of it, and what was freed goes back to the system."""

from __future__ import annotations

import contextlib
import ctypes

#: glibc's name of the option, and the pools that all threads share. By default there are eight for each core.
_ARENA_MAX, ARENAS = -8, 2


def share_memory_pools() -> None:
    """Let all threads share a few pools: every run of the script has a thread, and would leave holes in another one."""
    with contextlib.suppress(OSError, AttributeError, TypeError):  # other C libraries have no such call
        ctypes.CDLL(None).mallopt(_ARENA_MAX, ARENAS)


def give_back_memory() -> None:
    """Hand freed memory back: glibc keeps it for every thread that ran, 200 MB after a few clips."""
    with contextlib.suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)
