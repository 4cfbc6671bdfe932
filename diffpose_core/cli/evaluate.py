"""`diffpose evaluate`: measure every method on a data set."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from diffpose_core.cli.arguments import (
    add_clips_argument,
    add_detections_argument,
    add_model_arguments,
    add_overwrite_argument,
    add_processes_argument,
    check_device,
    first_clips,
)
from diffpose_core.cli.options import MOST_FRAMES, add_whole
from diffpose_core.cli.outputs import check_output, is_report_of
from diffpose_core.cli.shared import made_by, progress_printer, say, write_report
from diffpose_core.structures import InvalidInput

if TYPE_CHECKING:
    from diffpose_core.datasets.benchmark import Benchmark

HELP = "Measure every method on Mocap-17, Human3.6M or MPI-INF-3DHP."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    _add_data_arguments(parser)
    add_whole(parser, "--stride", 1, MOST_FRAMES, 5, help="every how many frames")
    add_whole(
        parser, "--consecutive", 1, MOST_FRAMES, 1,
        help="frames in a row at as many times fewer places, which MPJVE needs: 8 and a stride of 5 are 8 of every 40",
    )  # fmt: skip
    parser.add_argument(
        "--fixed-camera", action="store_true",
        help="give every method the camera's tilt, estimated from all frames of a clip (single frames)",
    )  # fmt: skip
    parser.add_argument("--json", default=None, help="write the report to this file")
    add_overwrite_argument(parser)
    add_clips_argument(parser)
    add_processes_argument(parser, "--workers", "processes that share the clips")
    parser.add_argument("--mixed-precision", action="store_true", help="bfloat16 inside the diffusion networks")
    add_model_arguments(parser, hypotheses=5)


def _add_data_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data", required=True, help="motions in Mocap-17 layout (.npz), or a data set's folder (docs/datasets.md)"
    )
    parser.add_argument("--dataset", default="mocap17", choices=("mocap17", "h36m", "3dhp"), help="the data set")
    parser.add_argument(
        "--input", default="detected",
        choices=("detected", "exact", "confidences", "gaps", "right-modes", "hidden-exact"),
        help="what is known of the 2D poses: heatmaps; the exact places (h36m too); confidences alone, as in files of "
        "other detectors; these with a tenth of the joints missing (gaps); or heatmaps corrected by the truth: the "
        "right mode of each, or hidden joints at their exact places",
    )  # fmt: skip
    add_detections_argument(parser)
    parser.add_argument("--subjects", default=None, help="h36m: subjects such as S8; by default the test set, S9,S11")


def run(args: argparse.Namespace) -> None:
    """Measure all methods and print the table."""
    from diffpose_core.evaluation.evaluate import EvaluationSettings, evaluate
    from diffpose_core.evaluation.tables import results_table
    from diffpose_core.lifting.models import load_models

    check_device("--device", args.device)
    if args.json:
        check_output(args.json, [args.data], is_own=is_report_of("evaluate"), overwrite=args.overwrite)
    models = load_models(args.weights, args.setting).to(args.device)
    settings = EvaluationSettings(
        args.stride, args.consecutive, args.steps, args.hypotheses, args.seed, args.mixed_precision, args.fixed_camera
    )
    progress = progress_printer("clips", args.quiet)
    report = evaluate(benchmark(args), models, settings, first_clips(args), args.workers, progress)
    report["provenance"] |= made_by(args)
    if args.json:
        write_report(report, args.json)
    say(results_table(report))


def benchmark(args: argparse.Namespace) -> Benchmark:
    """The data set to measure on."""
    from diffpose_core.evaluation.views import Mocap17Benchmark

    if args.dataset != "h36m" and (args.detections or args.subjects):
        raise InvalidInput("--detections and --subjects belong to --dataset h36m")
    if args.dataset != "mocap17" and args.input not in ("detected", "exact"):
        raise InvalidInput(f"--input {args.input} belongs to --dataset mocap17")
    if args.dataset == "h36m":
        from diffpose_core.datasets.h36m import DETECTED, EXACT, TEST_SUBJECTS, load_h36m

        subjects = tuple(args.subjects.split(",")) if args.subjects else TEST_SUBJECTS
        return load_h36m(args.data, subjects, EXACT if args.input == "exact" else args.detections or DETECTED)
    if args.dataset == "3dhp":
        from diffpose_core.datasets.mpi_inf_3dhp import load_3dhp

        # Nobody publishes detections of it: the exact 2D poses are the protocol.
        return load_3dhp(args.data)
    return Mocap17Benchmark.load(args.data, args.input)
