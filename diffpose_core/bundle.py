"""Finds the files that come with the project: weights, clips, published results, and the app."""

from __future__ import annotations

from pathlib import Path

#: In a wheel these files lie inside the package (see setup.py), in a source tree beside it.
_PACKAGE = Path(__file__).resolve().parent
_INSTALLED = _PACKAGE / "_bundled"


def bundled(name: str) -> Path:
    """The path of a bundled file or folder.

    Args:
        name: Path below the repository's root, such as "checkpoints" or "assets/clips".

    Returns:
        Its path. Whoever opens it reports a file that is missing.
    """
    return (_INSTALLED if _INSTALLED.is_dir() else _PACKAGE.parent) / name
