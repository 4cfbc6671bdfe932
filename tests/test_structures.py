"""Clips and mixtures: what they accept, what they say when they don't, and the numbers they derive."""

from dataclasses import replace

import numpy as np
import pytest

from diffpose_core.structures import Intrinsics, InvalidInput, PoseClip2D, PoseMixture


def mixture(frames=4, modes=2, seed=0):
    rng = np.random.default_rng(seed)
    weights = rng.uniform(0.1, 1.0, (frames, 17, modes))
    weights /= weights.sum(-1, keepdims=True)
    means = rng.uniform(0, 1000, (frames, 17, modes, 2))
    return PoseMixture(weights, means, rng.uniform(1, 50, means.shape))


def clip(frames=4, **changes):
    rng = np.random.default_rng(1)
    fields = dict(
        name="test",
        keypoints_px=rng.uniform(0, 1000, (frames, 17, 2)),
        confidence=rng.uniform(0, 1, (frames, 17)),
        width=1000,
        height=800,
        fps=30.0,
        mixture=mixture(frames),
        intrinsics=Intrinsics(1145.0, 1145.0, 500.0, 400.0),
        pose3d_cam=rng.standard_normal((frames, 17, 3)),
        hidden=rng.uniform(size=(frames, 17)) < 0.2,
    )
    return PoseClip2D(**{**fields, **changes})


def test_mixture_moments_are_those_of_its_samples():
    mix = mixture(frames=1)
    rng = np.random.default_rng(2)
    count = 40_000
    for joint in (0, 8, 16):
        modes = rng.choice(2, count, p=mix.weights[0, joint])
        std = np.sqrt(mix.variances_px2[0, joint])
        drawn = mix.means_px[0, joint, modes] + std[modes] * rng.standard_normal((count, 2))
        assert np.allclose(mix.mean_px[0, joint], drawn.mean(0), atol=6 * drawn.std() / count**0.5)
        assert np.allclose(mix.std_px[0, joint], drawn.std(0), rtol=0.02)


def test_the_detected_pose_is_the_heaviest_mode():
    mix = mixture()
    for frame in range(4):
        for joint in range(17):
            best = int(np.argmax(mix.weights[frame, joint]))
            assert np.array_equal(mix.argmax_px[frame, joint], mix.means_px[frame, joint, best])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda w, m, v: (w[:, :16], m, v), r"\(F, 17, K\)"),
        (lambda w, m, v: (w, m[..., :1], v), "means must be"),
        (lambda w, m, v: (w, m, v[:1]), "variances must be"),
        (lambda w, m, v: (w, np.where(m > 500, np.nan, m), v), "finite"),
        (lambda w, m, v: (np.stack((w[..., 0] + 2, w[..., 1] - 2), -1), m, v), "must not be negative"),
        (lambda w, m, v: (w * 0.5, m, v), "sum to 1 .* 0.5000"),
        (lambda w, m, v: (w, m, v * 0), "above 0"),
        (lambda w, m, v: (w[..., :0], m[:, :, :0], v[:, :, :0]), "sum to 1"),
    ],
)
def test_bad_mixtures_are_refused(change, message):
    mix = mixture()
    with pytest.raises(InvalidInput, match=message):
        PoseMixture(*change(mix.weights, mix.means_px, mix.variances_px2))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (dict(keypoints_px=np.zeros((4, 16, 2))), r"\(frames, 17, 2\), found \(4, 16, 2\)"),
        (dict(keypoints_px=np.full((4, 17, 2), np.nan)), "finite"),
        (dict(confidence=np.ones((4, 16))), "confidence must be"),
        (dict(confidence=np.full((4, 17), 1.5)), "between 0 and 1"),
        (dict(width=0), "image size must be above 0, found 0 x 800"),
        (dict(fps=float("nan")), "fps must be above 0"),
        (dict(mixture=mixture(3)), "3 frames, the clip 4"),
        (dict(pose3d_cam=np.zeros((4, 17, 2))), "3D pose must be"),
        (dict(pose3d_cam=np.full((4, 17, 3), np.nan)), "3D pose must hold finite"),
        (dict(hidden=np.zeros((4, 3), bool)), "hidden must be"),
        (dict(hidden=np.zeros((4, 17))), "hidden must be true or false"),
    ],
)
def test_bad_clips_are_refused(changes, message):
    with pytest.raises(InvalidInput, match=message):
        clip(**changes)


def test_an_empty_clip_is_refused():
    with pytest.raises(InvalidInput, match="at least one frame"):
        PoseClip2D("empty", np.zeros((0, 17, 2)), np.zeros((0, 17)), 10, 10, 30.0)


def test_bad_intrinsics_are_refused():
    with pytest.raises(InvalidInput, match="finite"):
        Intrinsics(float("inf"), 1.0, 0.0, 0.0)
    with pytest.raises(InvalidInput, match="focal lengths"):
        Intrinsics(1000.0, -1.0, 0.0, 0.0)


def test_cutting_a_clip_cuts_everything_that_has_frames():
    whole = clip(6)
    part = whole.frames(slice(1, 6, 2))
    assert len(part) == 3
    assert np.array_equal(part.keypoints_px, whole.keypoints_px[[1, 3, 5]])
    assert np.array_equal(part.mixture.means_px, whole.mixture.means_px[[1, 3, 5]])
    assert np.array_equal(part.pose3d_cam, whole.pose3d_cam[[1, 3, 5]])
    assert np.array_equal(part.hidden, whole.hidden[[1, 3, 5]])
    assert part.intrinsics == whole.intrinsics
    bare = replace(whole, mixture=None, pose3d_cam=None, hidden=None).frames(slice(2))
    assert bare.mixture is None and bare.pose3d_cam is None and bare.hidden is None
