"""`diffpose evaluate`: measure every method on a data set."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from diffpose_core.cli.arguments import (
    add_clips_argument,
    add_detections_argument,
    add_mirror_argument,
    add_model_arguments,
    add_overwrite_argument,
    add_processes_argument,
    add_sampler_argument,
    check_device,
    first_clips,
)
from diffpose_core.cli.options import MOST_FRAMES, add_whole
from diffpose_core.cli.outputs import check_output, is_report_of
from diffpose_core.cli.shared import made_by, progress_printer, say, write_report
from diffpose_core.structures import InvalidInput

if TYPE_CHECKING:
    from diffpose_core.datasets.benchmark import Benchmark
    from diffpose_core.evaluation.evaluate import EvaluationSettings
    from diffpose_core.lifting.models import Models

HELP = "Measure every method on Mocap-17, Human3.6M, MPI-INF-3DHP, real footage or made upright people."
#: Every how many frames are measured by default.
_STRIDES = {"mocap17": 5, "h36m": 5, "3dhp": 5, "footage": 1, "lean": 8}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    _add_data_arguments(parser)
    add_whole(parser, "--stride", 1, MOST_FRAMES, help="every how many frames; by default 5, footage 1, lean 8")
    add_whole(
        parser, "--consecutive", 1, MOST_FRAMES, 1,
        help="frames in a row at as many times fewer places, which MPJVE needs: 8 and a stride of 5 are 8 of every 40",
    )  # fmt: skip
    parser.add_argument(
        "--tilt", default="unknown", choices=("unknown", "estimated", "given"),
        help="the way every method knows the camera's tilt: not at all, estimated from all frames of a clip, or given "
        "by the data set (single frames); lean measures all three",
    )  # fmt: skip
    parser.add_argument(
        "--body", default="unknown", choices=("unknown", "estimated", "given"),
        help="the way every method knows the person's proportions, likewise; given: measured on the truth",
    )  # fmt: skip
    parser.add_argument(
        "--camera", default="unknown", choices=("unknown", "given"),
        help="footage, lean: whether the methods are given the camera's intrinsics",
    )  # fmt: skip
    parser.add_argument("--json", default=None, help="write the report to this file")
    add_overwrite_argument(parser)
    add_clips_argument(parser)
    add_processes_argument(parser, "--workers", "processes that share the clips")
    parser.add_argument("--mixed-precision", action="store_true", help="bfloat16 inside the diffusion networks")
    add_model_arguments(parser, hypotheses=5)
    add_sampler_argument(parser)
    add_mirror_argument(parser)


def _add_data_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data", default=None,
        help="motions in Mocap-17 layout (.npz), a data set's folder (docs/datasets.md), or real footage (.npz); lean "
        "needs none",
    )  # fmt: skip
    parser.add_argument(
        "--dataset", default="mocap17", choices=tuple(_STRIDES),
        help="the data set; lean: made people who stand upright, to measure by how much poses lean",
    )  # fmt: skip
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
    from diffpose_core.evaluation.evaluate import EvaluationSettings
    from diffpose_core.lifting.models import load_models

    check_device("--device", args.device)
    _check_data(args)
    if args.json:
        inputs = [args.data] if args.data else []
        check_output(args.json, inputs, is_own=is_report_of("evaluate"), overwrite=args.overwrite)
    models = load_models(args.weights, args.setting).to(args.device)
    settings = EvaluationSettings(
        args.stride or _STRIDES[args.dataset], args.consecutive, args.steps, args.hypotheses, args.seed,
        args.mixed_precision, args.tilt, args.body, args.sampler, args.mirror,
    )  # fmt: skip
    report, table = measure(args, models, settings)
    report["provenance"] |= made_by(args)
    if args.json:
        write_report(report, args.json)
    say(table)


def _check_data(args: argparse.Namespace) -> None:
    """Raise InvalidInput where options don't belong to the data set."""
    if (args.data is None) != (args.dataset == "lean"):
        wanted = "no --data" if args.dataset == "lean" else "--data"
        raise InvalidInput(f"--dataset {args.dataset} needs {wanted}")
    if args.dataset != "h36m" and (args.detections or args.subjects):
        raise InvalidInput("--detections and --subjects belong to --dataset h36m")
    if args.dataset not in ("footage", "lean") and args.camera != "unknown":
        raise InvalidInput("--camera belongs to --dataset footage and lean")
    if args.dataset in ("footage", "lean") and (args.clips is not None or args.input != "detected"):
        raise InvalidInput(f"--clips and --input don't belong to --dataset {args.dataset}")
    if args.dataset != "mocap17" and args.input not in ("detected", "exact"):
        raise InvalidInput(f"--input {args.input} belongs to --dataset mocap17")


def measure(args: argparse.Namespace, models: Models, settings: EvaluationSettings) -> tuple[dict[str, Any], str]:
    """The report on the chosen data set, and its table."""
    from diffpose_core.evaluation.tables import footage_table, lean_table, results_table

    progress = progress_printer("people" if args.dataset == "lean" else "clips", args.quiet)
    if args.dataset == "footage":
        from diffpose_core.datasets.footage import load_footage
        from diffpose_core.evaluation.footage import evaluate_footage

        footage = load_footage(args.data, args.camera == "given")
        report = evaluate_footage(footage, models, settings, args.workers, progress)
        return report, footage_table(report)
    if args.dataset == "lean":
        from diffpose_core.evaluation.lean import evaluate_lean

        report = evaluate_lean(models, settings, args.camera == "given", progress=progress)
        return report, lean_table(report)
    from diffpose_core.evaluation.evaluate import evaluate

    report = evaluate(benchmark(args), models, settings, first_clips(args), args.workers, progress)
    return report, results_table(report)


def benchmark(args: argparse.Namespace) -> Benchmark:
    """The data set to measure on."""
    from diffpose_core.evaluation.views import Mocap17Benchmark

    if args.dataset == "h36m":
        from diffpose_core.datasets.h36m import DETECTED, EXACT, TEST_SUBJECTS, load_h36m

        subjects = tuple(args.subjects.split(",")) if args.subjects else TEST_SUBJECTS
        return load_h36m(args.data, subjects, EXACT if args.input == "exact" else args.detections or DETECTED)
    if args.dataset == "3dhp":
        from diffpose_core.datasets.mpi_inf_3dhp import load_3dhp

        # Nobody publishes detections of it: the exact 2D poses are the protocol.
        return load_3dhp(args.data)
    return Mocap17Benchmark.load(args.data, args.input)
