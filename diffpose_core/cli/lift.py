"""`diffpose lift`: lift a 2D clip, or a folder of clips, to 3D."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from diffpose_core.cli.arguments import (
    add_mirror_argument,
    add_model_arguments,
    add_overwrite_argument,
    add_processes_argument,
    add_sampler_argument,
    check_device,
)
from diffpose_core.cli.everybody import lift_everybody
from diffpose_core.cli.lift_inputs import choice_of, clip_of, finish_of, lift_as_asked, poses_of, settings_of
from diffpose_core.cli.options import MAX_FPS, MIN_FPS, add_real
from diffpose_core.cli.outputs import check_output, check_output_folder, is_lift_result
from diffpose_core.cli.shared import progress_printer, say, warn
from diffpose_core.cli.video_input import add_video_arguments
from diffpose_core.structures import InvalidInput

HELP = "Lift a 2D clip, or a folder of them, to 3D."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    _add_input_arguments(parser)
    _add_output_arguments(parser)
    add_processes_argument(parser, "--jobs", "processes that share a folder's files")
    parser.add_argument(
        "--ray", action="store_true", help="hand a folder's files to Ray Data (needs the extra: corpus)"
    )
    _add_sampling_arguments(parser)
    add_model_arguments(parser, hypotheses=5, auto=True)
    add_sampler_argument(parser)
    add_mirror_argument(parser)


def _add_input_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "clip",
        help="2D poses of any format in docs/formats.md, a video, a folder of OpenPose's files, or a folder of clips",
    )
    parser.add_argument("--part", default=None, help="which clip of a file that holds several; by default the first")
    parser.add_argument("--track", default=None,
                        help="which person, such as 2, or 1+7 for two pieces of one, or: largest, or: all, a file for "
                        "each; by default the one who is seen longest")  # fmt: skip
    parser.add_argument("--layout", default=None,
                        help="joint order, such as coco or h36m, where the file doesn't say it")  # fmt: skip
    add_real(parser, "--fps", MIN_FPS, MAX_FPS, help="frames a second, where the file doesn't say it")
    parser.add_argument("--image-size", default=None, help="WIDTHxHEIGHT in pixels, where the file doesn't say it")
    add_real(
        parser, "--focal", 10, 1e6, unit=" px", metavar="PIXELS",
        help="the camera's focal length in pixels, where the file doesn't say it: places the person in space",
    )  # fmt: skip
    parser.add_argument(
        "--turn",
        choices=("flip", "left", "right", "half"),
        default=None,
        help="turn the poses: flip (y measured upwards), left or right (a quarter turn), half",
    )
    parser.add_argument("--exchange-sides", action="store_true", help="exchange left and right, of a mirrored video")
    add_video_arguments(parser)


def _add_output_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "-o", "--out", required=True,
        help="the result to write: .npz, .json, .csv, .bvh, .trc, .c3d, .mot, .glb or .rrd (docs/exports.md); for a "
        "folder of clips, a folder",
    )  # fmt: skip
    parser.add_argument(
        "--format", default=None,
        help="its format, where the ending doesn't name it; for a folder of clips, formats such as bvh,csv "
        "(docs/exports.md)",
    )  # fmt: skip
    add_real(
        parser, "--height", 0.3, 3, unit=" m",
        help="the person's height in metres, which everything is scaled to; by default it is as predicted",
    )  # fmt: skip
    add_real(
        parser, "--smooth", 0.5, 30, unit=" Hz", metavar="HZ",
        help="smooth the motion: a low-pass filter with this cut-off, 4 to 8 Hz for human motion; by default not",
    )  # fmt: skip
    parser.add_argument(
        "--world", action="store_true",
        help="put the person on the floor, upright, walking through space, with feet that stand where they stand; for "
        "cameras that stand still",
    )  # fmt: skip
    add_overwrite_argument(parser)


def _add_sampling_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--no-context", action="store_true", help="denoise without f_ST")
    parser.add_argument("--free-bones", action="store_true", help="let bone lengths change from frame to frame")
    parser.add_argument("--schedule", default="converging", choices=("converging", "supplement"), help="noise schedule")
    parser.add_argument(
        "--mixed-precision", action=argparse.BooleanOptionalAction,
        help="bfloat16 inside the diffusion networks; by default where the processor is fast at it",
    )  # fmt: skip
    camera = parser.add_mutually_exclusive_group()
    camera.add_argument(
        "--fixed-camera", action="store_true",
        help="the camera stands still: its tilt is estimated from the whole clip; by default only where it seems to",
    )  # fmt: skip
    camera.add_argument("--moving-camera", action="store_true", help="the camera moves: nothing is known of its tilt")
    add_real(
        camera, "--camera-tilt", -80, 80, unit=" degrees", metavar="DEGREES",
        help="by how many degrees the camera looks down, where that is known; 0 is level",
    )  # fmt: skip
    parser.add_argument(
        "--unknown-body", action="store_true",
        help="lift every frame without the person's proportions, which are otherwise estimated from the whole clip",
    )  # fmt: skip
    add_real(parser, "--eta", 0, 1, 0.0, help="0: deterministic, 1: ancestral sampling")


def run(args: argparse.Namespace) -> int:
    """Lift a clip or a folder, write the result and print a summary."""
    from diffpose_core.io.formats.apart import start_reader
    from diffpose_core.io.video_file import is_video_file
    from diffpose_core.lifting.folder_files import holds_openpose_frames

    check_device("--device", args.device)
    if Path(args.clip).is_dir() and not holds_openpose_frames(Path(args.clip)):
        return lift_clips(args)
    if not is_video_file(args.clip):
        start_reader()
    return lift_everybody(args) if args.track == "all" else lift_clip(args)


def lift_clip(args: argparse.Namespace) -> int:
    """Lift one clip to one file."""
    from diffpose_core.io.atomic import write_whole
    from diffpose_core.io.exports import export_bytes, export_format, format_of_ending
    from diffpose_core.lifting.finish import notes_of
    from diffpose_core.lifting.model_shelf import ModelShelf

    # Checked before the work is done, not after it.
    settings_of(args), finish_of(args)
    form = args.format or format_of_ending(args.out)
    export_format(form)
    if args.ray:
        raise InvalidInput(f"--ray shares the files of a folder; found one clip, {args.clip}")
    check_output(args.out, [args.clip], is_own=is_lift_result, overwrite=args.overwrite)
    poses = poses_of(args)
    shelf = ModelShelf(args.weights, args.setting, args.device)
    clip = clip_of(args, poses, shelf.first)
    models = shelf.for_clip(clip, settings_of(args))
    result = lift_as_asked(args, clip, models)
    scaled = ""
    if args.height is not None:
        scaled = f", scaled by {result.provenance['scaled_by']:.3f} to a height of {args.height:g} m"
    content, _ = export_bytes(result, form)
    write_whole(args.out, content)
    for note in notes_of(result):
        warn(f"{args.clip}: {note}")
    read = "single frames" if models.setting == "frame" else "windows of video"
    say(f"wrote {args.out}: {len(result.pose3d)} frames, {result.hypotheses.shape[1]} hypotheses each{scaled}")
    say(f"read as {read} (--setting)")
    if result.expected_error is not None:
        say(expected_line(result.expected_error, result.unlike))
    if clip.pose3d_cam is not None:
        for label, pose in (("DiffPose", result.pose3d), (models.encoder.title, result.baseline)):
            distance = np.linalg.norm(pose - clip.pose3d_cam, axis=-1).mean()
            say(f"{label:10s} MPJPE on this clip: {1000 * distance:.1f} mm")
    return 0


def expected_line(expected: np.ndarray, unlike: np.ndarray | None) -> str:
    """The error to expect as text, without the frames whose error can't be known.

    Args:
        expected: (F, 17) metres.
        unlike: (F,) bool, frames unlike anything that the networks were trained on.
    """
    known = np.ones(len(expected), bool) if unlike is None else ~unlike
    strange = f"{(~known).sum()} of {len(known)} frames are unlike anything it was trained on (docs/evidence.md)"
    if not known.any():
        return f"expected error of a joint: not known; {strange}"
    error = f"{1000 * expected[known, 1:].mean():.0f} mm"
    if known.all():
        return f"expected error of a joint: {error} (docs/evidence.md)"
    return f"{strange}; expected error of a joint in the others: {error}"


def lift_clips(args: argparse.Namespace) -> int:
    """Lift every clip of a folder into another one.

    Returns:
        The exit status: 0, 1 if files failed, 130 if it was stopped.
    """
    from diffpose_core.lifting.folder_reports import REPORT_CSV, FileReport
    from diffpose_core.lifting.folder_worker import FolderConfig
    from diffpose_core.lifting.lift_folder import lift_folder

    check_output_folder(args.out, [args.clip])

    formats = tuple((args.format or "npz").split(","))
    config = FolderConfig(
        formats, choice_of(args), settings_of(args), args.weights, args.setting, finish_of(args), args.device
    )
    show = progress_printer("files", args.quiet)

    def progress(row: FileReport, done: int, total: int) -> None:
        if row.status == "failed":
            warn(f"\n{row.file}: {row.reason}")
        show(done, total)

    try:
        rows = lift_folder(args.clip, args.out, config, args.jobs, "ray" if args.ray else "processes", progress)
    except KeyboardInterrupt:
        warn(f"\nstopped; the same command goes on from here. So far: {Path(args.out, REPORT_CSV)}")
        return 130
    counts = {status: sum(row.status == status for row in rows) for status in ("lifted", "done before", "failed")}
    say(f"{', '.join(f'{count} {status}' for status, count in counts.items())}: {Path(args.out, REPORT_CSV)}")
    return 1 if counts["failed"] else 0
