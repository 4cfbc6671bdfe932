"""Settings and clips that the tests of lifting share."""

from dataclasses import replace

import numpy as np

from diffpose_core.config import UncertaintyConfig
from diffpose_core.structures import PoseMixture

FEW = UncertaintyConfig(num_samples=200)


def moved(clip, shift, scale):
    """The clip with every pixel coordinate changed, as from an unknown camera, in the precision that files have."""
    keypoints = (scale * clip.keypoints_px.astype(np.float64) + shift).astype(np.float32)
    mixture = clip.mixture
    if mixture is not None:
        means = (scale * mixture.means_px.astype(np.float64) + shift).astype(np.float32)
        mixture = PoseMixture(mixture.weights, means, scale**2 * mixture.variances_px2)
    return replace(clip, keypoints_px=keypoints, mixture=mixture, intrinsics=None, pose3d_cam=None)
