"""This project's own result file: one .npz without pickled objects, recognised by its schema tag."""

from __future__ import annotations

import io
import json

import numpy as np

from diffpose_core.io.frame import FILE_JOINT_NAMES, describe
from diffpose_core.structures import LiftResult

SCHEMA = "diffpose-result/2"


def write_npz(result: LiftResult) -> bytes:
    """Write the arrays of a LiftResult by their names, fps, joint_names, and provenance as JSON text.

    Lengths are in metres, in the camera's frame; pose_world (F, 17, 3) is in the world frame, and standing (F, 2) tells
    in which frames the right and the left foot stand.
    """
    arrays = {"pose3d": result.pose3d, "joint_std": result.joint_std, "baseline": result.baseline}
    if result.hypotheses.shape[1]:
        arrays["hypotheses"] = result.hypotheses
    if result.expected_error is not None:
        arrays["expected_error"] = result.expected_error
    if result.root_cam is not None and result.root_error_px is not None:
        arrays |= {"root_cam": result.root_cam, "root_error_px": result.root_error_px}
    provenance = {"schema": SCHEMA, **result.provenance, "about": describe(result, "cam")}
    out = io.BytesIO()
    content = {name: array.astype(np.float32) for name, array in arrays.items()}
    content |= {"guessed": result.guessed, "other_person": result.other_person}
    if result.world is not None:
        content |= {"pose_world": result.world.pose.astype(np.float32), "standing": result.world.standing}
        provenance["about_world"] = describe(result, "world")
    if result.unlike is not None:
        content["unlike"] = result.unlike
    content["fps"] = np.array(result.fps)
    content["joint_names"] = np.array(FILE_JOINT_NAMES)
    content["provenance"] = np.array(json.dumps(provenance))
    np.savez_compressed(out, **content)  # type: ignore[arg-type]
    return out.getvalue()
