"""Mixtures of clips that only come with confidences."""

import numpy as np
import pytest

from diffpose_core.structures import InvalidInput, PoseClip2D, PoseMixture
from diffpose_core.uncertainty.mixtures import (
    LOST_STD,
    MEAN_STD,
    SURE_STD,
    clip_mixture,
    falling_confidence,
    less_sure,
    mixture_from_confidence,
    person_size_px,
    relative_std,
)


def keypoints(frames=3, size=100.0):
    return 400 + size * np.random.default_rng(0).standard_normal((frames, 17, 2))


def test_less_confident_is_wider_between_two_bounds():
    stds = relative_std(np.array([1.0, 0.95, 0.8, 0.5, 0.3, 0.0]))
    assert np.all(np.diff(stds) > 0)
    assert np.isclose(stds[0], SURE_STD) and np.isclose(stds[-1], LOST_STD)


def test_a_joint_is_as_wide_as_it_is_less_sure_than_the_others_whatever_the_detectors_level():
    points = keypoints(1)
    size = np.sqrt(np.square(points - points.mean(1, keepdims=True)).sum(-1).mean())
    for level in (1.0, 0.95, 0.7, 0.3):
        mixture = mixture_from_confidence(points, np.full((1, 17), level))
        assert np.allclose(mixture.std_px / size, MEAN_STD, rtol=1e-3), "all alike, in u and v"
    confidence = np.full((1, 17), 0.9)
    confidence[0, 13], confidence[0, 16] = 0.5, 0.0
    stds = np.sqrt(mixture_from_confidence(points, confidence).variances_px2[0, :, 0, 0]) / size
    assert np.isclose(np.delete(stds, 16).mean(), MEAN_STD), "over the joints that were seen"
    assert np.isclose(stds[13] / stds[0], relative_std(np.array(0.5)) / relative_std(np.array(0.9)))
    assert np.isclose(stds[16], LOST_STD), "of the others nothing is known"


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


def two_mode_clip(frames=4):
    points = keypoints(frames)
    mixture = PoseMixture(
        np.tile([0.7, 0.3], (frames, 17, 1)),
        np.stack([points, points + 40], 2),
        np.full((frames, 17, 2, 2), 9.0),
    )
    return PoseClip2D("two modes", points, np.full((frames, 17), 0.9), 1000, 1000, 30.0, mixture=mixture)


def test_a_joint_that_is_less_sure_is_wider_and_nothing_else_changes():
    clip = two_mode_clip()
    levels = np.array([0.9, 0.6, 0.3, 0.0])
    changed = less_sure(clip, 13, levels)
    widths = np.sqrt(changed.mixture.variances_px2[:, 13])
    assert np.all(np.diff(widths, axis=0) > 0)
    lost = mixture_from_confidence(clip.keypoints_px, np.zeros((4, 17))).variances_px2[-1, 13, 0]
    assert np.allclose(changed.mixture.variances_px2[-1, 13], lost), "both modes are as wide as a lost joint"
    assert np.allclose(changed.confidence[:, 13], levels)
    others = np.arange(17) != 13
    assert np.array_equal(changed.mixture.variances_px2[:, others], clip.mixture.variances_px2[:, others])
    assert np.array_equal(changed.confidence[:, others], clip.confidence[:, others])
    assert np.array_equal(changed.mixture.means_px, clip.mixture.means_px)
    assert np.array_equal(changed.mixture.weights, clip.mixture.weights)
    assert np.array_equal(changed.keypoints_px, clip.keypoints_px)
    assert np.all(clip.mixture.variances_px2 == 9.0), "the clip itself stays as it was"


def test_a_joint_never_gets_surer():
    clip = two_mode_clip()
    same = less_sure(clip, 3, 1.0)
    assert np.array_equal(same.mixture.variances_px2, clip.mixture.variances_px2)
    assert np.array_equal(same.confidence, clip.confidence)
    wide = less_sure(clip, 3, 0.0)
    assert np.array_equal(less_sure(wide, 3, 0.5).mixture.variances_px2, wide.mixture.variances_px2)


def test_a_clip_without_mixtures_can_be_less_sure():
    points = keypoints()
    bare = PoseClip2D("bare", points, np.full((3, 17), 0.9), 1000, 1000, 30.0)
    changed, before = less_sure(bare, 6, 0.2), clip_mixture(bare)
    stds = np.sqrt(changed.mixture.variances_px2[:, 6, 0, 0])
    assert np.allclose(stds, relative_std(np.array(0.2)) * person_size_px(points))
    others = np.arange(17) != 6
    assert np.array_equal(changed.mixture.variances_px2[:, others], before.variances_px2[:, others])


@pytest.mark.parametrize(
    ("joint", "confidence", "message"),
    [
        (17, 0.5, "between 0 and 16, found 17"),
        (-1, 0.5, "between 0 and 16, found -1"),
        (0, 1.5, "between 0 and 1, found 1.5"),
        (0, np.array([0.1, np.nan, 0.2, 0.3]), "between 0 and 1"),
        (0, np.zeros(3), r"4 frames, found \(3,\)"),
    ],
)
def test_what_less_sure_refuses(joint, confidence, message):
    with pytest.raises(InvalidInput, match=message):
        less_sure(two_mode_clip(), joint, confidence)


@pytest.mark.parametrize("own", [1.0, 0.8, 0.4])
def test_falling_confidence_makes_spreads_that_grow_evenly(own):
    levels = falling_confidence(own, 6)
    assert levels[0] == own and levels[-1] == 0
    assert np.all(np.diff(levels) < 0)
    stds = relative_std(levels)[1:]
    assert np.allclose(np.diff(stds), np.diff(stds)[0], rtol=1e-3)


def test_falling_confidence_of_a_lost_joint_stays_lost():
    assert np.all(falling_confidence(0.0, 4)[[0, -1]] == 0)
    assert np.all(falling_confidence(0.0, 4) < 0.2)
    with pytest.raises(InvalidInput, match=r"found 1\.2 and 4"):
        falling_confidence(1.2, 4)
    with pytest.raises(InvalidInput, match=r"found 0\.5 and 1"):
        falling_confidence(0.5, 1)
