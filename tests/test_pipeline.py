"""Lifting and its stages with small random networks: seeds, frames that don't see each other, frames of reference."""

import weakref
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import torch

from diffpose_core import pipeline
from diffpose_core.camera import look_at_camera, project
from diffpose_core.config import UncertaintyConfig
from diffpose_core.datasets.procedural import procedural_motion
from diffpose_core.diffusion import forward
from diffpose_core.diffusion.forward import forward_chain, q_sample
from diffpose_core.diffusion.reverse import to_x_start
from diffpose_core.diffusion.schedule import make_schedule
from diffpose_core.models import denoiser
from diffpose_core.models.denoiser import Denoiser
from diffpose_core.pipeline import (
    BLOCK_FRAMES,
    clip_hash,
    forward_parts,
    forward_traces,
    lift,
    load_models,
    prepare,
    reverse_steps,
    reverse_trace,
    reverse_traces,
    scaled_to_stature,
    started_from,
)
from diffpose_core.rng import seeded
from diffpose_core.skeleton import bone_lengths, constant_bones, stature
from diffpose_core.structures import Cancelled, Intrinsics, InvalidInput, PoseClip2D, PoseMixture
from diffpose_core.uncertainty.pose_gmm import component_noise, standard_normal

FEW = UncertaintyConfig(num_samples=200)


@pytest.fixture(scope="module")
def clip(walking_clip):
    return walking_clip.frames(slice(0, 60, 10))


def test_a_lifted_clip_is_finite_root_relative_and_the_mean_of_its_hypotheses(clip, tiny_models):
    result = lift(clip, models=tiny_models, hypotheses=3, uncertainty=FEW, rigid_bones=False)
    assert result.pose3d.shape == result.baseline.shape == (6, 17, 3)
    assert result.hypotheses.shape == (6, 3, 17, 3)
    for poses in (result.pose3d, result.hypotheses, result.baseline):
        assert np.isfinite(poses).all() and poses.dtype == np.float32
        assert np.abs(poses[..., 0, :]).max() < 1e-6
    assert np.allclose(result.pose3d, result.hypotheses.mean(1), atol=1e-6)
    assert result.trace is None


def test_the_baseline_is_the_encoder_alone_in_the_cameras_frame(clip, tiny_models):
    prepared = prepare(clip, tiny_models, uncertainty=FEW)
    with torch.no_grad():
        pose_view = tiny_models.encoder.network(prepared.view.pose_norm)
    turn_back = prepared.view.rotation.mT
    expected = torch.einsum("fij,fnj->fni", turn_back, pose_view).numpy()
    assert np.allclose(prepared.baseline, expected, atol=1e-6)
    lifted = lift(clip, models=tiny_models, uncertainty=FEW, rigid_bones=False)
    assert np.allclose(prepared.baseline, lifted.baseline, atol=1e-5)


def test_bones_keep_their_lengths_over_a_clip_unless_told_otherwise(clip, tiny_models):
    rigid, free = (lift(clip, models=tiny_models, uncertainty=FEW, rigid_bones=rigid) for rigid in (True, False))
    for name in ("pose3d", "baseline"):
        lengths = bone_lengths(getattr(rigid, name))
        assert np.ptp(lengths, axis=0).max() < 1e-5
        assert np.allclose(getattr(rigid, name), constant_bones(getattr(free, name)), atol=1e-6)
    assert np.array_equal(rigid.hypotheses, free.hypotheses)


def test_a_seed_decides_everything_and_another_one_changes_it(clip, tiny_models):
    settings = dict(models=tiny_models, hypotheses=2, eta=0.5, uncertainty=FEW)
    first = lift(clip, seed=4, **settings)
    torch.manual_seed(99)
    again, other = lift(clip, seed=4, **settings), lift(clip, seed=5, **settings)
    assert np.array_equal(first.hypotheses, again.hypotheses)
    assert not np.allclose(first.hypotheses, other.hypotheses, atol=1e-4)
    assert np.array_equal(first.baseline, other.baseline)


@pytest.mark.parametrize("diffusion", ["gmm", "standard"])
def test_hypotheses_differ_from_each_other(clip, tiny_models, diffusion):
    found = lift(clip, models=tiny_models, hypotheses=5, diffusion=diffusion, uncertainty=FEW).hypotheses
    for a in range(5):
        for b in range(a):
            assert np.linalg.norm(found[:, a] - found[:, b], axis=-1).mean() > 1e-3


def test_more_hypotheses_begin_with_the_same_ones_when_only_few_numbers_are_drawn(clip, tiny_models):
    """The start poses of one frame are draws of its fitted GMM: their mean and spread are the GMM's."""
    prepared = prepare(clip, tiny_models, [2], FEW)
    trace = reverse_trace(prepared, tiny_models.denoisers["diffpose"], steps=1, hypotheses=200)
    start = torch.from_numpy(trace.samples[0, 0]).flatten(1)
    gmm = prepared.gmm_cam
    std = gmm.covariance[0].diagonal().sqrt()
    error = (start.mean(0) - gmm.mean[0])[3:] / std[3:]
    assert error.abs().max() < 5 / 200**0.5
    assert torch.allclose(start.std(0)[3:], std[3:], rtol=0.3)


@pytest.mark.parametrize("eta", [0.0, 1.0])
@pytest.mark.parametrize("diffusion", ["gmm", "standard"])
def test_a_frames_result_depends_on_no_other_frame(clip, tiny_models, eta, diffusion):
    # In bfloat16 a difference in the last digit can become one in the third (docs/speed.md).
    settings = dict(models=tiny_models, eta=eta, diffusion=diffusion, uncertainty=FEW, rigid_bones=False)
    settings["mixed_precision"] = False
    whole = lift(clip, **settings)
    for frame in (0, 4):
        alone = lift(clip, frames=[frame], **settings)
        assert np.allclose(whole.hypotheses[frame], alone.hypotheses[0], atol=1e-5)
        assert np.allclose(whole.baseline[frame], alone.baseline[0], atol=1e-5)


def test_frames_on_both_sides_of_a_block_boundary(walking_clip, tiny_models):
    done = []
    settings = dict(models=tiny_models, hypotheses=2, uncertainty=FEW, mixed_precision=False)
    whole = lift(walking_clip, progress=lambda *counts: done.append(counts), **settings)
    assert len(walking_clip) > BLOCK_FRAMES and len(whole.pose3d) == len(walking_clip)
    assert (BLOCK_FRAMES, 70) in done and done[-1] == (70, 70)
    assert done == sorted(set(done)) and len(done) > 4, "it is told on the way too, and only where there is more"
    around = [BLOCK_FRAMES, BLOCK_FRAMES - 1, 0]
    part = lift(walking_clip, frames=around, **settings)
    assert np.allclose(whole.hypotheses[around], part.hypotheses, atol=1e-5)


def test_a_lifted_pose_is_where_its_trace_ends(clip, tiny_models):
    settings = dict(steps=4, hypotheses=3, seed=2, eta=0.3)
    prepared = prepare(clip, tiny_models, uncertainty=FEW, seed=2)
    traces = reverse_traces(prepared, tiny_models, **settings)
    for label, context in (("context", True), ("no_context", False)):
        result = lift(clip, models=tiny_models, context=context, uncertainty=FEW, trace=True, **settings)
        plain = lift(clip, models=tiny_models, context=context, uncertainty=FEW, **settings)
        trace = traces[label]
        assert trace.samples.shape == trace.pred_x_start.shape == (6, 5, 3, 17, 3)
        assert list(trace.k) == [50, 38, 25, 13, 0]
        assert np.allclose(result.hypotheses, trace.samples[:, -1], atol=1e-6)
        assert np.allclose(result.trace.samples, trace.samples, atol=1e-6)
        assert np.allclose(plain.hypotheses, result.hypotheses, atol=1e-6)
        assert np.array_equal(trace.samples[:, -1], trace.pred_x_start[:, -1])
    assert np.array_equal(traces["context"].samples[:, 0], traces["no_context"].samples[:, 0]), "the same start"
    assert not np.allclose(traces["context"].samples[:, -1], traces["no_context"].samples[:, -1], atol=1e-4)


def test_traces_of_long_clips_are_put_together(walking_clip, tiny_models):
    result = lift(walking_clip, models=tiny_models, steps=1, hypotheses=1, uncertainty=FEW, trace=True)
    assert result.trace.samples.shape == (70, 2, 1, 17, 3)
    assert np.allclose(result.trace.samples[:, -1], result.hypotheses)


def test_eta_adds_noise_on_the_way(clip, tiny_models):
    settings = dict(models=tiny_models, steps=5, hypotheses=2, uncertainty=FEW, trace=True)
    smooth, noisy = lift(clip, eta=0.0, **settings), lift(clip, eta=1.0, **settings)
    assert np.array_equal(smooth.trace.samples[:, 0], noisy.trace.samples[:, 0])
    assert not np.allclose(smooth.trace.samples[:, 1], noisy.trace.samples[:, 1], atol=1e-4)


def test_a_network_that_predicts_the_previous_step_gives_root_relative_poses_too(clip, tiny_models):
    prepared = prepare(clip, tiny_models, [0, 1], FEW)
    trace = reverse_trace(prepared, tiny_models.denoisers["diffpose_paper"], steps=50, hypotheses=2)
    assert trace.samples.shape == (2, 51, 2, 17, 3)
    for states in (trace.samples, trace.pred_x_start):
        assert np.isfinite(states).all() and np.abs(states[..., 0, :]).max() < 1e-6


def moved(clip, shift, scale):
    """The clip with every pixel coordinate changed, as from an unknown camera, in the precision that files have."""
    keypoints = (scale * clip.keypoints_px.astype(np.float64) + shift).astype(np.float32)
    mixture = clip.mixture
    if mixture is not None:
        means = (scale * mixture.means_px.astype(np.float64) + shift).astype(np.float32)
        mixture = PoseMixture(mixture.weights, means, scale**2 * mixture.variances_px2)
    return replace(clip, keypoints_px=keypoints, mixture=mixture, intrinsics=None, pose3d_cam=None)


MOVES = [(np.array([0.2 * 1000, 0.0]), 1.0), (0.0, 2.0), (np.array([-350.0, 220.0]), 2.0), (0.0, 0.25)]


@pytest.mark.parametrize("mixture", [True, False], ids=["heatmaps", "confidences"])
@pytest.mark.parametrize("weights", ["tiny_models", "shipped_models"])
def test_without_a_camera_place_and_size_in_the_image_change_nothing(clip, request, weights, mixture):
    settings = dict(models=request.getfixturevalue(weights), seed=3, mixed_precision=False)
    source = clip if mixture else replace(clip, mixture=None)
    base = lift(moved(source, 0.0, 1.0), **settings)
    assert base.root_cam is None and base.root_error_px is None
    for shift, scale in MOVES:
        found = lift(moved(source, shift, scale), **settings)
        for name in ("pose3d", "baseline", "hypotheses"):
            assert np.linalg.norm(getattr(found, name) - getattr(base, name), axis=-1).max() < 1e-3, (shift, scale)
        assert np.abs(found.joint_std - base.joint_std).max() < 1e-3


@pytest.mark.parametrize("size", [(1920, 1080), (1080, 1920), (640, 640)])
def test_the_shape_of_the_image_changes_nothing(clip, tiny_models, size):
    for source in (clip, moved(clip, 0.0, 1.0)):
        reshaped = replace(source, width=size[0], height=size[1])
        found, base = (lift(c, models=tiny_models, uncertainty=FEW) for c in (reshaped, source))
        assert np.array_equal(found.pose3d, base.pose3d)


def filmed(size, focal, principal):
    """A walk as a camera of another shape and focal length sees it, without a detector's error."""
    motion = procedural_motion("walk", 3, 2.5)[:12]
    camera = look_at_camera(np.array([4.0, 2.0, 1.5]), motion[:, 0].mean(0), focal, *size)
    camera = replace(camera, intrinsics=Intrinsics(focal, focal, *principal))
    joints = camera.to_cam(motion)
    clip = PoseClip2D("walk", camera.project(joints), np.ones((12, 17)), *size, 25.0, intrinsics=camera.intrinsics)
    return clip, joints


@pytest.mark.parametrize(
    "shape", [((1000, 1000), 1145, (500, 500)), ((1920, 1080), 1800, (960, 540)), ((1080, 1920), 1800, (540, 960)),
              ((1080, 1920), 900, (300, 1200))]
)  # fmt: skip
def test_with_a_camera_the_hip_is_placed_in_space(shape, shipped_models):
    clip, joints = filmed(*shape)
    result = lift(clip, models=shipped_models)
    assert result.root_cam.shape == (12, 3) and result.root_error_px.shape == (12,) and result.fps == 25.0
    miss = result.root_cam - joints[:, 0]
    # Distance follows from the size of the body, which is a guess; the direction of the hip is seen.
    assert np.abs(miss[:, 2]).max() < 0.2 * joints[:, 0, 2].min()
    bearing = result.root_cam[:, :2] / result.root_cam[:, 2:] - joints[:, 0, :2] / joints[:, 0, 2:]
    assert np.abs(bearing).max() < 0.02
    intrinsics = torch.tensor([shape[1], shape[1], *shape[2]], dtype=torch.float64)
    placed = torch.from_numpy(result.pose3d + result.root_cam[:, None]).double()
    error = np.linalg.norm(project(placed, intrinsics).numpy() - clip.keypoints_px, axis=-1)
    assert np.median(error) < 3 * np.median(result.root_error_px) and np.median(error) < 0.02 * shape[1]


def test_frames_whose_hip_cannot_be_placed_get_their_neighbours_place_and_say_so(shipped_models):
    clip, _ = filmed((1000, 1000), 1145, (500, 500))
    keypoints = clip.keypoints_px.copy()
    keypoints[4] = 500.0
    whole = lift(replace(clip, keypoints_px=keypoints), models=shipped_models, uncertainty=FEW)
    assert np.isnan(whole.root_error_px[4]) and np.isfinite(whole.root_cam).all()
    assert np.allclose(whole.root_cam[4], whole.root_cam[[3, 5]].mean(0), atol=1e-5)
    keypoints[:] = 500.0
    nowhere = lift(replace(clip, keypoints_px=keypoints), models=shipped_models, uncertainty=FEW)
    assert nowhere.root_cam is None and nowhere.root_error_px is None and np.isfinite(nowhere.pose3d).all()


@pytest.mark.parametrize("window", [1, 7, 1000])
def test_the_window_decides_memory_and_nothing_else(walking_clip, shipped_models, window):
    part = walking_clip.frames(slice(0, 20))
    settings = dict(models=shipped_models, uncertainty=FEW, eta=0.5, mixed_precision=False)
    whole, windowed = lift(part, **settings), lift(part, window=window, **settings)
    for name in ("pose3d", "hypotheses", "joint_std", "baseline", "root_cam"):
        assert np.allclose(getattr(whole, name), getattr(windowed, name), atol=1e-5), name


def test_bfloat16_costs_fractions_of_a_millimetre_and_is_told(walking_clip, shipped_models):
    part = walking_clip.frames(slice(0, 20))
    settings = dict(models=shipped_models, uncertainty=FEW, rigid_bones=False)
    exact, rounded, windowed = (
        lift(part, mixed_precision=mixed, window=window, **settings)
        for mixed, window in ((False, 64), (True, 64), (True, 1))
    )
    assert [r.provenance["settings"]["mixed_precision"] for r in (exact, rounded)] == [False, True]
    assert np.array_equal(exact.baseline, rounded.baseline)
    # Products of another size round in another order, and without AMX attention on few poses is another operation.
    for other, mean_m, most_m in ((rounded, 8e-4, 6e-3), (windowed, 8e-4, 6e-3)):
        apart = np.linalg.norm(other.hypotheses - exact.hypotheses, axis=-1)
        assert 0 < apart.mean() < mean_m and apart.max() < most_m
    assert np.linalg.norm(windowed.pose3d - rounded.pose3d, axis=-1).mean() < 6e-4


def test_hypotheses_need_not_be_kept(clip, tiny_models):
    settings = dict(models=tiny_models, uncertainty=FEW, rigid_bones=False)
    kept, mean = lift(clip, **settings), lift(clip, keep_hypotheses=False, **settings)
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
        lift(walking_clip, models=tiny_models, uncertainty=FEW, window=10, progress=stop_at_20)
    assert 10 in done and done[-1] == 20

    def raise_it(count, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        lift(walking_clip, models=tiny_models, uncertainty=FEW, progress=raise_it)


def test_nothing_of_a_window_is_kept_when_the_next_one_begins(walking_clip, tiny_models, monkeypatch):
    made, alive = [], []
    original = pipeline.prepare

    def watched(*arguments):
        alive.append(sum(reference() is not None for reference in made))
        prepared = original(*arguments)
        made.extend(weakref.ref(part) for part in (prepared, prepared.samples_view, prepared.gmm.covariances))
        return prepared

    monkeypatch.setattr(pipeline, "prepare", watched)
    lift(walking_clip, models=tiny_models, uncertainty=FEW, window=10, keep_hypotheses=False)
    # The last window's are there until their names are given to the next one's.
    assert len(made) == 3 * 7 and max(alive) <= 3


def test_what_would_not_fit_in_memory_is_refused_before_the_work(walking_clip, tiny_models, monkeypatch):
    monkeypatch.setattr(pipeline, "MAX_KEPT_BYTES", 100_000)
    with pytest.raises(InvalidInput, match=r"the hypotheses of 70 frames take .* the limit is .* without keeping them"):
        lift(walking_clip, models=tiny_models, hypotheses=20)
    with pytest.raises(InvalidInput, match=r"the states of 70 frames take .* the trace of fewer frames"):
        lift(walking_clip, models=tiny_models, trace=True, keep_hypotheses=False)


def test_clips_lifted_at_once_do_not_mix(walking_clip, tiny_models):
    clips = [moved(walking_clip.frames(slice(6 * n, 6 * n + 6)), 0.0, 1.0) for n in range(8)]

    def lifted(clip):
        return lift(clip, models=tiny_models, uncertainty=FEW, eta=0.5, seed=len(clip.name), window=2)

    alone = [lifted(clip) for clip in clips]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lifted, clips * 2))
    for a, b in zip(alone * 2, together, strict=True):
        assert np.allclose(a.hypotheses, b.hypotheses, atol=1e-6)
        assert a.provenance == b.provenance
    assert len({a.provenance["clip_sha256"] for a in alone}) == 8


def test_a_clip_with_confidences_only_can_be_lifted(clip, tiny_models):
    bare = replace(clip, mixture=None, intrinsics=None, pose3d_cam=None, hidden=None)
    assert np.isfinite(lift(bare, models=tiny_models, uncertainty=FEW).pose3d).all()


def test_joints_that_no_detector_placed_are_named_in_the_result(clip, tiny_models):
    confidence = clip.confidence.copy()
    confidence[4, 13] = 0.0
    found = lift(replace(clip, confidence=confidence), models=tiny_models, uncertainty=FEW, frames=[4, 1]).guessed
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
    with pytest.raises(InvalidInput, match=message):
        lift(clip, models=tiny_models, uncertainty=FEW, **settings)


def test_picking_a_network_by_its_properties(tiny_models):
    assert tiny_models.pick()[0] == "diffpose"
    assert tiny_models.pick(context=False)[0] == "diffpose_no_context"
    assert tiny_models.pick(diffusion="standard")[0] == "diffpose_standard"
    # The paper's form has the same properties; it isn't what the name of the schedule alone means.
    assert tiny_models.pick(schedule="supplement")[0] == "diffpose_supplement"


def test_models_without_an_encoder(tmp_path):
    with pytest.raises(InvalidInput, match=r"graformer.safetensors: no such checkpoint"):
        load_models(tmp_path)


def test_everything_works_in_inference_mode(clip, shipped_models):
    right = lift(clip, models=shipped_models, steps=2, hypotheses=2, uncertainty=FEW)
    with torch.inference_mode():
        found = lift(clip, models=load_models(), steps=2, hypotheses=2, uncertainty=FEW)
    assert np.array_equal(found.hypotheses, right.hypotheses)


def test_the_provenance_says_what_made_the_result(clip, tiny_models):
    found = lift(clip, models=tiny_models, steps=2, hypotheses=1, seed=3, uncertainty=FEW).provenance
    assert found["weights"] == "diffpose" and found["clip_sha256"] == clip_hash(clip)
    assert found["encoder_sha256"] == tiny_models.records["diffpose"].encoder_sha256
    assert {"steps": 2, "hypotheses": 1, "seed": 3, "schedule": "converging"}.items() <= found["settings"].items()
    assert clip_hash(clip) != clip_hash(moved(clip, 1.0, 1.0))
    assert clip_hash(clip) == clip_hash(replace(clip, pose3d_cam=None, name="x"))


def test_prepared_frames_in_the_cameras_frame(clip, tiny_models):
    prepared = prepare(clip, tiny_models, [1, 3], UncertaintyConfig(num_samples=1000))
    assert len(prepared) == 2 and prepared.h_samples.shape == (2, 1000, 17, 3)
    assert np.abs(prepared.h_samples[:, :, 0]).max() < 1e-6
    truth = prepared.view.to_cam(prepared.truth_view).numpy()
    assert np.allclose(truth, clip.pose3d_cam[[1, 3]], atol=1e-5)
    # The GMM in the camera's frame sums up the samples in the camera's frame.
    gmm, flat = prepared.gmm_cam, prepared.h_samples.reshape(2, 1000, 51)
    assert np.allclose(gmm.mean.numpy(), flat.mean(1), atol=2e-3)
    covariance = np.stack([np.cov(f.T) for f in flat])
    assert np.allclose(gmm.covariance.numpy(), covariance, atol=0.02 * covariance.max())


@pytest.mark.parametrize("schedule", ["supplement", "converging"])
@pytest.mark.parametrize("stepwise", [False, True])
def test_forward_traces_start_at_the_pose_and_end_where_the_schedule_leads(clip, tiny_models, schedule, stepwise):
    prepared = prepare(clip, tiny_models, [0, 3])
    count = 1500
    traces = forward_traces(prepared, 1, schedule, samples=count, seed=1, stepwise=stepwise)
    assert set(traces) == {"standard", "gmm"}
    keep = float(make_schedule(schedule).alphas_cumprod[-1])
    start = clip.pose3d_cam[3]
    single = standard_normal(51)
    gmms = {"gmm": (prepared.gmm_cam.mean[1], prepared.gmm_cam), "standard": (single.means[0], single)}
    for label, trace in traces.items():
        assert list(trace.k) == list(range(51)) and trace.pred_x_start is None
        assert trace.samples.shape == (1, 51, count, 17, 3)
        assert np.allclose(trace.samples[0, 0], start, atol=1e-5), "every chain starts at h_0"
        # E h_K = mu + sqrt(alpha_K) (h_0 - mu), the hip moved back to the origin.
        mean = gmms[label][0].numpy().reshape(17, 3)
        expected = keep**0.5 * start + (1 - keep**0.5) * (mean - mean[0])
        end = trace.samples[0, -1]
        limit = 6 * end.std(0).max() / count**0.5
        assert np.abs(end.mean(0) - expected).max() < limit
    # Standard diffusion: the hip's own noise is taken off every joint, so variances add.
    spread = np.sqrt(traces["standard"].samples[0, -1][:, 1:].var(0).mean())
    assert np.isclose(spread, (2 * (1 - keep)) ** 0.5, rtol=0.05)
    total = traces["gmm"].samples[0, -1].var(0)[1:].sum()
    full = float(prepared.gmm_cam.covariance[1].diagonal()[3:].sum())
    if schedule == "converging":
        assert np.isclose(total, full, rtol=0.15), "h_K is a draw of the fitted GMM"
    else:
        assert total < 0.3 * full, "the supplement's schedule stays near h_0"


def test_forward_traces_of_both_kinds_share_their_white_noise(clip, tiny_models):
    """With the mean and covariance of N(0, I) in place of the fitted GMM the two chains are one."""
    prepared = prepare(clip, tiny_models, [2], FEW)
    single = standard_normal(51)
    plain = type(single)(single.weights[None], single.means[None], single.covariances[None])
    traces = forward_traces(replace(prepared, gmm=plain), samples=7, seed=3)
    assert np.array_equal(traces["gmm"].samples, traces["standard"].samples)


@pytest.mark.parametrize("schedule", ["supplement", "converging"])
def test_forward_parts_mix_to_the_chain_of_the_view_frame(clip, tiny_models, schedule):
    """Eq. 1 over parts in the camera's frame is the forward process that training runs in the view frame."""
    prepared = prepare(clip, tiny_models, [0, 3], FEW)
    parts = forward_parts(prepared, 1, samples=9, seed=4)
    assert set(parts) == {"standard", "gmm"}
    alphas = make_schedule(schedule).alphas_cumprod[:, None, None, None]
    for label, (gmm, part) in {"gmm": (prepared.gmm[1:], parts["gmm"]), "standard": (None, parts["standard"])}.items():
        assert part.h_0.shape == (17, 3) and part.mean.shape == part.noise.shape == (9, 17, 3)
        mixed = part.mean + np.sqrt(alphas) * (part.h_0 - part.mean) + np.sqrt(1 - alphas) * part.noise
        assert np.allclose(part.trace(schedule).samples[0], mixed, atol=2e-6)
        assert np.array_equal(forward_traces(prepared, 1, schedule, 9, 4)[label].samples, part.trace(schedule).samples)
        if gmm is None:
            assert not part.mean.any()
            continue
        # The same draws as the module makes them, in the view frame and with the hip's own noise still in them.
        components = gmm.draw_components(9, seeded("cpu", 4, pipeline._FORWARD))
        noise = component_noise(gmm, components, seeded("cpu", 4, pipeline._FORWARD, 1))
        start = prepared.truth_view[1].expand(1, 9, 17, 3)
        mean = gmm.mean_of(components).unflatten(-1, (17, 3))
        chain = forward_chain(start, make_schedule(schedule), noise, mean)
        turned = prepared.view[1:].to_cam((chain - chain[..., :1, :]).transpose(0, 1))
        assert np.allclose(turned[0].numpy(), part.trace(schedule).samples[0], atol=5e-6)


def test_forward_traces_without_the_truth_start_at_the_encoders_pose(clip, tiny_models):
    prepared = prepare(replace(clip, pose3d_cam=None), tiny_models, [2], FEW)
    trace = forward_traces(prepared, samples=2)["gmm"]
    assert np.allclose(trace.samples[0, 0], prepared.baseline[0], atol=1e-5)


@pytest.mark.parametrize("settings", [dict(index=1), dict(index=-1), dict(samples=0), dict(samples=10**9)])
def test_forward_traces_out_of_range(clip, tiny_models, settings):
    prepared = prepare(clip, tiny_models, [2], FEW)
    with pytest.raises(InvalidInput, match=r"must lie between .* found"):
        forward_traces(prepared, **settings)


def test_bundled_weights_are_looked_for_beside_the_package():
    assert pipeline.CHECKPOINTS.name == "checkpoints"
    assert pipeline.CHECKPOINTS.parent == pipeline.Path(pipeline.__file__).resolve().parent.parent


def test_a_frames_fit_does_not_end_when_those_of_other_frames_do(clip, tiny_models):
    long_fit = UncertaintyConfig(num_samples=400, num_components=2, fit_iterations=25)
    whole = prepare(clip, tiny_models, uncertainty=long_fit)
    for frame in range(len(clip)):
        alone = prepare(clip, tiny_models, [frame], uncertainty=long_fit)
        assert torch.allclose(whole.gmm.means[frame], alone.gmm.means[0], atol=1e-4)
        assert torch.allclose(whole.gmm.weights[frame], alone.gmm.weights[0], atol=1e-4)


def test_a_result_scaled_to_a_stature_keeps_its_shape_and_its_place_in_the_image(clip, tiny_models):
    result = lift(clip, models=tiny_models, hypotheses=2, uncertainty=FEW, trace=True)
    # Random networks give poses that can't be placed in space.
    path = np.linspace((-1.0, 0.0, 20.0), (1.0, 0.2, 25.0), len(clip)).astype(np.float32)
    result = replace(result, root_cam=path, root_error_px=np.full(len(clip), 3.0, dtype=np.float32))
    scaled = scaled_to_stature(result, 1.75)
    assert np.isclose(stature(scaled.pose3d), 1.75, atol=1e-4)
    factor = scaled.provenance["scaled_by"]
    assert np.isclose(factor, 1.75 / stature(result.pose3d))
    for name in ("pose3d", "hypotheses", "joint_std", "baseline", "root_cam"):
        before, after = getattr(result, name), getattr(scaled, name)
        assert np.allclose(after, before * factor, rtol=1e-5) and after.dtype == before.dtype, name
    assert np.allclose(scaled.trace.samples, result.trace.samples * factor, rtol=1e-5)
    camera = clip.intrinsics
    seen = [(r.pose3d + r.root_cam[:, None])[..., :2] / (r.pose3d + r.root_cam[:, None])[..., 2:]
            for r in (result, scaled)]  # fmt: skip
    assert np.abs(seen[0] - seen[1]).max() * camera.fx < 0.01, "pixels"
    assert scaled.root_error_px is result.root_error_px and "stature_m" not in result.provenance


@pytest.mark.parametrize("height", [0.0, -1.8, 178.0, float("nan"), float("inf")])
def test_a_stature_that_nobody_has_is_refused(clip, tiny_models, height):
    result = lift(clip, models=tiny_models, hypotheses=1, uncertainty=FEW)
    with pytest.raises(InvalidInput, match=r"between 0.3 and 3 m, found"):
        scaled_to_stature(result, height)


@pytest.mark.parametrize("conditioning", ["none", "gmm+heatmaps"])
def test_a_regression_network_takes_one_step_without_noise(tiny_models, walking_clip, conditioning):
    config = replace(tiny_models.denoisers["diffpose"].config, diffusion="none", conditioning=conditioning)
    network = Denoiser(config).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.normal_(0.0, 0.2, generator=torch.Generator().manual_seed(int(parameter.numel())))
    ready = prepare(walking_clip, tiny_models, range(3))
    first, last = reverse_steps(ready, network, 5, 4, 0.0, 0)
    assert (first.k, last.k) == (50, 0) and last.sample.shape == (3, 4, 17, 3)
    assert torch.equal(last.sample, first.pred_x_start)
    assert torch.equal(last.sample, last.sample[:, :1].expand(-1, 4, -1, -1))
    assert torch.equal(first.sample[:, 0], started_from(ready, network).pose_view)
    (_, again) = reverse_steps(ready, network, 1, 1, 0.0, 7)
    assert torch.allclose(again.sample[:, 0], last.sample[:, 0])


def test_what_lifting_keeps_for_the_next_time_serves_training_too(clip, tiny_models):
    """Lifting computes in inference mode, whose tensors no gradient may pass; what is kept between calls is none."""
    for kept in (make_schedule, forward._table, denoiser._embedding):
        kept.cache_clear()
    lift(clip, models=tiny_models, steps=2)
    x = torch.zeros(1, 17, 3, requires_grad=True)
    noisy = q_sample(x, 50, make_schedule("converging", 50), torch.ones_like(x), torch.zeros_like(x))
    to_x_start(noisy, "noise", noisy, 50, make_schedule("converging", 50), torch.zeros_like(x)).sum().backward()
    assert bool(x.grad.isfinite().all())
