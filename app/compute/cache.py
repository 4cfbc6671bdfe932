"""A cache of values computed of clips. It is bounded by bytes, and a clip's entries go with the clip."""

from __future__ import annotations

import dataclasses
import os
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from functools import wraps
from threading import BoundedSemaphore, Lock, local
from typing import Any, ParamSpec, TypeVar

import numpy as np
import torch

from app.jobs.lifting import Blocks

#: Bytes of all entries together.
MOST_BYTES = 512 << 20
#: Threads that compute at the same time.
AT_ONCE = max(2, os.cpu_count() or 2)
P = ParamSpec("P")
R = TypeVar("R")


class _Entry:
    """A value, once it is computed; whoever comes meanwhile waits for it."""

    def __init__(self) -> None:
        self.lock = Lock()
        self.value: Any = None
        self.done = False


class ClipCache:
    """Values by function, clip and arguments; the ones used longest ago go first.

    Args:
        most_bytes: Limit of all entries together; the newest entry always stays.
        at_once: Threads that compute at the same time. More would only share the cores, and each takes memory.
    """

    def __init__(self, most_bytes: int = MOST_BYTES, at_once: int = AT_ONCE) -> None:
        self.most_bytes = most_bytes
        self._turns = BoundedSemaphore(at_once)
        self._mine = local()
        self._entries: OrderedDict[tuple[Hashable, ...], _Entry] = OrderedDict()
        self._left: deque[str] = deque()
        self._lock = Lock()

    def get(self, name: str, source: str, arguments: Hashable, compute: Callable[[], R]) -> R:
        """The value of a key, computed once. An error is not kept."""
        key = (name, source, arguments)
        self.free()
        with self._lock:
            entry = self._entries.setdefault(key, _Entry())
            self._entries.move_to_end(key)
        # The turn comes before the entry: whoever holds an entry that others wait for can go on.
        with nullcontext() if entry.done else self._turn(), entry.lock:
            if not entry.done:
                try:
                    entry.value = compute()
                except BaseException:
                    with self._lock:
                        if self._entries.get(key) is entry:
                            del self._entries[key]
                    raise
                entry.done = True
                self._make_room()
            value: R = entry.value
        return value

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """A turn to compute; a value that is computed for another one takes no second turn."""
        if getattr(self._mine, "turn", False):
            yield
            return
        with self._turns:
            self._mine.turn = True
            try:
                yield
            finally:
                self._mine.turn = False

    def forget(self, source: str) -> None:
        """Drop all entries of a clip."""
        with self._lock:
            for key in [key for key in self._entries if key[1] == source]:
                del self._entries[key]

    def forget_soon(self, source: str) -> None:
        """Drop all entries of a clip with the next `free`: for the garbage collector, which may come at any moment."""
        self._left.append(source)

    def free(self) -> None:
        """Drop the entries of clips that are to be forgotten."""
        while self._left:
            self.forget(self._left.popleft())

    def clear(self, name: str | None = None) -> None:
        """Drop all entries, or those of one function."""
        with self._lock:
            for key in [key for key in self._entries if name in (None, key[0])]:
                del self._entries[key]

    @property
    def bytes(self) -> int:
        """Bytes of all entries; shared arrays are counted once."""
        with self._lock:
            entries = list(self._entries.values())
        seen: set[int] = set()
        return sum(bytes_of(entry.value, seen) for entry in entries)

    def __len__(self) -> int:
        return len(self._entries)

    def _make_room(self) -> None:
        while self.bytes > self.most_bytes and len(self._entries) > 1:
            with self._lock:
                oldest = next((key for key, entry in self._entries.items() if entry.done), None)
                if oldest is None or oldest == next(reversed(self._entries)):
                    return
                del self._entries[oldest]


def bytes_of(value: object, seen: set[int]) -> int:
    """Bytes of the arrays, tensors and byte strings in a value. seen: ids that were counted already; added to."""
    if id(value) in seen:
        return 0
    seen.add(id(value))
    if isinstance(value, bytes):
        return len(value)
    if isinstance(value, np.ndarray):
        # A view keeps its whole base array alive.
        return bytes_of(value.base, seen) if isinstance(value.base, np.ndarray) else value.nbytes
    if isinstance(value, torch.Tensor):
        storage = value.untyped_storage()
        if storage.data_ptr() in seen:
            return 0
        seen.add(storage.data_ptr())
        return storage.nbytes()
    parts: list[object] = []
    if isinstance(value, Blocks):
        parts = list(value.parts)
    elif dataclasses.is_dataclass(value):
        parts = list(vars(value).values()) if hasattr(value, "__dict__") else []
    elif isinstance(value, Mapping):
        parts = list(value.values())
    elif isinstance(value, list | tuple | set):
        parts = list(value)
    elif hasattr(value, "memory_usage"):  # a table
        return int(value.memory_usage(deep=True).sum())
    return sum(bytes_of(part, seen) for part in parts)


CACHE = ClipCache()


def clip_cached(function: Callable[P, R]) -> Callable[P, R]:
    """Cache a function of a clip in `CACHE`. Its first argument is the clip's hash, its second one the clip.

    Of one clip with the same settings, complete blocks hold the same: as arguments they are told apart by that alone.
    """
    name = f"{function.__module__}.{function.__qualname__}"

    @wraps(function)
    def cached(*args: P.args, **kwargs: P.kwargs) -> R:
        source, _, *more = args
        arguments = (tuple(map(_key, more)), tuple((word, _key(value)) for word, value in sorted(kwargs.items())))
        return CACHE.get(name, str(source), arguments, lambda: function(*args, **kwargs))

    cached.clear = lambda: CACHE.clear(name)  # type: ignore[attr-defined]
    return cached


def _key(value: Any) -> Hashable:
    if isinstance(value, Blocks):
        return ("blocks", value.complete)
    if isinstance(value, list | tuple):
        return tuple(map(_key, value))
    found: Hashable = value
    return found
