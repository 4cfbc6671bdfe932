"""`diffpose calibrate`: measure the error to expect of each joint."""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from diffpose_core.cli.arguments import (
    add_clips_argument,
    add_model_arguments,
    add_overwrite_argument,
    check_device,
    first_clips,
)
from diffpose_core.cli.options import MOST_FRAMES, add_whole
from diffpose_core.cli.outputs import check_output, is_report_of
from diffpose_core.cli.shared import made_by, progress_printer, say, write_report
from diffpose_core.structures import InvalidInput

if TYPE_CHECKING:
    from diffpose_core.evaluation.calibrate import CalibrationSettings
    from diffpose_core.lifting.models import Models
    from diffpose_core.uncertainty.expected_error import Calibration

HELP = "Measure which error to expect of each joint, on data that was not trained on."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "--data", required=True, action="append",
        help="validation motions in Mocap-17 layout (.npz) to fit to; given several times, the files count alike",
    )  # fmt: skip
    parser.add_argument(
        "--test", default=None, action="append",
        help="motions to report on that were not fitted to (.npz); of further ones, expected and observed error",
    )  # fmt: skip
    parser.add_argument(
        "--footage", default=None,
        help="real footage (.npz): report expected error and N-MPJPE on it, at the test motions' stride",
    )  # fmt: skip
    parser.add_argument("--network", default=None, help="which denoiser; by default DiffPose itself")
    add_whole(parser, "--stride", 1, MOST_FRAMES, 15, help="every how many frames")
    add_whole(parser, "--test-stride", 1, MOST_FRAMES, help="of the test motions; by default the same")
    add_clips_argument(parser, "only the first clips of every file")
    parser.add_argument("--mixed-precision", action="store_true", help="bfloat16 inside the diffusion network")
    parser.add_argument("-o", "--out", required=True, help="the calibration to write, NAME.calibration.json")
    parser.add_argument("--json", default=None, help="write the report on the test motions to this file")
    add_overwrite_argument(parser)
    add_model_arguments(parser, hypotheses=20)


def run(args: argparse.Namespace) -> None:
    """Fit a calibration, write it, and report on other motions and footage."""
    from diffpose_core.evaluation.calibrate import CalibrationSettings, calibrate
    from diffpose_core.io.calibrations import write_calibration
    from diffpose_core.lifting.models import load_models

    _check(args)
    models = load_models(args.weights, args.setting).to(args.device)
    network = args.network or models.pick()[0]
    settings = CalibrationSettings(
        args.stride, args.steps, args.hypotheses, args.seed, first_clips(args), args.mixed_precision
    )
    calibration = calibrate(args.data, models, network, settings, progress_printer("clips", args.quiet))
    calibration = replace(calibration, provenance={**calibration.provenance, **made_by(args)})
    write_calibration(calibration, args.out)
    say(f"wrote {args.out}")
    settings = replace(settings, stride=args.test_stride or args.stride)
    found = _report(args, calibration, models, settings) if args.test else {}
    if args.footage:
        found.setdefault("checks", {})[Path(args.footage).name] = _footage(args, calibration, models, settings)
    if args.json:
        write_report(found, args.json)
    if args.test:
        say(calibration_table(found))
    for name, check in found.get("checks", {}).items():
        say(check_line(name, check))


def _report(
    args: argparse.Namespace, calibration: Calibration, models: Models, settings: CalibrationSettings
) -> dict[str, Any]:
    """The report on the first test file, and checks of all of them."""
    from diffpose_core.evaluation.calibrate import collect_predictions, provenance
    from diffpose_core.evaluation.calibration_report import report
    from diffpose_core.evaluation.expected_checks import check_motions

    found: dict[str, Any] = {}
    checks = {}
    for path in args.test:
        started = time.time()
        progress = progress_printer("clips", args.quiet)
        predictions = collect_predictions(path, models, calibration.network, settings, progress)
        checks[Path(path).name] = check_motions(calibration, predictions)
        if found:
            continue
        found = report(calibration, predictions)
        found["provenance"] = {
            **provenance([path], models, settings, predictions, time.time() - started), **made_by(args),
            "network": calibration.network, "weights_sha256": calibration.weights_sha256,
            "encoder_sha256": calibration.encoder_sha256, "fitted_to": dict(calibration.provenance),
        }  # fmt: skip
    return {**found, "checks": checks}


def _footage(
    args: argparse.Namespace, calibration: Calibration, models: Models, settings: CalibrationSettings
) -> dict[str, Any]:
    """The check on real footage, on all of its cameras."""
    from diffpose_core.datasets.footage import load_footage
    from diffpose_core.evaluation.expected_checks import check_footage

    footage, every = load_footage(args.footage), replace(settings, clips=None)
    return check_footage(calibration, footage, models, every, progress_printer("cameras", args.quiet))


def _check(args: argparse.Namespace) -> None:
    """Check options that depend on each other, and the outputs."""
    check_device("--device", args.device)
    if args.test is None and (args.json or (args.test_stride and args.footage is None)):
        raise InvalidInput(
            "--json and --test-stride belong to a report on test motions (a stride also to --footage); found no --test"
        )
    inputs = [*args.data, *(args.test or []), *filter(None, [args.footage])]
    for path in filter(None, (args.out, args.json)):
        check_output(path, inputs, is_own=is_report_of("calibrate"), overwrite=args.overwrite)
    if args.json and Path(args.json).absolute() == Path(args.out).absolute():
        raise InvalidInput(f"{args.out}: both --out and --json; expected two names")


def check_line(name: str, check: dict[str, Any]) -> str:
    """Expected beside observed error on one file, as text."""
    scaled = " after scale alignment, limb joints" if "cameras" in check else ""
    words = (
        f"{name}: expected {check['expected_mm']:.1f} mm, observed {check['observed_mm']:.1f} mm{scaled}, ratio "
        f"{check['ratio']:.2f}; unlike the training data {check['unlike_percent']:.1f} % of {check['frames']:,} frames"
    )
    known = check["known"]
    if known is None or not check["unlike_percent"]:
        return words
    return f"{words}, the others expected {known['expected_mm']:.1f}, observed {known['observed_mm']:.1f} mm"


def calibration_table(report: dict[str, Any]) -> str:
    """A calibration's report as text."""
    before, after = (report["reliability"][kind] for kind in ("before", "after"))
    expected, regions = report["expected_error"], report["regions"]
    lines = [
        f"{report['provenance']['data']}, {report['views']} views of {report['clips']} clips, "
        f"{report['provenance']['hypotheses']} hypotheses",
        f"{'central intervals of':22s}" + "".join(f"{100 * level:6.0f} %" for level in report["nominal"]),
    ]
    for label, row in (("hold, as drawn", before), ("hold, widened", after)):
        lines.append(f"{label:22s}" + "".join(f"{100 * share:6.1f} %" for share in row["coverage"]))
    for label, row in (("as drawn", before), ("widened", after)):
        score = row["energy_score_mm"]["mean"]
        lines.append(f"hypotheses {label}: spread {row['spread_mm']:.1f} mm, energy score {score:.2f} mm")
    lines += [
        f"expected error {expected['expected_mm']:.1f} mm, observed {expected['observed_mm']:.1f} mm; correlation "
        + ", ".join(f"{n.replace('_', ' ')} {'-' if v is None else format(v, '.2f')}"
                    for n, v in expected["correlation"].items()),
        "regions of " + ", ".join(
            f"{100 * level:.0f} % hold {100 * share:.1f} % ({radius:.0f} mm)"
            for level, share, radius in zip(regions["levels"], regions["coverage"], regions["radius_mm"], strict=True)),
    ]  # fmt: skip
    return "\n".join(lines)
