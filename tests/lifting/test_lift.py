"""Lifting with small random networks: seeds, frames that don't see each other, blocks, memory."""

import weakref
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import torch

from diffpose_core.lifting import lift as lifting
from diffpose_core.lifting.lift import lift
from diffpose_core.lifting.models import BLOCK_FRAMES
from diffpose_core.lifting.settings import LiftSettings
from diffpose_core.skeleton import bone_lengths, constant_bones
from diffpose_core.structures import Cancelled, InvalidInput
from tests.lifting.helpers import FEW, moved


def test_a_lifted_clip_is_finite_root_relative_and_the_mean_of_its_hypotheses(clip, tiny_models):
    result = lift(clip, tiny_models, LiftSettings(hypotheses=3, uncertainty=FEW, rigid_bones=False))
    assert result.pose3d.shape == result.baseline.shape == (6, 17, 3)
    assert result.hypotheses.shape == (6, 3, 17, 3)
    for poses in (result.pose3d, result.hypotheses, result.baseline):
        assert np.isfinite(poses).all() and poses.dtype == np.float32
        assert np.abs(poses[..., 0, :]).max() < 1e-6
    assert np.allclose(result.pose3d, result.hypotheses.mean(1), atol=1e-6)
    assert result.trace is None


def test_bones_keep_their_lengths_over_a_clip_unless_told_otherwise(clip, tiny_models):
    rigid, free = (lift(clip, tiny_models, LiftSettings(uncertainty=FEW, rigid_bones=rigid)) for rigid in (True, False))
    for name in ("pose3d", "baseline"):
        lengths = bone_lengths(getattr(rigid, name))
        assert np.ptp(lengths, axis=0).max() < 1e-5
        assert np.allclose(getattr(rigid, name), constant_bones(getattr(free, name)), atol=1e-6)
    assert np.array_equal(rigid.hypotheses, free.hypotheses)


def test_a_seed_decides_everything_and_another_one_changes_it(clip, tiny_models):
    settings = LiftSettings(hypotheses=2, eta=0.5, uncertainty=FEW)
    first = lift(clip, tiny_models, replace(settings, seed=4))
    torch.manual_seed(99)
    again, other = (lift(clip, tiny_models, replace(settings, seed=seed)) for seed in (4, 5))
    assert np.array_equal(first.hypotheses, again.hypotheses)
    assert not np.allclose(first.hypotheses, other.hypotheses, atol=1e-4)
    assert np.array_equal(first.baseline, other.baseline)


@pytest.mark.parametrize("diffusion", ["gmm", "standard"])
def test_hypotheses_differ_from_each_other(clip, tiny_models, diffusion):
    found = lift(clip, tiny_models, LiftSettings(hypotheses=5, diffusion=diffusion, uncertainty=FEW)).hypotheses
    for a in range(5):
        for b in range(a):
            assert np.linalg.norm(found[:, a] - found[:, b], axis=-1).mean() > 1e-3


@pytest.mark.parametrize("eta", [0.0, 1.0])
@pytest.mark.parametrize("diffusion", ["gmm", "standard"])
def test_a_frames_result_depends_on_no_other_frame(clip, tiny_models, eta, diffusion):
    # In bfloat16 a difference in the last digit can become one in the third (docs/speed.md).
    settings = LiftSettings(eta=eta, diffusion=diffusion, uncertainty=FEW, rigid_bones=False, mixed_precision=False)
    whole = lift(clip, tiny_models, settings)
    for frame in (0, 4):
        alone = lift(clip, tiny_models, settings, frames=[frame])
        assert np.allclose(whole.hypotheses[frame], alone.hypotheses[0], atol=1e-5)
        assert np.allclose(whole.baseline[frame], alone.baseline[0], atol=1e-5)


def test_frames_on_both_sides_of_a_block_boundary(walking_clip, tiny_models):
    done = []
    settings = LiftSettings(hypotheses=2, uncertainty=FEW, mixed_precision=False)
    whole = lift(walking_clip, tiny_models, settings, progress=lambda *counts: done.append(counts))
    assert len(walking_clip) > BLOCK_FRAMES and len(whole.pose3d) == len(walking_clip)
    assert (BLOCK_FRAMES, 70) in done and done[-1] == (70, 70)
    assert done == sorted(set(done)) and len(done) > 4, "it is told on the way too, and only where there is more"
    around = [BLOCK_FRAMES, BLOCK_FRAMES - 1, 0]
    part = lift(walking_clip, tiny_models, settings, frames=around)
    assert np.allclose(whole.hypotheses[around], part.hypotheses, atol=1e-5)


def test_traces_of_long_clips_are_put_together(walking_clip, tiny_models):
    result = lift(walking_clip, tiny_models, LiftSettings(steps=1, hypotheses=1, uncertainty=FEW), trace=True)
    assert result.trace.samples.shape == (70, 2, 1, 17, 3)
    assert np.allclose(result.trace.samples[:, -1], result.hypotheses)


MOVES = [(np.array([0.2 * 1000, 0.0]), 1.0), (0.0, 2.0), (np.array([-350.0, 220.0]), 2.0), (0.0, 0.25)]


@pytest.mark.parametrize("mixture", [True, False], ids=["heatmaps", "confidences"])
@pytest.mark.parametrize("weights", ["tiny_models", "shipped_models"])
def test_without_a_camera_place_and_size_in_the_image_change_nothing(clip, request, weights, mixture):
    models, settings = request.getfixturevalue(weights), LiftSettings(seed=3, mixed_precision=False)
    source = clip if mixture else replace(clip, mixture=None)
    base = lift(moved(source, 0.0, 1.0), models, settings)
    assert base.root_cam is None and base.root_error_px is None
    for shift, scale in MOVES:
        found = lift(moved(source, shift, scale), models, settings)
        for name in ("pose3d", "baseline", "hypotheses"):
            assert np.linalg.norm(getattr(found, name) - getattr(base, name), axis=-1).max() < 1e-3, (shift, scale)
        assert np.abs(found.joint_std - base.joint_std).max() < 1e-3


@pytest.mark.parametrize("size", [(1920, 1080), (1080, 1920), (640, 640)])
def test_the_shape_of_the_image_changes_nothing(clip, tiny_models, size):
    for source in (clip, moved(clip, 0.0, 1.0)):
        reshaped = replace(source, width=size[0], height=size[1])
        found, base = (lift(c, tiny_models, LiftSettings(uncertainty=FEW)) for c in (reshaped, source))
        assert np.array_equal(found.pose3d, base.pose3d)


@pytest.mark.parametrize("window", [1, 7, 1000])
def test_the_window_decides_memory_and_nothing_else(walking_clip, shipped_models, window):
    part = walking_clip.frames(slice(0, 20))
    # A thousand draws: the fit to fewer is so ill-conditioned that rounding shows.
    settings = LiftSettings(eta=0.5, mixed_precision=False)
    whole, windowed = (lift(part, shipped_models, settings, window=size) for size in (None, window))
    for name in ("pose3d", "hypotheses", "joint_std", "baseline", "root_cam"):
        assert np.allclose(getattr(whole, name), getattr(windowed, name), atol=1e-5), name


def test_bfloat16_costs_about_a_millimetre_and_is_told(walking_clip, shipped_models):
    part = walking_clip.frames(slice(0, 20))
    settings = LiftSettings(uncertainty=FEW, rigid_bones=False)
    exact, rounded, windowed = (
        lift(part, shipped_models, replace(settings, mixed_precision=mixed), window=window)
        for mixed, window in ((False, 64), (True, 64), (True, 1))
    )
    assert [r.provenance["settings"]["mixed_precision"] for r in (exact, rounded)] == [False, True]
    assert np.array_equal(exact.baseline, rounded.baseline)
    # Products of another size round in another order, and without AMX attention on few poses is another operation.
    for other, mean_m, most_m in ((rounded, 1.6e-3, 12e-3), (windowed, 1.6e-3, 12e-3)):
        apart = np.linalg.norm(other.hypotheses - exact.hypotheses, axis=-1)
        assert 0 < apart.mean() < mean_m and apart.max() < most_m
    assert np.linalg.norm(windowed.pose3d - rounded.pose3d, axis=-1).mean() < 1.2e-3


def test_hypotheses_need_not_be_kept(clip, tiny_models):
    settings = LiftSettings(uncertainty=FEW, rigid_bones=False)
    kept, mean = (lift(clip, tiny_models, settings, keep_hypotheses=keep) for keep in (True, False))
    assert mean.hypotheses.shape == (6, 0, 17, 3) and np.array_equal(kept.pose3d, mean.pose3d)
    assert np.array_equal(kept.joint_std, mean.joint_std) and len(mean) == 6
    apart = np.linalg.norm(kept.hypotheses - kept.pose3d[:, None], axis=-1)
    assert np.allclose(kept.joint_std, np.sqrt(np.square(apart).mean(1)), atol=1e-5)


def test_progress_can_stop_it(walking_clip, tiny_models):
    done = []

    def stop_at_20(count, total):
        done.append(count)
        return count < 20

    with pytest.raises(Cancelled, match="stopped after 20 of 70 frames"):
        lift(walking_clip, tiny_models, LiftSettings(uncertainty=FEW), window=10, progress=stop_at_20)
    assert 10 in done and done[-1] == 20

    def raise_it(count, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        lift(walking_clip, tiny_models, LiftSettings(uncertainty=FEW), progress=raise_it)


def test_nothing_of_a_window_is_kept_when_the_next_one_begins(walking_clip, tiny_models, monkeypatch):
    made, alive = [], []
    original = lifting.encode_frames

    def watched(*arguments):
        alive.append(sum(reference() is not None for reference in made))
        encoded = original(*arguments)
        made.extend(weakref.ref(part) for part in (encoded, encoded.samples_view, encoded.gmm.covariances))
        return encoded

    monkeypatch.setattr(lifting, "encode_frames", watched)
    lift(walking_clip, tiny_models, LiftSettings(uncertainty=FEW), window=10, keep_hypotheses=False)
    # The last window's are there until their names are given to the next one's.
    assert len(made) == 3 * 7 and max(alive) <= 3


def test_what_would_not_fit_in_memory_is_refused_before_the_work(walking_clip, tiny_models, monkeypatch):
    monkeypatch.setattr(lifting, "MAX_KEPT_BYTES", 100_000)
    with pytest.raises(InvalidInput, match=r"the hypotheses of 70 frames take .* the limit is .* without keeping them"):
        lift(walking_clip, tiny_models, LiftSettings(hypotheses=20))
    with pytest.raises(InvalidInput, match=r"the states of 70 frames take .* the trace of fewer frames"):
        lift(walking_clip, tiny_models, trace=True, keep_hypotheses=False)


def test_clips_lifted_at_once_do_not_mix(walking_clip, tiny_models):
    clips = [moved(walking_clip.frames(slice(6 * n, 6 * n + 6)), 0.0, 1.0) for n in range(8)]

    def lifted(clip):
        return lift(clip, tiny_models, LiftSettings(uncertainty=FEW, eta=0.5, seed=len(clip.name)), window=2)

    alone = [lifted(clip) for clip in clips]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lifted, clips * 2))
    for a, b in zip(alone * 2, together, strict=True):
        assert np.allclose(a.hypotheses, b.hypotheses, atol=1e-6)
        assert a.provenance == b.provenance
    assert len({a.provenance["clip_sha256"] for a in alone}) == 8


def test_a_clip_with_confidences_only_can_be_lifted(clip, tiny_models):
    bare = replace(clip, mixture=None, intrinsics=None, pose3d_cam=None, hidden=None)
    assert np.isfinite(lift(bare, tiny_models, LiftSettings(uncertainty=FEW)).pose3d).all()


def test_frames_of_somebody_else_are_marked_and_give_no_bone_its_length(walking_clip, tiny_models):
    points, other = walking_clip.keypoints_px.copy(), np.isin(np.arange(70), [20, 21, 22, 23, 40, 41])
    points[other] = points[60, ::-1] + (400.0, 0.0)
    clip = replace(walking_clip, keypoints_px=points, mixture=None)
    settings = LiftSettings(hypotheses=2, uncertainty=FEW)
    result = lift(clip, tiny_models, settings)
    assert np.array_equal(result.other_person, other)
    free = lift(clip, tiny_models, replace(settings, rigid_bones=False)).pose3d
    assert np.allclose(result.pose3d, constant_bones(free, like=free[~other]), atol=1e-6)
    assert not np.allclose(result.pose3d, constant_bones(free), atol=1e-4)
    some = lift(clip, tiny_models, settings, frames=[19, 20, 39, 40])
    assert some.other_person.tolist() == [False, True, False, True]


def test_joints_that_no_detector_placed_are_named_in_the_result(clip, tiny_models):
    confidence = clip.confidence.copy()
    confidence[4, 13] = 0.0
    found = lift(
        replace(clip, confidence=confidence), tiny_models, LiftSettings(uncertainty=FEW), frames=[4, 1]
    ).guessed
    assert found.shape == (2, 17) and np.argwhere(found).tolist() == [[0, 13]]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (dict(frames=[6]), r"frames must be numbers from 0 to 5, found \[6\]"),
        (dict(frames=[-1]), "frames must be numbers from 0 to 5"),
        (dict(frames=[]), "frames must be numbers from 0 to 5"),
        (dict(frames=[0.5]), "whole numbers"),
        (dict(frames=[[0, 1]]), "in one row"),
        (dict(frames=np.array([True, False] * 3)), "whole numbers"),
        (dict(hypotheses=0), "hypotheses must lie between 1 and 200, found 0"),
        (dict(hypotheses=201), "hypotheses must lie between 1 and 200, found 201"),
        (dict(hypotheses=-1), "hypotheses must lie between 1 and 200, found -1"),
        (dict(window=0), "a window needs at least one frame, found 0"),
        (dict(steps=51), "num_steps must lie between 1 and 50, found 51"),
        (dict(steps=0), "num_steps must lie between 1 and 50, found 0"),
        (dict(eta=1.5), "eta must lie between 0 and 1, found 1.5"),
        (dict(context=False, schedule="supplement"), "no weights for gmm diffusion without f_ST under .* 'supplement'"),
    ],
)  # fmt: skip
def test_settings_out_of_range(clip, tiny_models, settings, message):
    settings = dict(settings)
    with pytest.raises(InvalidInput, match=message):
        how = {name: settings.pop(name) for name in ("frames", "window") if name in settings}
        lift(clip, tiny_models, LiftSettings(uncertainty=FEW, **settings), **how)
