"""BlazePose's two networks: taken once, on request, out of a wheel of the package index, and checked.

The wheel is data here. It is neither installed nor imported.
"""

from __future__ import annotations

from pathlib import Path

from diffpose_core.io.detectors.detector import Progress, check_hash, keep_weights, weights_folder
from diffpose_core.io.detectors.wheel import Wheel
from diffpose_core.io.untrusted.files import MIB, read_bytes
from diffpose_core.structures import InvalidInput

#: One wheel on every machine, so that one hash is right: the networks in it don't depend on the system.
WHEEL = Wheel(
    "BlazePose's weights", "mediapipe==0.10.21", 35_622_638,
    "05dc4a9e593655a79558d05d6227d31018c2537a4bd3362b51e230cf22aecfe3",
    ("--platform", "manylinux_2_28_x86_64", "--python-version", "3.11", "--implementation", "cp"),
)  # fmt: skip
#: The networks by their names in the wheel, with their hashes.
NETWORKS = {
    "mediapipe/modules/pose_detection/pose_detection.tflite":
        "9ba9dd3d42efaaba86b4ff0122b06f29c4122e756b329d89dca1e297fd8f866c",
    "mediapipe/modules/pose_landmark/pose_landmark_full.tflite":
        "e9a5c5cb17f736fafd4c2ec1da3b3d331d6edbe8a0d32395855aeb2cdfd64b9f",
}  # fmt: skip


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
    contents = WHEEL.files(NETWORKS, progress)
    for path, content in zip(_paths(), contents, strict=True):
        keep_weights(path, content)


def _paths() -> list[Path]:
    return [weights_folder("blazepose") / name.rsplit("/", 1)[-1] for name in NETWORKS]
