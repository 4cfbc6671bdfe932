"""`diffpose train`: train an encoder or a denoiser."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from diffpose_core.cli.arguments import add_detections_argument
from diffpose_core.cli.shared import command_line
from diffpose_core.config import DenoiserConfig, MixSTEConfig, TrainingConfig, UprightConfig, override
from diffpose_core.presets import PRESETS, Preset
from diffpose_core.structures import InvalidInput

if TYPE_CHECKING:
    from diffpose_core.datasets.training_set import TrainingData
    from diffpose_core.io.checkpoints import Record
    from diffpose_core.training.job import TrainingJob
    from diffpose_core.training.run import RunOptions

HELP = "Train the context encoder or a denoiser."
#: Licence of weights trained on Mocap-17, whose Bandai-Namco part carries it.
MOCAP17_LICENCE = (
    "CC BY-NC 4.0 (trained on motion capture that includes the Bandai-Namco-Research-Motiondataset, CC BY-NC 4.0)"
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
        "--data", required=True, help="training motions in Mocap-17 layout (.npz); h36m: the folder (docs/datasets.md)"
    )
    parser.add_argument(
        "--validation", default=None, help="validation motions in Mocap-17 layout (.npz); h36m: subjects, by default S8"
    )
    parser.add_argument(
        "--dataset", default="mocap17", choices=("mocap17", "h36m"),
        help="kind of data: motions seen by cameras and a detector drawn at random, or Human3.6M's own views",
    )  # fmt: skip
    parser.add_argument("--subjects", default="S1,S5,S6,S7", help="h36m: subjects to train on")
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


def _add_recipe_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--bank-size", type=int, default=262_144, help="views that are prepared for the denoisers to share"
    )
    for name, kind in (("epochs", int), ("batch-size", int), ("samples-per-epoch", int), ("learning-rate", float)):
        parser.add_argument(f"--{name}", type=kind, default=None, help="instead of the preset's")
    parser.add_argument("--frames", type=int, default=None, help="of mixste's windows: 27, or such as 81 or 243")
    parser.add_argument(
        "--own-states", type=float, default=None, help="share of batches that start from the denoiser's own prediction"
    )
    parser.add_argument("--seed", type=int, default=0, help="decides initial weights and every batch")


def _add_machine_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--bank-workers", type=int, default=1, help="processes that prepare the views")
    parser.add_argument("--accelerator", default="auto", choices=("auto", "cpu", "gpu"), help="where to train")
    parser.add_argument("--devices", type=int, default=1, help="processes (DDP) on this machine")
    parser.add_argument("--threads", type=int, default=None, help="CPU threads of torch")


def run(args: argparse.Namespace) -> None:
    """Train a network, write its checkpoint and print its figures."""
    preset = _preset(args)
    job = _job(args, preset)
    record = _train(args, preset, job)
    for name, value in sorted(record.metrics.items()):
        print(f"{name:28s} {value:.4f}")
    print(f"wrote {job.out} and {job.out.with_suffix('.md')}")


def _preset(args: argparse.Namespace) -> Preset:
    """The preset with what the command line changes of its network."""
    preset = PRESETS[args.name]
    if args.frames is None:
        return preset
    if not isinstance(preset.network, MixSTEConfig):
        raise InvalidInput(f"only mixste reads windows of frames, found --frames with {args.name}")
    return replace(preset, network=replace(preset.network, receptive_field=args.frames))


def _job(args: argparse.Namespace, preset: Preset) -> TrainingJob:
    """The settings of the training."""
    # Heavy imports stay inside the commands, so that `--help` answers at once.
    from diffpose_core.training.job import TrainingJob

    data, validation = training_data(args)
    return TrainingJob(
        name=args.name,
        data=data,
        validation=validation,
        recipe=_recipe(args, preset),
        options=_options(args),
        out=Path(args.out) if args.out else Path(args.runs) / f"{args.name}.safetensors",
        command=command_line(args),
        licence=args.licence or (H36M_LICENCE if args.dataset == "h36m" else MOCAP17_LICENCE),
        start_from=None if args.start_from is None else Path(args.start_from),
    )


def _recipe(args: argparse.Namespace, preset: Preset) -> TrainingConfig:
    """The preset's recipe with what the command line changes of it."""
    return override(
        preset.training,
        epochs=args.epochs,
        batch_size=args.batch_size,
        seed=args.seed,
        learning_rate=args.learning_rate,
        samples_per_epoch=args.samples_per_epoch,
        own_state_share=args.own_states,
    )


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


def _train(args: argparse.Namespace, preset: Preset, job: TrainingJob) -> Record:
    """Train the network that the preset names."""
    from diffpose_core.training.train_denoiser import BankOptions, train_denoiser
    from diffpose_core.training.train_encoder import train_encoder
    from diffpose_core.training.train_upright import train_upright

    encoder = Path(args.encoder) if args.encoder else Path(args.runs) / f"{preset.encoder}.safetensors"
    if isinstance(preset.network, UprightConfig):
        if job.start_from is not None:
            raise InvalidInput(
                f"{args.name} is trained from new weights in minutes, found --start-from {job.start_from}"
            )
        return train_upright(preset.network, encoder, job)
    if not isinstance(preset.network, DenoiserConfig):
        return train_encoder(preset.network, job)
    return train_denoiser(preset.network, encoder, job, BankOptions(args.bank_size, workers=args.bank_workers))


def training_data(args: argparse.Namespace) -> tuple[TrainingData, TrainingData]:
    """The data to train on, and the data to choose by."""
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
