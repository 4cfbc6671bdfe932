"""A simulated 2D pose detector: it reports heatmaps as a network would, from a seed.

The detector of the Mocap-17 benchmark. Each joint gets a mixture of Gaussians:

- A visible joint has one mode. Its centre errs by about 5 px at the benchmark's image size, more at wrists
  and ankles, and its variance is the true one: errors are drawn from the very spread that is reported.
- A joint that a limb or the torso hides (a line of sight that passes through a capsule nearer to the camera)
  has a wider mode. Often it has a second one at the hiding limb's nearest joint or at the opposite side's joint. The
  heavier mode is the true one with the probability of its weight.
- About 2 % of wrist and ankle pairs are exchanged left to right; half of those keep a lighter mode at the truth.
  Some pairs that are not exchanged carry a light mode at the other side, so that a light mode proves nothing.

Whatever is random follows a first-order autoregressive process in time, so that errors are correlated over frames and
a single frame has the same distribution as any frame of a clip.

For training, a share of the clips can be as other detectors give them: with heatmaps that tell little, with confidences
of little meaning in place of heatmaps, and with joints that nobody found. The benchmark has none of these.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from diffpose_core.camera import Camera, project
from diffpose_core.datasets.correlated_noise import CorrelatedNoise
from diffpose_core.datasets.detector_kinds import Detection, blunt_heatmaps, confidences_alone, with_gaps
from diffpose_core.datasets.occlusion import hidden_joints
from diffpose_core.skeleton import LIMB_ENDS, MIRROR, NUM_JOINTS
from diffpose_core.structures import PoseClip2D, PoseMixture

NUM_MODES = 3


@dataclass(frozen=True)
class DetectorConfig:
    """Every number of the simulated detector.

    Attributes:
        std_px: standard deviation of a visible joint's error along one axis, at `px_per_metre`, times `joint_factor`.
        joint_factor: one a joint.
        px_per_metre: image scale that the pixel figures hold for: focal length 1145 px at a distance of 5.5 m. Errors
            grow with the person's size in the image, as those of a detector that crops and rescales the person.
        spread_sigma: sigma of the log-normal factor on the spread.
        hidden_factor: ratio of a hidden joint's spread to a visible one's.
        second_mode_probability: share of hidden joints with a second mode.
        main_weight: range of the heavier mode's weight.
        swap_probability: share of wrist and ankle pairs that are exchanged.
        phantom_probability: share of pairs that carry a light mode at the other side without being exchanged.
        correlation_s: time constant of all errors, seconds.
        depth_margin_m: a capsule hides a joint only if it is this much nearer to the camera.
        blunt_share: share of the clips whose heatmaps are blunt, as BlazePose's: few second modes, hardly any of them
            right, and spreads that tell little about the errors.
        confidences_share: share of the clips that have one mode a joint, with a spread like that of a confidence.
        gaps_share: share of those that miss joints, which are guessed.
    """

    std_px: float = 3.45
    joint_factor: tuple[float, ...] = (
        0.9, 0.9, 1.0, 1.3, 0.9, 1.0, 1.3, 0.9, 0.8, 0.8, 0.9, 0.9, 1.1, 1.4, 0.9, 1.1, 1.4,
    )  # fmt: skip
    px_per_metre: float = 1145.0 / 5.5
    spread_sigma: float = 0.3
    hidden_factor: float = 2.5
    second_mode_probability: float = 0.6
    main_weight: tuple[float, float] = (0.5, 0.95)
    swap_probability: float = 0.02
    phantom_probability: float = 0.04
    correlation_s: float = 0.25
    depth_margin_m: float = 0.05
    blunt_share: float = 0.0
    confidences_share: float = 0.0
    gaps_share: float = 0.0


#: Detector for training: networks trained on it can be used with detectors other than the benchmark's too.
TRAINING_DETECTOR = DetectorConfig(blunt_share=0.5, confidences_share=0.4, gaps_share=0.1)


def detect(
    joints_cam: Tensor,
    intrinsics: Tensor,
    generator: torch.Generator,
    fps: float = 30.0,
    config: DetectorConfig | None = None,
) -> Detection:
    """Simulate the detector on clips.

    Args:
        joints_cam: (B, F, J, 3) absolute camera frame, metres.
        intrinsics: (B, 4) as fx, fy, cx, cy, px.
        generator: decides everything random; the same state gives the same result.
        fps: frames a second.
        config: numbers of the detector, DetectorConfig() by default.

    Returns:
        A Detection with leading axes (B, F).
    """
    config = config or DetectorConfig()
    size, frames, device = joints_cam.shape[0], joints_cam.shape[1], joints_cam.device
    noise = CorrelatedNoise(size, frames, math.exp(-1.0 / (fps * config.correlation_s)), generator, device)
    exact_px = project(joints_cam, intrinsics[:, None])
    hidden, hider = hidden_joints(joints_cam, config.depth_margin_m)
    std_px = _spreads(joints_cam, intrinsics, hidden, noise, config)
    weights, means_px = _modes(exact_px, std_px, hidden, hider, noise, config)
    weights, means_px, variances, swapped = _exchanged(weights, means_px, std_px.square(), hidden, noise, config)
    variances_px2 = variances[..., None].expand_as(means_px).contiguous()
    found = Detection(weights, means_px, variances_px2, hidden, swapped)
    if config.blunt_share > 0:
        found = blunt_heatmaps(found, exact_px, config.blunt_share, noise, generator)
    found = _unused_on_first(found)
    if config.confidences_share > 0:
        found = confidences_alone(found, config.confidences_share, noise, generator)
    if config.gaps_share > 0:
        found = with_gaps(found, config.gaps_share, noise, generator)
    return found


def _unused_on_first(found: Detection) -> Detection:
    """The same detection with unused modes on the first one, so that their places never show."""
    unused = (found.weights <= 0)[..., None]
    return replace(
        found,
        means_px=torch.where(unused, found.means_px[..., :1, :], found.means_px),
        variances_px2=torch.where(unused, found.variances_px2[..., :1, :], found.variances_px2),
    )


def _spreads(
    joints_cam: Tensor, intrinsics: Tensor, hidden: Tensor, noise: CorrelatedNoise, config: DetectorConfig
) -> Tensor:
    """Standard deviations of all modes along one axis, (B, F, J, K) px."""
    size_factor = intrinsics[:, None, 0] / joints_cam[:, :, 0, 2] / config.px_per_metre
    base = config.std_px * torch.tensor(config.joint_factor, device=joints_cam.device) * size_factor[..., None]
    base = base * torch.where(hidden, config.hidden_factor, 1.0)
    return base[..., None] * torch.exp(config.spread_sigma * noise.normal(NUM_JOINTS, NUM_MODES))


def _modes(
    exact_px: Tensor, std_px: Tensor, hidden: Tensor, hider: Tensor, noise: CorrelatedNoise, config: DetectorConfig
) -> tuple[Tensor, Tensor]:
    """Weights (B, F, J, K) and means (B, F, J, K, 2) px: at the truth, at a wrong place, and an unused one."""
    device = exact_px.device
    mirror = torch.tensor(MIRROR, device=device)
    # The wrong place: the opposite side's joint for half of the sided joints, else the joint that hides this one.
    joints = torch.arange(NUM_JOINTS, device=device)
    to_mirror = (noise.uniform(NUM_JOINTS) < 0.5) & (mirror != joints)
    wrong_joint = torch.where(to_mirror, mirror, hider)
    wrong_px = exact_px.gather(2, wrong_joint[..., None].expand(-1, -1, -1, 2))

    two_modes = hidden & (noise.uniform(NUM_JOINTS) < config.second_mode_probability)
    low, high = config.main_weight
    main_weight = low + (high - low) * noise.uniform(NUM_JOINTS)
    # Calibrated: the heavier mode is the true one with a probability that equals its weight.
    main_is_true = ~two_modes | (noise.uniform(NUM_JOINTS) < main_weight)
    first_px = torch.where(main_is_true[..., None], exact_px, wrong_px)
    second_px = torch.where(main_is_true[..., None], wrong_px, exact_px)
    centres = torch.stack((first_px, second_px, exact_px), dim=3)
    means_px = centres + std_px[..., None] * noise.normal(NUM_JOINTS, NUM_MODES, 2)

    weights = torch.zeros_like(std_px)
    weights[..., 0] = torch.where(two_modes, main_weight, 1.0)
    weights[..., 1] = torch.where(two_modes, 1.0 - main_weight, 0.0)
    return weights, means_px


def _exchanged(
    weights: Tensor, means_px: Tensor, variances: Tensor, hidden: Tensor, noise: CorrelatedNoise, config: DetectorConfig
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Exchange some pairs of wrists and of ankles, and put light modes at the other side of some.

    Returns:
        weights, means_px and variances with the exchanges, and swapped, (B, F, J) bool.
    """
    mirror = torch.tensor(MIRROR, device=weights.device)
    # One decision a pair.
    pair_of = {3: 0, 6: 0, 13: 1, 16: 1}
    pair_swap = noise.uniform(2) < config.swap_probability
    pair_keep = noise.uniform(2) < 0.5
    pair_phantom = noise.uniform(2) < config.phantom_probability
    light_weight = 0.1 + 0.35 * noise.uniform(2)
    swapped = torch.zeros_like(hidden)
    light = torch.zeros_like(hidden)
    light_share = torch.zeros_like(weights[..., 0])
    for joint in LIMB_ENDS:
        pair = pair_of[joint]
        swapped[..., joint] = pair_swap[..., pair]
        light[..., joint] = torch.where(pair_swap[..., pair], pair_keep[..., pair], pair_phantom[..., pair])
        light_share[..., joint] = light_weight[..., pair]
    # The light mode points at the truth of an exchanged joint, at the other side otherwise.
    own = means_px[..., 2, :].clone()
    light_px = torch.where(swapped[..., None], own, own[:, :, mirror])
    means_px = torch.where(swapped[..., None, None], means_px[:, :, mirror], means_px)
    weights = torch.where(swapped[..., None], weights[:, :, mirror], weights)
    variances = torch.where(swapped[..., None], variances[:, :, mirror], variances)
    share = torch.where(light, light_share, 0.0)
    weights = weights * (1.0 - share)[..., None]
    weights[..., 2] = share
    means_px[..., 2, :] = light_px
    return weights, means_px, variances, swapped


def detect_motion(
    name: str,
    joints_world: np.ndarray,
    camera: Camera,
    fps: float,
    generator: torch.Generator,
    config: DetectorConfig | None = None,
) -> tuple[PoseClip2D, Detection]:
    """Show a motion to a camera and the simulated detector.

    Args:
        name: of the clip.
        joints_world: (F, J, 3) metres, z up.
        camera: the camera.
        fps: frames a second.
        generator: decides the detector's errors.
        config: numbers of the detector.

    Returns:
        A clip without provenance (detected 2D poses and their mixtures, exact root-relative 3D in the camera's frame,
        hidden joints, intrinsics), and the raw detection with a leading axis of length 1.
    """
    joints_cam = camera.to_cam(np.asarray(joints_world, dtype=np.float64)).astype(np.float32)
    i = camera.intrinsics
    detection = detect(
        torch.from_numpy(joints_cam)[None], torch.tensor([[i.fx, i.fy, i.cx, i.cy]]), generator, fps, config
    )
    mixture = PoseMixture(
        detection.weights[0].numpy(), detection.means_px[0].numpy(), detection.variances_px2[0].numpy()
    )
    clip = PoseClip2D(
        name=name,
        keypoints_px=mixture.argmax_px,
        confidence=mixture.weights.max(-1),
        width=camera.width,
        height=camera.height,
        fps=fps,
        mixture=mixture,
        intrinsics=i,
        pose3d_cam=joints_cam - joints_cam[:, :1],
        hidden=detection.hidden[0].numpy(),
    )
    return clip, detection


def clip_from_motion(
    name: str,
    joints_world: np.ndarray,
    camera: Camera,
    fps: float,
    seed: int,
    provenance: dict[str, object] | None = None,
    config: DetectorConfig | None = None,
) -> PoseClip2D:
    """The clip of `detect_motion`, with errors that one seed decides.

    Args:
        name, joints_world, camera, fps, config: as for `detect_motion`.
        seed: decides the detector's errors.
        provenance: put into the clip beside the seed.
    """
    clip, _ = detect_motion(name, joints_world, camera, fps, torch.Generator().manual_seed(seed), config)
    return replace(clip, provenance={"detector_seed": seed, **(provenance or {})})
