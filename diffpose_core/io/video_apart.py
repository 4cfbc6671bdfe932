"""Videos decoded in a process of its own. Pictures come one by one, while the process decodes the next."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path

import numpy as np

from diffpose_core.io.untrusted.files import MIB
from diffpose_core.io.untrusted.worker import Allowance, Workers
from diffpose_core.io.video_file import (
    Damaged,
    Part,
    Picture,
    Source,
    VideoFacts,
    facts_of,
    opened,
    pictures,
    video_facts,
)


@cache
def decoders() -> Workers:
    """The processes that decode videos for this one: a decoder keeps some twenty pictures, of up to 53 MB each."""
    return Workers(
        Allowance(memory=2048 * MIB, wall_s=120.0), (__name__,), at_once=4, doing="decoding it",
        advice="export it as MP4 (H.264), with smaller pictures",
    )  # fmt: skip


def video_facts_apart(source: Source, name: str) -> VideoFacts:
    """Facts of a video as `video_facts` reads them, in a process of its own.

    Raises:
        InvalidInput: as `video_facts`, or reading took too much time or memory.
    """
    return _facts(decoders().run(f"{__name__}:facts_job", _parts(source, name), name))


@contextmanager
def decoded(source: Source, name: str, part: Part) -> Iterator[tuple[VideoFacts, Iterator[Picture]]]:
    """Facts from the header of a video, and its pictures one by one. Who leaves the block early ends the process.

    Args:
        source: the video.
        name: names it in messages.
        part: of the video.

    Raises:
        Damaged: by the iterator: the next picture can't be decoded.
        InvalidInput: no video, a picture is too large, or decoding took too much time or memory.
    """
    parts = [*_parts(source, name), json.dumps(vars(part)).encode()]
    with closing(decoders().stream(f"{__name__}:pictures_job", parts, name)) as pieces:
        (facts,) = next(pieces)
        yield _facts(facts), _pictures(pieces)


def _pictures(pieces: Iterator[list[bytes]]) -> Iterator[Picture]:
    for header, content in pieces:
        about = json.loads(header)
        if "damage" in about:
            raise Damaged(about["damage"])
        # A copy: detectors may write into a picture.
        image = np.frombuffer(content, np.uint8).reshape(*about["size"], 3).copy()
        yield Picture(None if about["time_s"] is None else float(about["time_s"]), image)


def _parts(source: Source, name: str) -> list[bytes]:
    kind, content = (b"bytes", source) if isinstance(source, bytes) else (b"path", os.fsencode(source.absolute()))
    return [kind, content, name.encode("utf-8", "replace")]


def _facts(text: bytes) -> VideoFacts:
    found = json.loads(text)
    width, height = (int(side) for side in found["size"])
    return VideoFacts((width, height), None if found["fps"] is None else float(found["fps"]), int(found["frames"]))


def _source(parts: list[bytes]) -> tuple[Source, str]:
    return parts[1] if parts[0] == b"bytes" else Path(os.fsdecode(parts[1])), parts[2].decode()


def facts_job(parts: list[bytes]) -> bytes:
    """The job of `video_facts_apart`."""
    return json.dumps(vars(video_facts(*_source(parts)))).encode()


def pictures_job(parts: list[bytes]) -> Iterator[list[bytes]]:
    """The job of `decoded`: the facts, then a header and the bytes of every picture, or the words of a damage."""
    source, name = _source(parts)
    with opened(source, name) as container:
        yield [json.dumps(vars(facts_of(container, name))).encode()]
        try:
            for picture in pictures(container, name, Part(**json.loads(parts[3]))):
                header = {"time_s": picture.time_s, "size": picture.image.shape[:2]}
                yield [json.dumps(header).encode(), picture.image.tobytes()]
        except Damaged as damage:
            yield [json.dumps({"damage": str(damage)}).encode(), b""]
