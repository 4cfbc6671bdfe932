"""Training data: poses drawn at random, bodies varied, each seen by a camera and a detector of its own."""

from __future__ import annotations

from dataclasses import dataclass

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
    """Change bone lengths (symmetrically, by up to 10 %) and stature (by up to 12 %) of a share of the bodies.

    poses: (B, ..., J, 3) metres, of B bodies. Directions of the bones stay; the root moves with the stature, so that
    feet stay near the floor.
    """
    batch, device = poses.shape[0], poses.device
    over_frames = (batch, *(1 for _ in poses.shape[1:-2]), -1)
    varied = torch.rand(batch, 1, generator=generator, device=device) < share
    group = 0.9 + 0.2 * torch.rand(batch, _NUM_GROUPS, generator=generator, device=device)
    stature = 0.88 + 0.24 * torch.rand(batch, 1, generator=generator, device=device)
    factors = torch.where(varied, group * stature, 1.0).reshape(over_frames)
    root_factor = torch.where(varied, stature, 1.0)
    one = torch.ones_like(root_factor)
    joints: list[Tensor] = [poses[..., 0, :] * torch.cat((one, one, root_factor), -1).reshape(over_frames)]
    for parent, child in BONES:
        bone = poses[..., child, :] - poses[..., parent, :]
        joints.append(joints[parent] + bone * factors[..., _BONE_GROUP[child], None])
    return torch.stack(joints, dim=-2)


def mirror_bodies(poses: Tensor, generator: torch.Generator) -> Tensor:
    """Exchange left and right of half of the bodies, (B, ..., J, 3), world frame, by a reflection in the plane
    x = 0.
    """
    flip = torch.rand(poses.shape[0], 1, 1, generator=generator, device=poses.device) < 0.5
    flip = flip.reshape(-1, *(1 for _ in poses.shape[1:]))
    mirrored = poses[..., list(MIRROR), :] * torch.tensor([-1.0, 1.0, 1.0], device=poses.device)
    return torch.where(flip, mirrored, poses)


@dataclass(frozen=True)
class Batch:
    """Poses as the networks meet them. view: B detected poses. pose_view: (B, J, 3), the truth, metres, root-relative,
    view frame. hidden: (B, J) bool. up: (B, 3), which way up is, unit vectors in the view frame, where that is known.
    """

    view: View
    pose_view: Tensor
    hidden: Tensor
    up: Tensor | None = None

    def __getitem__(self, index: Tensor) -> Batch:
        up = None if self.up is None else self.up[index]
        return Batch(self.view[index], self.pose_view[index], self.hidden[index], up)

    def to(self, device: torch.device | str) -> Batch:
        """The same on another device."""
        up = None if self.up is None else self.up.to(device)
        return Batch(self.view.to(device), self.pose_view.to(device), self.hidden.to(device), up)


def observe(
    joints_cam: Tensor,
    intrinsics: Tensor,
    generator: torch.Generator,
    detector: DetectorConfig | None = None,
    up_cam: Tensor | None = None,
) -> Batch:
    """What the detector makes of short clips.

    joints_cam: (B, F, J, 3) absolute camera frame, metres, 30 frames a second. intrinsics: (B, 4) px. up_cam: (B, 3),
    which way up is. The batch holds the B x F frames of the clips one after another.
    """
    detection = detect(joints_cam, intrinsics, generator, config=detector)
    frames = joints_cam.flatten(0, 1)
    cameras = intrinsics.repeat_interleave(joints_cam.shape[1], dim=0)
    raw = (detection.weights, detection.means_px, detection.variances_px2)
    weights, means_px, variances_px2 = (tensor.flatten(0, 1) for tensor in raw)
    view = normalise_view(weights, means_px, variances_px2, cameras).levelled()
    up = None
    if up_cam is not None:
        up = view.to_view(up_cam.repeat_interleave(joints_cam.shape[1], dim=0)[:, None])[:, 0]
    return Batch(view, view.to_view(frames - frames[:, :1]), detection.hidden.flatten(0, 1), up)


class PoseSampler:
    """Draws batches of training views from a motion set: of single frames, or of windows of consecutive ones.

    frames: of a window. Windows begin and end anywhere in a clip, also up to half of their length outside it, where its
    first or last pose is repeated: clips that are read by windows have such ends too.
    """

    def __init__(
        self,
        motions: MotionSet,
        bone_variation: float,
        cameras: CameraRanges | None = None,
        detector: DetectorConfig | None = None,
        device: str | torch.device = "cpu",
        frames: int = 1,
    ) -> None:
        self.cameras = cameras or CameraRanges()
        self.detector = detector or DetectorConfig()
        self.bone_variation = bone_variation
        self.frames = frames
        self.device = torch.device(device)
        self.root = torch.from_numpy(motions.root).to(self.device)
        self.joints = torch.from_numpy(motions.joints).to(self.device)
        self.start = torch.from_numpy(motions.start).to(self.device)
        self._up = torch.tensor([0.0, 0.0, 1.0], device=self.device)

    def poses_world(self, frames: Tensor) -> Tensor:
        """(...,) frame numbers -> (..., 17, 3) metres, world frame."""
        root = self.root[frames][..., None, :]
        relative = self.joints[frames].float() * UNIT_M
        return torch.cat((root, root + relative), dim=-2)

    def _windows(self, middle: Tensor) -> Tensor:
        """The frames of the windows around (B,) frame numbers, (B, F)."""
        clip = torch.searchsorted(self.start, middle, right=True) - 1
        around = torch.arange(self.frames, device=self.device) - self.frames // 2
        first, last = self.start[clip], self.start[clip + 1] - 1
        return (middle[:, None] + around).clamp(first[:, None], last[:, None])

    def draw(self, batch_size: int, generator: torch.Generator) -> Batch:
        """The views of a number of windows drawn uniformly; `generator` must be on the sampler's device."""
        middle = torch.randint(self.root.shape[0], (batch_size,), generator=generator, device=self.device)
        poses = mirror_bodies(self.poses_world(self._windows(middle)), generator)
        poses = vary_bodies(poses, self.bone_variation, generator)
        if self.frames == 1:
            # A metre above the hip is a point that is never shown.
            points = torch.cat((poses[:, 0], poses[:, 0, :1] + self._up), dim=1)
            points_cam, intrinsics = random_view(points, self.cameras, generator)
            up_cam = points_cam[:, -1] - points_cam[:, 0]
            return observe(points_cam[:, None, :-1], intrinsics, generator, self.detector, up_cam)
        # The camera is placed around the middle of the path, so far off that the person never walks into it.
        centre = poses[:, :, 0].mean(1)
        radius = (poses[:, :, 0] - centre[:, None]).norm(dim=-1).amax(1)
        points = torch.cat((centre[:, None], poses.flatten(1, 2)), dim=1)
        points_cam, intrinsics = random_view(points, self.cameras, generator, radius)
        joints_cam = points_cam[:, 1:].unflatten(1, (self.frames, NUM_JOINTS))
        return observe(joints_cam, intrinsics, generator, self.detector)


assert len(_BONE_GROUP) == NUM_JOINTS - 1
