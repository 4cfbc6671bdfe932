"""The video setting: windows of frames in, from training to lifted clips."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter1d

from diffpose_core.cli import main
from diffpose_core.config import DenoiserConfig, GraformerConfig, MixSTEConfig, TrainingConfig, UncertaintyConfig
from diffpose_core.datasets.mocap17 import load_mocap17, save_mocap17
from diffpose_core.datasets.sampling import PoseSampler, Variation
from diffpose_core.datasets.training_set import TrainingSet, make_sampler
from diffpose_core.evaluation.evaluate import EvaluationSettings, evaluate
from diffpose_core.io.checkpoints import load_encoder
from diffpose_core.lifting import sampling
from diffpose_core.lifting.encode import SMOOTHING_S, context_for, encode_clip
from diffpose_core.lifting.lift import lift
from diffpose_core.lifting.models import load_models
from diffpose_core.lifting.sampling import reverse_steps, reverse_trace, sample_hypotheses
from diffpose_core.lifting.settings import LiftSettings
from diffpose_core.models.graformer import Graformer
from diffpose_core.models.layers import root_relative
from diffpose_core.models.mixste import MixSTE
from diffpose_core.models.windows import cut_windows
from diffpose_core.presets import PRESETS
from diffpose_core.rng import seeded
from diffpose_core.structures import InvalidInput
from diffpose_core.training.bank import ConditionBank, frames_of_sequence, prepare_conditions
from diffpose_core.training.tasks import EncoderTask
from tests.conftest import few_poses

FEW = UncertaintyConfig(num_samples=200)
SMALL = {"channels": 16, "num_blocks": 1, "num_heads": 2, "joint_embedding": True}


def test_at_first_it_is_the_graformer_that_it_starts_from():
    network = MixSTE(MixSTEConfig(receptive_field=5, **SMALL)).eval()
    pose = torch.randn(10, 17, 2, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(network(pose), network.spatial.eval()(pose))


def test_windows_that_are_not_whole_are_refused():
    with pytest.raises(ValueError, match="windows of 5 frames are expected, found 7"):
        MixSTE(MixSTEConfig(receptive_field=5, **SMALL))(torch.zeros(7, 17, 2))


@pytest.mark.parametrize("frames", [27, 81, 243])
def test_the_papers_receptive_fields(walking_clip, tiny_models, frames):
    torch.manual_seed(0)
    network = MixSTE(MixSTEConfig(receptive_field=frames, **SMALL)).eval().requires_grad_(False)
    models = replace(tiny_models, encoder=replace(tiny_models.encoder, network=network))
    encoded = encode_clip(walking_clip, models, [0, 40, 69], LiftSettings(uncertainty=FEW))
    # Untrained, its temporal half changes nothing, so that the frame is what is left, at the scale of its window.
    own = network.spatial(encoded.view.pose_norm)
    apart = (encoded.context.pose_view[:, None] - own[None]).norm(dim=-1).mean(-1)
    assert apart.argmin(1).tolist() == [0, 1, 2]


@pytest.mark.parametrize("frames", [0, 1, 26])
def test_a_window_has_a_middle(frames, capsys):
    with pytest.raises(InvalidInput, match=f"odd number of frames, 3 or more, found {frames}"):
        MixSTEConfig(receptive_field=frames)
    assert main(["train", "graformer", "--frames", "27", "--data", "a", "--validation", "b"]) == 2
    assert "only mixste reads windows" in capsys.readouterr().err


def test_windows_of_a_batch_do_not_see_each_other_and_their_frames_do(tiny_video_models):
    network = tiny_video_models.encoder.network
    pose = torch.randn(18, 17, 2, generator=torch.Generator().manual_seed(0))
    changed = pose.clone()
    changed[3] += 0.1
    with torch.no_grad():
        moved = (network(changed) - network(pose)).abs().amax((1, 2))
    assert (moved[:9] > 1e-6).all()
    assert (moved[9:] == 0).all()


def test_a_frame_reads_its_neighbours_and_no_frame_far_away(walking_clip, tiny_video_models):
    far, near = (
        replace(walking_clip, mixture=None, keypoints_px=walking_clip.keypoints_px + shift[:, None, None])
        for shift in (1.0 * (np.arange(70) > 30), 1.0 * (np.arange(70) > 22))
    )
    plain = replace(walking_clip, mixture=None)

    def features(clip):
        return encode_clip(clip, tiny_video_models, [20], LiftSettings(uncertainty=FEW)).context.features

    assert torch.equal(features(far), features(plain))
    # Moving the whole person in the image changes next to nothing; moving one joint of the neighbours does.
    keypoints = near.keypoints_px.copy()
    keypoints[22:, 13] += 40.0
    assert not torch.allclose(features(replace(near, keypoints_px=keypoints)), features(plain), atol=1e-4)


def test_a_frames_result_depends_on_no_other_frame_that_is_asked_for(walking_clip, tiny_video_models):
    settings = LiftSettings(hypotheses=2, uncertainty=FEW, rigid_bones=False, mixed_precision=False)
    whole = lift(walking_clip, tiny_video_models, settings, window=32)
    some = lift(walking_clip, tiny_video_models, settings, frames=[3, 31, 32, 69])
    assert np.allclose(whole.hypotheses[[3, 31, 32, 69]], some.hypotheses, atol=1e-5)
    assert np.allclose(whole.baseline[[3, 31, 32, 69]], some.baseline, atol=1e-5)


@pytest.mark.parametrize("count", [1, 2, 5, 14])
def test_short_clips(walking_clip, tiny_video_models, count):
    result = lift(walking_clip.frames(slice(0, count)), tiny_video_models, LiftSettings(uncertainty=FEW))
    assert result.pose3d.shape == (count, 17, 3) and np.isfinite(result.pose3d).all()


def test_what_the_network_adds_is_averaged_over_neighbours(walking_clip, tiny_video_models):
    clip, count = walking_clip.frames(slice(0, 30)), 30
    encoded = encode_clip(clip, tiny_video_models, range(count), LiftSettings(uncertainty=FEW))
    alone = encoded.neighbours.encoded
    assert alone.neighbours is None and np.array_equal(alone.frames, np.arange(count))
    for name, network in tiny_video_models.denoisers.items():
        states, single = (
            list(reverse_steps(p, network, LiftSettings(steps=3, hypotheses=2))) for p in (encoded, alone)
        )
        for state, raw in zip(states[:-1], single[:-1], strict=True):
            assert torch.equal(state.sample, raw.sample), "on the way every frame goes by itself"
        final, raw = (root_relative(s[-1].sample) for s in (states, single))
        if not network.config.use_context:
            assert torch.equal(final, raw), name
            continue
        began = alone.view.to_cam(context_for(alone, network).pose_view[:, None]).numpy()
        added = alone.view.to_cam(raw).numpy() - began
        sigma = SMOOTHING_S * 30.0
        averaged = began + gaussian_filter1d(added, sigma, axis=0, mode="nearest", truncate=5.0 / sigma)
        assert np.abs(encoded.view.to_cam(final).numpy() - averaged).max() < 1e-5
        steps = [np.linalg.norm(np.diff(x, axis=0), axis=-1).mean() for x in (averaged, began + added)]
        assert steps[0] < steps[1]


@pytest.mark.parametrize("models", ["tiny_models", "tiny_video_models"])
def test_frames_in_parts_end_where_all_of_them_together_do(walking_clip, models, monkeypatch, request):
    models = request.getfixturevalue(models)
    encoded = encode_clip(walking_clip, models, range(20, 50), LiftSettings(uncertainty=FEW, mixed_precision=False))
    networks = [network for network in models.denoisers.values() if network.config.prediction_type == "x_start"]
    assert {network.config.use_context for network in networks} == {True, False}
    for network in networks:
        states = list(reverse_steps(encoded, network, LiftSettings(steps=3, hypotheses=2, eta=0.5)))
        monkeypatch.setattr(sampling, "_POSES_AT_ONCE", 14)
        shares = []
        end = sample_hypotheses(encoded, network, LiftSettings(steps=3, hypotheses=2, eta=0.5), progress=shares.append)
        assert torch.allclose(end, root_relative(states[-1].sample), atol=1e-5)
        assert shares == sorted(shares) and shares[-1] == 1.0 and len(set(shares)) > 30 * 2 / 14
        trace = reverse_trace(encoded, network, LiftSettings(steps=3, hypotheses=2, eta=0.5))
        whole = torch.stack([root_relative(state.sample) for state in states], dim=1)
        assert np.allclose(trace.samples, encoded.view.to_cam(whole).numpy(), atol=1e-5)
        some = sample_hypotheses(encoded[5:9], network, LiftSettings(steps=3, hypotheses=2, eta=0.5))
        assert torch.allclose(some, end[5:9], atol=1e-5)
        monkeypatch.undo()


def test_a_clip_of_twice_the_rate_reads_every_other_frame(walking_clip, tiny_video_models):
    twice = replace(walking_clip.frames(np.repeat(np.arange(40), 2)), fps=60.0)
    once = walking_clip.frames(slice(0, 40))
    found = encode_clip(twice, tiny_video_models, settings=LiftSettings(uncertainty=FEW)).context.pose_view
    expected = encode_clip(once, tiny_video_models, settings=LiftSettings(uncertainty=FEW)).context.pose_view
    torch.testing.assert_close(found[::2], expected, rtol=0, atol=1e-5)
    torch.testing.assert_close(found[1::2], expected, rtol=0, atol=1e-5)


def test_without_a_camera_place_and_size_in_the_image_change_nothing(walking_clip, tiny_video_models):
    clip = replace(walking_clip, intrinsics=None, mixture=None)
    moved = replace(clip, keypoints_px=2.0 * clip.keypoints_px + [200.0, -90.0], width=2 * clip.width)
    settings = LiftSettings(uncertainty=FEW, mixed_precision=False)
    here, there = (lift(c, tiny_video_models, settings, frames=[0, 20, 40]).pose3d for c in (clip, moved))
    assert np.allclose(here, there, atol=1e-4)


def test_a_bank_holds_what_inference_would_make_of_its_sequences(data, tiny_video_models):
    encoder = tiny_video_models.encoder
    length = frames_of_sequence(encoder.receptive_field)
    batch = PoseSampler(load_mocap17(data), Variation(), frames=length).draw(3, seeded("cpu", 5))
    fields = prepare_conditions(encoder, batch, FEW, 2, seeded("cpu", 6))
    kept = len(fields["x_start"]) // 3
    assert set(fields) == set(ConditionBank.__dataclass_fields__) and kept == 4
    for sequence in range(3):
        rows = torch.arange(sequence * length, (sequence + 1) * length)
        context, reconciled = encoder.encode_frames(
            batch[rows].view, cut_windows(np.arange(length), length, encoder.receptive_field)
        )
        of_sequence = slice(sequence * kept, (sequence + 1) * kept)
        # The frames that are kept lie between the middles of two windows, one at a middle.
        found = fields["encoder_pose"][of_sequence]
        place = [int((context.pose_view - pose).abs().amax((1, 2)).argmin()) for pose in found]
        assert place == [4, 5, 6, 7]
        torch.testing.assert_close(found, context.pose_view[place], rtol=0, atol=1e-5)
        torch.testing.assert_close(fields["reconciled"][of_sequence], reconciled.features[place], rtol=0, atol=1e-4)
        torch.testing.assert_close(fields["x_start"][of_sequence], batch.pose_view[rows][place])


def test_windows_of_the_sampler_are_frames_of_one_clip_in_order(data):
    motions = load_mocap17(data)
    sampler = PoseSampler(motions, frames=27)
    middle = torch.tensor([0, 5, int(motions.start[1]) - 1, int(motions.start[1]), int(motions.start[2]) + 30])
    for wanted, frames in zip(middle.tolist(), sampler._windows(middle).numpy(), strict=True):
        clip = np.searchsorted(motions.start, wanted, side="right") - 1
        expected = np.clip(np.arange(wanted - 13, wanted + 14), motions.start[clip], motions.start[clip + 1] - 1)
        np.testing.assert_array_equal(frames, expected)


def test_a_window_is_one_body_seen_by_one_camera(data):
    """Bones keep their lengths over a window, and the truth projects near what was detected in each frame."""
    batch = PoseSampler(load_mocap17(data), Variation(), frames=9).draw(6, seeded("cpu", 2))
    poses = batch.pose_view.unflatten(0, (6, 9))
    thigh = (poses[:, :, 2] - poses[:, :, 1]).norm(dim=-1)
    assert (thigh - thigh[:, :1]).abs().max() < 0.01
    assert (thigh[:, 0].max() - thigh[:, 0].min()) > 0.01
    distance = 1.0 / batch.view.plane_unit
    assert torch.isfinite(distance).all()


def test_the_velocity_error_is_that_of_the_cameras_frame(data):
    config = TrainingConfig(velocity_weight=1.0)
    task = EncoderTask(MixSTEConfig(receptive_field=3, **SMALL), config)
    generator = torch.Generator().manual_seed(0)
    predicted, truth = torch.randn(2, 6, 17, 3, generator=generator)
    rotation = torch.linalg.qr(torch.randn(6, 3, 3, generator=generator))[0]
    in_cam = [(rotation[f].T @ (predicted - truth)[f].T).T.reshape(17, 3) for f in range(6)]
    pairs = [(0, 1), (1, 2), (3, 4), (4, 5)]
    expected = np.mean([[np.linalg.norm(in_cam[b][j] - in_cam[a][j]) for j in range(17)] for a, b in pairs])
    assert float(task._velocity_error(predicted, truth, rotation)) == pytest.approx(float(expected), rel=1e-5)


def test_motions_of_another_rate_are_refused(data, tmp_path):
    motions = load_mocap17(data)
    slow = tmp_path / "slow.npz"
    save_mocap17(replace(motions, fps=np.full(len(motions), 25.0)), slow)
    with pytest.raises(InvalidInput, match=r"windows are trained at 30 frames a second, found motions at \[25.0\]"):
        make_sampler(TrainingSet.of(slow), TrainingConfig(), frames=27)


@pytest.mark.filterwarnings("ignore:Checkpoint directory")
@pytest.mark.filterwarnings("ignore:The number of training batches")
@pytest.mark.filterwarnings("ignore:.*LeafSpec.*")
def test_training_from_a_graformer_to_a_lifted_clip(data, tmp_path, monkeypatch, walking_clip):
    brief = TrainingConfig(
        samples_per_epoch=16, epochs=1, batch_size=4, warmup_steps=2, ema_decay=0.5, velocity_weight=1.0
    )
    wide = replace(brief, samples_per_epoch=64, batch_size=32)
    denoiser = DenoiserConfig(channels=32, context_channels=16, num_blocks=1, num_heads=2, context_input="reconciled")
    for name, network, config in (
        ("graformer", GraformerConfig(**SMALL), wide),
        ("mixste", MixSTEConfig(receptive_field=9, **SMALL), brief),
        ("diffpose_video", denoiser, wide),
    ):
        monkeypatch.setitem(PRESETS, name, replace(PRESETS[name], network=network, training=config))
    few_poses(monkeypatch)
    words = ["--data", str(data), "--validation", str(data), "--runs", str(tmp_path), "--accelerator", "cpu", "--quiet"]
    assert main(["train", "graformer", *words]) == 0
    start = str(tmp_path / "graformer.safetensors")
    assert main(["train", "mixste", "--frames", "5", "--start-from", start, *words]) == 0
    assert main(["train", "diffpose_video", *words]) == 0
    encoder, record = load_encoder(tmp_path / "mixste.safetensors")
    assert record.kind == "mixste" and encoder.receptive_field == 5
    assert {"val_mpjpe_m", "val_hidden_m", "val_mpjve_m"} <= set(record.metrics)
    # Four steps from the start: still nearly the Graformer.
    graformer = load_encoder(start)[0].network
    assert isinstance(graformer, Graformer)
    moved = encoder.network.spatial.head.linear.weight - graformer.head.linear.weight
    assert 0 < moved.abs().max() < 0.05
    models = load_models(tmp_path, "video")
    assert list(models.denoisers) == ["diffpose_video"]
    assert np.isfinite(lift(walking_clip.frames(slice(0, 12)), models, LiftSettings(uncertainty=FEW)).pose3d).all()


def test_a_start_that_does_not_fit(data, tmp_path, tiny_weights):
    words = ["--data", str(data), "--validation", str(data), "--runs", str(tmp_path), "--accelerator", "cpu", "--quiet"]
    assert main(["train", "mixste", "--start-from", str(tiny_weights / "graformer.safetensors"), *words]) == 2


def test_settings_and_weights_that_are_not_there(tiny_weights, tmp_path):
    assert load_models(tiny_weights).encoder.title == "Graformer"
    assert load_models(tiny_weights, "video").encoder.title == "MixSTE"
    with pytest.raises(InvalidInput, match="setting must be one of frame, video, found 'film'"):
        load_models(tiny_weights, "film")
    with pytest.raises(InvalidInput, match=r"mixste.safetensors: no such checkpoint"):
        load_models(tmp_path, "video")


def test_evaluation_names_the_methods_of_the_setting(data, tiny_video_models):
    report = evaluate(data, tiny_video_models, EvaluationSettings(stride=40, steps=1, hypotheses=1), clips=range(1))
    assert {"mixste", "mixste_reconciled", "diffpose_video", "diffpose_video_standard"} <= set(report["methods"])
    assert report["provenance"]["setting"] == "video"
    assert "diffpose_video" in report["gains"]["mixste"]
