"""The stage's data: packing, axes, and numbers that agree with a direct computation."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from app.figures import compare, forward, overview, reverse, scenes
from app.stage.payload import Bounds, StagePayload, to_plot_axes, unpack
from diffpose_core.lifting.forward import ForwardParts
from diffpose_core.lifting.plausibility import reprojected
from diffpose_core.skeleton import bone_lengths
from diffpose_core.structures import DiffusionTrace, InvalidInput, PoseClip2D, PoseMixture
from diffpose_core.uncertainty.pose_gmm import PoseGMM

ROOT = Path(__file__).resolve().parents[3]
FRAMES, STEPS, SAMPLES = 4, 3, 6


@pytest.fixture(scope="module")
def clip() -> PoseClip2D:
    rng = np.random.default_rng(0)
    keypoints = rng.uniform(300, 700, (10, 17, 2)).astype(np.float32)
    mixture = PoseMixture(
        np.tile(np.array([0.8, 0.2]), (10, 17, 1)),
        np.stack([keypoints, keypoints + 30], 2),
        np.full((10, 17, 2, 2), 25.0),
    )
    pose = rng.normal(0, 0.4, (10, 17, 3)).astype(np.float32)
    hidden = rng.random((10, 17)) < 0.2
    return PoseClip2D(
        "random", keypoints, np.full((10, 17), 0.8), 1000, 1000, 30.0, mixture, pose3d_cam=pose, hidden=hidden
    )


@pytest.fixture(scope="module")
def view(clip: PoseClip2D) -> scenes.ClipFrames:
    frames = np.array([0, 3, 6, 9])
    assert clip.pose3d_cam is not None
    return scenes.ClipFrames(clip, frames, clip.pose3d_cam[frames] + 0.03, 1, "hash")


def trace(seed: int, view: scenes.ClipFrames) -> DiffusionTrace:
    rng = np.random.default_rng(seed)
    assert view.truth_cam is not None
    noise = rng.normal(0, 0.1, (FRAMES, STEPS, SAMPLES, 17, 3)) * np.array([1.0, 0.5, 0.1])[:, None, None, None]
    samples = (view.truth_cam[:, None, None] + noise).astype(np.float32)
    return DiffusionTrace(np.array([50, 25, 0]), samples, samples)


def test_plot_axes_put_the_person_upright() -> None:
    right, down, forward = np.eye(3)
    assert to_plot_axes(right).tolist() == [1, 0, 0]
    assert to_plot_axes(forward).tolist() == [0, 1, 0]
    assert to_plot_axes(down).tolist() == [0, 0, -1]


def test_pack_and_unpack_agree_and_are_deterministic() -> None:
    def build() -> StagePayload:
        payload = StagePayload("x", "X", "s", [2, 1, 0], Bounds((-1, -1, -1), (1, 1, 1), -1), frames=[0, 5])
        payload.add("a", np.arange(6).reshape(2, 3), ("frame", "step"))
        payload.pose("p", np.random.default_rng(0).normal(size=(2, 3, 4, 17, 3)), "frame", "step", "sample")
        return payload

    data = build().pack()
    assert data == build().pack()
    header, arrays = unpack(data)
    assert (len(data) - arrays["a"].nbytes - arrays["p"].nbytes) % 4 == 0, "the buffer starts where float32 may start"
    assert arrays["a"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert arrays["p"].shape == (2, 3, 4, 17, 3)
    assert header["arrays"]["p"]["axes"] == ["frame", "step", "sample", "joint", "xyz"]
    assert header["axes"]["step"]["values"] == [2, 1, 0]


def test_arrays_that_do_not_fit_the_axes_are_refused() -> None:
    payload = StagePayload("x", "X", "s", [1, 0], Bounds((-1, -1, -1), (1, 1, 1), -1), frames=[0, 1, 2])
    with pytest.raises(InvalidInput, match="2 entries along frame, the stage 3"):
        payload.add("a", np.zeros((2, 2)), ("frame", "step"))
    with pytest.raises(InvalidInput, match="must lead"):
        payload.add("a", np.zeros((5, 3)), ("sample", "frame"))
    with pytest.raises(InvalidInput, match="2 axes were named"):
        payload.add("a", np.zeros(3), ("frame", "step"))
    with pytest.raises(InvalidInput, match="DPS1"):
        unpack(b"no such thing")


def test_overview_is_a_strip_of_the_whole_way(view: scenes.ClipFrames) -> None:
    goal = np.zeros((FRAMES, 5, 17, 3))
    header, arrays = unpack(overview.overview(view, trace(0, view), goal, ["Overview", "Reverse", "Compare"]))
    strip = [p for p in header["panels"] if p.get("part")]
    assert [p["id"] for p in strip] == ["clip", "heatmaps", "H_K", "steps", "H_0", "pose"]
    assert [p.get("opens") for p in strip] == [None, None, None, "Reverse", "Reverse", "Compare"], "views that exist"
    assert sum(p["span"] for p in strip) == header["columns"]
    assert arrays["samples"].shape == (FRAMES, STEPS, SAMPLES, 17, 3)
    np.testing.assert_array_equal(arrays["final"], arrays["samples"][:, -1])
    assert arrays["mixture_means"].shape == (FRAMES, 17, 2, 2)
    assert header["axes"]["frame"]["values"] == [0, 3, 6, 9]
    assert header["axes"]["frame"]["initial"] == 1
    every = {layer["array"] for panel in header["panels"] for layer in panel.get("layers", [])}
    assert every <= set(arrays)


def test_the_views_show_the_same_error_to_expect(view: scenes.ClipFrames) -> None:
    expected = np.random.default_rng(0).uniform(0.01, 0.1, (len(view.frames), 17))
    expected[1] = np.nan
    blind = dataclasses.replace(view, clip=dataclasses.replace(view.clip, pose3d_cam=None, hidden=None, mixture=None))
    goal = np.zeros((FRAMES, 5, 17, 3))
    for one, curve, label in ((view, "diffpose_error", "expected"), (blind, "expected", "expected error")):
        found = []
        pages = (
            overview.overview(one, trace(4, view), goal, [], expected),
            compare.compare(one, compare.Compared.of(one, trace(4, view), expected), SAMPLES),
        )
        for header, arrays in map(unpack, pages):
            assert header["track"]["curve"]["array"] == curve
            rows = [r for p in header["panels"] for r in p.get("readouts", []) if r["label"] == label]
            np.testing.assert_allclose(arrays[rows[0]["array"]], 1000 * expected.mean(-1), rtol=1e-5)
            found += rows
        assert len(found) == 2 and found[0] == found[1]
    header, arrays = unpack(reverse.reverse(blind, {name: trace(4, view) for name in reverse.TITLES}, expected))
    assert header["track"]["curve"]["array"] == "expected", "the player of the reverse view has the same curve"
    np.testing.assert_allclose(arrays["expected"], 1000 * expected.mean(-1), rtol=1e-5)
    header, _ = unpack(overview.overview(blind, trace(4, view), goal, []))
    assert header["track"] is None and header["panels"][-1]["readouts"] == []


def test_reverse_numbers_are_those_of_the_poses(view: scenes.ClipFrames) -> None:
    traces = {"context": trace(1, view), "no_context": trace(2, view)}
    header, arrays = unpack(reverse.reverse(view, traces))
    assert [p["id"] for p in header["panels"]] == ["no_context", "context"]
    mean = traces["context"].samples.mean(2)
    expected = np.linalg.norm(mean - view.truth_cam[:, None], axis=-1).mean(-1) * 1000  # type: ignore[index]
    np.testing.assert_allclose(arrays["context_error"], expected, rtol=1e-4)
    np.testing.assert_allclose(arrays["context_guess"], expected, rtol=1e-4, err_msg="pred_x_start is the state here")
    assert arrays["context_spread"][0, 0] > arrays["context_spread"][0, -1], "less noise, less spread"
    assert [c["id"] for c in header["charts"]] == ["error", "spread", "bones", "settle_no_context", "settle_context"]
    assert sum(c["span"] for c in header["charts"]) == 24, "two full rows of twelve columns"
    assert (arrays["context_way"][:, -1] == 0).all(), "at the end every joint is where it ends"
    assert header["track"] == {"curve": {"array": "context_error", "label": "error, mm", "palette": "teal"}}


def gmm_around(pose: np.ndarray) -> PoseGMM:
    """Two components a little to both sides of a pose, the hip fixed."""
    spread = np.full(51, 4e-4)
    spread[:3] = 1e-8
    apart = np.where(np.arange(51) < 3, 0.0, 0.02)
    means = np.stack([pose.reshape(-1) + apart, pose.reshape(-1) - apart])
    covariances = np.stack([np.diag(spread), np.diag(2 * spread)])
    return PoseGMM(torch.tensor([0.3, 0.7]).double(), torch.from_numpy(means), torch.from_numpy(covariances))


def test_forward_shows_both_schedules(view: scenes.ClipFrames) -> None:
    rng = np.random.default_rng(3)
    start = view.reference_cam[1].astype(np.float64)
    k = np.arange(51)

    def one(std: float) -> DiffusionTrace:
        noise = rng.normal(size=(1, 51, 8, 17, 3)) * np.arange(51)[:, None, None, None] / 50
        return DiffusionTrace(k, start + std * noise)

    chosen = forward.ForwardRun("supplement", {"standard": one(0.3), "gmm": one(0.01)})
    other = forward.ForwardRun("converging", {"gmm": one(0.02)})
    gmm = gmm_around(start + np.where(np.arange(17) > 0, 0.1, 0.0)[:, None])
    header, arrays = unpack(forward.forward(view, chosen, other, gmm, np.zeros((5, 17, 3))))
    assert header["axes"]["frame"] is None
    assert [p["id"] for p in header["panels"]] == ["standard", "gmm", "other"]
    assert arrays["standard"].shape == (51, 8, 17, 3)
    assert arrays["gmm_joints"].shape == (51, 17)
    assert arrays["gmm_broken"][0] == arrays["other_broken"][0], "both start from h_0"
    assert arrays["gmm_distance"][0] == pytest.approx(arrays["other_distance"][0])
    assert arrays["other_distance"][-1] < 0.2 * arrays["gmm_distance"][-1], "only the converging schedule arrives"
    assert {c["id"] for c in header["charts"]} == {"distance", "left", "joints", "broken"}


def forward_parts(start: np.ndarray, samples: int, std: float) -> ForwardParts:
    rng = np.random.default_rng(5)
    mean, noise = rng.normal(0, std, (2, samples, 17, 3)).astype(np.float32)
    return ForwardParts(start.astype(np.float32), mean, noise)


def test_forward_sends_what_eq_1_mixes_and_it_unpacks_to_the_states(view: scenes.ClipFrames) -> None:
    start = view.reference_cam[1]
    parts = {"standard": forward_parts(start, 200, 1.0), "gmm": forward_parts(start, 200, 0.1)}
    chosen = forward.ForwardRun.mixed("supplement", parts)
    other = forward.ForwardRun.mixed("converging", {"gmm": parts["gmm"]})
    gmm = gmm_around(start.astype(np.float64))
    packed = forward.forward(view, chosen, other, gmm, np.zeros((5, 17, 3)))
    header, arrays = unpack(packed)
    for name, run, key in (("standard", chosen, "standard"), ("gmm", chosen, "gmm"), ("other", other, "gmm")):
        assert header["arrays"][name]["axes"] == ["step", "sample", "joint", "xyz"]
        np.testing.assert_allclose(arrays[name], to_plot_axes(run.traces[key].samples[0]), atol=2e-6)
        np.testing.assert_allclose(arrays[f"{name}_one"], arrays[name][:, 0], atol=2e-6)
    whole = {run.schedule: forward.ForwardRun(run.schedule, run.traces) for run in (chosen, other)}
    states = forward.forward(view, whole["supplement"], whole["converging"], gmm, np.zeros((5, 17, 3)))
    assert len(packed) < len(states) / 20, "sent once, not for every step"
    same = unpack(states)[1]
    for name, values in same.items():
        np.testing.assert_allclose(arrays[name], values, atol=2e-6, err_msg=name)


def test_compare_circles_counts_and_picks_by_number(view: scenes.ClipFrames) -> None:
    both = compare.Compared.of(view, trace(4, view))
    header, arrays = unpack(compare.compare(view, both, SAMPLES))
    assert [p["id"] for p in header["panels"]] == ["baseline", "diffpose", "truth"]
    assert header["panels"][2]["layers"][0]["palette"] == "red"
    gain = both.gain_mm()
    graformer, diffpose = arrays["baseline_error"], arrays["diffpose_error"][:, -1]
    np.testing.assert_allclose(graformer - diffpose, gain, atol=1e-2)
    nearer = arrays["baseline_joints"][:, None] >= arrays["diffpose_joints"]
    assert ((arrays["differs"] >= 0) == nearer)[np.abs(arrays["differs"]) > 1e-3].all(), "signed by who is nearer"
    charts = {c["id"]: c for c in header["charts"]}
    jumps = {j["label"]: j["index"] for j in charts["error"]["jumps"]}
    assert jumps == {
        "Worst frame": int(diffpose.argmax()),
        "Largest gain": int(gain.argmax()),
        "Largest loss": int(gain.argmin()),
    }
    gains = [m["index"] for m in charts["gallery"]["moments"] if m["better"] == "diffpose"]
    assert gains[0] == int(gain.argmax())
    assert "4 evenly spaced of all 10" in charts["gallery"]["note"]
    part, _ = unpack(compare.compare(view, both, SAMPLES, whole=False))
    assert [c["id"] for c in part["charts"]] == ["joints"], "nothing over the clip before all of it is known"


def test_compare_overlaid_is_one_scene_beside_the_image(view: scenes.ClipFrames) -> None:
    header, arrays = unpack(compare.compare(view, compare.Compared.of(view, trace(4, view)), SAMPLES, overlaid=True))
    assert [p["kind"] for p in header["panels"]] == ["image", "scene"]
    assert {layer["array"] for layer in header["panels"][1]["layers"]} == {"truth", "baseline", "diffpose"}
    assert set(arrays) >= {layer["array"] for layer in header["panels"][1]["layers"]} | {"differs"}


def test_the_3d_pose_can_be_laid_over_the_picture(view: scenes.ClipFrames) -> None:
    both = compare.Compared.of(view, trace(4, view))
    header, arrays = unpack(compare.compare(view, both, SAMPLES, overlaid=True))
    over, points = arrays[header["panels"][0]["result"]], view.clip.keypoints_px[view.frames]
    assert header["off"] == [scenes.RESULT], "where it is asked for"
    assert np.allclose(over, reprojected(both.result_cam, points, ~view.clip.guessed[view.frames]), atol=0.01)
    # The browser knows the switch by the same name.
    assert f'RESULT = "{scenes.RESULT}"' in (ROOT / "app" / "stage" / "js" / "image.js").read_text()


def test_guessed_joints_are_marked_in_the_image(view: scenes.ClipFrames) -> None:
    confidence = view.clip.confidence.copy()
    confidence[3, [5, 13]] = 0
    clip = dataclasses.replace(view.clip, confidence=confidence, hidden=None)
    both = compare.Compared.of(dataclasses.replace(view, clip=clip), trace(4, view))
    data = compare.compare(dataclasses.replace(view, clip=clip), both, SAMPLES, overlaid=True)
    header, arrays = unpack(data)
    image = header["panels"][0]
    assert image["readouts"][0]["label"] == "guessed joints"
    assert arrays[image["hidden"]].sum(-1).tolist() == [0, 2, 0, 0], "of frames 0, 3, 6 and 9"
    sure = dataclasses.replace(view, clip=dataclasses.replace(view.clip, hidden=None))
    header, _ = unpack(compare.compare(sure, both, SAMPLES, overlaid=True))
    assert "hidden" not in header["panels"][0]


def test_the_players_track_marks_jumps_of_the_2d_pose(view: scenes.ClipFrames) -> None:
    keypoints = view.clip.keypoints_px[:1].repeat(10, 0).copy()
    keypoints[[5, 6, 7, 8, 9]] += 900.0
    jumping = dataclasses.replace(view, clip=dataclasses.replace(view.clip, keypoints_px=keypoints))
    both = compare.Compared.of(view, trace(4, view))
    header, _ = unpack(compare.compare(jumping, both, SAMPLES))
    assert header["track"]["jumps"] == [2], "of frames 0, 3, 6 and 9 the third is the first after the jump to frame 5"
    still = dataclasses.replace(view, clip=dataclasses.replace(view.clip, keypoints_px=keypoints[:1].repeat(10, 0)))
    header, _ = unpack(compare.compare(still, both, SAMPLES))
    assert "jumps" not in header["track"]
    assert "others" not in header["track"]


def test_the_players_track_marks_frames_that_show_somebody_else(view: scenes.ClipFrames) -> None:
    keypoints = view.clip.keypoints_px[:1].repeat(10, 0).copy()
    keypoints[3:6] += 900.0
    mixed = dataclasses.replace(view, clip=dataclasses.replace(view.clip, keypoints_px=keypoints))
    header, _ = unpack(compare.compare(mixed, compare.Compared.of(mixed, trace(4, view)), SAMPLES))
    assert header["track"]["others"] == [1], "of frames 0, 3, 6 and 9"


def test_frames_of_somebody_else_give_no_bone_its_length(view: scenes.ClipFrames) -> None:
    keypoints = view.clip.keypoints_px[:1].repeat(10, 0).copy()
    keypoints[3:6] += 900.0
    mixed = dataclasses.replace(view, clip=dataclasses.replace(view.clip, keypoints_px=keypoints))
    assert mixed.own.tolist() == [True, False, True, True] and view.own.all()
    own = trace(4, view)
    other = dataclasses.replace(own, samples=own.samples.copy())
    other.samples[1] *= 3.0
    found, expected = (bone_lengths(compare.Compared.of(mixed, t).result_cam) for t in (other, own))
    assert np.allclose(found, expected[:1], rtol=1e-4), "in every frame, whatever the other person is like"


def test_compare_without_the_truth_shows_no_error(view: scenes.ClipFrames) -> None:
    blind = dataclasses.replace(view, clip=dataclasses.replace(view.clip, pose3d_cam=None, hidden=None, mixture=None))
    both = compare.Compared.of(blind, trace(4, view))
    header, arrays = unpack(compare.compare(blind, both, SAMPLES))
    assert [p["id"] for p in header["panels"]] == ["baseline", "diffpose"]
    assert not any("error" in name for name in arrays)
    assert both.joint_means_mm() == {}
    apart = np.linalg.norm(both.result_cam - both.baseline_cam, axis=-1).mean(-1)
    gallery = next(c for c in header["charts"] if c["id"] == "gallery")
    assert gallery["moments"][0]["index"] == int(apart.argmax())


def test_compare_shows_the_error_to_expect_with_and_without_the_truth(view: scenes.ClipFrames) -> None:
    expected = np.random.default_rng(0).uniform(0.01, 0.1, (len(view.frames), 17))
    blind = dataclasses.replace(view, clip=dataclasses.replace(view.clip, pose3d_cam=None, hidden=None, mixture=None))
    for one, series in ((view, 3), (blind, 1)):
        header, arrays = unpack(compare.compare(one, compare.Compared.of(one, trace(4, view), expected), SAMPLES))
        np.testing.assert_allclose(arrays["expected_joints"], 1000 * expected, rtol=1e-2)
        bars = next(c for c in header["charts"] if c["id"] == "joints")
        assert len(bars["series"]) == series and "Expected" in bars["help"]
        numbers = next(p for p in header["panels"] if p["id"] == "diffpose")["readouts"]
        assert ("expected" if one is view else "expected error") in [row["label"] for row in numbers]
    header, _ = unpack(compare.compare(view, compare.Compared.of(view, trace(4, view)), SAMPLES))
    bars = next(c for c in header["charts"] if c["id"] == "joints")
    assert len(bars["series"]) == 2 and "Expected" not in bars["help"]


def test_compare_says_where_the_error_can_not_be_known(view: scenes.ClipFrames) -> None:
    expected = np.full((len(view.frames), 17), 0.05)
    expected[1] = np.nan
    both = compare.Compared.of(view, trace(4, view), expected)
    header, arrays = unpack(compare.compare(view, both, SAMPLES))
    assert np.isnan(arrays["expected_joints"]).all(-1).tolist() == [i == 1 for i in range(len(view.frames))]
    row = next(r for p in header["panels"] for r in p.get("readouts", []) if r["label"] == "expected")
    assert row["missing"] == "unlike anything it was trained on" and np.isnan(arrays[row["array"]][1])
    bars = next(c for c in header["charts"] if c["id"] == "joints")
    assert bars["series"][-1]["missing"] == row["missing"]


def test_figures_never_import_streamlit() -> None:
    for path in (ROOT / "app" / "figures").glob("*.py"):
        assert "import streamlit" not in path.read_text(encoding="utf-8"), path
