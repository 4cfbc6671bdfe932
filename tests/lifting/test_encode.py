"""Encoded frames: the baseline, H_K and its GMM, in the camera's frame."""

import numpy as np
import torch

from diffpose_core.config import UncertaintyConfig
from diffpose_core.lifting.encode import encode_clip
from diffpose_core.lifting.lift import lift
from diffpose_core.lifting.settings import LiftSettings
from tests.lifting.helpers import FEW


def test_the_baseline_is_the_encoder_alone_in_the_cameras_frame(clip, tiny_models):
    encoded = encode_clip(clip, tiny_models, settings=LiftSettings(uncertainty=FEW))
    with torch.no_grad():
        pose_view = tiny_models.encoder.network(encoded.view.pose_norm)
    turn_back = encoded.view.rotation.mT
    expected = torch.einsum("fij,fnj->fni", turn_back, pose_view).numpy()
    assert np.allclose(encoded.baseline, expected, atol=1e-6)
    lifted = lift(clip, tiny_models, LiftSettings(uncertainty=FEW, rigid_bones=False))
    assert np.allclose(encoded.baseline, lifted.baseline, atol=1e-5)


def test_prepared_frames_in_the_cameras_frame(clip, tiny_models):
    encoded = encode_clip(clip, tiny_models, [1, 3], LiftSettings(uncertainty=UncertaintyConfig(num_samples=1000)))
    assert len(encoded) == 2 and encoded.h_samples.shape == (2, 1000, 17, 3)
    assert np.abs(encoded.h_samples[:, :, 0]).max() < 1e-6
    truth = encoded.view.to_cam(encoded.truth_view).numpy()
    assert np.allclose(truth, clip.pose3d_cam[[1, 3]], atol=1e-5)
    # The GMM in the camera's frame sums up the samples in the camera's frame.
    gmm, flat = encoded.gmm_cam, encoded.h_samples.reshape(2, 1000, 51)
    assert np.allclose(gmm.mean.numpy(), flat.mean(1), atol=2e-3)
    covariance = np.stack([np.cov(f.T) for f in flat])
    assert np.allclose(gmm.covariance.numpy(), covariance, atol=0.02 * covariance.max())


def test_a_frames_fit_does_not_end_when_those_of_other_frames_do(clip, tiny_models):
    long_fit = UncertaintyConfig(num_samples=400, num_components=2, fit_iterations=25)
    whole = encode_clip(clip, tiny_models, settings=LiftSettings(uncertainty=long_fit))
    for frame in range(len(clip)):
        alone = encode_clip(clip, tiny_models, [frame], LiftSettings(uncertainty=long_fit))
        assert torch.allclose(whole.gmm.means[frame], alone.gmm.means[0], atol=1e-4)
        assert torch.allclose(whole.gmm.weights[frame], alone.gmm.weights[0], atol=1e-4)
