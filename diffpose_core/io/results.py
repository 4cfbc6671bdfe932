"""The file that `diffpose lift` writes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from diffpose_core.structures import InvalidInput, LiftResult

SCHEMA = "diffpose-result/1"


def save_result(result: LiftResult, path: str | Path) -> None:
    """Write pose3d (F, 17, 3), hypotheses (F, H, 17, 3), baseline (F, 17, 3), metres, and provenance as JSON text."""
    provenance = json.dumps({"schema": SCHEMA, **result.provenance})
    try:
        # An open file, because numpy adds ".npz" to a path that ends otherwise.
        with open(path, "wb") as file:
            np.savez_compressed(
                file,
                pose3d=result.pose3d.astype(np.float32),
                hypotheses=result.hypotheses.astype(np.float32),
                baseline=result.baseline.astype(np.float32),
                provenance=np.array(provenance),
            )
    except OSError as error:
        raise InvalidInput(f"{path}: can't be written ({error.strerror})") from error
