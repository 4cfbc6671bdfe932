"""Trains a tiny context encoder on procedural motion, in about a minute: `python examples/train_a_tiny_network.py`.

The same commands with your own motion capture (docs/motion_data.md) and without the small numbers train a real one.
"""

import argparse
import tempfile
from pathlib import Path

from diffpose_core.cli import main as diffpose
from diffpose_core.io.checkpoints import load_encoder


def main() -> None:
    """Make data, train, load the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", default=None, help="folder to write to; by default a temporary one")
    args = parser.parse_args()
    folder = Path(args.out or tempfile.mkdtemp())

    for name, seed in (("train", "1"), ("val", "2")):
        run("make-data", "-o", folder / f"{name}.npz", "--clips", "4", "--seed", seed)
    run(
        "train", "graformer", "--data", folder / "train.npz", "--validation", folder / "val.npz",
        "--runs", folder / "runs", "--epochs", "2", "--samples-per-epoch", "128", "--batch-size", "32",
    )  # fmt: skip

    encoder, record = load_encoder(folder / "runs" / "graformer.safetensors")
    print(f"{encoder.title}: {sum(p.numel() for p in encoder.network.parameters()):,} parameters")
    print("its card:", folder / "runs" / "graformer.md")
    print("validation:", {name: round(value, 4) for name, value in record.metrics.items()})


def run(*words: object) -> None:
    """Run a `diffpose` command, and stop if it fails."""
    if diffpose([*map(str, words), "--quiet"]) != 0:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
