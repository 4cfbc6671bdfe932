"""Signs that a lifted pose does not fit its 2D pose: wrong joint order, turn, unit or proportions.

The pose is laid over its 2D pose by a scale and a shift of each frame. The distance that is left, relative to their
spread, is 0.08 to 0.16 on good clips. It is 0.17 to 0.24 where a picture is 1.76 times too wide, and 0.6 to 1
with joints in a wrong order (bundled clips and real footage). Networks that learnt from people who fall and lie fit a
person upside down too. So the picture itself tells that, by where thorax and feet are (`likely_turn`).
"""

from __future__ import annotations

import numpy as np

from diffpose_core.io.formats.orientation import likely_turn
from diffpose_core.structures import LiftResult, PoseClip2D
from diffpose_core.uncertainty.identity import own_frames

#: A median residual above this is worth a warning.
DOUBTFUL = 0.175
#: Thigh by shin of adults and children: 0.9 to 1.2; a stretched picture makes it 0.6 or 1.6.
THIGH_BY_SHIN = (0.75, 1.3)
_THIGHS, _SHINS = ((1, 2), (4, 5)), ((2, 3), (5, 6))


def reprojected(pose3d_cam: np.ndarray, keypoints_px: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Poses laid over their 2D poses: projected in parallel, with the scale and shift that fit best in each frame.

    Args:
        pose3d_cam: (F, 17, 3).
        keypoints_px: (F, 17, 2).
        seen: (F, 17) bool, joints that a detector placed.

    Returns:
        (F, 17, 2) pixels.
    """
    weights = seen.astype(np.float64)[..., None]
    count = np.maximum(weights.sum(1, keepdims=True), 1)
    flat, image = pose3d_cam[..., :2].astype(np.float64), keypoints_px.astype(np.float64)
    centre, place = ((weights * points).sum(1, keepdims=True) / count for points in (flat, image))
    shape = flat - centre
    fit = (weights * shape * (image - place)).sum((1, 2)) / np.maximum((weights * np.square(shape)).sum((1, 2)), 1e-12)
    return np.asarray(place + np.maximum(fit, 0)[:, None, None] * shape)


def reprojection_residual(pose3d_cam: np.ndarray, keypoints_px: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Residual of a pose over its 2D pose after scale and shift, divided by the spread of the joints.

    Args:
        pose3d_cam: (F, 17, 3).
        keypoints_px: (F, 17, 2).
        seen: (F, 17) bool, joints that a detector placed.

    Returns:
        (F,); NaN where fewer than four joints are seen.
    """
    weights = seen.astype(np.float64)[..., None]
    image = keypoints_px.astype(np.float64)
    place = (weights * image).sum(1, keepdims=True) / np.maximum(weights.sum(1, keepdims=True), 1)
    left = (weights * np.square(image - reprojected(pose3d_cam, keypoints_px, seen))).sum((1, 2))
    spread = (weights * np.square(image - place)).sum((1, 2))
    ratio = np.sqrt(np.divide(left, spread, out=np.full_like(left, np.nan), where=spread > 0))
    return np.where(seen.sum(1) >= 4, ratio, np.nan)


def warnings_of(result: LiftResult, clip: PoseClip2D) -> list[str]:
    """Sentences about a result that does not fit its clip. Frames that show somebody else are not looked at.

    Args:
        result: lifted from all frames of the clip.
        clip: the clip.
    """
    said = []
    own = own_frames(result.other_person)
    pose, points = result.pose3d[own], clip.keypoints_px[own]
    residual = reprojection_residual(pose, points, ~clip.guessed[own])
    known = residual[~np.isnan(residual)]
    if known.size and float(np.median(known)) > DOUBTFUL:
        said.append(
            f"The 3D pose does not fit the 2D pose: {np.median(known):.2f} of its size is left over, usual is 0.08 to "
            "0.16. Are joint order, image size and unit right, and is the person upright?"
        )
    if likely_turn(points) == "flip":
        said.append("The shoulders are below the hips in most frames: is the picture upside down?")
    thigh, shin = (
        np.median([np.linalg.norm(pose[:, a] - pose[:, b], axis=-1) for a, b in bones]) for bones in (_THIGHS, _SHINS)
    )
    if not THIGH_BY_SHIN[0] <= thigh / max(float(shin), 1e-6) <= THIGH_BY_SHIN[1]:
        said.append(
            f"The thighs are {100 * thigh:.0f} cm long, the shins {100 * shin:.0f} cm: the picture may be stretched. "
            "Are image size and joint order right?"
        )
    return said
