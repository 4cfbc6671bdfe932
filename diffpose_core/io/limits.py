"""Limits of clips, whatever file they come in."""

from __future__ import annotations

from diffpose_core.structures import InvalidInput

#: 55 minutes at 30 frames a second.
MAX_FRAMES = 100_000
#: Numbers of one clip, its people, joints, coordinates and confidences together.
MAX_NUMBERS = 20_000_000
#: Numbers of all clips of a file: Human3.6M's training and test views are 107 million.
MAX_FILE_NUMBERS = 120_000_000
MAX_IMAGE_SIDE = 1_000_000
#: Plausible frame rates.
MIN_FPS, MAX_FPS = 0.1, 10_000.0


def check_frames(count: int, label: str) -> None:
    """Refuse a clip of more than MAX_FRAMES.

    Raises:
        InvalidInput: names the limit.
    """
    if count > MAX_FRAMES:
        shown = f"{count} frames" if count < 10**12 else "frame numbers with many digits"
        raise InvalidInput(f"{label}: {shown}; the limit is {MAX_FRAMES:,} frames. Cut the clip into parts")
