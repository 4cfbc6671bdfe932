"""Checks of the expected error on other motions and on real footage: expected beside observed means."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np

from diffpose_core.datasets.benchmark import Recording
from diffpose_core.datasets.footage import Footage
from diffpose_core.evaluation.calibrate import CalibrationSettings, Predictions
from diffpose_core.evaluation.collect import Progress, collect, map_recordings, no_progress
from diffpose_core.evaluation.footage import LIMB_JOINTS, limb_errors
from diffpose_core.lifting.encode import EncodedFrames
from diffpose_core.lifting.expected_error import expected_error
from diffpose_core.lifting.models import Models
from diffpose_core.lifting.sampling import sample_hypotheses
from diffpose_core.uncertainty.expected_error import Calibration


def check_motions(calibration: Calibration, predictions: Predictions) -> dict[str, Any]:
    """Expected beside observed errors on motions that the calibration was not fitted to.

    Args:
        calibration: the calibration to check.
        predictions: views of other motions.

    Returns:
        As `check_means`; the observed error is the MPJPE without the hip.
    """
    expected = calibration.expected_error(predictions.known(calibration.usual_view))[:, 1:].mean(-1)
    return check_means(
        1000 * expected, 1000 * predictions.error()[:, 1:].mean(-1), calibration.unlike(predictions.limited)
    )


def check_footage(
    calibration: Calibration,
    footage: Footage,
    models: Models,
    settings: CalibrationSettings,
    progress: Progress = no_progress,
) -> dict[str, Any]:
    """Expected beside observed errors on real footage, over the limb joints.

    The truth's size and the prediction's are not comparable, so the observed error is the N-MPJPE: after the scale that
    fits best. The expected error is that of the prediction as it is.

    Args:
        calibration: the calibration to check.
        footage: the data.
        models: the networks.
        settings: frames to measure and how they are lifted; its clips are the cameras.
        progress: called after each camera.

    Returns:
        As `check_means` over all frames, and "cameras", a list of the same.
    """
    measure = partial(_measure, calibration=calibration, settings=settings)
    cameras = settings.clips or range(len(footage))
    found = [values for _, values in map_recordings(measure, footage, models, cameras, 1, progress)]
    names = ("expected", "observed", "unlike")
    whole = check_means(*(np.concatenate([values[name] for values in found]) for name in names))
    return {**whole, "cameras": [check_means(*(values[name] for name in names)) for values in found]}


def _measure(
    recording: Recording, models: Models, calibration: Calibration, settings: CalibrationSettings
) -> dict[str, np.ndarray]:
    """Expected and observed error (F,) mm and "unlike" (F,) of a camera's frames."""
    (clip,), network = recording.views, models.denoisers[calibration.network]
    assert clip.pose3d_cam is not None
    truth = clip.pose3d_cam

    def read(encoded: EncodedFrames) -> Mapping[str, np.ndarray]:
        hypotheses_cam = encoded.view.to_cam(sample_hypotheses(encoded, network, settings.lift)).cpu().numpy()
        found = expected_error(encoded, network, calibration, hypotheses_cam)
        return {
            "expected": 1000 * found.error[:, LIMB_JOINTS].mean(-1),
            "observed": limb_errors(hypotheses_cam.mean(1), truth[encoded.frames])[:, 0],
            "unlike": found.unlike,
        }

    return collect(clip, models, recording.frames[:: settings.stride], read, settings.lift)


def check_means(expected_mm: np.ndarray, observed_mm: np.ndarray, unlike: np.ndarray) -> dict[str, Any]:
    """Means of expected and observed error, and their ratio.

    Args:
        expected_mm: (F,), mean over the joints of each frame.
        observed_mm: (F,), the same.
        unlike: (F,) bool, frames whose expected error means nothing.

    Returns:
        {"frames", "expected_mm", "observed_mm", "ratio", "unlike_percent", "known": {"expected_mm", "observed_mm",
        "ratio"}}; "known" is over the frames that are not unlike, None where there are none.
    """

    def means(rows: np.ndarray) -> dict[str, float] | None:
        if not rows.any():
            return None
        expected, observed = float(expected_mm[rows].mean()), float(observed_mm[rows].mean())
        return {"expected_mm": expected, "observed_mm": observed, "ratio": expected / max(observed, 1e-9)}

    every = means(np.ones(len(unlike), bool)) or {}
    return {"frames": len(unlike), **every, "unlike_percent": 100.0 * float(unlike.mean()), "known": means(~unlike)}
