"""The hip's place in space, where the camera is known."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from diffpose_core.camera import look_at_camera, project
from diffpose_core.datasets.procedural import procedural_motion
from diffpose_core.lifting.lift import lift
from diffpose_core.lifting.settings import LiftSettings
from diffpose_core.structures import Intrinsics, PoseClip2D
from tests.lifting.helpers import FEW


def filmed(size, focal, principal):
    """A walk as a camera of another shape and focal length sees it, without a detector's error."""
    motion = procedural_motion("walk", 3, 2.5)[:12]
    camera = look_at_camera(np.array([4.0, 2.0, 1.5]), motion[:, 0].mean(0), focal, *size)
    camera = replace(camera, intrinsics=Intrinsics(focal, focal, *principal))
    joints = camera.to_cam(motion)
    clip = PoseClip2D("walk", camera.project(joints), np.ones((12, 17)), *size, 25.0, intrinsics=camera.intrinsics)
    return clip, joints


@pytest.mark.parametrize(
    "shape", [((1000, 1000), 1145, (500, 500)), ((1920, 1080), 1800, (960, 540)), ((1080, 1920), 1800, (540, 960)),
              ((1080, 1920), 900, (300, 1200))]
)  # fmt: skip
def test_with_a_camera_the_hip_is_placed_in_space(shape, shipped_models):
    clip, joints = filmed(*shape)
    result = lift(clip, shipped_models)
    assert result.root_cam.shape == (12, 3) and result.root_error_px.shape == (12,) and result.fps == 25.0
    miss = result.root_cam - joints[:, 0]
    # Distance follows from the size of the body, which is a guess; the direction of the hip is seen.
    assert np.abs(miss[:, 2]).max() < 0.2 * joints[:, 0, 2].min()
    bearing = result.root_cam[:, :2] / result.root_cam[:, 2:] - joints[:, 0, :2] / joints[:, 0, 2:]
    assert np.abs(bearing).max() < 0.02
    intrinsics = torch.tensor([shape[1], shape[1], *shape[2]], dtype=torch.float64)
    placed = torch.from_numpy(result.pose3d + result.root_cam[:, None]).double()
    error = np.linalg.norm(project(placed, intrinsics).numpy() - clip.keypoints_px, axis=-1)
    assert np.median(error) < 3 * np.median(result.root_error_px) and np.median(error) < 0.02 * shape[1]


def test_frames_whose_hip_cannot_be_placed_get_their_neighbours_place_and_say_so(shipped_models):
    clip, _ = filmed((1000, 1000), 1145, (500, 500))
    keypoints = clip.keypoints_px.copy()
    keypoints[4] = 500.0
    whole = lift(replace(clip, keypoints_px=keypoints), shipped_models, LiftSettings(uncertainty=FEW))
    assert np.isnan(whole.root_error_px[4]) and np.isfinite(whole.root_cam).all()
    assert np.allclose(whole.root_cam[4], whole.root_cam[[3, 5]].mean(0), atol=1e-5)
    keypoints[:] = 500.0
    nowhere = lift(replace(clip, keypoints_px=keypoints), shipped_models, LiftSettings(uncertainty=FEW))
    assert nowhere.root_cam is None and nowhere.root_error_px is None and np.isfinite(nowhere.pose3d).all()
