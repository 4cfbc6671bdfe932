"""Mirrored clips: a person seen in a mirror, for averaging a pose with that of the mirrored clip."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from diffpose_core.lifting.settings import LiftSettings
from diffpose_core.skeleton import MIRROR
from diffpose_core.structures import PoseClip2D, PoseMixture

_OPPOSITE = list(MIRROR)


def mirrored_pose(pose_cam: np.ndarray) -> np.ndarray:
    """A pose (..., J, 3) in a camera's frame as a mirror shows it: x turned round, left and right exchanged."""
    return pose_cam[..., _OPPOSITE, :] * np.array([-1.0, 1.0, 1.0], pose_cam.dtype)


def averaged(pose_cam: np.ndarray, of_mirrored_clip: np.ndarray) -> np.ndarray:
    """The average of a pose (..., J, 3) and of the mirrored clip's, mirrored back, camera frame."""
    return np.asarray(0.5 * (pose_cam + mirrored_pose(of_mirrored_clip)))


def mirrored_clip(clip: PoseClip2D) -> PoseClip2D:
    """A clip as a mirror shows it: u turned round at the image's middle, left and right exchanged."""
    camera, exact, hidden = clip.intrinsics, clip.pose3d_cam, clip.hidden
    return replace(
        clip,
        keypoints_px=_turned_round(clip.keypoints_px[:, _OPPOSITE], clip.width),
        confidence=clip.confidence[:, _OPPOSITE],
        mixture=None if clip.mixture is None else _mirrored_mixture(clip.mixture, clip.width),
        intrinsics=None if camera is None else replace(camera, cx=clip.width - camera.cx),
        pose3d_cam=None if exact is None else mirrored_pose(exact),
        hidden=None if hidden is None else hidden[:, _OPPOSITE],
    )


def mirrored_settings(settings: LiftSettings) -> LiftSettings:
    """Decided settings for the mirrored clip. The body's proportions are the same on both sides."""
    up = settings.up_cam
    return settings if up is None else replace(settings, up=up * np.array([-1.0, 1.0, 1.0]))


def _mirrored_mixture(mixture: PoseMixture, width: int) -> PoseMixture:
    return PoseMixture(
        mixture.weights[:, _OPPOSITE],
        _turned_round(mixture.means_px[:, _OPPOSITE], width),
        mixture.variances_px2[:, _OPPOSITE],
    )


def _turned_round(points_px: np.ndarray, width: int) -> np.ndarray:
    """Pixels (..., 2) with u turned round at the image's middle."""
    return np.concatenate((width - points_px[..., :1], points_px[..., 1:]), axis=-1)
