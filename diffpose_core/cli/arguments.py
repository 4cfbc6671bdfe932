"""Arguments that several commands share."""

from __future__ import annotations

import argparse
import os

#: Number of processor cores, the default for the number of processes.
CORES = os.cpu_count() or 1


def add_model_arguments(parser: argparse.ArgumentParser, hypotheses: int) -> None:
    """Add the arguments that choose the networks and how the reverse process runs.

    Args:
        parser: The command's parser.
        hypotheses: Default number of poses that are drawn.
    """
    parser.add_argument("--setting", default="frame", choices=("frame", "video"),
                        help="context of single frames or of windows of video")  # fmt: skip
    parser.add_argument("--steps", type=int, default=5, help="DDIM steps, 1 to 50")
    parser.add_argument("--hypotheses", type=int, default=hypotheses, help="poses drawn from H_K")
    parser.add_argument("--seed", type=int, default=0, help="decides every random number")
    parser.add_argument("--weights", default=None, help="folder of checkpoints; by default the bundled ones")
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"), help="what computes: processor or GPU")


def add_detections_argument(parser: argparse.ArgumentParser) -> None:
    """Add `--detections`, the 2D poses of Human3.6M to use."""
    parser.add_argument(
        "--detections", default=None, help="h36m: NAME in data_2d_h36m_NAME.npz; by default cpn_ft_h36m_dbb"
    )


def add_clips_argument(parser: argparse.ArgumentParser, help: str = "only the first clips") -> None:
    """Add `--clips`, a limit on the number of clips."""
    parser.add_argument("--clips", type=int, default=None, help=help)


def first_clips(args: argparse.Namespace) -> range | None:
    """The indices of the clips that `--clips` leaves, or None for all."""
    return None if args.clips is None else range(args.clips)
