"""Mixtures of clips that only come with confidences."""

import numpy as np

from diffpose_core.structures import PoseClip2D
from diffpose_core.uncertainty.mixtures import LOST_STD, SURE_STD, clip_mixture, mixture_from_confidence


def keypoints(frames=3, size=100.0):
    return 400 + size * np.random.default_rng(0).standard_normal((frames, 17, 2))


def test_less_confident_is_wider_between_two_bounds():
    points = keypoints(1)
    size = np.sqrt(np.square(points - points.mean(1, keepdims=True)).sum(-1).mean())
    stds = []
    for confidence in (1.0, 0.95, 0.8, 0.5, 0.3, 0.0):
        mixture = mixture_from_confidence(points, np.full((1, 17), confidence))
        assert np.allclose(mixture.std_px, mixture.std_px[0, 0, 0], rtol=1e-3), "alike in u and v and for every joint"
        stds.append(float(np.sqrt(mixture.variances_px2[0, 0, 0, 0])) / size)
    assert np.all(np.diff(stds) > 0)
    assert np.isclose(stds[0], SURE_STD) and np.isclose(stds[-1], LOST_STD)


def test_the_centre_is_the_keypoint_and_the_spread_grows_with_the_person():
    confidence = np.full((3, 17), 0.6)
    small, large = (mixture_from_confidence(keypoints(size=s), confidence) for s in (50.0, 200.0))
    assert np.allclose(large.argmax_px, keypoints(size=200.0), atol=1e-3)
    assert np.allclose(large.variances_px2, 16 * small.variances_px2, rtol=1e-4)


def test_joints_of_a_clip_without_mixtures_get_them_and_others_keep_theirs():
    points = keypoints()
    clip = PoseClip2D("bare", points, np.full((3, 17), 0.9), 1000, 1000, 30.0)
    made = clip_mixture(clip)
    assert made.weights.shape == (3, 17, 1)
    kept = PoseClip2D("own", points, np.full((3, 17), 0.9), 1000, 1000, 30.0, mixture=made)
    assert clip_mixture(kept) is made


def test_a_person_of_no_size_gives_a_valid_mixture():
    mixture = mixture_from_confidence(np.full((2, 17, 2), 77.0), np.ones((2, 17)))
    assert bool((mixture.variances_px2 > 0).all())
