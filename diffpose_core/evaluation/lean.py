"""Lean of lifted people who stand upright: the angle of their trunk against the true up, towards the camera."""

from __future__ import annotations

import time
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from diffpose_core.datasets.level_people import LevelPerson, level_clip, level_rotation, people
from diffpose_core.evaluation.collect import TILTS, Progress, no_progress
from diffpose_core.evaluation.evaluate import EvaluationSettings, clip_poses, weights_provenance
from diffpose_core.evaluation.metrics import n_mpjpe
from diffpose_core.lifting.models import Models
from diffpose_core.structures import InvalidInput

_HIP, _THORAX = 0, 8
#: How far the level person holds the arms out, degrees: one frontal view hardly shows the tilt, and the lean that
#: networks guess depends on the arms.
ARMS_DEG = (0.0, 15.0, 30.0, 60.0)


def lean_deg(pose_cam: np.ndarray, up_cam: np.ndarray) -> np.ndarray:
    """Angle from the true up to the line from hip to thorax, in the camera's y-z plane, (...) degrees.

    It is positive where the person leans towards the camera.

    Args:
        pose_cam: (..., 17, 3), camera frame.
        up_cam: (3,), the direction that is up, camera frame.
    """
    trunk = pose_cam[..., _THORAX, :] - pose_cam[..., _HIP, :]

    def towards_camera(vector: np.ndarray) -> np.ndarray:
        return np.arctan2(-vector[..., 2], -vector[..., 1])

    angle = towards_camera(trunk) - towards_camera(np.asarray(up_cam))
    return np.degrees((angle + np.pi) % (2 * np.pi) - np.pi)


def evaluate_lean(
    models: Models,
    settings: EvaluationSettings | None = None,
    known_camera: bool = False,
    seed: int = 0,
    progress: Progress = no_progress,
) -> dict[str, Any]:
    """Measure how far every method's poses of upright people lean, by the way the camera's tilt is known.

    Args:
        models: the networks.
        settings: frames to measure and how they are lifted; its tilt is not used.
        known_camera: whether clips carry the camera's intrinsics.
        seed: of the ten people.
        progress: called after each person.

    Returns:
        {"tilts": {TILT: {"level", "people": {NAME: {"lean_deg", "absolute_lean_deg", "worst_lean_deg", "n_mpjpe_mm",
        "by_person_deg"}}}}, "missing": {TILT: REASON}, "people", "provenance"}. "level" is the person of the default
        lengths in front of a level camera, with arms held out by `ARMS_DEG`. Leans are means over frames, positive
        towards the camera; the absolute one is the mean over frames and people of the lean's size.
    """
    settings, started = settings or EvaluationSettings(stride=8), time.time()
    made = people(seed)
    level = [LevelPerson(arms_out_deg=angle) for angle in ARMS_DEG]
    found: dict[str, Any] = {}
    missing: dict[str, str] = {}
    for place, tilt in enumerate(TILTS):
        measured = []
        try:
            for done, person in enumerate((*level, *made)):
                measured.append(_measure(person, models, replace(settings, tilt=tilt), known_camera))
                progress(place * len((*level, *made)) + done + 1, len(TILTS) * len((*level, *made)))
        except InvalidInput as error:
            missing[tilt] = str(error)
            continue
        found[tilt] = {"level": _rows(measured[: len(level)]), "people": _rows(measured[len(level) :])}
    return {
        "tilts": found,
        "missing": missing,
        "people": [asdict(person) for person in made],
        "provenance": {
            "dataset": "lean",
            "data": "made people who stand upright, COCO-17 without errors",
            "known_camera": known_camera,
            **{name: value for name, value in asdict(settings).items() if name != "tilt"},
            "setting": models.setting,
            "people_seed": seed,
            "arms_deg": ARMS_DEG,
            "device": models.device.type,
            **weights_provenance(models),
            "seconds": round(time.time() - started, 1),
        },
    }


#: Leans in degrees and N-MPJPE in mm of every frame, (F,) each, by method.
_Measured = dict[str, tuple[np.ndarray, np.ndarray]]


def _measure(person: LevelPerson, models: Models, settings: EvaluationSettings, known_camera: bool) -> _Measured:
    clip = level_clip(person, known_camera)
    assert clip.pose3d_cam is not None
    frames = np.arange(0, len(clip), settings.stride)
    up_cam = level_rotation(person.elevation_deg)[:, 2]
    poses = clip_poses(clip, models, frames, settings, up_cam)
    truth = clip.pose3d_cam[frames]
    return {name: (lean_deg(pose, up_cam), 1000 * n_mpjpe(pose, truth)) for name, pose in poses.items()}


def _rows(measured: list[_Measured]) -> dict[str, Any]:
    """Every method's leans over some people."""
    rows = {}
    for name in measured[0]:
        lean = np.stack([of_person[name][0] for of_person in measured])
        error = np.stack([of_person[name][1] for of_person in measured])
        by_person = lean.mean(1)
        rows[name] = {
            "lean_deg": float(lean.mean()),
            "absolute_lean_deg": float(np.abs(lean).mean()),
            "worst_lean_deg": float(by_person[np.abs(by_person).argmax()]),
            "n_mpjpe_mm": float(error.mean()),
            "by_person_deg": by_person.tolist(),
        }
    return rows
