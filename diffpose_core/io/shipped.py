"""Hashes of the weights that come with the project, in the form that `sha256sum -c` reads."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

from diffpose_core.bundle import bundled
from diffpose_core.structures import InvalidInput

MANIFEST = "assets/weights.sha256"


@cache
def shipped_hashes() -> dict[str, str]:
    """File name -> SHA-256 of the bundled weights."""
    lines = bundled(MANIFEST).read_text().splitlines()
    return {Path(name).name: sha256 for sha256, name in (line.split(maxsplit=1) for line in lines)}


def check_shipped(path: Path) -> None:
    """Refuse a bundled file of weights that is not the one that was shipped. Other files pass.

    Raises:
        InvalidInput: its SHA-256 is another.
    """
    if path.parent.resolve() != bundled("checkpoints").resolve():
        return
    expected = shipped_hashes().get(path.name)
    if expected is None:
        return
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != expected:
        raise InvalidInput(
            f"{path}: not the shipped weights: its SHA-256 is {found[:16]}..., {MANIFEST} has {expected[:16]}...; "
            "get the file anew, or let `make manifest` record weights of your own"
        )
