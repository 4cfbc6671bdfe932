"""Training data: poses drawn at random, bodies varied, each seen by a camera and a detector of its own."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from diffpose_core.camera import CameraRanges, random_view
from diffpose_core.datasets.detector import DetectorConfig, detect
from diffpose_core.datasets.mocap17 import UNIT_M, MotionSet
from diffpose_core.skeleton import BONES, MIRROR, NUM_JOINTS
from diffpose_core.uncertainty.view import View, normalise_view

#: Bones that share one length factor: a body is symmetric.
_BONE_GROUP = {1: 0, 4: 0, 2: 1, 5: 1, 3: 2, 6: 2, 7: 3, 8: 4, 9: 5, 10: 6, 11: 7, 14: 7, 12: 8, 15: 8, 13: 9, 16: 9}
_NUM_GROUPS = 10


def vary_bodies(poses: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """Change bone lengths (symmetrically, by up to 10 %) and stature (by up to 12 %) of a share of the poses.

    poses: (B, J, 3) metres. Directions of the bones stay; the root moves with the stature, so that feet stay near the
    floor.
    """
    batch, device = poses.shape[0], poses.device
    varied = torch.rand(batch, 1, generator=generator, device=device) < share
    group = 0.9 + 0.2 * torch.rand(batch, _NUM_GROUPS, generator=generator, device=device)
    stature = 0.88 + 0.24 * torch.rand(batch, 1, generator=generator, device=device)
    factors = torch.where(varied, group * stature, 1.0)
    root_factor = torch.where(varied, stature, 1.0)
    joints: list[Tensor] = [
        poses[:, 0] * torch.cat((torch.ones_like(root_factor), torch.ones_like(root_factor), root_factor), -1)
    ]
    for parent, child in BONES:
        bone = poses[:, child] - poses[:, parent]
        joints.append(joints[parent] + bone * factors[:, _BONE_GROUP[child], None])
    return torch.stack(joints, dim=1)


def mirror_bodies(poses: Tensor, generator: torch.Generator) -> Tensor:
    """Exchange left and right of half of the poses, (B, J, 3), world frame, by a reflection in the plane x = 0."""
    flip = torch.rand(poses.shape[0], 1, 1, generator=generator, device=poses.device) < 0.5
    mirrored = poses[:, list(MIRROR)] * torch.tensor([-1.0, 1.0, 1.0], device=poses.device)
    return torch.where(flip, mirrored, poses)


@dataclass(frozen=True)
class Batch:
    """Poses as the networks meet them. view: B detected poses. pose_view: (B, J, 3), the truth, metres, root-relative,
    view frame. hidden: (B, J) bool.
    """

    view: View
    pose_view: Tensor
    hidden: Tensor


def observe(
    joints_cam: Tensor, intrinsics: Tensor, generator: torch.Generator, detector: DetectorConfig | None = None
) -> Batch:
    """What the detector makes of single frames. joints_cam: (B, J, 3) absolute camera frame, metres. intrinsics: (B,
    4) px.
    """
    detection = detect(joints_cam[:, None], intrinsics, generator, config=detector)
    view = normalise_view(detection.weights[:, 0], detection.means_px[:, 0], detection.variances_px2[:, 0], intrinsics)
    relative = joints_cam - joints_cam[:, :1]
    return Batch(view, view.to_view(relative), detection.hidden[:, 0])


class PoseSampler:
    """Draws batches of training views from a motion set."""

    def __init__(
        self,
        motions: MotionSet,
        bone_variation: float,
        cameras: CameraRanges | None = None,
        detector: DetectorConfig | None = None,
        device: str | torch.device = "cpu",
    ) -> None:
        self.cameras = cameras or CameraRanges()
        self.detector = detector or DetectorConfig()
        self.bone_variation = bone_variation
        self.device = torch.device(device)
        self.root = torch.from_numpy(motions.root).to(self.device)
        self.joints = torch.from_numpy(motions.joints).to(self.device)

    def poses_world(self, frames: Tensor) -> Tensor:
        """(B,) frame numbers -> (B, 17, 3) metres, world frame."""
        root = self.root[frames]
        relative = self.joints[frames].float() * UNIT_M
        return torch.cat((root[:, None], root[:, None] + relative), dim=1)

    def draw(self, batch_size: int, generator: torch.Generator) -> Batch:
        """A batch of views of frames drawn uniformly; `generator` must be on the sampler's device."""
        frames = torch.randint(self.root.shape[0], (batch_size,), generator=generator, device=self.device)
        poses = mirror_bodies(self.poses_world(frames), generator)
        poses = vary_bodies(poses, self.bone_variation, generator)
        joints_cam, intrinsics = random_view(poses, self.cameras, generator)
        return observe(joints_cam, intrinsics, generator, self.detector)


def seeded(device: torch.device | str, *numbers: int) -> torch.Generator:
    """A generator whose stream is decided by a tuple of numbers (seed, epoch, rank ...) and by nothing else."""
    state = int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0])
    return torch.Generator(device=device).manual_seed(state & 0x7FFF_FFFF_FFFF_FFFF)


assert len(_BONE_GROUP) == NUM_JOINTS - 1
