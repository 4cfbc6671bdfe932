"""Procedural human motion of our own: for training and for the bundled clips, without motion capture."""

from diffpose_core.datasets.procedural.motion import (
    ACTIONS,
    STATISTICAL,
    procedural_dataset,
    procedural_motion,
    write_procedural_dataset,
)

__all__ = ["ACTIONS", "STATISTICAL", "procedural_dataset", "procedural_motion", "write_procedural_dataset"]
