"""BlazePose's two networks: taken once, on request, out of a wheel of the package index, and checked.

The wheel is data here. It is neither installed nor imported.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from diffpose_core.io.detectors.detector import Progress, check_hash, keep_weights, weights_folder
from diffpose_core.io.untrusted.archive import Archive
from diffpose_core.io.untrusted.files import MIB, read_bytes
from diffpose_core.structures import Cancelled, InvalidInput

REQUIREMENT = "mediapipe==0.10.21"
#: One wheel on every machine, so that one hash is right: the networks in it don't depend on the system.
_PLATFORM = ("--platform", "manylinux_2_28_x86_64", "--python-version", "3.11", "--implementation", "cp")
WHEEL_BYTES = 35_622_638
WHEEL_SHA256 = "05dc4a9e593655a79558d05d6227d31018c2537a4bd3362b51e230cf22aecfe3"
#: The networks by their names in the wheel, with their hashes.
NETWORKS = {
    "mediapipe/modules/pose_detection/pose_detection.tflite":
        "9ba9dd3d42efaaba86b4ff0122b06f29c4122e756b329d89dca1e297fd8f866c",
    "mediapipe/modules/pose_landmark/pose_landmark_full.tflite":
        "e9a5c5cb17f736fafd4c2ec1da3b3d331d6edbe8a0d32395855aeb2cdfd64b9f",
}  # fmt: skip
_PATIENCE_S = 600.0


def has_weights() -> bool:
    """True if both networks are on this machine."""
    return all(path.is_file() for path in _paths())


def networks() -> tuple[bytes, bytes]:
    """The network that finds people, and the one that finds their joints.

    Raises:
        InvalidInput: one is absent, or is not the one that is expected.
    """
    if not has_weights():
        raise InvalidInput(
            f"BlazePose's weights are not on this machine; they would be in {weights_folder('blazepose')}"
        )
    first, second = (read_bytes(path, 64 * MIB) for path in _paths())
    for path, content, expected in zip(_paths(), (first, second), NETWORKS.values(), strict=True):
        check_hash(path.name, content, expected, f"delete {path.parent} to get it anew")
    return first, second


def get_weights(progress: Progress | None = None) -> None:
    """Get the networks that are not on this machine yet, with pip, from the index that it is set up for.

    Args:
        progress: called with bytes done and in all; False cancels.

    Raises:
        InvalidInput: the wheel can't be had or written, or is not the one that is expected.
        Cancelled: `progress` returned False.
    """
    if has_weights():
        return
    with tempfile.TemporaryDirectory(prefix="diffpose-") as folder:
        wheel = read_bytes(_downloaded(Path(folder), progress), name=REQUIREMENT)
    check_hash(REQUIREMENT, wheel, WHEEL_SHA256, "nothing of it was kept")
    archive = Archive(wheel, REQUIREMENT)
    absent = [name for name in NETWORKS if name not in archive.names]
    if absent:
        raise InvalidInput(f"{REQUIREMENT}: the wheel holds no {absent[0]}; nothing of it was kept")
    contents = [archive.read(name) for name in NETWORKS]
    for (name, expected), content in zip(NETWORKS.items(), contents, strict=True):
        check_hash(name, content, expected, "nothing of it was kept")
    for path, content in zip(_paths(), contents, strict=True):
        keep_weights(path, content)


def _paths() -> list[Path]:
    return [weights_folder("blazepose") / name.rsplit("/", 1)[-1] for name in NETWORKS]


def _downloaded(folder: Path, progress: Progress | None) -> Path:
    """The wheel, as pip downloads it into a folder."""
    if importlib.util.find_spec("pip") is None:
        raise InvalidInput(
            "BlazePose's weights are downloaded with pip, which this environment lacks: python -m ensurepip adds it"
        )
    unfinished, out = folder / "tmp", folder / "out"
    unfinished.mkdir()
    words = [
        sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", *_PLATFORM, "--no-cache-dir",
        "--disable-pip-version-check", "--no-input", "--progress-bar", "off", "--dest", str(out), REQUIREMENT,
    ]  # fmt: skip
    log = folder / "log"
    _run(words, unfinished, log, progress)
    wheels = list(out.glob("*.whl"))
    if len(wheels) != 1:
        said = [line for line in log.read_text(errors="replace").splitlines() if line.startswith("ERROR")]
        reason = said[-1].removeprefix("ERROR: ")[:200] if said else "pip said nothing"
        raise InvalidInput(f"BlazePose's weights can't be downloaded; the package index is needed once ({reason})")
    return wheels[0]


def _run(words: Sequence[str], unfinished: Path, log: Path, progress: Progress | None) -> None:
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
                done = max(done, min(_size(unfinished), WHEEL_BYTES))
                if progress is not None and progress(done, WHEEL_BYTES) is False:
                    raise Cancelled(f"stopped after {done:,} bytes")
                if time.monotonic() > end:
                    raise InvalidInput(f"BlazePose's weights: pip did not end within {_PATIENCE_S:.0f} s")
                time.sleep(0.1)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
    if progress is not None:
        progress(WHEEL_BYTES, WHEEL_BYTES)


def _size(folder: Path) -> int:
    """Bytes of the files in a folder that others write to."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size if path.is_file() else 0
        except OSError:
            continue
    return total
