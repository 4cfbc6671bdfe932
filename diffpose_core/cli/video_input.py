"""A video as input of a command: its options, the detector, and the download of its weights."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from diffpose_core.cli.options import add_real, add_whole
from diffpose_core.cli.shared import progress_printer, warn
from diffpose_core.structures import InvalidInput

if TYPE_CHECKING:
    from diffpose_core.io.formats import PoseFile

#: A day, in seconds.
_LONGEST_S = 86_400


def add_video_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options that a video has."""
    video = parser.add_argument_group("videos (they need the extra: video)")
    video.add_argument(
        "--detector", choices=("blazepose", "rtmpose"), default=None,
        help="who finds the people; by default blazepose, which gives heatmaps, or rtmpose where only its weights are "
        "on this machine",
    )  # fmt: skip
    video.add_argument(
        "--download-weights", action="store_true",
        help="get the detector's weights, if they are not on this machine: BlazePose's from the package index, "
        "RTMPose's from OpenMMLab",
    )  # fmt: skip
    add_real(video, "--from", 0, _LONGEST_S, 0.0, unit=" s", dest="part_from", metavar="SECONDS",
             help="where to begin in the video")  # fmt: skip
    add_real(video, "--to", 0, _LONGEST_S, unit=" s", dest="part_to", metavar="SECONDS",
             help="where to end")  # fmt: skip
    add_whole(video, "--every", 1, 1000, 1, help="use every 2nd, 3rd ... frame of the video")


def poses_of_video_file(args: argparse.Namespace) -> PoseFile:
    """2D poses that a detector finds in a video. Its weights are downloaded only on request.

    Raises:
        InvalidInput: no detector can be used, or the video is unfit.
    """
    from diffpose_core.io.detectors import chosen_detector
    from diffpose_core.io.video import poses_of_video
    from diffpose_core.io.video_file import Part

    kind = chosen_detector(args.detector)
    part = Part(args.part_from, args.part_to, args.every)
    if not kind.has_weights():
        if not args.download_weights:
            raise InvalidInput(
                f"{args.clip}: a video. {kind.title}'s weights are not on this machine yet; --download-weights gets "
                f"them, once: {kind.download}"
            )
        kind.get_weights(progress_printer("bytes", args.quiet))
    if not args.quiet:
        warn(f"{args.clip}: a video; {kind.title} looks for people in it")
    return poses_of_video(
        Path(args.clip), args.clip, kind.load(), progress_printer("frames searched", args.quiet), part
    )
