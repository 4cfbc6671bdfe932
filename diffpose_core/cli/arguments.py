"""Arguments that several commands share."""

from __future__ import annotations

import argparse
import os

from diffpose_core.cli.options import LARGEST_SEED, MOST_CLIPS, MOST_PROCESSES, add_whole
from diffpose_core.structures import InvalidInput

#: Number of processor cores, the default for the number of processes.
CORES = os.cpu_count() or 1


def add_model_arguments(parser: argparse.ArgumentParser, hypotheses: int, auto: bool = False) -> None:
    """Add the arguments that choose the networks and how the reverse process runs.

    Args:
        parser: The command's parser.
        hypotheses: Default number of poses that are drawn.
        auto: Whether the setting may be left to the clip, which is then the default.
    """
    choices, words = ["frame", "video"], "context of single frames or of windows of video"
    if auto:
        choices, words = (
            ["auto", *choices],
            f"{words}; auto takes video for people who move, from 9 frames and 15 a second on",
        )
    parser.add_argument("--setting", default=choices[0], choices=choices, help=words)
    add_whole(parser, "--steps", 1, 50, 5, help="DDIM steps, 1 to 50")
    add_whole(parser, "--hypotheses", 1, 200, hypotheses, help="poses drawn from H_K, 1 to 200")
    add_seed_argument(parser, "decides every random number")
    parser.add_argument("--weights", default=None, help="folder of checkpoints; by default the bundled ones")
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"), help="what computes: processor or GPU")


def add_sampler_argument(parser: argparse.ArgumentParser) -> None:
    """Add `--sampler`; names are checked later, since their list takes long to load."""
    parser.add_argument(
        "--sampler",
        default="ddim",
        help="rule of the reverse steps: a name in diffpose_core/diffusion/samplers.py",
    )


def add_mirror_argument(parser: argparse.ArgumentParser) -> None:
    """Add `--mirror`."""
    parser.add_argument(
        "--mirror", action="store_true", help="average every pose with that of the mirrored clip: twice the time"
    )


def add_seed_argument(parser: argparse.ArgumentParser, help: str) -> None:
    """Add `--seed`."""
    add_whole(parser, "--seed", 0, LARGEST_SEED, 0, help=help)


def add_processes_argument(parser: argparse.ArgumentParser, option: str, help: str, default: int = CORES) -> None:
    """Add an option that takes a number of processes."""
    add_whole(parser, option, 1, MOST_PROCESSES, default, help=help)


def add_detections_argument(parser: argparse.ArgumentParser) -> None:
    """Add `--detections`, the 2D poses of Human3.6M to use."""
    parser.add_argument(
        "--detections", default=None, help="h36m: NAME in data_2d_h36m_NAME.npz; by default cpn_ft_h36m_dbb"
    )


def add_clips_argument(parser: argparse.ArgumentParser, help: str = "only the first clips") -> None:
    """Add `--clips`, a limit on the number of clips."""
    add_whole(parser, "--clips", 1, MOST_CLIPS, help=help)


def add_overwrite_argument(parser: argparse.ArgumentParser) -> None:
    """Add `--overwrite`, which lets a command replace files that it did not write."""
    parser.add_argument("--overwrite", action="store_true", help="replace existing files of other origin")


def check_device(option: str, device: str) -> None:
    """Raise InvalidInput if a GPU is asked for and torch finds none."""
    if device in ("cuda", "gpu"):
        import torch

        if not torch.cuda.is_available():
            raise InvalidInput(f"{option} {device} needs a GPU that torch can use, found none")


def first_clips(args: argparse.Namespace) -> range | None:
    """The indices of the clips that `--clips` leaves, or None for all."""
    return None if args.clips is None else range(args.clips)
