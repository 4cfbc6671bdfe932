"""Signals that stop a training: an exception instead of a silent end."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupted(BaseException):
    """SIGINT or SIGTERM came. No KeyboardInterrupt: Lightning would end the process with exit code 1.

    Args:
        signum: number of the signal.
    """

    def __init__(self, signum: int) -> None:
        super().__init__(signum)
        self.signal = signal.Signals(signum)

    @property
    def exit_code(self) -> int:
        """The exit code of a process that a signal ended, as shells have it: 130 for Ctrl-C, 143 for SIGTERM."""
        return 128 + int(self.signal)


def _raise_interrupted(signum: int, _: FrameType | None) -> None:
    # Later signals, of an impatient user or scheduler, must not disturb the cleaning up.
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    raise Interrupted(signum)


def listen() -> None:
    """Let SIGINT and SIGTERM raise Interrupted from here on."""
    for number in _SIGNALS:
        signal.signal(number, _raise_interrupted)


@contextmanager
def interruptible() -> Iterator[None]:
    """Let SIGINT and SIGTERM raise Interrupted inside this block. Only a process's main thread can."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    listen()
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def is_listening() -> bool:
    """True inside of `interruptible`, even where somebody else handles SIGTERM too, as Lightning does."""
    return signal.getsignal(signal.SIGINT) is _raise_interrupted
