"""`diffpose train`: train an encoder or a denoiser."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from diffpose_core.cli.arguments import (
    add_detections_argument,
    add_overwrite_argument,
    add_processes_argument,
    add_seed_argument,
    check_device,
)
from diffpose_core.cli.options import MOST_PROCESSES, add_real, add_whole
from diffpose_core.cli.outputs import check_output, check_output_folder, is_checkpoint_of
from diffpose_core.cli.shared import command_line, say
from diffpose_core.config import (
    DenoiserConfig,
    MixSTEConfig,
    TrainingConfig,
    override,
)
from diffpose_core.io.recipes import change_recipe, find_recipe, parse_settings
from diffpose_core.presets import PRESETS, Preset
from diffpose_core.structures import InvalidInput

if TYPE_CHECKING:
    from diffpose_core.datasets.training_set import TrainingData
    from diffpose_core.io.checkpoints import Record
    from diffpose_core.training.job import TrainingJob
    from diffpose_core.training.run import RunOptions

HELP = "Train the context encoder or a denoiser."
#: Number of views in the bank that denoisers share.
BANK_SIZE = 262_144
#: Licence of weights trained on Mocap-17 and its open sets, whose Bandai-Namco and HDM05 parts carry these terms.
MOCAP17_LICENCE = (
    "CC BY-NC 4.0 and CC BY-SA 3.0 (trained on motion capture that includes the Bandai-Namco-Research-Motiondataset, "
    "CC BY-NC 4.0, and HDM05, CC BY-SA 3.0). Name both sources, use the weights for nothing commercial, and pass on "
    "what you derive from them under the same terms"
)
#: Licence that Human3.6M's terms (vision.imar.ro/human3.6m) leave for weights trained on it.
H36M_LICENCE = "academic use only (trained on Human3.6M, whose terms say so)"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("name", choices=list(PRESETS), help="; ".join(f"{n}: {p.summary}" for n, p in PRESETS.items()))
    _add_data_arguments(parser)
    _add_file_arguments(parser)
    _add_recipe_arguments(parser)
    _add_machine_arguments(parser)


def _add_data_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data", required=True, action="append", metavar="FILE[:WEIGHT]",
        help="training motions in Mocap-17 layout (.npz), each with the weight of its draws, by default 1; may "
        "be given several times; h36m: the folder (docs/datasets.md)",
    )  # fmt: skip
    parser.add_argument(
        "--validation", default=None, action="append",
        help="validation motions, likewise; h36m: subjects, by default S8",
    )  # fmt: skip
    parser.add_argument(
        "--dataset", default="mocap17", choices=("mocap17", "h36m"),
        help="kind of data: motions seen by cameras and a detector drawn at random, or Human3.6M's own views",
    )  # fmt: skip
    parser.add_argument("--subjects", default=None, help="h36m: subjects to train on; by default S1,S5,S6,S7")
    add_detections_argument(parser)


def _add_file_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--runs", default="runs", help="folder of training state; a run found there is resumed")
    parser.add_argument("--out", default=None, help="the checkpoint to write; by default RUNS/NAME.safetensors")
    parser.add_argument("--encoder", default=None, help="the encoder's checkpoint; by default the preset's in RUNS")
    parser.add_argument(
        "--start-from", default=None,
        help="go on from this checkpoint (for mixste: from a Graformer's), in a run of its own",
    )  # fmt: skip
    parser.add_argument(
        "--licence", default=None, help="licence of the weights; by default what follows from the data set's"
    )
    add_overwrite_argument(parser)


def _add_recipe_arguments(parser: argparse.ArgumentParser) -> None:
    add_whole(parser, "--bank-size", 1, 100_000_000,
              help=f"views that are prepared for the denoisers to share; by default {BANK_SIZE:,}")  # fmt: skip
    parser.add_argument(
        "--recipe", default="short",
        help="short; paper (denoisers: the numbers and the loss of the paper, days of a GPU); or a .toml or .json file",
    )  # fmt: skip
    parser.add_argument(
        "--set", action="append", default=[], metavar="FIELD=VALUE",
        help="any field of the recipe, such as learning_rate=3e-4 or loss=squared; may be given several times",
    )  # fmt: skip
    add_whole(parser, "--epochs", 1, 1_000_000, help="instead of the recipe's")
    add_whole(parser, "--batch-size", 1, 1_000_000, help="instead of the recipe's")
    add_whole(parser, "--samples-per-epoch", 1, 10**12, help="instead of the recipe's")
    add_real(parser, "--learning-rate", 0, 1000, above=True, help="instead of the recipe's")
    add_whole(parser, "--frames", 3, 10_001, help="of mixste's windows: 27, or such as 81 or 243")
    add_real(parser, "--own-states", 0, 1, help="share of batches that start from the denoiser's own prediction")
    add_seed_argument(parser, "decides initial weights and every batch")


def _add_machine_arguments(parser: argparse.ArgumentParser) -> None:
    add_processes_argument(parser, "--bank-workers", "processes that prepare the views", default=1)
    parser.add_argument("--accelerator", default="auto", choices=("auto", "cpu", "gpu"), help="where to train")
    add_processes_argument(parser, "--devices", "processes (DDP) on this machine", default=1)
    add_whole(parser, "--threads", 1, MOST_PROCESSES, help="CPU threads of torch")


def run(args: argparse.Namespace) -> int:
    """Train a network, write its checkpoint and print its figures.

    Returns:
        The exit status: 0, or 130 or 143 if SIGINT or SIGTERM stopped it.
    """
    from diffpose_core.training.interrupt import Interrupted, interruptible

    preset = _preset(args)
    _check(args, preset)
    data, validation = training_data(args)
    _check_outputs(args, data, _out(args))
    job = _job(args, preset, data, validation)
    try:
        with interruptible():
            record = _train(args, preset, job)
    except Interrupted as stop:
        _say_stopped(stop.signal.name, job)
        return stop.exit_code
    if record is not None:
        for name, value in sorted(record.metrics.items()):
            say(f"{name:28s} {value:.4f}")
        say(f"wrote {job.out} and {job.out.with_suffix('.md')}")
    return 0


def _say_stopped(signal: str, job: TrainingJob) -> None:
    """Tell that a signal stopped the run, and which parts of it are saved."""
    from diffpose_core.training.run import is_first_process
    from diffpose_core.training.run_state import describe_state

    if is_first_process():
        print(f"\ndiffpose: stopped by {signal}; {describe_state(job.options.directory)}", file=sys.stderr)


def _preset(args: argparse.Namespace) -> Preset:
    """The preset with the command line's changes to its network."""
    preset = PRESETS[args.name]
    if args.frames is None:
        return preset
    if not isinstance(preset.network, MixSTEConfig):
        raise InvalidInput(f"only mixste reads windows of frames, found --frames with {args.name}")
    return replace(preset, network=replace(preset.network, receptive_field=args.frames))


def _out(args: argparse.Namespace) -> Path:
    """The checkpoint to write."""
    return Path(args.out) if args.out else Path(args.runs) / f"{args.name}.safetensors"


def _check(args: argparse.Namespace, preset: Preset) -> None:
    """Check options that would be ignored, or could not be used."""
    denoiser = isinstance(preset.network, DenoiserConfig)
    for option, given in (("--bank-size", args.bank_size), ("--own-states", args.own_states)):
        if given is not None and not denoiser:
            raise InvalidInput(f"{option} belongs to a denoiser, found it with {args.name}")
    if args.encoder is not None and not denoiser:
        raise InvalidInput(f"{args.name} is itself an encoder, found --encoder {args.encoder}")
    if args.dataset != "h36m" and (args.subjects or args.detections):
        raise InvalidInput("--subjects and --detections belong to --dataset h36m")
    check_device("--accelerator", args.accelerator)


def _check_outputs(args: argparse.Namespace, data: TrainingData, out: Path) -> None:
    """Check the folder of the run, the checkpoint and its card."""
    read = [str(path) for path in data.paths()]
    read += [path for path in (*(args.validation or ()), args.encoder, args.start_from) if path]
    check_output_folder(args.runs, read)
    if args.out is None and not out.parent.is_dir():
        return  # The run makes its folder.
    is_own = is_checkpoint_of(args.name)
    check_output(out, read, is_own=is_own, overwrite=args.overwrite)
    check_output(out.with_suffix(".md"), read, is_own=lambda _: is_own(out), overwrite=args.overwrite)


def _job(args: argparse.Namespace, preset: Preset, data: TrainingData, validation: TrainingData) -> TrainingJob:
    """The settings of the training."""
    # Heavy imports stay inside the commands, so that `--help` answers at once.
    from diffpose_core.training.job import TrainingJob

    return TrainingJob(
        name=args.name,
        data=data,
        validation=validation,
        recipe=_recipe(args, preset),
        options=_options(args),
        out=_out(args),
        command=command_line(args),
        licence=args.licence or (H36M_LICENCE if args.dataset == "h36m" else MOCAP17_LICENCE),
        start_from=None if args.start_from is None else Path(args.start_from),
    )


def _recipe(args: argparse.Namespace, preset: Preset) -> TrainingConfig:
    """The recipe with the command line's changes. `--set` goes before all else."""
    recipe = override(
        find_recipe(preset, args.recipe),
        epochs=args.epochs,
        batch_size=args.batch_size,
        seed=args.seed,
        learning_rate=args.learning_rate,
        samples_per_epoch=args.samples_per_epoch,
        own_state_share=args.own_states,
    )
    return change_recipe(recipe, parse_settings(args.set), "--set")


def _options(args: argparse.Namespace) -> RunOptions:
    """Place and hardware of the run."""
    from diffpose_core.training.run import RunOptions

    return RunOptions(
        Path(args.runs) / (args.name if args.start_from is None else f"{args.name}-tuned"),
        accelerator=args.accelerator,
        devices=args.devices,
        threads=args.threads,
        progress=not args.quiet,
    )


def _train(args: argparse.Namespace, preset: Preset, job: TrainingJob) -> Record | None:
    """Train the network that the preset names."""
    from diffpose_core.training.train_denoiser import BankOptions, train_denoiser
    from diffpose_core.training.train_encoder import train_encoder

    encoder = Path(args.encoder) if args.encoder else Path(args.runs) / f"{preset.encoder}.safetensors"
    if not isinstance(preset.network, DenoiserConfig):
        return train_encoder(preset.network, job)
    return train_denoiser(
        preset.network, encoder, job, BankOptions(args.bank_size or BANK_SIZE, workers=args.bank_workers)
    )


def training_data(args: argparse.Namespace) -> tuple[TrainingData, TrainingData]:
    """The data to train on, and the data to choose by."""
    if args.dataset == "h36m":
        from diffpose_core.datasets.h36m import DETECTED, TEST_SUBJECTS
        from diffpose_core.datasets.views import H36mViews

        if len(args.validation or ()) > 1:
            raise InvalidInput(f"h36m takes one list of subjects, found --validation {len(args.validation)} times")
        chosen = (args.subjects or "S1,S5,S6,S7", (args.validation or ["S8"])[0])
        subjects, held_out = (tuple(words.split(",")) for words in chosen)
        common = sorted({*subjects} & {*held_out})
        if common:
            raise InvalidInput(f"subjects to train on and to choose by must differ, found {', '.join(common)} in both")
        if {*subjects, *held_out} & {*TEST_SUBJECTS}:
            raise InvalidInput(f"{', '.join(TEST_SUBJECTS)} are for testing, neither to train on nor to choose by")
        detections = args.detections or DETECTED
        if len(args.data) != 1:
            raise InvalidInput(f"h36m is one folder, found --data {len(args.data)} times")
        folder = Path(args.data[0])
        return H36mViews(folder, subjects, detections), H36mViews(folder, held_out, detections)
    if args.validation is None:
        raise InvalidInput("--validation is needed: motions in Mocap-17 layout (.npz)")
    from diffpose_core.datasets.training_set import TrainingSet

    return TrainingSet.of(*args.data), TrainingSet.of(*args.validation)
