"""Bodies drawn from human measures, widths included, and put on recorded motion.

Lengths between joint centres are fractions of the stature: segment fractions after Drillis and Contini (1966), as
Winter's "Biomechanics and Motor Control of Human Movement" has them (fig. 4.1); statures of women and men and the
spread of each length about its fraction after ANSUR II (Gordon et al., 2014). Widths of shoulders and hips span what
detectors and data sets call by these names, from Human3.6M and MPI-INF-3DHP to BlazePose: a name means other points in
each of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from diffpose_core.skeleton import BONES, NUM_JOINTS

#: Lengths that describe a body, in the order of every vector of them.
MEASURES: tuple[str, ...] = (
    "half hips", "thigh", "shank", "trunk", "half shoulders", "upper arm", "forearm", "neck", "head",
)  # fmt: skip
NUM_MEASURES = len(MEASURES)
_LEGS = slice(1, 3)

#: (parent, child, measure) from the root outwards. The spine lies halfway between hip and thorax and has none.
SEGMENTS: tuple[tuple[int, int, int], ...] = (
    (0, 1, 0), (1, 2, 1), (2, 3, 2), (0, 4, 0), (4, 5, 1), (5, 6, 2), (0, 8, 3), (8, 9, 7), (9, 10, 8),
    (8, 11, 4), (11, 12, 5), (12, 13, 6), (8, 14, 4), (14, 15, 5), (15, 16, 6),
)  # fmt: skip
_SPINE = 7


@dataclass(frozen=True)
class BodyRanges:
    """People that training bodies are drawn from.

    Attributes:
        own_share: share of clips that keep the body they were recorded with, its lengths varied by up to 10 %.
        children_share: share of the drawn bodies that are children, 1.0 to 1.5 m tall, heads larger, legs shorter.
        stature_m: mean and standard deviation of women's and of men's statures (ANSUR II).
        fraction: mean of each measure over stature, in the order of MEASURES.
        fraction_std: standard deviation of the same among people.
        landmark_std: the same of what a detector or a data set calls by these names: its hip may lie at the joint or
            lower and further out, its shoulder on the joint or above it. Chosen on validation clips.
        most_std: a measure lies at most this many standard deviations from its mean.
    """

    own_share: float = 0.3
    children_share: float = 0.08
    stature_m: tuple[tuple[float, float], tuple[float, float]] = ((1.63, 0.064), (1.756, 0.069))
    fraction: tuple[float, ...] = (0.060, 0.242, 0.238, 0.282, 0.098, 0.176, 0.150, 0.085, 0.066)
    fraction_std: tuple[float, ...] = (0.013, 0.009, 0.009, 0.015, 0.014, 0.009, 0.008, 0.014, 0.012)
    landmark_std: tuple[float, ...] = (0.015, 0.020, 0.020, 0.039, 0.021, 0.020, 0.020, 0.021, 0.018)
    most_std: float = 2.2


#: People measured between the centres of their joints.
_JOINT_TO_JOINT = BodyRanges(landmark_std=(0.0,) * NUM_MEASURES)


def possible_bones(ranges: BodyRanges | None = None) -> np.ndarray:
    """Shortest and longest that each bone of the skeleton can be in a person who is drawn.

    Landmarks of the head lie elsewhere in every layout (`joint_definitions`): its bones get a margin of 40 %.

    Args:
        ranges: the people; None takes the default, measured from joint to joint.

    Returns:
        (16, 2) metres, in the order of `skeleton.BONES`.
    """
    people = draw_bodies(50_000, ranges or _JOINT_TO_JOINT, torch.Generator().manual_seed(0)).numpy()
    low, high = people.min(0), people.max(0)
    low[7:], high[7:] = low[7:] / 1.4, high[7:] * 1.4
    of_child = {child: (low[kind], high[kind]) for _, child, kind in SEGMENTS}
    # The spine's two bones are halves of the trunk.
    of_child[_SPINE] = (low[3] / 2, high[3] / 2)
    of_child[8] = of_child[_SPINE]
    return np.array([of_child[child] for _, child in BONES])


def measure(poses: Tensor) -> Tensor:
    """Lengths of each body's segments: the mean over frames and over both sides.

    Args:
        poses: (B, F, J, 3) metres, B clips of one person each.

    Returns:
        (B, 9) metres, in the order of MEASURES.
    """
    lengths: list[list[Tensor]] = [[] for _ in MEASURES]
    for parent, child, kind in SEGMENTS:
        lengths[kind].append((poses[..., child, :] - poses[..., parent, :]).norm(dim=-1).mean(1))
    return torch.stack([torch.stack(of_kind).mean(0) for of_kind in lengths], dim=-1)


def draw_bodies(count: int, ranges: BodyRanges, generator: torch.Generator) -> Tensor:
    """Draw the measures of people, (count, 9) metres, on the generator's device."""
    device = generator.device
    rand = torch.rand(4, count, generator=generator, device=device)
    normal = torch.randn(2 + NUM_MEASURES, count, generator=generator, device=device)
    normal = normal.clamp(-ranges.most_std, ranges.most_std)
    means, stds = torch.tensor(ranges.stature_m, device=device).unbind(-1)
    man = (rand[0] < 0.5).long()
    stature = means[man] + stds[man] * normal[0]
    child = rand[1] < ranges.children_share
    stature = torch.where(child, 1.0 + 0.5 * rand[2], stature)
    std = np.hypot(ranges.fraction_std, ranges.landmark_std).astype(np.float32)
    fraction = torch.tensor(ranges.fraction, device=device) + torch.from_numpy(std).to(device) * normal[2:].T
    # A child's head is larger and its legs are shorter, the more so the smaller it is.
    smaller = torch.where(child, (1.6 - stature) / 0.6, 0.0)[:, None]
    growth = torch.zeros(NUM_MEASURES, device=device)
    growth[7:], growth[_LEGS] = 0.25, -0.08
    return stature[:, None] * fraction * (1.0 + growth * smaller)


def with_measures(poses_world: Tensor, measures: Tensor) -> Tensor:
    """Give bodies other measures: directions of the segments stay, their lengths change.

    Args:
        poses_world: (B, F, J, 3) metres, z up, hip and thorax in the middle of hips and shoulders.
        measures: (B, 9) metres, in the order of MEASURES.

    Returns:
        (B, F, J, 3). The path of the hip and its height are scaled with the legs, so that feet stay near the floor.
    """
    own = measure(poses_world)
    legs = measures[:, _LEGS].sum(-1) / own[:, _LEGS].sum(-1).clamp_min(1e-6)
    root = poses_world[:, :, 0]
    start = root[:, :1] * torch.tensor([1.0, 1.0, 0.0]).to(root)
    placed = [torch.empty(0)] * NUM_JOINTS
    placed[0] = start + (root - start) * legs[:, None, None]
    for parent, child, kind in SEGMENTS:
        direction = torch.nn.functional.normalize(poses_world[:, :, child] - poses_world[:, :, parent], dim=-1)
        placed[child] = placed[parent] + direction * measures[:, None, kind, None]
    placed[_SPINE] = (placed[0] + placed[8]) / 2
    return torch.stack(placed, dim=-2)


def vary_measures(poses_world: Tensor, ranges: BodyRanges, generator: torch.Generator) -> Tensor:
    """Put a body drawn at random on every clip, or on a share of them their own with lengths varied by up to 10 %.

    Args:
        poses_world: (B, F, J, 3) metres, z up, hip and thorax in the middle of hips and shoulders.
        ranges: the people to draw from.
        generator: source of every random number, on the poses' device.

    Returns:
        (B, F, J, 3).
    """
    size, device = len(poses_world), poses_world.device
    drawn = draw_bodies(size, ranges, generator)
    own = torch.rand(size, 1, generator=generator, device=device) < ranges.own_share
    shape = 0.9 + 0.2 * torch.rand(size, NUM_MEASURES, generator=generator, device=device)
    growth = 0.9 + 0.2 * torch.rand(size, 1, generator=generator, device=device)
    # Half of them keep their proportions, since that very body may come again.
    keeps = torch.rand(size, 1, generator=generator, device=device) < 0.5
    varied = measure(poses_world) * torch.where(keeps, 1.0, shape * growth)
    return with_measures(poses_world, torch.where(own, varied, drawn))
