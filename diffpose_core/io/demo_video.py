"""A short video of one person to try out, out of a wheel of the package index, fetched on request."""

from __future__ import annotations

from diffpose_core.io.detectors.detector import Progress
from diffpose_core.io.detectors.wheel import Wheel

WHEEL = Wheel(
    "The demo videos", "pose2sim==0.10.49", 51_189_031,
    "403e0dc4065898ba6a595e72a8970950310979253d60e24c2e00b16b36bf21e1",
)  # fmt: skip
#: The video by its name in the wheel, with its hash.
VIDEO = {
    "Pose2Sim/Demo_SinglePerson/videos/cam01.mp4": "cf4f2816c86bea4bfbea255333d8626ff32a3ecabdab8b0fb147cea9167fde3a",
}  # fmt: skip
NAME = "balancing.mp4"
LICENCE = "BSD 3-Clause licence, (c) 2022 perfanalytics (David Pagnon and others), Pose2Sim 0.10.49"
ABOUT = (
    "A man who balances before a phone: 100 frames of 1080 x 1920 pixels. 49 MiB come from the package index, of which "
    "0.4 are kept"
)


def demo_video(progress: Progress | None = None) -> bytes:
    """The video, an MP4.

    Args:
        progress: called with bytes done and in all; False cancels.

    Raises:
        InvalidInput: it can't be had, or is not the one that is expected.
        Cancelled: `progress` returned False.
    """
    (content,) = WHEEL.files(VIDEO, progress)
    return content
