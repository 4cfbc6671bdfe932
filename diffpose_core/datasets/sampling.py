"""Training data: poses drawn at random, bodies varied, each seen by a camera and a detector of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from diffpose_core.camera import CameraRanges, random_view
from diffpose_core.config import TrainingConfig
from diffpose_core.datasets.bodies import BodyRanges, measure, vary_measures
from diffpose_core.datasets.detector import DetectorConfig, detect
from diffpose_core.datasets.joint_definitions import LandmarkRanges, place_landmarks
from diffpose_core.datasets.mocap17 import UNIT_M, MotionSet
from diffpose_core.datasets.pose_variation import PoseRanges, set_plumb, vary_poses
from diffpose_core.skeleton import MIRROR, NUM_JOINTS
from diffpose_core.uncertainty.view import View, normalise_view


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
    """Poses as the networks meet them.

    Attributes:
        view: B detected poses.
        pose_view: (B, J, 3), the truth, metres, root-relative, view frame.
        hidden: (B, J) bool.
        up: (B, 3), unit vectors that point up, view frame, where that is known.
        measures: (B, 9) metres, the person's lengths in the order of `bodies.MEASURES`, where they are known.
    """

    view: View
    pose_view: Tensor
    hidden: Tensor
    up: Tensor | None = None
    measures: Tensor | None = None

    def __getitem__(self, index: Tensor) -> Batch:
        up, measures = (None if t is None else t[index] for t in (self.up, self.measures))
        return Batch(self.view[index], self.pose_view[index], self.hidden[index], up, measures)

    def to(self, device: torch.device | str) -> Batch:
        """The same on another device."""
        up, measures = (None if t is None else t.to(device) for t in (self.up, self.measures))
        return Batch(self.view.to(device), self.pose_view.to(device), self.hidden.to(device), up, measures)


def observe(
    joints_cam: Tensor,
    intrinsics: Tensor,
    generator: torch.Generator,
    detector: DetectorConfig | None = None,
    up_cam: Tensor | None = None,
) -> Batch:
    """Views of short clips by the simulated detector.

    Args:
        joints_cam: (B, F, J, 3), absolute camera frame, metres, 30 frames a second.
        intrinsics: (B, 4), px.
        generator: Source of the random numbers.
        detector: The detector's configuration; None is the default one.
        up_cam: (B, 3), the direction up in the camera frame, or None.

    Returns:
        The B x F frames of the clips one after another.
    """
    detection = detect(joints_cam, intrinsics, generator, config=detector)
    frames = joints_cam.flatten(0, 1)
    cameras = intrinsics.repeat_interleave(joints_cam.shape[1], dim=0)
    raw = (detection.weights, detection.means_px, detection.variances_px2)
    weights, means_px, variances_px2 = (tensor.flatten(0, 1) for tensor in raw)
    view = normalise_view(weights, means_px, variances_px2, cameras).levelled()
    up, measures = None, None
    if up_cam is not None:
        frame_count = joints_cam.shape[1]
        up = view.to_view(up_cam.repeat_interleave(frame_count, dim=0)[:, None])[:, 0]
        measures = measure(joints_cam).repeat_interleave(frame_count, dim=0)
    return Batch(view, view.to_view(frames - frames[:, :1]), detection.hidden.flatten(0, 1), up, measures)


@dataclass(frozen=True)
class Variation:
    """Everything that training varies beside the camera and the detector.

    Attributes:
        bodies: the people that bodies are drawn from.
        poses: poses that were not recorded.
        landmarks: joint definitions of the detectors' layouts, or None.
    """

    bodies: BodyRanges = field(default_factory=BodyRanges)
    poses: PoseRanges = field(default_factory=PoseRanges)
    landmarks: LandmarkRanges | None = field(default_factory=LandmarkRanges)

    @classmethod
    def of(cls, recipe: TrainingConfig) -> Variation:
        """The variation that a recipe names."""
        return cls(
            BodyRanges(own_share=1.0 - recipe.drawn_bodies),
            PoseRanges(
                trunk_deg=recipe.plumb_trunks_deg,
                exchange_share=recipe.exchanged_limbs,
                bend_share=recipe.bent_trunks,
                shake_share=recipe.shaken_limbs,
                fall_share=recipe.tilted_bodies,
            ),
            LandmarkRanges() if recipe.layouts else None,
        )


class PoseSampler:
    """Draws batches of training views from motion sets: of single frames, or of windows of consecutive ones.

    Windows begin and end anywhere in a clip, also up to half of their length outside it, where its first or last pose
    is repeated: clips that are read by windows have such ends too.

    Args:
        motions: a motion set, or several with the share of the draws that each gets.
        variation: of bodies, poses and joint definitions; None leaves them as they were recorded.
        cameras: to draw from.
        detector: the simulated one.
        device: of everything that is drawn.
        frames: F, of a window.
    """

    def __init__(
        self,
        motions: MotionSet | Sequence[tuple[MotionSet, float]],
        variation: Variation | None = None,
        cameras: CameraRanges | None = None,
        detector: DetectorConfig | None = None,
        device: str | torch.device = "cpu",
        frames: int = 1,
    ) -> None:
        self.cameras = cameras or CameraRanges()
        self.detector = detector or DetectorConfig()
        self.variation = variation
        self.frames = frames
        self.device = torch.device(device)
        motions = [(motions, 1.0)] if isinstance(motions, MotionSet) else motions
        self.root = torch.from_numpy(np.concatenate([m.root for m, _ in motions])).to(self.device)
        self.joints = torch.from_numpy(np.concatenate([m.joints for m, _ in motions])).to(self.device)
        first = np.concatenate(([0], np.cumsum([m.num_frames for m, _ in motions])))
        starts = [m.start[:-1] + begin for (m, _), begin in zip(motions, first[:-1], strict=True)]
        self.start = torch.from_numpy(np.concatenate([*starts, first[-1:]])).to(self.device)
        self._first = torch.from_numpy(first).to(self.device)
        shares = torch.tensor([share for _, share in motions], dtype=torch.float64, device=self.device)
        self._until = (shares / shares.sum()).cumsum(0)
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

    def _draw_frames(self, count: int, generator: torch.Generator) -> Tensor:
        """Frame numbers (count,): a motion set by its share, then one of its frames."""
        which, where = torch.rand(2, count, generator=generator, dtype=torch.float64, device=self.device)
        number = torch.searchsorted(self._until, which, right=True).clamp_max(len(self._until) - 1)
        first, end = self._first[number], self._first[number + 1]
        return (first + (where * (end - first)).long()).clamp(first, end - 1)

    def draw(self, batch_size: int, generator: torch.Generator) -> Batch:
        """The views of a number of windows; `generator` must be on the sampler's device."""
        middle = self._draw_frames(batch_size, generator)
        poses = mirror_bodies(self.poses_world(self._windows(middle)), generator)
        if self.variation is not None:
            # Before bodies are drawn: knees that move back change the lengths of legs.
            poses = set_plumb(poses, self.variation.poses, generator)
            poses = vary_measures(poses, self.variation.bodies, generator)
            poses = vary_poses(poses, self.variation.poses, generator)
            if self.variation.landmarks is not None:
                poses = place_landmarks(poses, self.variation.landmarks, generator)
        # The camera is placed around the middle of the path, so far off that the person never walks into it.
        centre = poses[:, :, 0].mean(1)
        radius = (poses[:, :, 0] - centre[:, None]).norm(dim=-1).amax(1)
        # A metre above the middle is a point that is never shown.
        points = torch.cat((centre[:, None], centre[:, None] + self._up, poses.flatten(1, 2)), dim=1)
        points_cam, intrinsics = random_view(points, self.cameras, generator, radius)
        joints_cam = points_cam[:, 2:].unflatten(1, (self.frames, NUM_JOINTS))
        return observe(joints_cam, intrinsics, generator, self.detector, points_cam[:, 1] - points_cam[:, 0])
