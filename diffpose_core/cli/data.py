"""`diffpose data`: make a data set of motion files."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from diffpose_core.cli.arguments import add_overwrite_argument, add_processes_argument
from diffpose_core.cli.options import add_real
from diffpose_core.cli.outputs import check_output, is_data_page
from diffpose_core.cli.shared import command_line, progress_printer, say, small_file, warn
from diffpose_core.structures import InvalidInput

if TYPE_CHECKING:
    from diffpose_core.datasets.motion_files.build import Built, Naming, Outcome
    from diffpose_core.datasets.motion_files.convert import Settings
    from diffpose_core.datasets.motion_files.labels import Split

HELP = "Make a data set in Mocap-17 layout of BVH, ASF/AMC or AMASS files."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "folders", nargs="+", metavar="FOLDER", help="folders of motion files (and all below), or single files"
    )
    parser.add_argument("-o", "--out", required=True, help="the data set to write (.npz), and a page (.md) beside it")
    parser.add_argument("--unit", default=None, choices=("m", "cm", "mm", "inch", "cmu"),
                        help="unit of length; by default told by the format, or by the person's stature")  # fmt: skip
    parser.add_argument("--up", default=None, choices=("x", "y", "z"), help="axis that points up; AMASS z, others y")
    add_real(parser, "--fps", 1, 2000, unit=" frames a second", help="frames a second, instead of the files' own")
    parser.add_argument("--joints", default=None, help="JSON file: Human3.6M joint -> joint's name in the files")
    parser.add_argument("--body-model", default=None, help="for AMASS: SMPL-H or its like (.npz), or a folder a gender")
    add_real(parser, "--min-seconds", 0, 1e6, 0.5, help="shorter clips are left out")
    _add_label_arguments(parser)
    add_processes_argument(parser, "--jobs", "processes that share the files")
    add_overwrite_argument(parser)


def _add_label_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--source", default=None, help="name of the source; by default the folder's")
    parser.add_argument("--labels", default=None, help="CSV with file, and any of name,source,subject,action,style")
    parser.add_argument("--pattern", default=None, help="regular expression with groups such as (?P<subject>...)")
    add_real(parser, "--split", 0, 1e6, nargs=3, metavar=("TRAIN", "VAL", "TEST"),
             help="shares of three files OUT_train, OUT_val, OUT_test")  # fmt: skip
    parser.add_argument("--split-by", default=None, choices=("subject", "clip"),
                        help="what stays together; by default subjects")  # fmt: skip
    parser.add_argument("--leave-out", nargs="+", default=[], metavar="FILE",
                        help="data sets (.npz) whose clips are left out, by their names: test sets")  # fmt: skip
    parser.add_argument("--licence", default=None, help="terms of the motions, to be written into the page")


def run(args: argparse.Namespace) -> int:
    """Build the data set and print a summary.

    Returns:
        The exit status: 0, 1 if files failed, 130 if it was stopped.
    """
    from diffpose_core.datasets.mocap17 import load_mocap17
    from diffpose_core.datasets.motion_files.build import build
    from diffpose_core.datasets.motion_files.labels import Split

    settings, naming = _settings(args), _naming(args)
    split = None if args.split is None else Split(tuple(args.split), args.split_by or "subject")
    _check_outputs(args, split)
    show = progress_printer("files", args.quiet)

    def progress(outcome: Outcome, done: int, total: int) -> None:
        if outcome.reason:
            warn(f"\n{outcome.source.file}: {outcome.reason}")
        show(done, total)

    withhold = {str(name) for path in args.leave_out for name in load_mocap17(path).name}
    try:
        built = build(
            [Path(folder) for folder in args.folders], Path(args.out), settings, naming, split, args.licence,
            args.jobs, progress, command_line(args), withhold,
        )  # fmt: skip
    except KeyboardInterrupt:
        warn("\nstopped; nothing was written")
        return 130
    _print_summary(args, built)
    return 1 if built.failed else 0


def _check_outputs(args: argparse.Namespace, split: Split | None) -> None:
    """Check the outputs: the data set's files and the page beside them."""
    from diffpose_core.datasets.motion_files.build import output_paths

    if args.split is None and args.split_by is not None:
        raise InvalidInput("--split-by belongs to --split")
    page = Path(args.out).with_suffix(".md")
    read = [*args.folders, *args.leave_out, *(path for path in (args.labels, args.joints, args.body_model) if path)]
    for path in (page, *output_paths(Path(args.out), split).values()):
        # The page names the files that were written with it.
        check_output(path, read, is_own=is_data_page(page, path), overwrite=args.overwrite)


def _settings(args: argparse.Namespace) -> Settings:
    """Settings of the conversion of motions, from the command line."""
    from diffpose_core.datasets.motion_files.convert import Settings
    from diffpose_core.datasets.motion_files.joints import read_joint_file

    return Settings(
        args.unit,
        args.up,
        args.fps,
        None if args.joints is None else read_joint_file(small_file(args.joints), args.joints),
        None if args.body_model is None else Path(args.body_model),
        args.min_seconds,
    )


def _naming(args: argparse.Namespace) -> Naming:
    """Rules for the names and labels of clips, from the command line."""
    from diffpose_core.datasets.motion_files.build import Naming
    from diffpose_core.datasets.motion_files.labels import compiled, read_label_file

    return Naming(
        args.source,
        None if args.pattern is None else compiled(args.pattern),
        None if args.labels is None else read_label_file(small_file(args.labels), args.labels),
    )


def _print_summary(args: argparse.Namespace, built: Built) -> None:
    """Print the files that were written and how many motion files were used."""
    for path, motions in built.files.values():
        say(f"wrote {path}: {len(motions)} clips, {motions.num_frames} frames")
    used = sum(bool(outcome.clips) for outcome in built.outcomes)
    noted = sum(bool(outcome.notes) for outcome in built.outcomes)
    say(
        f"{used} of {len(built.outcomes)} files used, {len(built.failed)} could not be, {noted} with notes: "
        f"{Path(args.out).with_suffix('.md')}"
    )
    if not args.licence:
        warn("diffpose: no --licence given; weights carry the terms of the motions they learn from")
