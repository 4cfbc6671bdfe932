"""Jobs for the tests of the process that reads files."""

import itertools
import os
import sys
import time

from diffpose_core.structures import InvalidInput


def joined(parts):
    """All parts in one."""
    print("this must not get among the answers")
    return b"".join(parts)


def process(_):
    """The number of the process."""
    return str(os.getpid()).encode()


def refuse(_):
    """As a reader refuses a file."""
    raise InvalidInput("a file: bad \u2713")


def fail(_):
    """A fault of the reader."""
    return bytes(1 // 0)


def grow(_):
    """Take a gigabyte."""
    return bytes(len(bytearray(1024**3)))


def spin(_):
    """Work without end."""
    while True:
        pass


def sleep(_):
    """Wait without end."""
    time.sleep(1000)
    return b""


def die(_):
    """End at once."""
    os._exit(3)


def lie(_):
    """Announce an answer of more bytes than there can be."""
    for handle in range(3, 64):
        try:
            os.write(handle, b"\0\0\0\1" + b"\xff" * 8)
        except OSError:
            continue
    sys.exit(0)


def write(parts):
    """Write a file."""
    with open(parts[0].decode(), "wb") as file:
        file.write(b"x" * 100)
        file.flush()
    return b""


def count(parts):
    """Numbers without end, each with a long text; a refusal in place of the given number."""
    for number in itertools.count():
        if parts == [str(number).encode()]:
            refuse(parts)
        yield [str(number).encode(), b"x" * 1_000_000]


def process_twice(_):
    """The number of the process, in two pieces."""
    yield from ([process(_)], [process(_)])


def naps(_):
    """Five pieces, 0.7 s apart."""
    for _number in range(5):
        time.sleep(0.7)
        yield [b"piece"]
