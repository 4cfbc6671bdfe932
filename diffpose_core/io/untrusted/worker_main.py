"""The process that works on foreign bytes for another: takes jobs from its standard input, one after the other.

A job is a list of byte strings: the name of a function ("module:function"), then its arguments. The function
takes a list of byte strings and returns bytes. The answer is one letter and bytes: R and the result, I and the message
of an InvalidInput, M without memory, F and the text of any other error. A function may also return an iterator of lists
of byte strings; every list is sent as P and its parts, and R comes at the end.
"""

from __future__ import annotations

import importlib
import os
import struct
import sys
import traceback
from collections.abc import Iterator, Sequence
from typing import BinaryIO

from diffpose_core.structures import InvalidInput


def write_parts(file: BinaryIO, parts: Sequence[bytes]) -> None:
    """Write byte strings with their number and lengths."""
    file.write(struct.pack(">I", len(parts)))
    for part in parts:
        file.write(struct.pack(">Q", len(part)))
        file.write(part)
    file.flush()


def read_parts(file: BinaryIO, limit: int) -> list[bytes]:
    """Read what `write_parts` wrote.

    Raises:
        EOFError: the other side has ended, or sends more bytes than the limit.
    """
    (count,) = struct.unpack(">I", _exactly(file, 4))
    parts = []
    for _ in range(count):
        (size,) = struct.unpack(">Q", _exactly(file, 8))
        limit -= size
        if limit < 0:
            raise EOFError
        parts.append(_exactly(file, size))
    return parts


def _exactly(file: BinaryIO, size: int) -> bytes:
    data = file.read(size)
    if len(data) < size:
        raise EOFError
    return data


def limit_process(memory: int) -> None:
    """Bound this process where the system can: address space above the present one, no new files, no core dumps."""
    try:
        import resource
    except ImportError:
        return
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            used = int(file.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
        resource.setrlimit(resource.RLIMIT_AS, (used + memory, used + memory))
    except (OSError, ValueError):
        pass  # no Linux: the time is bounded all the same
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def allow_seconds(seconds: int) -> None:
    """Let this process use so many more seconds of processor time; the system ends it then."""
    try:
        import resource
    except ImportError:
        return
    usage = resource.getrusage(resource.RUSAGE_SELF)
    soft = int(usage.ru_utime + usage.ru_stime) + 1 + seconds
    resource.setrlimit(resource.RLIMIT_CPU, (soft, resource.getrlimit(resource.RLIMIT_CPU)[1]))


def answers(job: Sequence[bytes]) -> Iterator[list[bytes]]:
    """Run a job: the letter and the bytes of each of its answers."""
    try:
        module, _, name = job[0].decode().partition(":")
        result = getattr(importlib.import_module(module), name)(list(job[1:]))
        if isinstance(result, bytes):
            yield [b"R", result]
            return
        for piece in result:
            yield [b"P", *piece]
        yield [b"R", b""]
    except InvalidInput as error:
        yield [b"I", str(error).encode("utf-8", "replace")]
    except MemoryError:
        yield [b"M", b""]
    except Exception:
        yield [b"F", traceback.format_exc().encode("utf-8", "replace")]


def main() -> None:
    """Load modules that jobs will need, bound the process, and work until the other side ends."""
    memory, seconds, *modules = sys.argv[1:]
    for module in modules:
        importlib.import_module(module)
    jobs, out = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    # A print of some library must not get among the answers.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    limit_process(int(memory))
    write_parts(out, [b"ready"])
    while True:
        try:
            job = read_parts(jobs, sys.maxsize)
        except EOFError:
            return
        allow_seconds(int(seconds))
        for answer in answers(job):
            write_parts(out, answer)
            allow_seconds(int(seconds))


if __name__ == "__main__":
    main()
