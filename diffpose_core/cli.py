"""The command line: `diffpose` or `python -m diffpose_core`."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from diffpose_core.config import PRESETS, DenoiserConfig, MixSTEConfig, UprightConfig
from diffpose_core.structures import InvalidInput, PoseClip2D

if TYPE_CHECKING:
    from diffpose_core.datasets.benchmark import Benchmark
    from diffpose_core.io.formats import Choice, PoseFile
    from diffpose_core.training import TrainingData

#: The licence of weights trained on Mocap-17, whose Bandai-Namco part carries it.
MOCAP17_LICENCE = (
    "CC BY-NC 4.0 (trained on motion capture that includes the Bandai-Namco-Research-Motiondataset, CC BY-NC 4.0)"
)
#: What Human3.6M's terms (vision.imar.ro/human3.6m) leave of weights trained on it.
H36M_LICENCE = "academic use only (trained on Human3.6M, whose terms say so)"


def _training_data(args: argparse.Namespace) -> tuple[TrainingData, TrainingData]:
    """What to train on, and what to choose by."""
    if args.dataset == "h36m":
        from diffpose_core.datasets.h36m import DETECTED, TEST_SUBJECTS
        from diffpose_core.datasets.views import H36mViews

        subjects, held_out = (tuple(words.split(",")) for words in (args.subjects, args.validation or "S8"))
        common = sorted({*subjects} & {*held_out})
        if common:
            raise InvalidInput(f"subjects to train on and to choose by must differ, found {', '.join(common)} in both")
        if {*subjects, *held_out} & {*TEST_SUBJECTS}:
            raise InvalidInput(f"{', '.join(TEST_SUBJECTS)} are for testing, neither to train on nor to choose by")
        detections = args.detections or DETECTED
        return H36mViews(Path(args.data), subjects, detections), H36mViews(Path(args.data), held_out, detections)
    if args.validation is None:
        raise InvalidInput("--validation is needed: motions in Mocap-17 layout (.npz)")
    return Path(args.data), Path(args.validation)


def _train(args: argparse.Namespace) -> None:
    # Heavy imports stay inside the commands, so that `--help` answers at once.
    from diffpose_core.training import RunOptions, shortened, train_denoiser, train_encoder, train_upright

    preset = PRESETS[args.name]
    if args.frames is not None:
        if not isinstance(preset.network, MixSTEConfig):
            raise InvalidInput(f"only mixste reads windows of frames, found --frames with {args.name}")
        preset = replace(preset, network=replace(preset.network, receptive_field=args.frames))
    directory = Path(args.runs)
    config = shortened(preset.training, epochs=args.epochs, batch_size=args.batch_size, seed=args.seed,
                       learning_rate=args.learning_rate, samples_per_epoch=args.samples_per_epoch,
                       own_state_share=args.own_states)  # fmt: skip
    options = RunOptions(
        directory / (args.name if args.start_from is None else f"{args.name}-tuned"),
        accelerator=args.accelerator,
        devices=args.devices,
        threads=args.threads,
        progress=not args.quiet,
    )
    out = Path(args.out) if args.out else directory / f"{args.name}.safetensors"
    start_from = None if args.start_from is None else Path(args.start_from)
    command = shlex.join(["diffpose", *_without_paths(args.argv)])
    data, validation = _training_data(args)
    licence = args.licence or (H36M_LICENCE if args.dataset == "h36m" else MOCAP17_LICENCE)
    encoder = Path(args.encoder) if args.encoder else directory / f"{preset.encoder}.safetensors"
    if isinstance(preset.network, UprightConfig):
        if start_from is not None:
            raise InvalidInput(f"{args.name} is trained from new weights in minutes, found --start-from {start_from}")
        record = train_upright(args.name, encoder, data, validation, preset.network, config, options, out, command,
                               licence)  # fmt: skip
    elif not isinstance(preset.network, DenoiserConfig):
        record = train_encoder(args.name, data, validation, preset.network, config, options, out, command,
                               licence, start_from)  # fmt: skip
    else:
        record = train_denoiser(args.name, encoder, data, validation, preset.network, config,
                                options, out, command, licence, args.bank_size,
                                bank_workers=args.bank_workers,
                                start_from=start_from)  # fmt: skip
    for name, value in sorted(record.metrics.items()):
        print(f"{name:28s} {value:.4f}")
    print(f"wrote {out} and {out.with_suffix('.md')}")


def _without_paths(argv: list[str]) -> list[str]:
    """The command as it is written into a checkpoint: files by their names, since folders differ from machine to
    machine.
    """
    words = []
    for word in argv:
        option, equals, value = word.partition("=") if word.startswith("--") else ("", "", word)
        words.append(option + equals + (Path(value).name if "/" in value else value))
    return words


def _benchmark(args: argparse.Namespace) -> Benchmark:
    """The data that is to be measured on."""
    from diffpose_core.evaluation import Mocap17Benchmark

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


def _evaluate(args: argparse.Namespace) -> None:
    from diffpose_core.evaluation import evaluate
    from diffpose_core.pipeline import load_models
    from diffpose_core.tables import results_table

    _check_folder(args.json)
    clips = None if args.clips is None else range(args.clips)
    models = load_models(args.weights, args.setting).to(args.device)
    report = evaluate(
        _benchmark(args), models, args.stride, args.steps, args.hypotheses, args.seed,
        clips, args.mixed_precision, args.workers, _progress("clips", args.quiet), args.consecutive,
        args.fixed_camera,
    )  # fmt: skip
    report["provenance"] |= _made_by(args)
    if args.json:
        Path(args.json).write_text(json.dumps(report, indent=1) + "\n")
    print(results_table(report))


def _made_by(args: argparse.Namespace) -> dict[str, str]:
    """The command and the day, for a report's provenance."""
    return {
        "command": shlex.join(["diffpose", *_without_paths(args.argv)]),
        "date": datetime.now(UTC).date().isoformat(),
    }


def _check_folder(path: str | None) -> None:
    """Raise InvalidInput before work is done whose result could not be written."""
    if path and not Path(path).absolute().parent.is_dir():
        raise InvalidInput(f"{path}: there is no such folder to write to")


def _calibrate(args: argparse.Namespace) -> None:
    from dataclasses import replace

    from diffpose_core.calibration import Settings, calibrate, look, provenance, report
    from diffpose_core.io.calibrations import write_calibration
    from diffpose_core.pipeline import load_models

    for path in (args.out, args.json):
        _check_folder(path)
    models = load_models(args.weights, args.setting).to(args.device)
    network = args.network or models.pick()[0]
    settings = Settings(args.stride, args.steps, args.hypotheses, args.seed,
                        None if args.clips is None else range(args.clips), args.mixed_precision)  # fmt: skip
    progress = _progress("clips", args.quiet)
    calibration = calibrate(args.data, models, network, settings, progress)
    calibration = replace(calibration, provenance={**calibration.provenance, **_made_by(args)})
    write_calibration(calibration, args.out)
    print(f"wrote {args.out}")
    if args.test is None:
        return
    started = time.time()
    settings = replace(settings, stride=args.test_stride or args.stride)
    seen = look(args.test, models, network, settings, progress)
    found = report(calibration, seen)
    found["provenance"] = {
        **provenance(args.test, models, settings, seen, time.time() - started), **_made_by(args),
        "network": network, "weights_sha256": calibration.weights_sha256,
        "encoder_sha256": calibration.encoder_sha256, "fitted_to": dict(calibration.provenance),
    }  # fmt: skip
    if args.json:
        Path(args.json).write_text(json.dumps(found, indent=1) + "\n")
    print(calibration_table(found))


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


def _progress(what: str, quiet: bool) -> Any:
    def show(done: int, total: int) -> None:
        if not quiet:
            end = "\n" if done == total else ""
            print(
                f"\r{done:,}" + (f" of {total:,}" if total else "") + f" {what}", end=end, file=sys.stderr, flush=True
            )

    return show


def _choice(args: argparse.Namespace) -> Choice:
    """What the words of the command line choose of a file."""
    from diffpose_core.io.formats import Choice

    size = None
    if args.image_size is not None:
        words = args.image_size.lower().split("x")
        if len(words) != 2 or not all(word.isdecimal() and len(word) < 9 for word in words):
            raise InvalidInput(
                f"--image-size must be WIDTHxHEIGHT in pixels, such as 1920x1080; found {args.image_size}"
            )
        size = (int(words[0]), int(words[1]))
    return Choice(args.part, args.track, args.layout, size, args.fps)


def _clip_of(args: argparse.Namespace) -> PoseClip2D:
    """The clip that is chosen of a file; what was assumed of the file is printed."""
    from diffpose_core.io.formats import read_pose_path, to_clip
    from diffpose_core.io.video import video_at

    video = video_at(args.clip)
    poses = read_pose_path(args.clip) if video is None else _poses_of_video(args, video)
    chosen = to_clip(poses, _choice(args))
    if not args.quiet:
        for note in chosen.notes:
            print(f"{args.clip}: {note}", file=sys.stderr)
    return chosen.clip


def _poses_of_video(args: argparse.Namespace, video: bytes) -> PoseFile:
    """What RTMPose finds in a video. Its weights are downloaded only where that was asked for."""
    from diffpose_core.io.rtmpose import get_weights, has_weights, rtmpose
    from diffpose_core.io.video import poses_of_video

    if not has_weights():
        if not args.download_weights:
            raise InvalidInput(
                f"{args.clip}: a video. RTMPose's weights are not on this machine yet; --download-weights gets them "
                "from OpenMMLab, once"
            )
        get_weights(_progress("bytes", args.quiet))
    return poses_of_video(video, args.clip, rtmpose(), _progress("frames searched", args.quiet))


def _lift_settings(args: argparse.Namespace) -> dict[str, Any]:
    return {
        "steps": args.steps, "hypotheses": args.hypotheses, "seed": args.seed, "context": not args.no_context,
        "schedule": args.schedule, "eta": args.eta, "rigid_bones": not args.free_bones,
        "mixed_precision": args.mixed_precision, "up": _up(args),
    }  # fmt: skip


def _up(args: argparse.Namespace) -> Any:
    from diffpose_core.pipeline import up_of_tilt

    if args.fixed_camera:
        return "estimate"
    return None if args.camera_tilt is None else up_of_tilt(args.camera_tilt).tolist()


def _lift_folder(args: argparse.Namespace) -> int:
    from diffpose_core.corpus import REPORT_CSV, CorpusConfig, Row, lift_folder

    formats = tuple((args.format or "npz").split(","))
    config = CorpusConfig(
        formats, _choice(args), _lift_settings(args), args.weights, args.setting, args.height, args.device
    )
    show = _progress("files", args.quiet)

    def progress(row: Row, done: int, total: int) -> None:
        if row.status == "failed":
            print(f"\n{row.file}: {row.reason}", file=sys.stderr)
        show(done, total)

    try:
        rows = lift_folder(args.clip, args.out, config, args.jobs, "ray" if args.ray else "processes", progress)
    except KeyboardInterrupt:
        print(f"\nstopped; the same command goes on from here. So far: {Path(args.out, REPORT_CSV)}", file=sys.stderr)
        return 130
    counts = {status: sum(row.status == status for row in rows) for status in ("lifted", "done before", "failed")}
    print(f"{', '.join(f'{count} {status}' for status, count in counts.items())}: {Path(args.out, REPORT_CSV)}")
    return 1 if counts["failed"] else 0


def _lift(args: argparse.Namespace) -> int:
    from diffpose_core.corpus import holds_openpose_frames
    from diffpose_core.io.exports import export_bytes, export_format, format_of_ending
    from diffpose_core.pipeline import check_stature, lift, load_models, scaled_to_stature

    if Path(args.clip).is_dir() and not holds_openpose_frames(Path(args.clip)):
        return _lift_folder(args)
    # Said before the work is done, not after it.
    form = args.format or format_of_ending(args.out)
    export_format(form)
    if args.height is not None:
        check_stature(args.height)
    if not Path(args.out).absolute().parent.is_dir():
        raise InvalidInput(f"{args.out}: there is no such folder to write to")
    clip = _clip_of(args)
    models = load_models(args.weights, args.setting).to(args.device)
    result = lift(clip, models=models, progress=_progress("frames", args.quiet), **_lift_settings(args))
    scaled = ""
    if args.height is not None:
        result = scaled_to_stature(result, args.height)
        scaled = f", scaled by {result.provenance['scaled_by']:.3f} to a height of {args.height:g} m"
    content, _ = export_bytes(result, form)
    try:
        Path(args.out).write_bytes(content)
    except OSError as error:
        raise InvalidInput(f"{args.out}: can't be written ({error.strerror})") from error
    print(f"wrote {args.out}: {len(result.pose3d)} frames, {result.hypotheses.shape[1]} hypotheses each{scaled}")
    if result.expected_error is not None:
        print(f"expected error of a joint: {1000 * result.expected_error[:, 1:].mean():.0f} mm (docs/evidence.md)")
    if clip.pose3d_cam is not None:
        for label, pose in (("DiffPose", result.pose3d), (models.encoder.title, result.baseline)):
            distance = np.linalg.norm(pose - clip.pose3d_cam, axis=-1).mean()
            print(f"{label:10s} MPJPE on this clip: {1000 * distance:.1f} mm")
    return 0


def _detector_stats(args: argparse.Namespace) -> None:
    from diffpose_core.evaluation import detector_statistics

    statistics = detector_statistics(args.data, None if args.clips is None else range(args.clips))
    print(json.dumps(statistics, indent=1))


def _make_clips(args: argparse.Namespace) -> None:
    from diffpose_core.datasets.bundled import make_clips

    for path in make_clips(Path(args.out)):
        print(path)


def _make_data(args: argparse.Namespace) -> None:
    from diffpose_core.datasets.mocap17 import load_mocap17
    from diffpose_core.datasets.procedural import write_procedural_dataset

    write_procedural_dataset(args.out, args.clips, args.seed)
    motions = load_mocap17(args.out)
    print(f"wrote {args.out}: {len(motions)} clips, {motions.num_frames} frames")


def _data(args: argparse.Namespace) -> int:
    from diffpose_core.datasets.mocap17 import load_mocap17
    from diffpose_core.datasets.motion_files.build import Naming, Outcome, build
    from diffpose_core.datasets.motion_files.convert import Settings
    from diffpose_core.datasets.motion_files.joints import read_joint_file
    from diffpose_core.datasets.motion_files.labels import Split, compiled, read_label_file

    settings = Settings(
        args.unit,
        args.up,
        args.fps,
        None if args.joints is None else read_joint_file(_bytes(args.joints), args.joints),
        None if args.body_model is None else Path(args.body_model),
        args.min_seconds,
    )
    naming = Naming(
        args.source,
        None if args.pattern is None else compiled(args.pattern),
        None if args.labels is None else read_label_file(_bytes(args.labels), args.labels),
    )
    split = None if args.split is None else Split(tuple(args.split), args.split_by)
    show = _progress("files", args.quiet)

    def progress(outcome: Outcome, done: int, total: int) -> None:
        if outcome.reason:
            print(f"\n{outcome.source.file}: {outcome.reason}", file=sys.stderr)
        show(done, total)

    command = shlex.join(["diffpose", *_without_paths(args.argv)])
    withhold = {str(name) for path in args.leave_out for name in load_mocap17(path).name}
    try:
        built = build(
            [Path(folder) for folder in args.folders], Path(args.out), settings, naming, split, args.licence,
            args.jobs, progress, command, withhold,
        )  # fmt: skip
    except KeyboardInterrupt:
        print("\nstopped; nothing was written", file=sys.stderr)
        return 130
    for path, motions in built.files.values():
        print(f"wrote {path}: {len(motions)} clips, {motions.num_frames} frames")
    used = sum(bool(outcome.clips) for outcome in built.outcomes)
    noted = sum(bool(outcome.notes) for outcome in built.outcomes)
    print(
        f"{used} of {len(built.outcomes)} files used, {len(built.failed)} could not be, {noted} with notes: "
        f"{Path(args.out).with_suffix('.md')}"
    )
    if not args.licence:
        print("diffpose: no --licence given; weights carry the terms of the motions they learn from", file=sys.stderr)
    return 1 if built.failed else 0


def _bytes(path: str) -> bytes:
    """A small file's content."""
    from diffpose_core.io.untrusted.files import check_size

    try:
        check_size(Path(path).stat().st_size, path)
        return Path(path).read_bytes()
    except OSError as error:
        raise InvalidInput(f"{path}: can't be read ({error.strerror})") from error


def _add_data_arguments(data: argparse.ArgumentParser) -> None:
    data.add_argument(
        "folders", nargs="+", metavar="FOLDER", help="folders of motion files (and all below), or single files"
    )
    data.add_argument("-o", "--out", required=True, help="the data set to write (.npz), and a page (.md) beside it")
    data.add_argument("--unit", default=None, choices=("m", "cm", "mm", "inch", "cmu"),
                      help="unit of length; by default told by the format, or by the person's stature")  # fmt: skip
    data.add_argument("--up", default=None, choices=("x", "y", "z"), help="axis that points up; AMASS z, others y")
    data.add_argument("--fps", type=float, default=None, help="frames a second, instead of the files' own")
    data.add_argument("--joints", default=None, help="JSON file: Human3.6M joint -> joint's name in the files")
    data.add_argument("--body-model", default=None, help="for AMASS: SMPL-H or its like (.npz), or a folder a gender")
    data.add_argument("--min-seconds", type=float, default=0.5, help="shorter clips are left out")
    data.add_argument("--source", default=None, help="name of the source; by default the folder's")
    data.add_argument("--labels", default=None, help="CSV with file, and any of name,source,subject,action,style")
    data.add_argument("--pattern", default=None, help="regular expression with groups such as (?P<subject>...)")
    data.add_argument("--split", type=float, nargs=3, default=None, metavar=("TRAIN", "VAL", "TEST"),
                      help="shares of three files OUT_train, OUT_val, OUT_test")  # fmt: skip
    data.add_argument("--split-by", default="subject", choices=("subject", "clip"), help="what stays together")
    data.add_argument("--leave-out", nargs="+", default=[], metavar="FILE",
                      help="data sets (.npz) whose clips are left out, by their names: test sets")  # fmt: skip
    data.add_argument("--licence", default=None, help="terms of the motions, to be written into the page")
    data.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes that share the files")


def parser() -> argparse.ArgumentParser:
    """The argument parser of all commands."""
    root = argparse.ArgumentParser(
        prog="diffpose", description="Diffusion-based 3D human pose estimation from 2D poses."
    )
    commands = root.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, run: Any, text: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(
            name, help=text, description=text, formatter_class=argparse.ArgumentDefaultsHelpFormatter
        )
        sub.set_defaults(run=run)
        sub.add_argument("--quiet", action="store_true", help="no progress")
        return sub

    train = command("train", _train, "Train the context encoder or a denoiser.")
    train.add_argument("name", choices=list(PRESETS), help="; ".join(f"{n}: {p.summary}" for n, p in PRESETS.items()))
    train.add_argument(
        "--data", required=True, help="training motions in Mocap-17 layout (.npz); h36m: the folder (docs/datasets.md)"
    )
    train.add_argument(
        "--validation", default=None, help="validation motions in Mocap-17 layout (.npz); h36m: subjects, by default S8"
    )
    train.add_argument(
        "--dataset", default="mocap17", choices=("mocap17", "h36m"),
        help="what the data is: motions seen by cameras and a detector drawn at random, or Human3.6M's own views",
    )  # fmt: skip
    train.add_argument("--subjects", default="S1,S5,S6,S7", help="h36m: subjects to train on")
    train.add_argument(
        "--detections", default=None, help="h36m: NAME in data_2d_h36m_NAME.npz; by default cpn_ft_h36m_dbb"
    )
    train.add_argument("--runs", default="runs", help="folder of training state; a run found there is resumed")
    train.add_argument("--out", default=None, help="the checkpoint to write; by default RUNS/NAME.safetensors")
    train.add_argument("--encoder", default=None, help="the encoder's checkpoint; by default the preset's in RUNS")
    train.add_argument(
        "--bank-size", type=int, default=262_144, help="views that are prepared for the denoisers to share"
    )
    train.add_argument("--bank-workers", type=int, default=1, help="processes that prepare them")
    for name, kind in (("epochs", int), ("batch-size", int), ("samples-per-epoch", int), ("learning-rate", float)):
        train.add_argument(f"--{name}", type=kind, default=None, help="instead of the preset's")
    train.add_argument("--frames", type=int, default=None, help="of mixste's windows: 27, or such as 81 or 243")
    train.add_argument(
        "--start-from",
        default=None,
        help="go on from this checkpoint (for mixste: from a Graformer's), in a run of its own",
    )
    train.add_argument(
        "--own-states", type=float, default=None, help="share of batches that start from the denoiser's own prediction"
    )
    train.add_argument("--seed", type=int, default=0, help="decides initial weights and every batch")
    train.add_argument("--accelerator", default="auto", choices=("auto", "cpu", "gpu"), help="where to train")
    train.add_argument("--devices", type=int, default=1, help="processes (DDP) on this machine")
    train.add_argument("--threads", type=int, default=None, help="CPU threads of torch")
    train.add_argument(
        "--licence", default=None, help="licence of the weights; by default what follows from the data set's"
    )

    evaluate = command("evaluate", _evaluate, "Measure every method on Mocap-17, Human3.6M or MPI-INF-3DHP.")
    evaluate.add_argument(
        "--data", required=True, help="motions in Mocap-17 layout (.npz), or a data set's folder (docs/datasets.md)"
    )
    evaluate.add_argument("--dataset", default="mocap17", choices=("mocap17", "h36m", "3dhp"), help="what the data is")
    evaluate.add_argument(
        "--input", default="detected",
        choices=("detected", "exact", "confidences", "gaps", "right-modes", "hidden-exact"),
        help="what is known of the 2D poses: heatmaps, the exact places (h36m too), confidences alone, as in files of "
        "other detectors, these with a tenth of the joints missing (gaps), or heatmaps mended by the truth: the right "
        "mode of each, or hidden joints at their exact places",
    )  # fmt: skip
    evaluate.add_argument(
        "--detections", default=None, help="h36m: NAME in data_2d_h36m_NAME.npz; by default cpn_ft_h36m_dbb"
    )
    evaluate.add_argument("--subjects", default=None, help="h36m: subjects such as S8; by default the test set, S9,S11")
    evaluate.add_argument("--stride", type=int, default=5, help="every how many frames")
    evaluate.add_argument(
        "--consecutive", type=int, default=1,
        help="frames in a row at as many times fewer places, which MPJVE needs: 8 and a stride of 5 are 8 of every 40",
    )  # fmt: skip
    evaluate.add_argument(
        "--fixed-camera", action="store_true",
        help="tell every method which way is up, as all frames of a clip together say it (single frames)",
    )  # fmt: skip
    evaluate.add_argument("--json", default=None, help="write the report to this file")
    evaluate.add_argument("--clips", type=int, default=None, help="only the first clips")
    evaluate.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes that share the clips")
    evaluate.add_argument("--mixed-precision", action="store_true", help="bfloat16 inside the diffusion networks")

    calibrate = command(
        "calibrate", _calibrate, "Measure which error to expect of each joint, on data that was not trained on."
    )
    calibrate.add_argument("--data", required=True, help="validation motions in Mocap-17 layout (.npz) to fit to")
    calibrate.add_argument("--test", default=None, help="motions to report on that were not fitted to (.npz)")
    calibrate.add_argument("--network", default=None, help="which denoiser; by default DiffPose itself")
    calibrate.add_argument("--stride", type=int, default=15, help="every how many frames")
    calibrate.add_argument("--test-stride", type=int, default=None, help="of the test motions; by default the same")
    calibrate.add_argument("--clips", type=int, default=None, help="only the first clips of either file")
    calibrate.add_argument("--mixed-precision", action="store_true", help="bfloat16 inside the diffusion network")
    calibrate.add_argument("-o", "--out", required=True, help="the calibration to write, NAME.calibration.json")
    calibrate.add_argument("--json", default=None, help="write the report on the test motions to this file")

    lift = command("lift", _lift, "Lift a 2D clip, or a folder of them, to 3D.")
    lift.add_argument(
        "clip",
        help="2D poses of any format in docs/formats.md, a video, a folder of OpenPose's files, or a folder of clips",
    )
    lift.add_argument("--part", default=None, help="which clip of a file that holds several; by default the first")
    lift.add_argument("--track", default=None, help="which person, or: largest; by default the one who is seen longest")
    lift.add_argument("--layout", default=None, help="joint order, such as coco or h36m, where the file doesn't say it")
    lift.add_argument("--fps", type=float, default=None, help="frames a second, where the file doesn't say it")
    lift.add_argument("--image-size", default=None, help="WIDTHxHEIGHT in pixels, where the file doesn't say it")
    lift.add_argument(
        "-o", "--out", required=True,
        help="the result to write: .npz, .json, .csv, .bvh, .trc or .c3d; for a folder of clips, a folder",
    )  # fmt: skip
    lift.add_argument(
        "--format", default=None,
        help="its format, where the ending doesn't name it; for a folder of clips, formats such as bvh,csv "
        "(docs/exports.md)",
    )  # fmt: skip
    lift.add_argument(
        "--height", type=float, default=None,
        help="the person's height in metres, which everything is scaled to; by default it is as predicted",
    )  # fmt: skip
    lift.add_argument(
        "--download-weights", action="store_true",
        help="get RTMPose's weights from OpenMMLab for a video, if they are not on this machine (needs the extra: "
        "video)",
    )  # fmt: skip
    lift.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes that share a folder's files")
    lift.add_argument("--ray", action="store_true", help="hand a folder's files to Ray Data (needs the extra: corpus)")
    lift.add_argument("--no-context", action="store_true", help="denoise without f_ST")
    lift.add_argument("--free-bones", action="store_true", help="let bone lengths change from frame to frame")
    lift.add_argument("--schedule", default="converging", choices=("converging", "supplement"), help="noise schedule")
    lift.add_argument(
        "--mixed-precision", action=argparse.BooleanOptionalAction,
        help="bfloat16 inside the diffusion networks; by default where the processor is fast at it",
    )  # fmt: skip
    camera = lift.add_mutually_exclusive_group()
    camera.add_argument(
        "--fixed-camera", action="store_true",
        help="the camera stands still: its tilt is judged from the whole clip and told to every frame (single frames)",
    )  # fmt: skip
    camera.add_argument(
        "--camera-tilt", type=float, default=None, metavar="DEGREES",
        help="by how many degrees the camera looks down, where that is known; 0 is level (single frames)",
    )  # fmt: skip
    lift.add_argument("--eta", type=float, default=0.0, help="0: deterministic, 1: ancestral sampling")

    for sub, hypotheses in ((evaluate, 5), (lift, 5), (calibrate, 20)):
        sub.add_argument(
            "--setting",
            default="frame",
            choices=("frame", "video"),
            help="context of single frames or of windows of video",
        )
        sub.add_argument("--steps", type=int, default=5, help="DDIM steps, 1 to 50")
        sub.add_argument("--hypotheses", type=int, default=hypotheses, help="poses drawn from H_K")
        sub.add_argument("--seed", type=int, default=0, help="decides every random number")
        sub.add_argument("--weights", default=None, help="folder of checkpoints; by default the bundled ones")
        sub.add_argument("--device", default="cpu", choices=("cpu", "cuda"), help="what computes: processor or GPU")

    stats = command("detector-stats", _detector_stats, "Measure the simulated detector on a file in Mocap-17 layout.")
    stats.add_argument("--data", required=True, help="motions in Mocap-17 layout (.npz)")
    stats.add_argument("--clips", type=int, default=None, help="only the first clips")

    clips = command("make-clips", _make_clips, "Rebuild the bundled clips from their seeds.")
    clips.add_argument("-o", "--out", default="assets/clips", help="folder to write to")

    _add_data_arguments(command("data", _data, "Make a data set in Mocap-17 layout of BVH, ASF/AMC or AMASS files."))

    data = command("make-data", _make_data, "Make a procedural training set in Mocap-17 layout.")
    data.add_argument("-o", "--out", required=True, help="the file to write (.npz)")
    data.add_argument("--clips", type=int, default=400, help="how many clips")
    data.add_argument("--seed", type=int, default=0, help="decides every clip")
    return root


def main(argv: list[str] | None = None) -> int:
    """Run a command. Returns the exit status: 0; 1 if files of a folder failed; 2 for an input that can't be used (the
    reason is printed); 130 if it was stopped.
    """
    words = sys.argv[1:] if argv is None else argv
    args = parser().parse_args(words)
    args.argv = words
    try:
        return args.run(args) or 0
    except InvalidInput as error:
        print(f"diffpose: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\ndiffpose: stopped", file=sys.stderr)
        return 130
